//! Key ids that a fetch did not bring, so that asking for them again has to wait.
//!
//! A client that goes on sending tokens of a withdrawn key is no attacker, but each of its requests
//! would take a fetch out of the issuer's budget, and a newly published key would find it spent.
//! What a reader would get wrong: an id is never absent for good. The wait doubles, up to the
//! planned refresh, since issuers sign with a key before all of their servers publish it.
//!
//! # Cost
//!
//! A lock for a look-up, on the path of unknown key ids only.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// One issuer's absent key ids, by a keyed hash: whoever sends ids cannot choose which collide.
pub(super) struct Absent {
    first: Duration,
    hasher: RandomState,
    /// Held for a look-up, never across an await.
    ids: Mutex<HashMap<u64, Wait>>,
    last: Duration,
}

#[derive(Clone, Copy)]
struct Wait {
    length: Duration,
    until: Instant,
}

impl Absent {
    /// Waits begin with `first` and do not grow beyond `last`.
    pub(super) fn new(first: Duration, last: Duration) -> Self {
        Self {
            first: first.min(last),
            hasher: RandomState::new(),
            ids: Mutex::default(),
            last,
        }
    }

    /// Whether asking for `kid` again has to wait.
    pub(super) fn waits(&self, kid: &str, now: Instant) -> bool {
        let ids = self.ids();
        let wait = ids.get(&self.hasher.hash_one(kid));
        wait.is_some_and(|wait| now < wait.until)
    }

    /// A fetch on behalf of `kid` did not bring it.
    pub(super) fn missed(&self, kid: &str, now: Instant) {
        self.note(kid, self.first, now);
    }

    /// `kid` was published and is no more: it is less likely to come back than one never seen.
    pub(super) fn withdrawn(&self, kid: &str, now: Instant) {
        self.note(kid, (self.first * WITHDRAWN).min(self.last), now);
    }

    fn note(&self, kid: &str, first: Duration, now: Instant) {
        let kid = self.hasher.hash_one(kid);
        let mut ids = self.ids();
        if ids.len() >= MAX_IDS && !ids.contains_key(&kid) {
            // One that is over for longer than it lasted begins anew.
            ids.retain(|_, wait| now < wait.until + wait.length);
            if ids.len() >= MAX_IDS {
                return;
            }
        }
        let length = match ids.get(&kid) {
            Some(wait) if now < wait.until => return,
            Some(wait) if now < wait.until + wait.length => (wait.length * 2).min(self.last),
            _ => first,
        };
        let until = now + length;
        ids.insert(kid, Wait { length, until });
    }

    fn ids(&self) -> MutexGuard<'_, HashMap<u64, Wait>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many first waits a withdrawn id waits.
const WITHDRAWN: u32 = 6;

/// Ids that are remembered; a flood of invented ones fills this and is left to the budget.
const MAX_IDS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_a_quiet_time() {
        let absent = Absent::new(SECOND, SECOND * 5);
        let start = Instant::now();
        let mut now = start;
        assert!(!absent.waits("a", now));
        for length in [1, 2, 4, 5, 5] {
            absent.missed("a", now);
            absent.missed("a", now + SECOND / 2);
            assert!(absent.waits("a", now + SECOND * length * 9 / 10));
            assert!(!absent.waits("b", now));
            now += SECOND * length;
            assert!(!absent.waits("a", now));
        }
        now += SECOND * 5;
        absent.missed("a", now);
        assert!(!absent.waits("a", now + SECOND));
        absent.withdrawn("b", now);
        assert!(absent.waits("b", now + SECOND * 4) && !absent.waits("b", now + SECOND * 5));
    }

    #[test]
    fn a_flood_takes_no_more_than_its_room_and_pushes_nobody_out() {
        let absent = Absent::new(SECOND, SECOND * 60);
        let now = Instant::now();
        absent.withdrawn("old", now);
        for number in 0..5_000 {
            absent.missed(&number.to_string(), now);
        }
        assert!(absent.ids().len() <= MAX_IDS);
        assert!(absent.waits("old", now));
    }
}
