//! The list of revocations in every replica's memory.
//!
//! What a reader would get wrong: a check never asks Redis. Every replica holds the whole list, is
//! told of what is new within milliseconds, and looks twice a second whether it was told everything
//! (see [`crate::store::Ledger`]). A replica that was cut off goes on with what it knew, up to
//! `identity.revocation.max_stale`; one that has just started knows nothing yet, and says so rather
//! than let a revoked token pass.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Instant,
};

use super::{
    ENTRY_SIZE, Error, Limits, List, Revocation, Revocations,
    entry::{Entry, Facts},
    write,
};
use crate::{
    clock::UnixSeconds,
    dispatch::Operation,
    store::{self, Key, Marks, Replica, Space, Store},
};

const SPACE: Space = Space {
    name: "revocations",
    operation: Operation::Jwt,
};

impl Revocations {
    /// The same limits, for a list that all replicas of `store` share; this very list where there
    /// are no others, or where it is shared already.
    pub(in crate::identity) fn sharing(self, store: &Store) -> Self {
        if self.ledger.is_some() || !store.is_shared() {
            return self;
        }
        let secret = *store.hasher(SPACE).key(&[b"names of entries"]).bytes();
        let list = Arc::new(List::new(secret));
        Self {
            limits: self.limits,
            ledger: Some(store.ledger(SPACE, Arc::clone(&list) as Arc<dyn Replica>)),
            list,
        }
    }

    /// Takes tokens back, and waits until every replica can know of it.
    pub(in crate::identity) async fn revoke_everywhere(
        &self,
        what: &Revocation,
        now: UnixSeconds,
        deadline: Instant,
    ) -> Result<(), Error> {
        let (key, marks, most) = self.put(what, now)?;
        let Some(ledger) = &self.ledger else {
            return Ok(());
        };
        match ledger.add(key, marks, most, deadline).await {
            Ok(()) => Ok(()),
            Err(store::Error::Full) => Err(Error::Full),
            Err(error) => Err(Error::Unshared(error)),
        }
    }

    /// Whether the list is known to be whole, or was lately enough.
    pub(in crate::identity) fn are_known(&self) -> bool {
        match (&self.ledger, self.limits.max_stale) {
            (None, _) | (_, None) => true,
            (Some(ledger), Some(max)) => ledger.age().is_some_and(|age| age <= max),
        }
    }

    /// Waits until the list has been read from Redis once.
    pub(in crate::identity) async fn until_known(&self) {
        if let Some(ledger) = &self.ledger {
            ledger.until_current().await;
        }
    }
}

impl Limits {
    /// How many entries a list may have that this one goes into.
    pub(super) fn entries(&self, always_fits: bool) -> usize {
        if always_fits {
            u32::MAX as usize
        } else {
            self.bytes / ENTRY_SIZE
        }
    }
}

impl Entry {
    pub(super) fn marks(&self) -> Marks {
        let (before, lapse) = self.before;
        Marks([u64::from(self.shape), self.all, before, lapse])
    }

    fn from_marks(marks: &Marks) -> Option<Self> {
        let Marks([shape, all, before, lapse]) = *marks;
        let shape = u32::try_from(shape)
            .ok()
            .filter(|shape| *shape <= Facts::ALL)?;
        Some(Self {
            shape,
            all,
            before: (before, lapse),
        })
    }
}

impl Replica for List {
    /// Takes everything, whatever the limit here is: what another replica promised must hold here.
    fn join(&self, entries: &[(Key, Marks)]) {
        let mut held = self.held();
        let mut changed = false;
        for (key, marks) in entries {
            let Some(entry) = Entry::from_marks(marks) else {
                continue;
            };
            let mut shard = write(self.shard(key.bytes()));
            let old = shard.get(key.bytes()).copied();
            let new = old.map_or(entry, |old| old.and(entry));
            if old == Some(new) {
                continue;
            }
            shard.insert(*key.bytes(), new);
            drop(shard);
            held.lapse = match held.entries {
                0 => new.lapse(),
                _ => held.lapse.min(new.lapse()),
            };
            held.entries += usize::from(old.is_none());
            self.shapes.fetch_or(1 << new.shape, Ordering::Release);
            changed = true;
        }
        if changed {
            // Last, so that whoever sees the new version finds the entries.
            self.version.fetch_add(1, Ordering::Release);
        }
    }

    fn list(&self, now: UnixSeconds) -> Vec<(Key, Marks)> {
        let mut entries = Vec::new();
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let alive = shard.iter().filter(|(_, entry)| entry.lapse() > now);
            entries.extend(alive.map(|(digest, entry)| (Key::from(*digest), entry.marks())));
        }
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> List {
        List::new([7; 32])
    }

    #[test]
    fn lists_that_hear_of_each_other_say_the_same_in_any_order() {
        let entries = [
            (Key::from([1; 32]), Marks([2, 2_000, 0, 0])),
            (Key::from([2; 32]), Marks([4, 0, 900, 3_000])),
            (Key::from([1; 32]), Marks([2, 2_500, 0, 0])),
        ];
        let (one, other) = (list(), list());
        one.join(&entries);
        for entry in entries.iter().rev() {
            other.join(&[*entry]);
        }
        let all = |list: &List| {
            let mut all = list.list(1_000);
            all.sort_by_key(|(key, _)| *key);
            all
        };
        assert_eq!(all(&one), all(&other));
        assert_eq!(all(&one), [entries[2], entries[1]]);
        let version = one.version.load(Ordering::Acquire);
        one.join(&all(&other));
        assert_eq!(
            one.version.load(Ordering::Acquire),
            version,
            "nothing is new"
        );
        assert_eq!(one.list(2_700).len(), 1, "what has lapsed is not told");
    }

    #[test]
    fn entries_of_a_shape_that_nobody_has_are_left_out() {
        let list = list();
        list.join(&[(Key::from([1; 32]), Marks([16, 2_000, 0, 0]))]);
        assert!(list.list(1_000).is_empty());
    }
}
