//! Whose turn it is to ask an upstream, among replicas.
//!
//! What a reader would get wrong: a lease is no lock. Whoever holds it may die, and then it lapses with
//! the deadline of the check that took it; whoever cannot reach Redis asks without one. Two may ask,
//! and that costs a question, nothing else.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::time::sleep;

use super::Cache;
use crate::store::{
    Error, Key, Space,
    redis::{self, Redis},
};

impl Cache {
    /// Until it is our turn to ask, or somebody else has the answer.
    pub(super) async fn wait_for_turn(&self, key: &Key, deadline: Instant) -> Turn {
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
}

/// What a replica that waits for its turn comes to.
pub(super) enum Turn {
    Answered(Bytes),
    Late,
    /// With a lease, where there is one to be had.
    Ours(Option<Lease>),
}

/// The right to ask, while it runs. It lapses by itself if we do.
pub(super) struct Lease {
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

    pub(super) async fn release(self, deadline: Instant) {
        let operation = self.space.operation;
        // Else it lapses.
        let _ = self
            .redis
            .release(operation, self.name, self.what, deadline)
            .await;
    }
}

/// How soon another replica's answer is looked for…
const FIRST_LOOK: Duration = Duration::from_millis(1);

/// …and how often when it takes long.
const LAST_LOOK: Duration = Duration::from_millis(10);
