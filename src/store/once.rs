//! Things that may happen once: a proof that must not be shown twice, an assertion used before.
//!
//! What a reader would get wrong: nothing is forgotten before its time. A cache that drops its oldest
//! entry when it is full would let somebody with many proofs of their own wash another's out and
//! show it again, so a full memory refuses new ones instead.
//!
//! With Redis the first of all replicas to ask wins; without an answer from it nobody knows, and
//! that is an [`Error`], not a "no".
//!
//! # Cost
//!
//! In memory 0.2 µs under the lock of one shard; with Redis one round trip, unless this replica has
//! seen the key itself.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Error, Key};

/// Whether a key was there before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Put {
    /// It was not, and is now.
    New,
    /// It was.
    Known,
}

/// Keys that were seen and have not lapsed, within a bound.
pub(super) struct Seen {
    /// In each shard.
    most: usize,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Default)]
struct Shard {
    /// Each with its end.
    keys: HashMap<Key, Instant>,
    /// With so many keys the lapsed ones go: twice what was left of them the last time, so that a key
    /// pays for one look at two, and no more than twice what is alive is held.
    sweep_at: usize,
}

impl Shard {
    fn sweep(&mut self, now: Instant) {
        self.keys.retain(|_, until| *until > now);
        self.sweep_at = (2 * self.keys.len()).max(LEAST_SWEPT);
        self.keys.shrink_to(self.sweep_at);
    }
}

impl Seen {
    /// Room for keys of `bytes` together.
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            most: (bytes / ENTRY_SIZE / SHARDS).max(1),
            shards: std::array::from_fn(|_| Mutex::default()),
        }
    }

    /// Whether `key` is there; puts it there for `life` if not.
    pub(super) fn put(&self, key: Key, life: Duration) -> Result<Put, Error> {
        let now = Instant::now();
        let mut shard = self.shard(&key);
        if shard.keys.get(&key).is_some_and(|until| *until > now) {
            return Ok(Put::Known);
        }
        if shard.keys.len() >= shard.sweep_at.min(self.most) {
            shard.sweep(now);
            if shard.keys.len() >= self.most {
                return Err(Error::Full);
            }
        }
        shard.keys.insert(key, now + life);
        Ok(Put::New)
    }

    /// Takes back what [`Seen::put`] put there.
    pub(super) fn forget(&self, key: &Key) {
        self.shard(key).keys.remove(key);
    }

    /// How much is held, in bytes.
    pub(super) fn size(&self) -> usize {
        let held = |shard: &Mutex<Shard>| {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.keys.len()
        };
        self.shards.iter().map(held).sum::<usize>() * ENTRY_SIZE
    }

    fn shard(&self, key: &Key) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[usize::from(key.bytes()[0]) % SHARDS];
        // A panic while it was held would have left no key half written.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Seen {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Seen({} bytes)", self.size())
    }
}

/// Locks of which a question takes one.
const SHARDS: usize = 16;

/// Fewer keys than this are not looked through.
const LEAST_SWEPT: usize = 64;

/// What a key takes, in bytes, with the map's spare places.
const ENTRY_SIZE: usize = 2 * (size_of::<Key>() + size_of::<Instant>() + 1);

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Duration = Duration::from_mins(1);

    fn key(number: u8) -> Key {
        // All in one shard.
        let mut bytes = [number; 32];
        bytes[0] = 0;
        Key::from(bytes)
    }

    #[test]
    fn a_key_is_new_once_until_it_lapses() {
        let seen = Seen::new(1 << 20);
        assert_eq!(seen.put(key(1), LIFE), Ok(Put::New));
        assert_eq!(seen.put(key(1), LIFE), Ok(Put::Known));
        assert_eq!(seen.put(key(2), Duration::ZERO), Ok(Put::New));
        assert_eq!(seen.put(key(2), LIFE), Ok(Put::New), "it had lapsed");
        seen.forget(&key(1));
        assert_eq!(seen.put(key(1), LIFE), Ok(Put::New));
    }

    #[test]
    fn a_full_memory_refuses_and_forgets_nothing() {
        let seen = Seen::new(2 * ENTRY_SIZE * SHARDS);
        assert_eq!(seen.put(key(1), LIFE), Ok(Put::New));
        assert_eq!(seen.put(key(2), Duration::ZERO), Ok(Put::New));
        assert_eq!(
            seen.put(key(3), LIFE),
            Ok(Put::New),
            "lapsed ones make room"
        );
        assert_eq!(seen.put(key(4), LIFE), Err(Error::Full));
        for known in [1, 3] {
            assert_eq!(seen.put(key(known), LIFE), Ok(Put::Known));
        }
    }
    #[test]
    fn what_has_lapsed_goes_long_before_the_memory_is_full() {
        let seen = Seen::new(1 << 20);
        for number in 0..10_000_u32 {
            let mut bytes = [0; 32];
            bytes[1..5].copy_from_slice(&number.to_be_bytes());
            assert_eq!(seen.put(Key::from(bytes), Duration::ZERO), Ok(Put::New));
        }
        assert!(seen.size() <= LEAST_SWEPT * ENTRY_SIZE, "{seen:?}");
    }
}
