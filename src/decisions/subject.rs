//! A keyed hash in a subject's place, so that lines about one subject can be found together and
//! nobody learns from a log who it is.
//!
//! What a reader would get wrong: an unkeyed hash would hide nothing, since e-mail addresses and
//! user ids can be tried one by one. Without a key file the key is this process's own, so hashes
//! do not match across replicas or restarts.

use std::fmt;

use aws_lc_rs::{hmac, rand};

/// HMAC-SHA-256 under a key of the operator's or of this process.
pub struct SubjectKey(hmac::Key);

impl SubjectKey {
    /// A key that nobody else has, and that ends with this process.
    ///
    /// # Panics
    ///
    /// When the operating system gives no random bytes, without which nothing here is safe.
    #[must_use]
    pub fn of_this_process() -> Self {
        let mut key = [0; 32];
        rand::fill(&mut key).expect("the operating system gives random bytes");
        Self(hmac::Key::new(hmac::HMAC_SHA256, &key))
    }

    /// The key in a file, the newline at its end left out; `None` when it is too short to hide
    /// anything, or no key at all.
    pub(super) fn from_file(bytes: &[u8]) -> Option<Self> {
        let key = bytes.trim_ascii_end();
        (16..=4_096)
            .contains(&key.len())
            .then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, key)))
    }

    /// 32 hexadecimal digits: the first half of the HMAC.
    #[must_use]
    pub fn hash(&self, subject: &str) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let tag = hmac::sign(&self.0, subject.as_bytes());
        let digits = |byte: &u8| {
            let (high, low) = (byte >> 4, byte & 15);
            [DIGITS[usize::from(high)], DIGITS[usize::from(low)]].map(char::from)
        };
        tag.as_ref()[..16].iter().flat_map(digits).collect()
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_makes_replicas_agree_and_a_process_key_does_not() {
        let file = |bytes: &[u8]| SubjectKey::from_file(bytes).expect("a key");
        let (a, b) = (file(b"0123456789abcdef"), file(b"0123456789abcdef\n"));
        assert_eq!(a.hash("alice"), b.hash("alice"));
        assert_ne!(a.hash("alice"), a.hash("alicf"));
        assert_ne!(a.hash("alice"), file(b"0123456789abcdeg").hash("alice"));
        let own = SubjectKey::of_this_process();
        assert_ne!(
            own.hash("alice"),
            SubjectKey::of_this_process().hash("alice")
        );
        assert_eq!(own.hash("").len(), 32);
        assert_eq!(format!("{own:?}"), "[hidden]");
    }

    #[test]
    fn the_hash_is_that_of_the_standard() {
        // RFC 4231, test case 6: a key of 131 bytes.
        let key = SubjectKey::from_file(&[0xaa; 131]).expect("a key");
        let subject = "Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(key.hash(subject), "60e431591ee0b67f0d8a26aacbf5b77f");
    }

    #[test]
    fn keys_that_hide_nothing_are_refused() {
        for bad in [&b""[..], b"short", b"0123456789abcde\n", &[1; 5_000]] {
            assert!(SubjectKey::from_file(bad).is_none());
        }
    }
}
