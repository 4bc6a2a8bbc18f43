//! The file of weights: what training wrote and the binary carries.
//!
//! All numbers are little-endian. A head of 36 bytes, then one signed byte a feature:
//!
//! ```text
//! 0  "SZLM"        12  f32 bias                   24  f32 rise
//! 4  u32 version   16  f32 threshold, user        28  u32 fewest tokens
//! 8  f32 scale     20  f32 threshold, untrusted   32  u32 features
//! ```

use super::{features::PLACES, windows::Weights};

/// Of the features and the file together. Raised by every change of either.
pub const VERSION: u32 = 2;

/// A model's numbers.
#[derive(Clone, Debug)]
pub struct Model {
    /// What one step of a weight is worth.
    pub scale: f32,
    /// The score of a text without features.
    pub bias: f32,
    /// Scores from this on are findings in a user's text.
    pub user: f32,
    /// The same for text of anyone else.
    pub untrusted: f32,
    /// By how much thresholds rise with each doubling of a long text's length.
    pub rise: f32,
    /// Texts shorter than this count as this long, in tokens.
    pub fewest: u32,
    pub(super) weights: Box<Weights>,
}

/// Why a file is no model.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// It begins with something else.
    #[error("not a file of weights")]
    Kind,
    /// It has another number of bytes than its head says, or other features.
    #[error("the file of weights is not whole")]
    Length,
    /// Features or file are of another version than this program's.
    #[error("weights of version {0}: train again for version {VERSION}")]
    Version(u32),
}

impl Model {
    /// A model of the weights that training found.
    ///
    /// # Panics
    ///
    /// If there are not [`PLACES`] weights.
    #[must_use]
    pub fn new(weights: &[f64], bias: f64, fewest: u32) -> Self {
        let most = weights
            .iter()
            .fold(0.0_f64, |most, weight| most.max(weight.abs()));
        let step = if most > 0.0 { most / 127.0 } else { 1.0 };
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most 127 steps either way"
        )]
        let quantised: Vec<i8> = weights
            .iter()
            .map(|weight| (weight / step).round() as i8)
            .collect();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "it is a measure, not a count"
        )]
        let (scale, bias) = (step as f32, bias as f32);
        Self {
            scale,
            bias,
            user: 0.0,
            untrusted: 0.0,
            rise: 0.0,
            fewest,
            weights: boxed(&quantised).expect("as many weights as there are features"),
        }
    }

    /// Reads a file of weights.
    pub fn read(file: &[u8]) -> Result<Self, Error> {
        let word = |at: usize| {
            let bytes = file.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
            bytes.map(u32::from_le_bytes).ok_or(Error::Length)
        };
        if !file.starts_with(MAGIC) {
            return Err(Error::Kind);
        }
        if word(4)? != VERSION {
            return Err(Error::Version(word(4)?));
        }
        let body = file.get(HEAD..).ok_or(Error::Length)?;
        if word(32)? as usize != PLACES {
            return Err(Error::Length);
        }
        let weights: Vec<i8> = body.iter().map(|byte| byte.cast_signed()).collect();
        Ok(Self {
            scale: f32::from_bits(word(8)?),
            bias: f32::from_bits(word(12)?),
            user: f32::from_bits(word(16)?),
            untrusted: f32::from_bits(word(20)?),
            rise: f32::from_bits(word(24)?),
            fewest: word(28)?,
            weights: boxed(&weights).ok_or(Error::Length)?,
        })
    }

    /// The file that [`Model::read`] reads.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.extend(VERSION.to_le_bytes());
        for number in [self.scale, self.bias, self.user, self.untrusted, self.rise] {
            file.extend(number.to_le_bytes());
        }
        file.extend(self.fewest.to_le_bytes());
        file.extend(u32::try_from(PLACES).unwrap_or(0).to_le_bytes());
        file.extend(self.weights.iter().map(|weight| weight.cast_unsigned()));
        file
    }
}

fn boxed(weights: &[i8]) -> Option<Box<Weights>> {
    Box::<[i8]>::from(weights).try_into().ok()
}

const MAGIC: &[u8] = b"SZLM";
const HEAD: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_anything_else_is_refused() {
        let mut weights = vec![0.0; PLACES];
        (weights[0], weights[PLACES - 1]) = (-2.0, 1.0);
        let mut model = Model::new(&weights, -0.5, 25);
        (model.user, model.untrusted) = (0.25, 0.5);
        let file = model.write();
        let read = Model::read(&file).expect("a model");
        assert_eq!(read.write(), file);
        assert_eq!((read.weights[0], read.weights[PLACES - 1]), (-127, 64));
        assert_eq!(Model::read(b"PNG").err(), Some(Error::Kind));
        assert_eq!(Model::read(&file[..40]).err(), Some(Error::Length));
        assert_eq!(Model::read(&file[..6]).err(), Some(Error::Length));
        let mut other = file;
        other[4] = 200;
        assert_eq!(Model::read(&other).err(), Some(Error::Version(200)));
    }
}
