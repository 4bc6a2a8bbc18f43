//! Values kept in this process: bounded in bytes, each with an end.
//!
//! What a reader would get wrong: an entry that has not ended may still not be used. Whether what
//! others changed meanwhile would have been heard of is asked on every look-up, see
//! [`Trust`].
//!
//! # Cost
//!
//! 0.1 µs a look-up; one shard is locked for reading while a `Bytes` is cloned.

use std::{
    fmt,
    time::{Duration, Instant},
};

use bytes::Bytes;
use quick_cache::{Weighter, sync};

use super::{Key, Trust};

/// The values of one space.
pub(super) struct Memory {
    entries: sync::Cache<Key, Held, ByWeight>,
    max: usize,
}

#[derive(Clone)]
struct Held {
    value: Bytes,
    /// When it was known to be the latest.
    born: Instant,
    until: Instant,
    generation: u64,
}

impl Memory {
    /// Room for values of `max` bytes together, keys included.
    pub(super) fn new(max: usize) -> Self {
        let entries = (max / USUAL_SIZE).max(1);
        Self {
            entries: sync::Cache::with_weighter(entries, max as u64, ByWeight),
            max,
        }
    }

    /// The value of `key`, if it has not ended, is of this generation and can be trusted.
    pub(super) fn get(&self, key: &Key, generation: u64, trust: &Trust) -> Option<Bytes> {
        let held = self.entries.get(key)?;
        let now = Instant::now();
        if held.until <= now || held.generation != generation {
            self.entries.remove(key);
            return None;
        }
        trust.covers(held.born, now).then_some(held.value)
    }

    /// Keeps `value` for `life`, as known since `born`.
    pub(super) fn put(
        &self,
        key: Key,
        value: Bytes,
        born: Instant,
        life: Duration,
        generation: u64,
    ) {
        let until = born + life;
        let held = Held {
            value,
            born,
            until,
            generation,
        };
        self.entries.insert(key, held);
    }

    pub(super) fn remove(&self, key: &Key) {
        self.entries.remove(key);
    }

    pub(super) fn clear(&self) {
        self.entries.clear();
    }

    /// How much is held, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.entries.weight()
    }
}

impl fmt::Debug for Memory {
    /// Without the entries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, max) = (self.size(), self.max);
        write!(f, "Memory({size} of {max} bytes)")
    }
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<Key, Held> for ByWeight {
    fn weight(&self, _key: &Key, held: &Held) -> u64 {
        (ENTRY_SIZE + held.value.len()) as u64
    }
}

/// An entry without its value, with its part of the table and the value's own header.
const ENTRY_SIZE: usize = (size_of::<Key>() + size_of::<Held>() + 32) * 3 / 2 + 32;

/// About what an entry takes; a guess is good enough.
const USUAL_SIZE: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_mins(1);

    fn key(number: u16) -> Key {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        Key::from(bytes)
    }

    #[test]
    fn a_value_ends_with_its_life_its_generation_or_when_it_is_taken_away() {
        let memory = Memory::new(1 << 20);
        let trust = Trust::always();
        let value = Bytes::from_static(b"yes");
        let put = |number, life| memory.put(key(number), value.clone(), Instant::now(), life, 1);
        put(1, LIFE);
        put(2, Duration::ZERO);
        put(3, LIFE);
        memory.remove(&key(3));
        let get = |number, generation| memory.get(&key(number), generation, &trust);
        assert_eq!(get(1, 1), Some(value.clone()));
        assert_eq!(get(2, 1), None, "it has ended");
        assert_eq!(get(3, 1), None, "it was taken away");
        assert_eq!(get(1, 2), None, "of another generation");
        assert_eq!(get(1, 1), None, "and gone with it");
        put(1, LIFE);
        memory.clear();
        assert_eq!(get(1, 1), None);
    }

    #[test]
    fn memory_is_bounded_whatever_is_put_in() {
        let memory = Memory::new(64 << 10);
        for number in 0..5_000 {
            let value = Bytes::from(vec![0; usize::from(number) % 700]);
            memory.put(key(number), value, Instant::now(), LIFE, 1);
            assert!(memory.size() <= 64 << 10);
        }
        assert!(memory.size() > 16 << 10);
    }
}
