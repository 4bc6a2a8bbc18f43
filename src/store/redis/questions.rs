//! What Redis is asked, each question with the operation that waits for it and a deadline.
//!
//! What takes more than one step is a script (`store/scripts/*.lua`), so that nobody sees half of it;
//! each tells its keys and arguments in its first lines.

use std::{
    collections::HashMap,
    sync::LazyLock,
    time::{Duration, Instant},
};

use redis::{Script, Value};

use super::{Redis, connect::Conn, news, random};
use crate::{
    dispatch::Operation,
    store::{
        Error, Key, Space,
        ledger::{self, Marks},
    },
};

impl Redis {
    /// What lies under `name`.
    pub(in crate::store) async fn read(
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
    pub(in crate::store) async fn write(
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
    pub(in crate::store) async fn remove(
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
        self.ask_anyway(operation, deadline, asked).await.map(drop)
    }

    /// Makes `generation` that of `space`.
    pub(in crate::store) async fn clear(
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
        self.ask_anyway(space.operation, deadline, asked)
            .await
            .map(drop)
    }

    /// Puts `what` under `name` for `life` unless something is there; whether it was put.
    pub(in crate::store) async fn put_if_absent(
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
    pub(in crate::store) async fn peek(
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
    pub(in crate::store) async fn release(
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
    pub(in crate::store) async fn join(
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
        match self.ask_anyway(space.operation, deadline, asked).await? {
            Value::Nil | Value::Boolean(false) => Err(Error::Full),
            _ => Ok(()),
        }
    }

    /// The version of a list; `None` = there is no list.
    pub(in crate::store) async fn version_of(&self, space: Space) -> Result<Option<String>, Error> {
        let mut get = redis::cmd("HGET");
        get.arg(self.list(space)).arg("v");
        let asked = |mut conn: Conn, _| async move { get.query_async::<Value>(&mut conn).await };
        let found = self.ask_anyway(space.operation, never(), asked).await?;
        Ok(bytes(found).and_then(|version| String::from_utf8(version).ok()))
    }

    /// All entries of a list. Those that are not of our form are left out and counted.
    pub(in crate::store) async fn read_list(&self, space: Space) -> Result<ledger::Found, Error> {
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
            let (next, fields) = self.ask_anyway(space.operation, never(), asked).await?;
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
    pub(in crate::store) async fn forget(
        &self,
        space: Space,
        now: u64,
        keys: &[Key],
    ) -> Result<(), Error> {
        for part in keys.chunks(200) {
            let list = self.list(space);
            let names: Vec<String> = part.iter().map(Key::hex).collect();
            let asked = |mut conn: Conn, _| async move {
                let mut forget = FORGET.key(list);
                forget.arg(now).arg(names);
                forget.invoke_async::<i64>(&mut conn).await
            };
            self.ask_anyway(space.operation, never(), asked).await?;
        }
        Ok(())
    }

    /// The generations of all spaces.
    pub(super) async fn generations_now(&self) -> Result<HashMap<String, u64>, Error> {
        let mut get = redis::cmd("HGETALL");
        get.arg(self.generations());
        let asked = |mut conn: Conn, _| async move {
            get.query_async::<HashMap<String, String>>(&mut conn).await
        };
        let found = self
            .ask_anyway(Operation::Permission, never(), asked)
            .await?;
        let read = |(space, text): (String, String)| Some((space, text.parse().ok()?));
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// Gives `space` a generation, where it has none.
    pub(super) async fn begin_generation(&self, space: &'static str) -> Result<(), Error> {
        let mut set = redis::cmd("HSETNX");
        set.arg(self.generations()).arg(space).arg(random());
        let asked = |mut conn: Conn, _| async move { set.query_async::<i64>(&mut conn).await };
        self.ask_anyway(Operation::Permission, never(), asked)
            .await
            .map(drop)
    }

    /// Adds to what lies under `name` as `history.lua` has it: what that comes to. `ends` are the
    /// half-life and the end, in seconds.
    pub(in crate::store) async fn add_history(
        &self,
        operation: Operation,
        name: String,
        seen: String,
        [half_life, end]: [u64; 2],
    ) -> Result<String, Error> {
        let asked = |mut conn: Conn, _| async move {
            let mut add = HISTORY.key(name);
            add.arg(seen).arg(half_life).arg(end);
            add.invoke_async::<Value>(&mut conn).await
        };
        let found = self.ask(operation, never(), asked).await?;
        let text = bytes(found).and_then(|text| String::from_utf8(text).ok());
        text.ok_or(Error::Refused)
    }
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

static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../scripts/put.lua")));
static REMOVE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../scripts/remove.lua")));
static CLEAR: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../scripts/clear.lua")));
static PEEK: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../scripts/peek.lua")));
static RELEASE: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../scripts/release.lua")));
static HISTORY: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../scripts/history.lua")));
static JOIN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../scripts/join.lua")));
static FORGET: LazyLock<Script> =
    LazyLock::new(|| Script::new(include_str!("../scripts/forget.lua")));
