//! What stands in the place of names: keyed hashes, so that nobody learns from what is stored who
//! or what it is about.
//!
//! Each space hashes under a key of its own, derived from one root. Without a key file the root is
//! this process's own, so hashes mean nothing elsewhere; processes that share a Redis share the file.
//!
//! What a reader would get wrong: the rows are those of every other key ([`Fields`]), the hash is not.
//! Processes have to agree on it, and some of it is seen by others; a tag of [`crate::check::Key`]
//! means something in its own process only, and only while nobody sees it.
//!
//! # Cost
//!
//! 0.5 µs for fields of 100 bytes together.

use std::fmt;

use aws_lc_rs::{
    hmac::{self, HMAC_SHA256},
    rand,
};

use crate::check::Fields;

/// What all keys of one store are derived from.
pub(super) struct Root {
    key: hmac::Key,
}

/// Makes the keys of one space. Clones are the same.
#[derive(Clone)]
pub struct Hasher(hmac::Key);

/// Stands for the fields it was made of: 256 bits, the same in all processes that share the root.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key(pub(super) [u8; Key::LEN]);

impl Root {
    /// A root that nobody else has, and that ends with this process. `None` if the system has no
    /// random numbers.
    pub(super) fn of_this_process() -> Option<Self> {
        let mut key = [0; 32];
        rand::fill(&mut key).ok()?;
        Some(Self {
            key: hmac::Key::new(HMAC_SHA256, &key),
        })
    }

    /// The root in a key file, the newline at its end left out; `None` when it is too short to hide
    /// anything, or no key at all.
    pub(super) fn from_file(bytes: &[u8]) -> Option<Self> {
        let key = bytes.trim_ascii_end();
        (Self::LEAST..=4_096).contains(&key.len()).then(|| Self {
            key: hmac::Key::new(HMAC_SHA256, key),
        })
    }

    /// What `purpose` hashes with.
    pub(super) fn hasher(&self, purpose: &str) -> Hasher {
        Hasher(hmac::Key::new(
            HMAC_SHA256,
            hmac::sign(&self.key, purpose.as_bytes()).as_ref(),
        ))
    }

    /// Shortest key, in bytes, that cannot be tried out.
    pub(super) const LEAST: usize = 16;
}

impl Hasher {
    /// The key of these fields, told apart by their places and lengths.
    #[must_use]
    pub fn key(&self, fields: &[&[u8]]) -> Key {
        self.key_of(|row| {
            for field in fields {
                row.bytes(field);
            }
        })
    }

    /// The key of what `fill` puts in.
    #[must_use]
    pub fn key_of(&self, fill: impl FnOnce(&mut Fields)) -> Key {
        let mut key = [0; Key::LEN];
        let sign = |row: &[u8]| key.copy_from_slice(hmac::sign(&self.0, row).as_ref());
        Fields::row(fill, sign);
        Key(key)
    }
}

impl Key {
    pub(super) const LEN: usize = 32;

    /// As it is written where it is stored.
    #[must_use]
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits =
            |byte: &u8| [byte >> 4, byte & 15].map(|half| char::from(DIGITS[usize::from(half)]));
        self.0.iter().flat_map(digits).collect()
    }

    /// Reads what [`Key::hex`] wrote.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut key = [0; Self::LEN];
        if text.len() != 2 * Self::LEN || !text.is_ascii() {
            return None;
        }
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(key))
    }

    /// Its bytes, for lists that keep them.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for Key {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl fmt::Debug for Key {
    /// Its first half: enough to tell keys apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex()[..Self::LEN])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn root(key: &[u8]) -> Root {
        Root::from_file(key).expect("a key")
    }

    #[test]
    fn a_key_file_makes_processes_agree_and_spaces_differ() {
        let (a, b) = (root(b"0123456789abcdef"), root(b"0123456789abcdef\n"));
        let key = |root: &Root, space| root.hasher(space).key(&[b"alice"]);
        assert_eq!(key(&a, "risk"), key(&b, "risk"));
        assert_ne!(key(&a, "risk"), key(&a, "permission"));
        assert_ne!(key(&a, "risk"), key(&root(b"0123456789abcdeg"), "risk"));
        let own = || Root::of_this_process().expect("random numbers");
        assert_ne!(key(&own(), "risk"), key(&own(), "risk"));
        for short in [&b""[..], b"short", b"0123456789abcde\n", &[1; 5_000]] {
            assert!(Root::from_file(short).is_none());
        }
    }

    #[test]
    fn keys_read_back_as_they_are_written() {
        let key = root(&[7; 32]).hasher("x").key(&[b"a"]);
        assert_eq!(Key::from_hex(&key.hex()), Some(key));
        for bad in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Key::from_hex(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn equal_keys_are_equal_fields(
            one in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4), 0..4),
            other in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..4), 0..4),
        ) {
            let hasher = root(&[7; 32]).hasher("x");
            let key = |fields: &Vec<Vec<u8>>| {
                hasher.key(&fields.iter().map(Vec::as_slice).collect::<Vec<_>>())
            };
            prop_assert_eq!(key(&one) == key(&other), one == other);
        }
    }
}
