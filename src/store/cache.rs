//! Answers that are kept for a while: in memory, and behind it in Redis, where other replicas find
//! them.
//!
//! # What a reader would get wrong
//!
//! An answer is kept under everything that it depends on, or not at all. What cannot be a field of the
//! key (a policy that was reloaded, relations that were written) takes answers away with
//! [`Cache::remove`] or [`Cache::clear`], and every replica has heard of it within a second.
//!
//! An answer that was read while somebody changed it may be the older one. So a key that is heard to
//! have changed between question and answer is not kept in memory: see [`Changes`].
//!
//! # Across replicas
//!
//! [`Cache::share`] lets one of all replicas ask the upstream: it holds a short lease in Redis while it
//! asks, and the others look for its answer, within their own deadlines. Put it inside of whatever
//! makes one call out of many in this process, so that there is one question to Redis too.

mod turn;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;

use self::turn::Turn;
use super::{
    Error, Hasher, Key, Space,
    memory::Memory,
    metrics::Series,
    redis::{self, Redis},
    seal::Seal,
    trust::Trust,
};

/// Answers of one space. Clones share them.
#[derive(Clone, Debug)]
pub struct Cache {
    pub(super) inner: Arc<Inner>,
}

/// An answer of an upstream, and for how long it is good; no time at all = not to be kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// What it says.
    pub value: Bytes,
    /// How long it may be kept.
    pub life: Duration,
}

#[derive(Debug)]
pub(super) struct Inner {
    changes: Changes,
    /// Changes when everything is forgotten at once; 0 = not heard from Redis yet.
    generation: AtomicU64,
    hasher: Hasher,
    memory: Memory,
    redis: Option<Redis>,
    seal: Seal,
    series: Series,
    space: Space,
    trust: Trust,
}

impl Cache {
    pub(super) fn new(
        space: Space,
        max: usize,
        (hasher, seal): (Hasher, Seal),
        (redis, trust): (Option<Redis>, Trust),
        series: Series,
    ) -> Self {
        let inner = Arc::new(Inner {
            changes: Changes::default(),
            generation: AtomicU64::new(0),
            hasher,
            memory: Memory::new(max),
            redis,
            seal,
            series,
            space,
            trust,
        });
        if let Some(redis) = &inner.redis {
            redis.listen(space, &inner);
        }
        Self { inner }
    }

    /// What makes the keys.
    #[must_use]
    pub fn hasher(&self) -> &Hasher {
        &self.inner.hasher
    }

    /// The answer kept under `key`; `None` when there is none.
    ///
    /// # Errors
    ///
    /// That nobody knows. Do as if there were none.
    pub async fn get(&self, key: &Key, deadline: Instant) -> Result<Option<Bytes>, Error> {
        if Instant::now() > deadline {
            return Err(Error::Cancelled);
        }
        let series = &self.inner.series;
        if let Some(answer) = self.recall(key) {
            series.hits.inc();
            return Ok(Some(answer));
        }
        let found = self.fetch(key, deadline).await;
        match &found {
            Ok(Some(_)) => series.shared.inc(),
            Ok(None) => series.misses.inc(),
            Err(_) => series.errors.inc(),
        }
        found
    }

    /// The answer kept under `key` in memory. Never waits.
    #[must_use]
    pub fn recall(&self, key: &Key) -> Option<Bytes> {
        let inner = &self.inner;
        let generation = inner.generation.load(Ordering::Acquire);
        inner.memory.get(key, generation, &inner.trust)
    }

    /// Keeps `answer` under `key`, for as long as it is good.
    ///
    /// # Errors
    ///
    /// That others will not find it; it is in memory all the same.
    pub async fn put(&self, key: Key, answer: Answer, deadline: Instant) -> Result<(), Error> {
        let inner = &self.inner;
        if answer.life.is_zero() {
            return Ok(());
        }
        inner.remember(key, &answer, inner.moment(&key));
        let Some((redis, generation)) = inner.shared()? else {
            return Ok(());
        };
        let name = redis.answer(inner.space, generation, &key);
        let sealed = inner.seal.close(&key, &answer.value, answer.life);
        let gone = redis.gone(inner.space, &key);
        let operation = inner.space.operation;
        redis
            .write(operation, name, sealed, answer.life, gone, deadline)
            .await
    }

    /// Takes away what is kept under `key`, here and on every replica.
    ///
    /// # Errors
    ///
    /// That others may not have heard; they will believe it until its end.
    pub async fn remove(&self, key: &Key, deadline: Instant) -> Result<(), Error> {
        let inner = &self.inner;
        inner.is_gone(key);
        let Some((redis, generation)) = inner.shared()? else {
            return Ok(());
        };
        let name = redis.answer(inner.space, generation, key);
        let gone = redis.gone(inner.space, key);
        redis
            .remove(inner.space.operation, name, gone, deadline)
            .await
    }

    /// Takes everything away, here and on every replica.
    ///
    /// # Errors
    ///
    /// That others may not have heard.
    pub async fn clear(&self, deadline: Instant) -> Result<(), Error> {
        let inner = &self.inner;
        // Never one that was there before, or what was kept then would be there again.
        let generation = redis::random() | 1;
        inner.is_of(generation);
        match &inner.redis {
            Some(redis) => redis.clear(inner.space, generation, deadline).await,
            None => Ok(()),
        }
    }

    /// The answer kept under `key`, or else what `ask` says, which is then kept. Of several replicas
    /// that come here at the same time, one asks and the others get its answer; without Redis, each
    /// asks for itself.
    ///
    /// Must be called inside a runtime that goes on.
    ///
    /// # Errors
    ///
    /// What `ask` says, or `late` when another replica asks and has no answer by `deadline`.
    pub async fn share<E>(
        &self,
        key: Key,
        deadline: Instant,
        late: impl FnOnce() -> E,
        ask: impl AsyncFnOnce() -> Result<Answer, E>,
    ) -> Result<Bytes, E> {
        match self.get(&key, deadline).await {
            Ok(Some(answer)) => return Ok(answer),
            Ok(None) => {}
            // What cannot be shared costs no second question to Redis.
            Err(_) => {
                let seen = self.inner.moment(&key);
                let asked = ask().await?;
                self.inner.remember(key, &asked, seen);
                return Ok(asked.value);
            }
        }
        let turn = match self.wait_for_turn(&key, deadline).await {
            Turn::Answered(answer) => return Ok(answer),
            Turn::Late => return Err(late()),
            Turn::Ours(lease) => lease,
        };
        let seen = self.inner.moment(&key);
        let asked = ask().await;
        if let Ok(answer) = &asked {
            self.inner.remember(key, answer, seen);
        }
        let Some(lease) = turn else {
            return asked.map(|answer| answer.value);
        };
        // Nobody here waits for what is for the others, who ask for themselves if it does not come.
        let (cache, told) = (self.clone(), asked.as_ref().ok().cloned());
        tokio::spawn(async move {
            let deadline = Instant::now() + TELLING;
            if let Some(answer) = told {
                let _ = cache.put(key, answer, deadline).await;
            }
            lease.release(deadline).await;
        });
        asked.map(|answer| answer.value)
    }

    /// Looks in Redis.
    async fn fetch(&self, key: &Key, deadline: Instant) -> Result<Option<Bytes>, Error> {
        let inner = &self.inner;
        let Some((redis, generation)) = inner.shared()? else {
            return Ok(None);
        };
        let seen = inner.moment(key);
        let born = Instant::now();
        let name = redis.answer(inner.space, generation, key);
        let sealed = redis.read(inner.space.operation, name, deadline).await?;
        Ok(sealed.and_then(|sealed| inner.opened(key, sealed, born, seen)))
    }

    /// How much is held in memory, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.inner.memory.size()
    }
}

impl Inner {
    /// Redis and the generation there, where there is Redis.
    fn shared(&self) -> Result<Option<(&Redis, u64)>, Error> {
        let Some(redis) = &self.redis else {
            return Ok(None);
        };
        match self.generation.load(Ordering::Acquire) {
            0 => Err(Error::Away),
            generation => Ok(Some((redis, generation))),
        }
    }

    /// What was known when a question began.
    fn moment(&self, key: &Key) -> (u64, u32) {
        let seen = self.changes.of(key).load(Ordering::Acquire);
        (self.generation.load(Ordering::Acquire), seen)
    }

    /// Opens what Redis has under `key`, and keeps it in memory.
    fn opened(&self, key: &Key, sealed: Vec<u8>, born: Instant, seen: (u64, u32)) -> Option<Bytes> {
        let Some((value, left)) = self.seal.open(key, sealed) else {
            self.series.unusable.inc();
            return None;
        };
        self.keep(*key, value.clone(), (born, left), seen);
        Some(value)
    }

    /// Keeps what was answered now in memory.
    fn remember(&self, key: Key, answer: &Answer, seen: (u64, u32)) {
        if !answer.life.is_zero() {
            let lives = (Instant::now(), answer.life);
            self.keep(key, answer.value.clone(), lives, seen);
        }
    }

    /// Keeps `value` in memory, unless it was heard to have changed since the moment it was asked for.
    fn keep(
        &self,
        key: Key,
        value: Bytes,
        (born, life): (Instant, Duration),
        (generation, seen): (u64, u32),
    ) {
        self.memory.put(key, value, born, life, generation);
        // Afterwards: a change that comes now finds it there and takes it away itself.
        if self.changes.of(&key).load(Ordering::Acquire) != seen {
            self.memory.remove(&key);
        }
        let held = i64::try_from(self.memory.size()).unwrap_or(i64::MAX);
        self.series.bytes.set(held);
    }

    /// What is kept under `key` is not the latest any more.
    pub(super) fn is_gone(&self, key: &Key) {
        self.changes.of(key).fetch_add(1, Ordering::AcqRel);
        self.memory.remove(key);
    }

    /// Everything kept under another generation is not the latest any more.
    pub(super) fn is_of(&self, generation: u64) {
        if self.generation.swap(generation, Ordering::AcqRel) != generation {
            self.memory.clear();
        }
    }
}

/// Longest time that is taken to tell others, beside the deadline that each question has.
const TELLING: Duration = Duration::from_secs(1);

/// How often keys were heard to have changed. Several share a count: then one is not kept though it
/// could have been.
#[derive(Debug)]
struct Changes([AtomicU32; 256]);

impl Changes {
    fn of(&self, key: &Key) -> &AtomicU32 {
        &self.0[usize::from(key.bytes()[31])]
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }
}

#[cfg(test)]
mod tests;
