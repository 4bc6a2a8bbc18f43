//! A hash for numbers of our own.

use std::hash::{BuildHasherDefault, Hasher};

/// Hashes our own numbers, which nobody outside can choose: one multiplication.
pub(crate) type Mixing = BuildHasherDefault<Mixer>;

/// See [`Mixing`].
#[derive(Debug, Default)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
