//! What may be shown once: proofs and logout tokens, by their `jti`, on all replicas together where
//! they share a store.
//!
//! What a reader would get wrong: a store that gives no answer leaves the question open. The proof is
//! neither good nor bad then, and the check undecided.
//!
//! # Cost
//!
//! 1 µs; with Redis one round trip.

use std::time::{Duration, Instant};

use base64_simd::URL_SAFE_NO_PAD;

use super::error::Error;
use crate::{
    dispatch::Operation,
    store::{self, Put, Space, Store},
};

/// What has been shown and would still be good. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Once {
    bytes: usize,
    is_shared: bool,
    shown: store::Once,
}

const SPACE: Space = Space {
    name: "proofs",
    operation: Operation::Jwt,
};

impl Once {
    /// Of this process alone, in `bytes` of memory. `None` if the system has no random numbers.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let shown = Store::in_memory()?.once(SPACE, bytes);
        Some(Self {
            bytes,
            is_shared: false,
            shown,
        })
    }

    /// Of all replicas of `store`; this very one where there are no others, or where it is shared
    /// already.
    pub(super) fn sharing(self, store: &Store) -> Self {
        if self.is_shared || !store.is_shared() {
            return self;
        }
        Self {
            is_shared: true,
            shown: store.once(SPACE, self.bytes),
            ..self
        }
    }

    /// What nobody but us can say of `window`: 128 bits in base64url, the same on all replicas that
    /// share a store.
    pub(super) fn nonce(&self, window: u64) -> String {
        // No entry's key: those have three fields or more.
        let key = self.shown.hasher().key(&[b"nonce", &window.to_be_bytes()]);
        URL_SAFE_NO_PAD.encode_to_string(&key.bytes()[..16])
    }

    /// Notes that what `fields` name has been shown, for `life`. `false` if it had been before.
    pub(super) async fn first(
        &self,
        fields: &[&str],
        life: Duration,
        deadline: Instant,
    ) -> Result<bool, Error> {
        let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
        let key = self.shown.hasher().key(&fields);
        match self.shown.put(key, life, deadline).await {
            Ok(Put::New) => Ok(true),
            Ok(Put::Known) => Ok(false),
            Err(store::Error::Full) => Err(Error::Overloaded),
            Err(_) => Err(Error::ProofsUnknown),
        }
    }
}
