//! Lists that every replica must know in full: held in memory by whoever asks them on each check,
//! and in Redis for the others and for the next start.
//!
//! ```text
//! add -> memory -> Redis (join.lua) -> every replica's memory      within milliseconds
//! look at the version, twice a second -> read all that is there     what a message missed
//! after each reading: what only we know -> Redis                    what a failover lost
//! ```
//!
//! # What a reader would get wrong
//!
//! Nobody has the last word. Two entries of one name are joined by taking the greater of each of
//! their numbers, so replicas, Redis and a Redis that came back with old data only ever add to each
//! other, in any order, and nothing that was known is ever unlearnt. Entries lapse by time alone.
//!
//! A message on the channel is only quicker. What makes the promise is the version: it is looked at
//! twice a second, and as long as it is the one we have, nothing was missed.

mod marks;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

pub use self::marks::Marks;
use super::{Error, Key, Space, redis::Redis};
use crate::clock::UnixSeconds;

/// The memory of a list.
pub trait Replica: Send + Sync + 'static {
    /// Takes over what others know. Entries may come several times and in any order.
    fn join(&self, entries: &[(Key, Marks)]);

    /// All that is known here and still matters at `now`.
    fn list(&self, now: UnixSeconds) -> Vec<(Key, Marks)>;
}

/// A list that is shared. Clones are the same.
#[derive(Clone)]
pub struct Ledger {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    space: Space,
    /// `None` = in this process alone.
    redis: Option<Redis>,
    replica: Arc<dyn Replica>,
    state: Mutex<State>,
    /// Milliseconds from `start` to the last time that nothing was missing, plus 1; 0 = never.
    current: AtomicU64,
    start: Instant,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// The version that memory is at.
    applied: Option<String>,
    /// Versions heard of while everything is read.
    heard: Vec<String>,
    /// When everything was read last.
    read: Option<Instant>,
    reading: bool,
    /// To be told to Redis, and with it how many entries there may be.
    owed: HashMap<Key, Marks>,
    most: usize,
}

impl Ledger {
    pub(super) fn new(space: Space, redis: Option<Redis>, replica: Arc<dyn Replica>) -> Self {
        let inner = Inner {
            space,
            redis,
            replica,
            state: Mutex::default(),
            current: AtomicU64::new(0),
            start: Instant::now(),
            changed: Notify::new(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Whether there are other replicas to know of.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.inner.redis.is_some()
    }

    /// How long ago it was certain that nothing is missing here; `None` = never yet. A list of this
    /// process alone misses nothing.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        if self.inner.redis.is_none() {
            return Some(Duration::ZERO);
        }
        let current = self.inner.current.load(Ordering::Acquire).checked_sub(1)?;
        Some(
            self.inner
                .start
                .elapsed()
                .saturating_sub(Duration::from_millis(current)),
        )
    }

    /// Waits until nothing is missing here, as of some moment since the start.
    pub async fn until_current(&self) {
        loop {
            let changed = self.inner.changed.notified();
            if self.age().is_some() {
                return;
            }
            changed.await;
        }
    }

    /// Tells every replica of an entry that the memory here has already. The list may have `most`
    /// entries. Without an answer in time it is told as soon as Redis can be asked again.
    ///
    /// # Errors
    ///
    /// That others do not know yet, or that there is no room for it.
    pub async fn add(
        &self,
        key: Key,
        marks: Marks,
        most: usize,
        deadline: Instant,
    ) -> Result<(), Error> {
        let Some(redis) = &self.inner.redis else {
            return Ok(());
        };
        self.owe(key, marks, most);
        let told = self
            .inner
            .tell(redis, &[(key, marks)], most, deadline)
            .await;
        if matches!(told, Ok(()) | Err(Error::Full)) {
            self.inner.state().owed.remove(&key);
        }
        told
    }

    /// The same without waiting: it is told soon.
    pub fn add_soon(&self, key: Key, marks: Marks, most: usize) {
        if let Some(redis) = &self.inner.redis {
            self.owe(key, marks, most);
            redis.hurry();
        }
    }

    fn owe(&self, key: Key, marks: Marks, most: usize) {
        let mut state = self.inner.state();
        state.most = most;
        let owed = state.owed.entry(key).or_default();
        *owed = owed.and(marks);
    }
}

impl Inner {
    pub(super) fn space(&self) -> Space {
        self.space
    }

    /// Something may have been missed: everything is read again.
    pub(super) fn doubt(&self) {
        self.state().applied = None;
    }

    /// Others have added `entries`, which made it `version`.
    pub(super) fn heard(&self, version: String, entries: &[(Key, Marks)]) {
        self.replica.join(entries);
        let mut state = self.state();
        if state.reading {
            state.heard.push(version);
        } else {
            state.advance(version);
        }
    }

    /// Looks whether anything was missed, reads it if so, and tells what others miss.
    pub(super) async fn catch_up(&self, now: UnixSeconds) -> Result<(), Error> {
        let Some(redis) = &self.redis else {
            return Ok(());
        };
        let asked = Instant::now();
        let version = redis.version_of(self.space).await?;
        let whole = {
            let state = self.state();
            let is_due = state
                .read
                .is_none_or(|read| read.elapsed() > READ_ALL_EVERY);
            state.applied.is_none() || state.applied != version || is_due
        };
        if whole {
            self.read_all(redis, version, now).await?;
        }
        self.settle(redis).await?;
        let at = asked.saturating_duration_since(self.start).as_millis();
        let at = u64::try_from(at).unwrap_or(u64::MAX - 1) + 1;
        self.current.store(at, Ordering::Release);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn read_all(
        &self,
        redis: &Redis,
        version: Option<String>,
        now: UnixSeconds,
    ) -> Result<(), Error> {
        {
            let mut state = self.state();
            state.reading = true;
            state.heard.clear();
        }
        let read = redis.read_list(self.space).await;
        self.state().reading = false;
        let found = read?;

        let (lapsed, alive): (Vec<_>, Vec<_>) =
            (found.entries.iter().map(|(key, marks)| (*key, *marks)))
                .partition(|(_, marks)| marks.lapse() <= now);
        self.replica.join(&alive);
        let known = |key: &Key| found.entries.get(key).copied().unwrap_or_default();
        let missing = self.replica.list(now).into_iter();
        let missing = missing.filter(|(key, marks)| known(key).and(*marks) != known(key));
        {
            let mut state = self.state();
            state.owed.extend(missing);
            // An empty list has no version yet, and nothing of it can have been missed.
            state.applied = Some(version.unwrap_or_default());
            state.read = Some(Instant::now());
            for version in std::mem::take(&mut state.heard) {
                state.advance(version);
            }
        }
        let lapsed: Vec<Key> = lapsed.into_iter().map(|(key, _)| key).collect();
        redis.forget(self.space, now, &lapsed).await
    }

    /// Tells what others miss.
    async fn settle(&self, redis: &Redis) -> Result<(), Error> {
        let (owed, most): (Vec<(Key, Marks)>, usize) = {
            let state = self.state();
            (
                state
                    .owed
                    .iter()
                    .map(|(key, marks)| (*key, *marks))
                    .collect(),
                state.most,
            )
        };
        for part in owed.chunks(AT_ONCE) {
            // What was known must not be lost for lack of room elsewhere.
            let most = most.max(LEAST_ROOM);
            match self
                .tell(redis, part, most, Instant::now() + WHOLE_DEADLINE)
                .await
            {
                Ok(()) => {}
                Err(Error::Full) => tracing::warn!(
                    list = self.space.name,
                    "no room in Redis for what is known here; it is kept in memory"
                ),
                Err(error) => return Err(error),
            }
            let mut state = self.state();
            for (key, marks) in part {
                if state.owed.get(key) == Some(marks) {
                    state.owed.remove(key);
                }
            }
        }
        Ok(())
    }

    async fn tell(
        &self,
        redis: &Redis,
        entries: &[(Key, Marks)],
        most: usize,
        deadline: Instant,
    ) -> Result<(), Error> {
        let words = entries.iter().flat_map(|(key, marks)| {
            let [a, b, c, d] = marks.words();
            [key.hex(), a, b, c, d]
        });
        redis
            .join(self.space, words.collect(), most, deadline)
            .await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic while it was held would have left us reading everything again.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Memory has what made the list `version`; if it had all before that, it has all of it.
    fn advance(&mut self, version: String) {
        let numbered = |version: &str| {
            let (epoch, number) = version.split_once(' ')?;
            Some((epoch.to_owned(), number.parse::<u64>().ok()?))
        };
        let Some((epoch, number)) = numbered(&version) else {
            return;
        };
        let follows = match self.applied.as_deref() {
            Some("") => number == 1,
            Some(applied) => numbered(applied) == Some((epoch, number.wrapping_sub(1))),
            None => false,
        };
        if follows {
            self.applied = Some(version);
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger({}, {:?})", self.inner.space.name, self.age())
    }
}

/// What was read of a list.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) entries: HashMap<Key, Marks>,
}

/// Entries told at once: a script that is done within a millisecond.
const AT_ONCE: usize = 200;

/// For one part of everything that others miss.
const WHOLE_DEADLINE: Duration = Duration::from_secs(2);

/// Entries that Redis takes of what is known already, whatever the limit for new ones is.
const LEAST_ROOM: usize = 1 << 20;

/// How often everything is read though nothing seems to be missing: what was lost by eviction or
/// by hand comes back, and lapsed entries go.
const READ_ALL_EVERY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
