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

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::sleep;

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
        let (generation, seen) = inner.moment(&key);
        let born = Instant::now();
        inner.keep(
            key,
            answer.value.clone(),
            (born, answer.life),
            (generation, seen),
        );
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
        if let Ok(Some(answer)) = self.get(&key, deadline).await {
            return Ok(answer);
        }
        let turn = match self.wait_for_turn(&key, deadline).await {
            Turn::Answered(answer) => return Ok(answer),
            Turn::Late => return Err(late()),
            Turn::Ours(lease) => lease,
        };
        let asked = ask().await;
        if let Ok(answer) = &asked {
            // Others that miss it ask for themselves.
            let _ = self.put(key, answer.clone(), deadline).await;
        }
        if let Some(lease) = turn {
            lease.release(deadline).await;
        }
        asked.map(|answer| answer.value)
    }

    /// Until it is our turn to ask, or somebody else has the answer.
    async fn wait_for_turn(&self, key: &Key, deadline: Instant) -> Turn {
        let inner = &self.inner;
        let Ok(Some((redis, generation))) = inner.shared() else {
            return Turn::Ours(None);
        };
        let operation = inner.space.operation;
        let name = redis.answer(inner.space, generation, key);
        let lease = Lease {
            redis: redis.clone(),
            space: inner.space,
            name: format!("{name}:lease"),
            what: format!("{:x}", redis::random()),
        };
        let mut pause = FIRST_LOOK;
        loop {
            let life = deadline.saturating_duration_since(Instant::now());
            if life.is_zero() {
                return Turn::Late;
            }
            match lease.take(life, deadline).await {
                // What cannot be shared is asked for by everybody: slower, not wrong.
                Err(Error::Cancelled) => return Turn::Late,
                Err(_) => return Turn::Ours(None),
                Ok(true) => return Turn::Ours(Some(lease)),
                Ok(false) => {}
            }
            loop {
                if Instant::now() + pause >= deadline {
                    return Turn::Late;
                }
                sleep(pause).await;
                pause = (pause * 2).min(LAST_LOOK);
                let seen = inner.moment(key);
                let born = Instant::now();
                let names = [name.clone(), lease.name.clone()];
                let Ok((sealed, runs)) = redis.peek(operation, names, deadline).await else {
                    return Turn::Ours(None);
                };
                if let Some(answer) =
                    sealed.and_then(|sealed| inner.opened(key, sealed, born, seen))
                {
                    return Turn::Answered(answer);
                }
                if !runs {
                    break;
                }
            }
        }
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

/// What a replica that waits for its turn comes to.
enum Turn {
    Answered(Bytes),
    Late,
    /// With a lease, where there is one to be had.
    Ours(Option<Lease>),
}

/// The right to ask, while it runs. It lapses by itself if we do.
struct Lease {
    redis: Redis,
    space: Space,
    name: String,
    what: String,
}

impl Lease {
    async fn take(&self, life: Duration, deadline: Instant) -> Result<bool, Error> {
        let (name, what) = (self.name.clone(), self.what.clone());
        let operation = self.space.operation;
        self.redis
            .put_if_absent(operation, name, what, life, deadline)
            .await
    }

    async fn release(self, deadline: Instant) {
        let operation = self.space.operation;
        // Else it lapses.
        let _ = self
            .redis
            .release(operation, self.name, self.what, deadline)
            .await;
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

/// How soon another replica's answer is looked for…
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// …and how often when it takes long.
const LAST_LOOK: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dispatch::Operation,
        store::{Space, Store},
    };

    const SPACE: Space = Space {
        name: "permission",
        operation: Operation::Permission,
    };

    fn answer(text: &'static str) -> Answer {
        Answer {
            value: Bytes::from_static(text.as_bytes()),
            life: Duration::from_mins(1),
        }
    }

    #[tokio::test]
    async fn an_answer_is_found_again_until_it_is_taken_away() {
        let store = Store::in_memory().expect("random numbers");
        let cache = store.cache(SPACE, 1 << 20);
        let soon = Instant::now() + Duration::from_secs(5);
        let key = |user: &str| cache.hasher().key(&[user.as_bytes(), b"viewer"]);
        assert_eq!(cache.get(&key("ann"), soon).await, Ok(None));
        for user in ["ann", "bob"] {
            let kept = cache.put(key(user), answer("yes"), soon).await;
            assert_eq!(kept, Ok(()));
        }
        let yes = Some(Bytes::from_static(b"yes"));
        assert_eq!(cache.get(&key("ann"), soon).await, Ok(yes));
        cache.remove(&key("ann"), soon).await.expect("in memory");
        assert_eq!(cache.recall(&key("ann")), None);
        assert!(cache.recall(&key("bob")).is_some());
        cache.clear(soon).await.expect("in memory");
        assert_eq!(cache.recall(&key("bob")), None);
        let past = Instant::now();
        assert_eq!(cache.get(&key("ann"), past).await, Err(Error::Cancelled));
    }

    #[tokio::test]
    async fn what_is_not_known_is_asked_for_once_and_errors_are_not_kept() {
        let store = Store::in_memory().expect("random numbers");
        let cache = store.cache(SPACE, 1 << 20);
        let soon = Instant::now() + Duration::from_secs(5);
        let key = cache.hasher().key(&[b"ann"]);
        let late = || "late";
        let failed = cache.share(key, soon, late, async || Err("down")).await;
        assert_eq!(failed, Err("down"));
        for said in ["yes", "never asked"] {
            let shared = cache
                .share(key, soon, late, async || Ok(answer(said)))
                .await;
            assert_eq!(shared, Ok(Bytes::from_static(b"yes")));
        }
    }

    #[test]
    fn what_changed_while_it_was_asked_for_is_not_kept() {
        let store = Store::in_memory().expect("random numbers");
        let cache = store.cache(SPACE, 1 << 20);
        let key = cache.hasher().key(&[b"ann"]);
        let inner = &cache.inner;
        let until = (Instant::now(), Duration::from_mins(1));
        let before = inner.moment(&key);
        inner.is_gone(&key);
        inner.keep(key, Bytes::from_static(b"old"), until, before);
        assert_eq!(cache.recall(&key), None, "taken away meanwhile");
        let before = inner.moment(&key);
        inner.is_of(7);
        inner.keep(key, Bytes::from_static(b"old"), until, before);
        assert_eq!(cache.recall(&key), None, "of another generation");
        inner.keep(key, Bytes::from_static(b"new"), until, inner.moment(&key));
        assert!(cache.recall(&key).is_some());
    }
}
