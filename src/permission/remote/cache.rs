//! Answers of the server, kept for a while.
//!
//! What a reader would get wrong: only whole answers are kept, yes and no alike, never an error; and
//! an answer's age counts from before it was asked for, so that it is never older than it says. The
//! key holds all that can change the answer, the model included: after a change of model nothing
//! finds the old answers any more, and they make room when room is needed.
//!
//! Each answer lives a little shorter than the configured time, by chance, so that what was asked
//! in one burst is not asked again in one burst.
//!
//! Cost: one look-up in a sharded table.

use std::{
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use quick_cache::{Weighter, sync};

use super::{Answer, Origin};
use crate::check::Key;

/// Bounded in bytes.
#[derive(Debug)]
pub(super) struct Cache {
    answers: sync::Cache<Key, Kept, Entry>,
    spread: RandomState,
    ttl: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    allowed: bool,
    asked: Instant,
    ends: Instant,
}

#[derive(Clone, Debug)]
struct Entry;

impl Weighter<Key, Kept> for Entry {
    fn weight(&self, _: &Key, _: &Kept) -> u64 {
        ENTRY_BYTES as u64
    }
}

impl Cache {
    /// `None` where there is no room for a single answer.
    pub(super) fn new(memory: usize, ttl: Duration) -> Option<Self> {
        let entries = memory / ENTRY_BYTES;
        (entries > 0).then(|| Self {
            answers: sync::Cache::with_weighter(entries, memory as u64, Entry),
            spread: RandomState::new(),
            ttl,
        })
    }

    /// The answer with its age, while it may be used.
    pub(super) fn find(&self, key: Key) -> Option<Answer> {
        let kept = self.answers.get(&key)?;
        let now = Instant::now();
        if now >= kept.ends {
            self.answers.remove(&key);
            return None;
        }
        Some(Answer {
            allowed: kept.allowed,
            origin: Origin::Cache(now.duration_since(kept.asked)),
        })
    }

    /// Keeps an answer that was asked for at `asked`.
    pub(super) fn keep(&self, key: Key, allowed: bool, asked: Instant) {
        // Between four fifths and all of it.
        let share = 80 + u32::try_from(self.spread.hash_one(key) % 21).unwrap_or(0);
        let ends = asked + self.ttl / 100 * share;
        let kept = Kept {
            allowed,
            asked,
            ends,
        };
        self.answers.insert(key, kept);
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> u64 {
        self.answers.weight()
    }
}

/// An answer with its key, and what the table spends on both.
const ENTRY_BYTES: usize = size_of::<Key>() + size_of::<Kept>() + 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Key {
        Key::of("test", |fields| {
            fields.number(number);
        })
    }

    #[test]
    fn an_answer_is_kept_for_most_of_the_time_and_never_longer() {
        let ttl = Duration::from_secs(10);
        let cache = Cache::new(1 << 20, ttl).unwrap();
        let ages: Vec<Duration> = (0..200)
            .map(|number| {
                let asked = Instant::now().checked_sub(ttl * 9 / 10).unwrap();
                cache.keep(key(number), true, asked);
                cache.find(key(number)).map_or(ttl, |answer| answer.age())
            })
            .collect();
        let kept = ages.iter().filter(|age| **age < ttl).count();
        assert!((50..150).contains(&kept), "{kept} of 200 at nine tenths");
        cache.keep(key(1), true, Instant::now().checked_sub(ttl).unwrap());
        assert_eq!(cache.find(key(1)), None);
        cache.keep(key(1), false, Instant::now());
        assert!(cache.find(key(1)).is_some_and(|answer| !answer.allowed));
    }

    #[test]
    fn memory_is_bounded() {
        let cache = Cache::new(10_000, Duration::from_mins(1)).unwrap();
        (0..10_000).for_each(|number| cache.keep(key(number), true, Instant::now()));
        assert!(cache.bytes() <= 10_000);
        assert!(Cache::new(0, Duration::from_secs(1)).is_none());
    }
}
