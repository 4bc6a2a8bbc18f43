//! What a list says under one name.

use crate::clock::UnixSeconds;

/// What a list says under one name: four numbers, joined by taking the greater of each. The entry
/// matters until the greater of the second and the fourth, in seconds since 1970.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Marks(pub [u64; 4]);

impl Marks {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].max(other.0[at])))
    }

    /// From when on it matters no more.
    #[must_use]
    pub fn lapse(&self) -> UnixSeconds {
        self.0[1].max(self.0[3])
    }

    pub(in crate::store) fn from_words(words: &[&str]) -> Option<Self> {
        let mut marks = [0; 4];
        if words.len() != marks.len() {
            return None;
        }
        for (mark, word) in marks.iter_mut().zip(words) {
            *mark = word.parse().ok().filter(|mark| *mark <= MOST)?;
        }
        Some(Self(marks))
    }

    /// What a ledger finds in Redis: the version of the form, and the numbers.
    pub(in crate::store) fn from_stored(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.strip_prefix("1 ")?.split(' ').collect();
        Self::from_words(&words)
    }

    pub(super) fn words(&self) -> [String; 4] {
        self.0.map(|mark| mark.min(MOST).to_string())
    }
}

/// Greatest number that Lua counts with exactly.
const MOST: u64 = 1 << 53;
