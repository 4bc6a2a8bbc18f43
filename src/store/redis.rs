//! Redis, when there is one: questions with a deadline over a connection that others keep.
//!
//! # What a reader would get wrong
//!
//! *Nobody waits for a connection.* While there is none, every question is answered with
//! [`Error::Away`] at once, so an outage costs nothing but what Redis would have saved. A Redis that
//! hangs costs one `store.redis.deadline`, and only until the keeper has noticed.
//!
//! *Redis is somebody else's.* Values carry a version, an end and a seal ([`super::seal`]); whatever
//! was not written by us is a miss, and counted.
//!
//! # Names
//!
//! `subzero:1:ID:SPACE:GENERATION:{KEY}` an answer, `…:lease` who asks for it; `subzero:1:ID:SPACE:{KEY}`
//! what may be used once; `subzero:1:ID:LIST` a list; `subzero:1:ID:generations`; channel
//! `subzero:1:ID:news`. `1` is the version of all this, `ID` stands for the key file, so that
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

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, LazyLock, Mutex, PoisonError, Weak},
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use redis::{RedisResult, Script, Value};
use tokio::{
    sync::{Notify, watch},
    time::timeout_at,
};

use self::{connect::Conn, failure::Failure};
use super::{
    Error, Key, Space, cache,
    config::Settings,
    keys::Root,
    ledger::{self, Marks},
    trust::Trust,
};
use crate::{
    clock::Clock,
    dispatch::{Dispatcher, Operation},
    upstream::Series,
};

/// Asks Redis. Clones share the connection.
#[derive(Clone)]
pub(super) struct Redis {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    /// `subzero:1:ID`.
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
        let redis = Self {
            inner: Arc::new(Inner {
                settings,
                prefix: format!("subzero:1:{}", &id[..16]),
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
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
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

    /// What lies under `name`.
    pub(super) async fn read(
        &self,
        operation: Operation,
        name: String,
        deadline: Instant,
    ) -> Result<Option<Vec<u8>>, Error> {
        let mut get = redis::cmd("GET");
        get.arg(name);
        let asked = |mut conn: Conn, _| async move { get.query_async::<Value>(&mut conn).await };
        let found = self.ask(operation, deadline, asked).await?;
        Ok(bytes(found))
    }

    /// Puts `sealed` under `name` for `life`; `gone` is what others are told that have another.
    pub(super) async fn write(
        &self,
        operation: Operation,
        name: String,
        sealed: Vec<u8>,
        life: Duration,
        gone: String,
        deadline: Instant,
    ) -> Result<(), Error> {
        let channel = self.channel();
        let asked = |mut conn: Conn, tracks: bool| async move {
            let mut put = PUT.key(name);
            put.arg(sealed).arg(millis(life));
            put.arg(if tracks { "" } else { &channel }).arg(gone);
            put.invoke_async::<i64>(&mut conn).await
        };
        self.ask(operation, deadline, asked).await.map(drop)
    }

    /// Takes away what lies under `name`.
    pub(super) async fn remove(
        &self,
        operation: Operation,
        name: String,
        gone: String,
        deadline: Instant,
    ) -> Result<(), Error> {
        let channel = self.channel();
        let asked = |mut conn: Conn, tracks: bool| async move {
            let mut remove = REMOVE.key(name);
            remove.arg(if tracks { "" } else { &channel }).arg(gone);
            remove.invoke_async::<i64>(&mut conn).await
        };
        self.ask(operation, deadline, asked).await.map(drop)
    }

    /// Makes `generation` that of `space`.
    pub(super) async fn clear(
        &self,
        space: Space,
        generation: u64,
        deadline: Instant,
    ) -> Result<(), Error> {
        let (generations, channel) = (self.generations(), self.channel());
        let asked = |mut conn: Conn, _| async move {
            let mut clear = CLEAR.key(generations);
            clear.arg(space.name).arg(generation).arg(channel);
            clear.arg(news::cleared(space.name, generation));
            clear.invoke_async::<i64>(&mut conn).await
        };
        self.ask(space.operation, deadline, asked).await.map(drop)
    }

    /// Puts `what` under `name` for `life` unless something is there; whether it was put.
    pub(super) async fn put_if_absent(
        &self,
        operation: Operation,
        name: String,
        what: String,
        life: Duration,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let mut set = redis::cmd("SET");
        set.arg(name)
            .arg(what)
            .arg("NX")
            .arg("PX")
            .arg(millis(life));
        let asked = |mut conn: Conn, _| async move { set.query_async::<Value>(&mut conn).await };
        let put = self.ask(operation, deadline, asked).await?;
        Ok(put == Value::Okay)
    }

    /// The sealed answer that somebody else was to put under `name`, and whether their `lease` runs.
    pub(super) async fn peek(
        &self,
        operation: Operation,
        [name, lease]: [String; 2],
        deadline: Instant,
    ) -> Result<(Option<Vec<u8>>, bool), Error> {
        let asked = |mut conn: Conn, _| async move {
            let mut peek = PEEK.key(name);
            peek.key(lease);
            peek.invoke_async::<(Value, bool)>(&mut conn).await
        };
        let (found, runs) = self.ask(operation, deadline, asked).await?;
        Ok((bytes(found), runs))
    }

    /// Gives a lease back that `what` was written into.
    pub(super) async fn release(
        &self,
        operation: Operation,
        lease: String,
        what: String,
        deadline: Instant,
    ) -> Result<(), Error> {
        let asked = |mut conn: Conn, _| async move {
            let mut release = RELEASE.key(lease);
            release.arg(what);
            release.invoke_async::<i64>(&mut conn).await
        };
        self.ask(operation, deadline, asked).await.map(drop)
    }

    /// Adds to a list; `words` are those of `join.lua`.
    pub(super) async fn join(
        &self,
        space: Space,
        words: Vec<String>,
        most: usize,
        deadline: Instant,
    ) -> Result<(), Error> {
        let (list, channel) = (self.list(space), self.channel());
        let epoch = format!("{:x}", random());
        let asked = |mut conn: Conn, _| async move {
            let mut join = JOIN.key(list);
            join.arg(channel).arg(format!("joined {}", space.name));
            join.arg(epoch).arg(most).arg(words);
            join.invoke_async::<Value>(&mut conn).await
        };
        match self.ask(space.operation, deadline, asked).await? {
            Value::Nil | Value::Boolean(false) => Err(Error::Full),
            _ => Ok(()),
        }
    }

    /// The version of a list; `None` = there is no list.
    pub(super) async fn version_of(&self, space: Space) -> Result<Option<String>, Error> {
        let mut get = redis::cmd("HGET");
        get.arg(self.list(space)).arg("v");
        let asked = |mut conn: Conn, _| async move { get.query_async::<Value>(&mut conn).await };
        let found = self.ask(space.operation, never(), asked).await?;
        Ok(bytes(found).and_then(|version| String::from_utf8(version).ok()))
    }

    /// All entries of a list. Those that are not of our form are left out and counted.
    pub(super) async fn read_list(&self, space: Space) -> Result<ledger::Found, Error> {
        let mut found = ledger::Found::default();
        let mut cursor = 0u64;
        loop {
            let mut scan = redis::cmd("HSCAN");
            scan.arg(self.list(space))
                .arg(cursor)
                .arg("COUNT")
                .arg(1_000);
            let asked = |mut conn: Conn, _| async move {
                scan.query_async::<(u64, Vec<Vec<u8>>)>(&mut conn).await
            };
            let (next, fields) = self.ask(space.operation, never(), asked).await?;
            for pair in fields.chunks(2) {
                let [name, entry] = pair else { continue };
                if name == b"v" {
                    continue;
                }
                let read = |(name, entry): (&str, &str)| {
                    Some((Key::from_hex(name)?, Marks::from_stored(entry)?))
                };
                let text = std::str::from_utf8(name)
                    .ok()
                    .zip(std::str::from_utf8(entry).ok());
                match text.and_then(read) {
                    Some((key, marks)) => {
                        let known = found.entries.entry(key).or_default();
                        *known = known.and(marks);
                    }
                    None => self.inner.unreadable.inc(),
                }
            }
            cursor = next;
            if cursor == 0 {
                return Ok(found);
            }
        }
    }

    /// Drops entries of a list that matter no more.
    pub(super) async fn forget(&self, space: Space, now: u64, keys: &[Key]) -> Result<(), Error> {
        for part in keys.chunks(200) {
            let list = self.list(space);
            let names: Vec<String> = part.iter().map(Key::hex).collect();
            let asked = |mut conn: Conn, _| async move {
                let mut forget = FORGET.key(list);
                forget.arg(now).arg(names);
                forget.invoke_async::<i64>(&mut conn).await
            };
            self.ask(space.operation, never(), asked).await?;
        }
        Ok(())
    }

    /// The generations of all spaces.
    async fn generations_now(&self) -> Result<HashMap<String, u64>, Error> {
        let mut get = redis::cmd("HGETALL");
        get.arg(self.generations());
        let asked = |mut conn: Conn, _| async move {
            get.query_async::<HashMap<String, String>>(&mut conn).await
        };
        let found = self.ask(Operation::Permission, never(), asked).await?;
        let read = |(space, text): (String, String)| Some((space, text.parse().ok()?));
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// Gives `space` a generation, where it has none.
    async fn begin_generation(&self, space: &'static str) -> Result<(), Error> {
        let mut set = redis::cmd("HSETNX");
        set.arg(self.generations()).arg(space).arg(random());
        let asked = |mut conn: Conn, _| async move { set.query_async::<i64>(&mut conn).await };
        self.ask(Operation::Permission, never(), asked)
            .await
            .map(drop)
    }

    /// Asks, and waits for the answer until `deadline` or our own, whichever comes first.
    async fn ask<T, F>(
        &self,
        operation: Operation,
        deadline: Instant,
        question: impl FnOnce(Conn, bool) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let inner = &self.inner;
        let Some(line) = inner.line.load_full() else {
            return Err(Error::Away);
        };
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

/// What a string says; anything else says nothing.
fn bytes(value: Value) -> Option<Vec<u8>> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    }
}

fn millis(life: Duration) -> u64 {
    u64::try_from(life.as_millis())
        .unwrap_or(u64::MAX >> 1)
        .max(1)
}

/// For questions of our own, which have the configured deadline only.
fn never() -> Instant {
    Instant::now() + Duration::from_hours(1)
}

static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/put.lua")));
static REMOVE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/remove.lua")));
static CLEAR: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/clear.lua")));
static PEEK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/peek.lua")));
static RELEASE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("scripts/release.lua")));
static JOIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/join.lua")));
static FORGET: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("scripts/forget.lua")));
