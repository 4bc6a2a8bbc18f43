//! What all replicas add to, without waiting for each other: a text for each key, joined by a script.
//!
//! What a reader would get wrong: it is behind. What one replica adds reaches Redis when its owner
//! tells it, and the others when they read again; what was not told yet goes with the process. So it
//! is for what may be a little old and a little less than all, and for nothing that must hold.

use std::time::{Duration, Instant};

use super::{Error, Hasher, Key, Space, redis::Redis};

/// Texts of one space that replicas add to. Clones are the same.
#[derive(Clone, Debug)]
pub struct Tally {
    hasher: Hasher,
    redis: Redis,
    space: Space,
}

impl Tally {
    pub(super) fn new(space: Space, hasher: Hasher, redis: Redis) -> Self {
        Self {
            hasher,
            redis,
            space,
        }
    }

    /// What makes the keys.
    #[must_use]
    pub fn hasher(&self) -> &Hasher {
        &self.hasher
    }

    /// What all replicas together know under `key`. Waits for Redis, `store.redis.deadline` at most.
    ///
    /// # Errors
    ///
    /// That nobody knows.
    pub async fn read(&self, key: &Key) -> Result<Option<String>, Error> {
        let name = self.redis.mark(self.space, key);
        let found = self.redis.read(self.space.operation, name, later()).await?;
        Ok(found.and_then(|text| String::from_utf8(text).ok()))
    }

    /// Adds `seen` (in the form of `history.lua`) to what is known under `key`; what that comes to.
    ///
    /// # Errors
    ///
    /// That it may not have been added.
    pub async fn add(
        &self,
        key: &Key,
        seen: String,
        half_life: Duration,
        over_after: Duration,
    ) -> Result<String, Error> {
        let name = self.redis.mark(self.space, key);
        let ends = [half_life, over_after].map(|span| span.as_secs().max(1));
        let operation = self.space.operation;
        self.redis.add_history(operation, name, seen, ends).await
    }

    /// Runs `work` in the background for as long as the store is there.
    pub fn behind(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.redis.spawn(work);
    }
}

/// Later than our own deadline.
fn later() -> Instant {
    Instant::now() + Duration::from_mins(1)
}
