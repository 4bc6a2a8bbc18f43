//! Answers that replicas share: of all that have the same question at the same time one asks, and
//! the others find its answer in Redis.
//!
//! What a reader would get wrong: this is behind [`super::cache`] and behind what makes one question
//! of many in this process, so Redis is asked only where the server would have been. Nothing is held in
//! memory here. An answer has its age with it, so that wherever it goes it is kept no longer than one of
//! our own. A Redis that is away or slow costs one of its deadlines at most; then everybody asks.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::{Inner, key::put};
use crate::{
    clock::{Clock, UnixSeconds},
    dispatch::Operation,
    permission::{Answer, Ask, Authorizer, Error, Origin},
    store::{self, Space, Store},
};

/// The way to what other replicas were told.
#[derive(Debug)]
pub(super) struct Shared {
    answers: store::Cache,
    clock: Clock,
    /// How long one is kept at all.
    ttl: Duration,
    /// Longest wait for another replica's.
    patience: Duration,
}

const SPACE: Space = Space {
    name: "answers",
    operation: Operation::Permission,
};

impl Authorizer {
    /// The same, with a server's answers shared by all replicas of `store`, where they are kept at all.
    #[must_use]
    pub fn sharing(self, store: &Store) -> Self {
        if let Some(remote) = self.remote.as_ref().filter(|_| store.is_shared()) {
            let inner = &remote.inner;
            if inner.cache.is_some() {
                inner.shared.get_or_init(|| Shared {
                    answers: store.cache(SPACE, 0),
                    clock: Clock::System,
                    ttl: remote.config.ttl,
                    patience: remote.config.timeout,
                });
            }
        }
        self
    }
}

impl Inner {
    /// What an answer to `ask` is found by on every replica; `None` where nothing is shared.
    pub(super) fn name(&self, ask: &Ask<'_>, model: &str) -> Option<store::Key> {
        let hasher = self.shared.get()?.answers.hasher();
        Some(hasher.key_of(|fields| {
            fields.text(&self.server);
            put(fields, &self.store, ask, model);
        }))
    }
}

impl Shared {
    /// The answer under `name`, or else what `ask` says.
    pub(super) async fn find(
        &self,
        name: store::Key,
        ask: impl AsyncFnOnce() -> Result<bool, Error>,
    ) -> Result<Answer, Error> {
        let mut own = None;
        let asking = async || {
            let (asked, began) = (self.clock.now(), Instant::now());
            let allowed = ask().await?;
            own = Some(allowed);
            Ok(store::Answer {
                value: written(allowed, asked),
                life: self.ttl.saturating_sub(began.elapsed()),
            })
        };
        let late = || Error::Unavailable("another replica asks, and has no answer yet".to_owned());
        let deadline = Instant::now() + self.patience;
        let found = self.answers.share(name, deadline, late, asking).await?;
        if let Some(allowed) = own {
            return Ok(Answer::from_server(allowed));
        }
        let (allowed, asked) = read(&found)
            .ok_or_else(|| Error::Unavailable("a shared answer that cannot be read".to_owned()))?;
        // The second that it was asked in may have been beginning.
        let age = self.clock.now().saturating_sub(asked) + 1;
        Ok(Answer {
            allowed,
            origin: Origin::Cache(Duration::from_secs(age)),
        })
    }
}

/// One byte for the answer, eight for when it was asked for.
fn written(allowed: bool, asked: UnixSeconds) -> Bytes {
    let mut bytes = vec![u8::from(allowed)];
    bytes.extend_from_slice(&asked.to_be_bytes());
    bytes.into()
}

fn read(bytes: &[u8]) -> Option<(bool, UnixSeconds)> {
    let (allowed, asked) = bytes.split_first()?;
    let asked = UnixSeconds::from_be_bytes(asked.try_into().ok()?);
    match allowed {
        0 => Some((false, asked)),
        1 => Some((true, asked)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_reads_back_and_nothing_else_does() {
        for allowed in [false, true] {
            let bytes = written(allowed, 1_800_000_000);
            assert_eq!(read(&bytes), Some((allowed, 1_800_000_000)));
            assert_eq!(read(&bytes[..8]), None);
        }
        for bad in [&b""[..], b"1", &[2, 0, 0, 0, 0, 0, 0, 0, 0], &[1; 10]] {
            assert_eq!(read(bad), None);
        }
    }
}
