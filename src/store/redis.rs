//! Redis, when there is one: questions with a deadline over a connection that others keep.
//!
//! # What a reader would get wrong
//!
//! *Nobody waits for a connection.* While there is none, every question is answered with
//! [`Error::Away`] at once, so an outage costs nothing but what Redis would have saved. A Redis that
//! hangs costs one `store.redis.deadline`, and only until the keeper has noticed. One that answers late or
//! badly is left alone by its breaker, except for what keeps lists up to now and what must not be lost.
//!
//! *Redis is somebody else's.* Values carry a version, an end and a seal ([`super::seal`]); whatever
//! was not written by us is a miss, and counted.
//!
//! # Names
//!
//! `subzero:2:ID:SPACE:GENERATION:{KEY}` an answer, `…:lease` who asks for it; `subzero:2:ID:SPACE:{KEY}`
//! what may be used once; `subzero:2:ID:LIST` a list; `subzero:2:ID:generations`; channel
//! `subzero:2:ID:news`. `2` is the version of all this, `ID` stands for the key file, so that
//! releases and keys that do not go together do not meet. Braces keep an answer and its lease on one
//! node of a cluster.
//!
//! # Cost
//!
//! One question on loopback 20 to 60 µs, one system call shared by all that are asked meanwhile.

mod connect;
mod failure;
mod keeper;
mod news;
mod questions;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    thread,
    time::Instant,
};

use arc_swap::ArcSwapOption;
use redis::RedisResult;
use tokio::{
    sync::{Notify, watch},
    time::timeout_at,
};

use self::{connect::Conn, failure::Failure};
use super::{Error, Key, Space, cache, config::Settings, keys::Root, ledger, trust::Trust};
use crate::{
    clock::Clock,
    dispatch::{Dispatcher, Operation},
    upstream::{Attempt, Series},
};

/// Asks Redis. Clones share the connection.
#[derive(Clone)]
pub(super) struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    runtime: tokio::runtime::Handle,
    /// `subzero:2:ID`.
    prefix: String,
    /// Who we are in messages, so that we need not believe our own.
    by: u64,
    line: ArcSwapOption<Line>,
    trust: Trust,
    clock: Clock,
    /// Set when an answer says that a new connection might do better.
    suspect: Notify,
    /// Rung when somebody wants to hear of everything now.
    wanted: Notify,
    listeners: Mutex<Listeners>,
    series: Series,
    unreadable: prometheus::IntCounter,
    dispatcher: Dispatcher,
    /// What went wrong last, while there is no connection.
    trouble: ArcSwapOption<String>,
}

/// A connection and what it can do.
struct Line {
    conn: Conn,
    tracks: bool,
}

/// Who is to hear of changes, by the names of their spaces.
#[derive(Default)]
struct Listeners {
    caches: HashMap<&'static str, Weak<cache::Inner>>,
    ledgers: HashMap<&'static str, Weak<ledger::Inner>>,
}

/// Keeps the connection for as long as it lives.
pub(super) struct Keeping(
    #[expect(dead_code, reason = "dropping it is the message")] watch::Sender<()>,
);

/// How Redis is doing, for readiness.
#[derive(Clone, Debug)]
pub struct Health {
    /// Whether questions are answered.
    pub connected: bool,
    /// What is wrong, in words; empty while nothing is.
    pub detail: String,
}

impl Redis {
    /// Starts to connect, on a thread of its own.
    ///
    /// # Errors
    ///
    /// That the machine refuses the thread.
    pub(super) fn start(
        settings: Settings,
        root: &Root,
        (series, unreadable): (Series, prometheus::IntCounter),
        dispatcher: Dispatcher,
        (trust, clock): (Trust, Clock),
    ) -> std::io::Result<(Self, Keeping)> {
        let id = root.hasher("id").key(&[]).hex();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let redis = Self {
            inner: Arc::new(Inner {
                settings,
                runtime: runtime.handle().clone(),
                prefix: format!("subzero:2:{}", &id[..16]),
                by: random(),
                line: ArcSwapOption::empty(),
                trust,
                clock,
                suspect: Notify::new(),
                wanted: Notify::new(),
                listeners: Mutex::default(),
                series,
                unreadable,
                dispatcher,
                trouble: ArcSwapOption::from_pointee("not connected yet".to_owned()),
            }),
        };
        let (keeping, stop) = watch::channel(());
        let kept = redis.clone();
        thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || runtime.block_on(keeper::keep(kept, stop)))?;
        Ok((redis, Keeping(keeping)))
    }

    /// How it is doing.
    pub(super) fn health(&self) -> Health {
        let trouble = self.inner.trouble.load_full();
        Health {
            connected: self.inner.line.load().is_some(),
            detail: trouble.map_or_else(String::new, |trouble| String::clone(&trouble)),
        }
    }

    /// Lets `cache` hear of changes.
    pub(super) fn listen(&self, space: Space, cache: &Arc<cache::Inner>) {
        let mut listeners = self.listeners();
        listeners.caches.insert(space.name, Arc::downgrade(cache));
        drop(listeners);
        self.inner.wanted.notify_one();
    }

    /// Looks at lists and generations now, not at the next pulse.
    pub(super) fn hurry(&self) {
        self.inner.wanted.notify_one();
    }

    /// Keeps `ledger` up to now.
    pub(super) fn follow(&self, ledger: &Arc<ledger::Inner>) {
        let mut listeners = self.listeners();
        let name = ledger.space().name;
        listeners.ledgers.insert(name, Arc::downgrade(ledger));
        drop(listeners);
        self.inner.wanted.notify_one();
    }

    /// Asks on behalf of a caller who can do without: not while the breaker is open.
    async fn ask<T, F>(
        &self,
        operation: Operation,
        deadline: Instant,
        question: impl FnOnce(Conn, bool) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let line = self.inner.line.load_full().ok_or(Error::Away)?;
        let attempt = self.inner.series.begin().map_err(|_| Error::Away)?;
        self.put_to(&line, attempt, (operation, deadline), question)
            .await
    }

    /// Asks whatever the breaker says: what keeps lists up to now, and what must not be lost.
    async fn ask_anyway<T, F>(
        &self,
        operation: Operation,
        deadline: Instant,
        question: impl FnOnce(Conn, bool) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let line = self.inner.line.load_full().ok_or(Error::Away)?;
        self.put_to(&line, None, (operation, deadline), question)
            .await
    }

    /// Waits for the answer until `deadline` or our own, whichever comes first.
    async fn put_to<T, F>(
        &self,
        line: &Line,
        attempt: Option<Attempt>,
        (operation, deadline): (Operation, Instant),
        question: impl FnOnce(Conn, bool) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let inner = &self.inner;
        let started = Instant::now();
        let ours = started + inner.settings.deadline;
        let until = ours.min(deadline);
        let answer = timeout_at(until.into(), question(line.conn.clone(), line.tracks)).await;
        let took = started.elapsed();
        let answer = match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure::of(&error)),
            // Nobody knows what Redis would have said.
            Err(_) if deadline < ours => return Err(Error::Cancelled),
            Err(_) => Err(Failure::slow()),
        };
        inner.dispatcher.waited(operation, took);
        if let Some(attempt) = attempt {
            attempt.ended(answer.as_ref().is_err_and(|failure| !failure.is_no()));
        }
        match answer {
            Ok(answer) => {
                inner.series.record(&Ok(()), took.as_secs_f64());
                Ok(answer)
            }
            Err(failure) => {
                tracing::debug!(error = %failure.cause, "redis did not answer");
                if failure.is_mendable {
                    inner.suspect.notify_one();
                }
                inner
                    .series
                    .record(&Err::<(), _>(failure.cause), took.as_secs_f64());
                Err(failure.error)
            }
        }
    }

    /// Runs `work` where the connection is kept, for as long as it is.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.inner.runtime.spawn(work);
    }

    /// Where an answer of `space` lies.
    pub(super) fn answer(&self, space: Space, generation: u64, key: &Key) -> String {
        let (prefix, name) = (&self.inner.prefix, space.name);
        format!("{prefix}:{name}:{generation}:{{{}}}", key.hex())
    }

    /// Where what may be used once lies.
    pub(super) fn mark(&self, space: Space, key: &Key) -> String {
        format!("{}:{}:{{{}}}", self.inner.prefix, space.name, key.hex())
    }

    /// What others are told when the answer under `key` changes.
    pub(super) fn gone(&self, space: Space, key: &Key) -> String {
        news::gone(self.inner.by, space.name, key)
    }

    fn list(&self, space: Space) -> String {
        format!("{}:{}", self.inner.prefix, space.name)
    }

    fn generations(&self) -> String {
        format!("{}:generations", self.inner.prefix)
    }

    fn channel(&self) -> String {
        format!("{}:news", self.inner.prefix)
    }

    fn listeners(&self) -> std::sync::MutexGuard<'_, Listeners> {
        let listeners = self.inner.listeners.lock();
        listeners.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis({:?})", self.health())
    }
}

/// A number that nobody else has come up with.
pub(super) fn random() -> u64 {
    std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 0)
}
