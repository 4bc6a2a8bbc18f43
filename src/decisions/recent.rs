//! The last decisions, in memory, for whoever asks why.
//!
//! A ring of slots, each behind a lock of its own. Threads take turns by one counter, so two of
//! them meet at a slot only when the ring has gone round in between, and a reader holds a slot only
//! while it takes two reference counts.
//!
//! What a reader would get wrong: the ring is bounded in bytes too. Where decisions are large (many
//! findings), fewer than `decisions.keep` are kept, the newest ones. A decision keeps its route
//! alive, so routes of an earlier configuration go when their last decision does. Subjects are here
//! in clear, as they are in the token cache; they are hashed on their way out.
//!
//! Cost: three atomic additions, one lock that nobody else waits for, and freeing the decision that
//! stood there before. A look-up walks the ring; only an operator does that.

use std::{
    mem,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use serde::Deserialize;
use uuid::Uuid;

use super::entry::{Entry, short};
use crate::{pipeline::Outcome, problem::Problem, verdict::Reason};

/// Which of the last decisions are asked for. What is left out leaves nothing out.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Of this route.
    pub route: Option<String>,
    /// With this reason.
    pub reason: Option<String>,
    /// With this verdict: allow, deny or error.
    pub verdict: Option<String>,
    /// At most so many, 1 to 1000; 100 when left out.
    pub limit: Option<usize>,
}

impl Filter {
    /// Most decisions in one answer.
    pub const MOST: usize = 1_000;

    const USUAL: usize = 100;

    /// Refuses what could never match anything, by name and with the cure.
    ///
    /// # Errors
    ///
    /// The first such part.
    pub fn check(&self) -> Result<(), Problem> {
        let refuse = |key: &str, value: &str, cure: &str| {
            Err(Problem::new(key, format!("`{}` {cure}", short(value))))
        };
        if let Some(limit) = self.limit
            && !(1..=Self::MOST).contains(&limit)
        {
            return refuse(
                "limit",
                &limit.to_string(),
                "is out of range; use 1 to 1000",
            );
        }
        if let Some(verdict) = &self.verdict
            && Outcome::ALL.iter().all(|known| known.as_str() != verdict)
        {
            return refuse("verdict", verdict, "is none; use allow, deny or error");
        }
        if let Some(reason) = &self.reason
            && Reason::ALL.iter().all(|known| known.as_str() != reason)
        {
            return refuse("reason", reason, "is none; the README lists all");
        }
        Ok(())
    }

    fn takes(&self, entry: &Entry) -> bool {
        let decision = &*entry.decision;
        let route = decision.route.as_ref().map(|route| route.name.as_str());
        let is = |wanted: &Option<String>, own: Option<&str>| {
            wanted.is_none() || wanted.as_deref() == own
        };
        is(&self.route, route)
            && is(&self.reason, Some(decision.reason.as_str()))
            && is(&self.verdict, Some(decision.outcome.as_str()))
    }
}

/// The ring.
#[derive(Debug)]
pub(super) struct Recent {
    slots: Box<[Mutex<Option<Kept>>]>,
    /// The number of the next decision; its slot is the remainder.
    next: AtomicU64,
    /// Decisions before this number have been let go.
    oldest: AtomicU64,
    bytes: AtomicUsize,
    max_bytes: usize,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    entry: Entry,
}

impl Recent {
    pub(super) fn new(keep: usize, max_bytes: usize) -> Self {
        Self {
            slots: (0..keep).map(|_| Mutex::default()).collect(),
            next: AtomicU64::new(0),
            oldest: AtomicU64::new(0),
            bytes: AtomicUsize::new(0),
            max_bytes,
        }
    }

    pub(super) fn keep(&self, entry: Entry) {
        if self.slots.is_empty() {
            return;
        }
        let bytes = entry.bytes;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let kept = Kept { number, entry };
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let before = self.slot(number).replace(kept);
        // Freed after the slot's lock is let go.
        self.let_go(before.as_ref());
        if self.bytes.load(Ordering::Relaxed) > self.max_bytes {
            self.make_room(number);
        }
    }

    /// Lets the oldest go until the rest fits, at last the newest itself.
    fn make_room(&self, newest: u64) {
        let first = newest.saturating_sub(self.slots.len() as u64 - 1);
        self.oldest.fetch_max(first, Ordering::Relaxed);
        while self.bytes.load(Ordering::Relaxed) > self.max_bytes {
            let oldest = self.oldest.fetch_add(1, Ordering::Relaxed);
            if oldest > newest {
                // Others are at it and have overtaken; what they added they will account for.
                self.oldest.fetch_min(newest + 1, Ordering::Relaxed);
                break;
            }
            let mut slot = self.slot(oldest);
            let is_it = slot.as_ref().is_some_and(|kept| kept.number == oldest);
            let gone = if is_it { mem::take(&mut *slot) } else { None };
            drop(slot);
            self.let_go(gone.as_ref());
        }
    }

    fn let_go(&self, gone: Option<&Kept>) {
        if let Some(gone) = gone {
            self.bytes.fetch_sub(gone.entry.bytes, Ordering::Relaxed);
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn len(&self) -> usize {
        let is_full = |slot: &&Mutex<Option<Kept>>| lock(slot).is_some();
        self.slots.iter().filter(is_full).count()
    }

    pub(super) fn find(&self, id: Uuid) -> Option<Entry> {
        self.slots.iter().find_map(|slot| {
            let slot = lock(slot);
            let kept = slot.as_ref()?;
            (kept.entry.decision.id == id).then(|| kept.entry.clone())
        })
    }

    pub(super) fn latest(&self, filter: &Filter) -> Vec<Entry> {
        let limit = filter.limit.unwrap_or(Filter::USUAL).min(Filter::MOST);
        let next = self.next.load(Ordering::Relaxed);
        let first = next.saturating_sub(self.slots.len() as u64);
        let entry = |number| {
            let slot = self.slot(number);
            // A newer one may have come meanwhile; it is told as well, but only once.
            let kept = slot.as_ref().filter(|kept| kept.number == number)?;
            filter.takes(&kept.entry).then(|| kept.entry.clone())
        };
        (first..next).rev().filter_map(entry).take(limit).collect()
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a remainder of the number of slots"
    )]
    fn slot(&self, number: u64) -> MutexGuard<'_, Option<Kept>> {
        lock(&self.slots[(number % self.slots.len() as u64) as usize])
    }
}

/// A slot is replaced whole, so a panic elsewhere cannot leave half of one.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
