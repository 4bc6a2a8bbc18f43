//! Values as they lie in Redis: with a version, an end and a seal.
//!
//! What a reader would get wrong: Redis is not believed. Whoever can write to it could otherwise
//! write "allowed" under a key, and an older or newer release could take the bytes for its own.
//! The seal (HMAC-SHA-256, half of it) covers the version, the space, the key, the end and the value,
//! so what was not put there by us, for this key, is no value at all.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use bytes::Bytes;

use super::keys::{Hasher, Key, Root};
use crate::clock::Clock;

/// Seals the values of one space.
#[derive(Clone, Debug)]
pub(super) struct Seal {
    hasher: Hasher,
    clock: Clock,
}

impl Seal {
    pub(super) fn new(root: &Root, space: &str, clock: Clock) -> Self {
        Self {
            hasher: root.hasher(&format!("seal of {space}")),
            clock,
        }
    }

    /// `value` under `key`, good for `life`.
    pub(super) fn close(&self, key: &Key, value: &[u8], life: Duration) -> Vec<u8> {
        let until = self
            .clock
            .now()
            .saturating_add(life.as_secs())
            .to_be_bytes();
        let mut sealed = Vec::with_capacity(HEADER + value.len() + TAG);
        sealed.push(VERSION);
        sealed.extend_from_slice(&until);
        sealed.extend_from_slice(value);
        let tag = self.tag(key, &sealed);
        sealed.extend_from_slice(&tag);
        sealed
    }

    /// The value under `key` and how long it is good for; `None` for anything that is not ours.
    pub(super) fn open(&self, key: &Key, sealed: Vec<u8>) -> Option<(Bytes, Duration)> {
        let end = sealed.len().checked_sub(TAG)?;
        if end < HEADER || sealed[0] != VERSION {
            return None;
        }
        let (body, tag) = sealed.split_at(end);
        verify_slices_are_equal(&self.tag(key, body), tag).ok()?;
        let until = u64::from_be_bytes(body[1..HEADER].try_into().ok()?);
        // Redis counts in milliseconds and ends it; this only bounds what somebody put back.
        let left = until.saturating_add(1).checked_sub(self.clock.now())?;
        let value = Bytes::from(sealed).slice(HEADER..end);
        Some((value, Duration::from_secs(left)))
    }

    fn tag(&self, key: &Key, body: &[u8]) -> [u8; TAG] {
        let mut tag = [0; TAG];
        tag.copy_from_slice(&self.hasher.key(&[key.bytes(), body]).bytes()[..TAG]);
        tag
    }
}

/// Of the form of everything before the seal.
const VERSION: u8 = 1;

/// The version and the end, in seconds since 1970.
const HEADER: usize = 9;

/// Bytes of the seal.
const TAG: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_mins(1);

    #[test]
    fn only_what_was_sealed_for_this_key_and_time_opens() {
        let root = Root::from_file(&[7; 32]).expect("a key");
        let clock = Clock::fixed(1_000);
        let seal = Seal::new(&root, "permission", clock.clone());
        let [key, other] = [[1; 32], [2; 32]].map(Key::from);
        let sealed = seal.close(&key, b"allowed", LIFE);
        let (value, left) = seal.open(&key, sealed.clone()).expect("ours");
        assert_eq!((&value[..], left.as_secs()), (&b"allowed"[..], 61));

        assert!(
            seal.open(&other, sealed.clone()).is_none(),
            "of another key"
        );
        let elsewhere = Seal::new(&root, "risk", clock.clone());
        assert!(
            elsewhere.open(&key, sealed.clone()).is_none(),
            "of another space"
        );
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(seal.open(&key, changed).is_none(), "byte {at}");
            assert!(
                seal.open(&key, sealed[..at].to_vec()).is_none(),
                "cut at {at}"
            );
        }
        clock.set(1_062);
        assert!(seal.open(&key, sealed).is_none(), "past its end");
    }
}
