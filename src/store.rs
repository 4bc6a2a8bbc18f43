//! What outlives a check: answers worth keeping, proofs that may be shown once, lists that every
//! replica must know. In memory, and in Redis where replicas are to share it.
//!
//! ```text
//! Cache   get, put, take away, clear, share: answers of others, kept for a while      may be lost
//! Once    put if absent, with an end: whoever is first wins                           never lost
//! Ledger  a list in every replica's memory, joined, never unlearnt                    never lost
//! Tally   what replicas add to without waiting, a moment behind                       may be lost
//! ```
//!
//! # What a reader would get wrong
//!
//! *A miss, an error and running out of time are three things.* `Ok(None)` says that nothing is there;
//! [`Error`] says that nobody knows, and [`Error::Cancelled`] that the caller stopped waiting. Taking
//! one for another has logged people out elsewhere.
//!
//! *Redis away = slower, never wrong.* A cache that cannot ask is an empty one. What must not be
//! lost does not pretend: its callers are told that it could not be decided.
//!
//! *No name, token or address is stored.* Keys are keyed hashes ([`Key`]), made under a key that
//! replicas share by file and nobody else has. Nor is Redis believed: values are sealed under it.
//!
//! # Cost
//!
//! A hit in memory takes 0.1 µs, plus 0.5 µs to make its key; a question to Redis on loopback 20 to
//! 60 µs. A ledger is asked in its owner's memory. No I/O under a lock.

mod cache;
mod config;
mod error;
mod keys;
mod ledger;
mod memory;
mod metrics;
mod once;
mod redis;
mod seal;
mod tally;
mod trust;

use std::{
    fmt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::{
    cache::{Answer, Cache},
    config::{Config, RedisConfig, Topology},
    error::Error,
    keys::{Hasher, Key},
    ledger::{Ledger, Marks, Replica},
    metrics::Metrics,
    once::Put,
    redis::Health,
    tally::Tally,
};
use self::{
    keys::Root,
    once::Seen,
    redis::{Keeping, Redis},
    seal::Seal,
    trust::Trust,
};
use crate::{
    clock::Clock,
    dispatch::{Dispatcher, Operation},
    problem::Problem,
};

/// One kind of things that are kept: its name in keys and metrics, and the work that waits for it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Space {
    /// Letters only. Changing it forgets everything that was kept under the old one.
    pub name: &'static str,
    /// Under which operation waiting for Redis is counted.
    pub operation: Operation,
}

/// Where things are kept. Clones share everything.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    clock: Clock,
    metrics: Metrics,
    redis: Option<Redis>,
    root: Root,
    trust: Trust,
    /// `None` without Redis.
    _keeping: Option<Keeping>,
}

/// Keys that may be used once, of one space. Clones share them.
#[derive(Clone, Debug)]
pub struct Once {
    hasher: Hasher,
    redis: Option<Redis>,
    seen: Arc<Seen>,
    space: Space,
}

impl Store {
    /// A store of this process alone. `None` if the system has no random numbers.
    #[must_use]
    pub fn in_memory() -> Option<Self> {
        Self::alone(Metrics::unread())
    }

    fn alone(metrics: Metrics) -> Option<Self> {
        let inner = Inner {
            clock: Clock::System,
            metrics,
            redis: None,
            root: Root::of_this_process()?,
            trust: Trust::always(),
            _keeping: None,
        };
        Some(Self {
            inner: Arc::new(inner),
        })
    }

    /// The store that `config` describes. Connects in the background and waits for nothing; files
    /// are relative to `base_dir`.
    ///
    /// # Errors
    ///
    /// What is wrong with the configuration, or that the system refuses random numbers or a thread.
    pub fn open(
        config: &Config,
        base_dir: &Path,
        metrics: Metrics,
        dispatcher: Dispatcher,
    ) -> Result<Self, Vec<Problem>> {
        let refused = |key, message: &str| vec![Problem::new(key, message)];
        let Some((settings, root)) = config.resolve(base_dir)? else {
            let message = "needs random numbers, and the system has none";
            return Self::alone(metrics).ok_or_else(|| refused("", message));
        };
        let (trust, clock) = (Trust::shared(), Clock::System);
        // What others wrote and nobody can read, wherever it was found.
        let unreadable = metrics.series("redis").unusable;
        let counts = (metrics.redis(), unreadable);
        let started = Redis::start(
            settings,
            &root,
            counts,
            dispatcher,
            (trust.clone(), clock.clone()),
        );
        let (redis, keeping) = started
            .map_err(|error| refused("redis", &format!("its thread cannot be started: {error}")))?;
        let inner = Inner {
            clock,
            metrics,
            redis: Some(redis),
            root,
            trust,
            _keeping: Some(keeping),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Answers that are kept for a while, in at most `max` bytes of memory. Everybody who asks for a
    /// space gets a memory of their own, and the last one hears of changes: ask once.
    #[must_use]
    pub fn cache(&self, space: Space, max: usize) -> Cache {
        let inner = &self.inner;
        let seal = Seal::new(&inner.root, space.name, inner.clock.clone());
        Cache::new(
            space,
            max,
            (self.hasher(space), seal),
            (inner.redis.clone(), inner.trust.clone()),
            inner.metrics.series(space.name),
        )
    }

    /// Keys that may be used once, of which at most `max` bytes are remembered in memory.
    #[must_use]
    pub fn once(&self, space: Space, max: usize) -> Once {
        Once {
            hasher: self.hasher(space),
            redis: self.inner.redis.clone(),
            seen: Arc::new(Seen::new(max)),
            space,
        }
    }

    /// Shares the list that `replica` holds, from now on.
    #[must_use]
    pub fn ledger(&self, space: Space, replica: Arc<dyn Replica>) -> Ledger {
        let redis = self.inner.redis.clone();
        let ledger = Ledger::new(space, redis, replica);
        if let Some(redis) = &self.inner.redis {
            redis.follow(&ledger.inner);
        }
        ledger
    }

    /// What replicas add to together; `None` without Redis.
    #[must_use]
    pub fn tally(&self, space: Space) -> Option<Tally> {
        let redis = self.inner.redis.clone()?;
        Some(Tally::new(space, self.hasher(space), redis))
    }

    /// What makes the keys of `space`.
    #[must_use]
    pub fn hasher(&self, space: Space) -> Hasher {
        self.inner.root.hasher(space.name)
    }

    /// Whether other replicas share what is kept.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.inner.redis.is_some()
    }

    /// How Redis is doing; `None` without one.
    #[must_use]
    pub fn health(&self) -> Option<Health> {
        self.inner.redis.as_ref().map(Redis::health)
    }
}

impl Once {
    /// What makes the keys.
    #[must_use]
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// Marks `key` as used for `life`, and tells whether it was before. Of several replicas that ask
    /// at the same time, one is told that it is new.
    ///
    /// # Errors
    ///
    /// That nobody knows: treat it as "could not decide".
    pub async fn put(&self, key: Key, life: Duration, deadline: Instant) -> Result<Put, Error> {
        if Instant::now() > deadline {
            return Err(Error::Cancelled);
        }
        let here = self.seen.put(key, life)?;
        let Some(redis) = self.redis.as_ref().filter(|_| here == Put::New) else {
            return Ok(here);
        };
        let (operation, name) = (self.space.operation, redis.mark(self.space, &key));
        let mark = "1".to_owned();
        match redis
            .put_if_absent(operation, name, mark, life, deadline)
            .await
        {
            Ok(true) => Ok(Put::New),
            Ok(false) => Ok(Put::Known),
            Err(error) => {
                // Whoever shows it again is the first to be answered.
                self.seen.forget(&key);
                Err(error)
            }
        }
    }

    /// How much is held in memory, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.seen.size()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Store({:?}, {:?})", self.inner.redis, self.inner.trust)
    }
}
