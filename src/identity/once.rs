//! What may be shown once: proofs and logout tokens, by their `jti`.
//!
//! What a reader would get wrong: nothing is forgotten before its time. Dropping the oldest when there
//! is no room would let somebody wash another's proof out and show it again, so what does not fit is
//! refused.
//!
//! # Cost
//!
//! 1 µs: a digest, and the lock of one shard.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_lc_rs::{
    digest::{self, SHA256_OUTPUT_LEN},
    rand,
};

use super::error::Error;

/// What has been shown and would still be good. Clones share it.
#[derive(Clone)]
pub(super) struct Once(Arc<Inner>);

struct Inner {
    /// Entries in each shard.
    most: usize,
    secret: [u8; 32],
    /// Held for a look-up, never across an await.
    shards: [Mutex<HashMap<Digest, Instant>>; SHARDS],
}

type Digest = [u8; SHA256_OUTPUT_LEN];

impl Once {
    /// Room for `bytes`. `None` if the system has no random numbers.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).ok()?;
        Some(Self(Arc::new(Inner {
            most: (bytes / ENTRY_SIZE / SHARDS).max(1),
            secret,
            shards: std::array::from_fn(|_| Mutex::default()),
        })))
    }

    /// Notes that what `fields` name has been shown, for `life`. `false` if it had been before.
    pub(super) fn first(&self, fields: &[&str], life: Duration) -> Result<bool, Error> {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&self.0.secret);
        for field in fields {
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field.as_bytes());
        }
        let mut key = [0; SHA256_OUTPUT_LEN];
        key.copy_from_slice(context.finish().as_ref());
        let now = Instant::now();
        let shard = &self.0.shards[usize::from(key[0]) % SHARDS];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if shard.get(&key).is_some_and(|until| now < *until) {
            return Ok(false);
        }
        if shard.len() >= self.0.most {
            shard.retain(|_, until| now < *until);
            if shard.len() >= self.0.most {
                return Err(Error::Overloaded);
            }
        }
        shard.insert(key, now + life);
        Ok(true)
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Once")
    }
}

/// Locks of which a question takes one.
const SHARDS: usize = 16;

/// What an entry takes, in bytes, with the map's spare places.
const ENTRY_SIZE: usize = 2 * (size_of::<Digest>() + size_of::<Instant>() + 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_has_been_shown_is_known_until_it_lapses_and_never_pushed_out() {
        let once = Once::new(ENTRY_SIZE * SHARDS * 8).expect("random numbers");
        let (long, short) = (Duration::from_mins(1), Duration::from_millis(20));
        assert_eq!(once.first(&["a", "b"], long), Ok(true));
        assert_eq!(once.first(&["a", "b"], long), Ok(false));
        assert_eq!(once.first(&["ab", ""], long), Ok(true), "other fields");
        let shown = |life| {
            let all = (0..2_000).map(|number: u32| once.first(&["x", &number.to_string()], life));
            all.filter(|first| *first == Ok(true)).count()
        };
        let taken = shown(short);
        assert!((60..=8 * SHARDS).contains(&taken), "{taken}");
        assert_eq!(once.first(&["a", "b"], long), Ok(false));
        tokio::time::sleep(short * 2).await;
        assert!(shown(short) > 0, "lapsed ones make room");
    }
}
