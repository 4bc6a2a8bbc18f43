//! Headers of good tokens, taken apart once.
//!
//! An issuer's tokens all have the same few headers, byte for byte, and what a header says depends
//! on its bytes alone. What a reader would get wrong: only headers of proven tokens are learnt, so
//! invented ones cannot push the real ones out.
//!
//! # Cost
//!
//! A comparison with each known header (10 ns), no lock.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use jsonwebtoken::Algorithm;

use super::Meaning;

/// The headers known to one process.
#[derive(Default)]
pub(in crate::identity) struct Headers(ArcSwap<Vec<Known>>);

/// A header's encoded text, and what it says.
#[derive(Clone)]
struct Known {
    algorithm: Algorithm,
    kid: Option<Arc<str>>,
    text: Arc<str>,
}

impl Headers {
    /// What `text` says, if it is known.
    pub(super) fn find(&self, text: &str) -> Option<Meaning> {
        let known = self.0.load();
        let found = known.iter().find(|known| *known.text == *text)?;
        Some((found.algorithm, found.kid.clone()))
    }

    /// Remembers what the header of a proven token says.
    pub(super) fn learn(&self, text: &str, algorithm: Algorithm, kid: Option<&Arc<str>>) {
        if text.len() > MAX_LENGTH {
            return;
        }
        let new = Known {
            algorithm,
            kid: kid.cloned(),
            text: text.into(),
        };
        self.0.rcu(|known| {
            let is_known = known.iter().any(|known| known.text == new.text);
            let mut next = match known.len() {
                // Keys have been rotated many times: begin again with those in use.
                MAX_KNOWN.. if !is_known => Vec::new(),
                _ => Vec::clone(known),
            };
            if !is_known {
                next.push(new.clone());
            }
            next
        });
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Headers({})", self.0.load().len())
    }
}

/// As many as are compared without being felt.
const MAX_KNOWN: usize = 32;

/// Longer than any usual header, in bytes.
const MAX_LENGTH: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_headers_are_kept_and_those_in_use_come_back() {
        let headers = Headers::default();
        let name = |number: usize| Some(Arc::from(number.to_string()));
        for number in 0..1000 {
            let text = format!("header{number}");
            headers.learn(&text, Algorithm::RS256, name(number).as_ref());
            headers.learn(&text, Algorithm::RS256, name(number).as_ref());
            assert_eq!(headers.find(&text), Some((Algorithm::RS256, name(number))));
            assert!(headers.0.load().len() <= MAX_KNOWN);
        }
        assert_eq!(headers.find("header0"), None);
        headers.learn(&"x".repeat(MAX_LENGTH + 1), Algorithm::RS256, None);
        assert_eq!(headers.find(&"x".repeat(MAX_LENGTH + 1)), None);
    }
}
