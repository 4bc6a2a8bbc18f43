//! Tokens proven before: what was found out about each, kept in bounded memory.
//!
//! An entry says that one issuer, under one configuration, admitted one token with one key set.
//! Its key is made of all of the first two: the issuer's [`Version`], which no other configuration
//! ever has, and the keyed tag of the whole token ([`check::Key`]). A shortened token or a bare hash has
//! let others be served somebody else's verdict. Two tokens have the same tag with a chance of 2⁻¹¹⁷ at
//! most, whoever chose them. Tokens themselves are not kept.
//!
//! What can change while an entry lives is not believed but looked at on every hit: the time, the
//! issuer's key set and its age (or how long its word about an opaque token is good), revocations, the
//! sender's proof where the token is bound to a key, and what the route asks for. Only admissions are kept, so
//! a refusal is always found out afresh. A configuration's entries are not searched for when it
//! goes: nothing asks for its version any more, and they make room when room is needed.
//!
//! # Cost
//!
//! 0.3 µs for a token of 930 bytes, half of it for the tag. One shard is locked for
//! reading while an `Arc` is cloned, never across an await.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use quick_cache::{
    Weighter,
    sync::{self, DefaultLifecycle},
};
use serde_json::{Map, Value};

use super::{
    caller::Identity,
    claims::{Claims, Lifetime},
    credential::MAX_TOKEN,
    keys::KeySetId,
};
use crate::{check, mixing::Mixing};

/// Admitted tokens, shared by all configurations of the process.
pub(super) struct Cache {
    entries: sync::Cache<Key, Arc<Proof>, ByWeight, Mixing>,
    max: usize,
}

/// One issuer under one configuration. Never used twice in a process.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Version(u64);

/// What an entry is found by: equal only if issuer, configuration and token are.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Key {
    pub(super) issuer: Version,
    pub(super) token: check::Key,
}

/// What was found out about a token.
#[derive(Debug)]
pub(super) struct Proof {
    pub(super) grounds: Grounds,
    pub(super) identity: Identity,
    pub(super) lifetime: Lifetime,
    /// The version of the list of revocations at which this token was not on it.
    pub(super) unrevoked_at: AtomicU64,
    /// What it takes in bytes, once it is kept.
    weight: u64,
}

/// Why a token was believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Grounds {
    /// A key of this key set matched.
    Keys(KeySetId),
    /// The issuer said so, and that is good until then.
    Word(Instant),
}

/// What stands for `token`, unless it is longer than any token that is admitted.
pub(super) fn digest(token: &str) -> Option<check::Key> {
    (token.len() <= MAX_TOKEN).then(|| check::Key::of_text(token))
}

impl Version {
    pub(super) fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

impl Proof {
    pub(super) fn new(
        identity: Identity,
        grounds: Grounds,
        lifetime: Lifetime,
        unrevoked_at: u64,
    ) -> Self {
        Self {
            weight: 0,
            grounds,
            identity,
            lifetime,
            unrevoked_at: AtomicU64::new(unrevoked_at),
        }
    }
}

impl Cache {
    /// Room for entries of `max` bytes together.
    pub(super) fn new(max: usize) -> Self {
        let entries = sync::Cache::with(
            (max / USUAL_SIZE).max(1),
            max as u64,
            ByWeight,
            // Tags are as good as random already.
            Mixing::default(),
            DefaultLifecycle::default(),
        );
        Self { entries, max }
    }

    /// How much there is room for, in bytes.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// How much is held, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.entries.weight()
    }

    pub(super) fn get(&self, key: &Key) -> Option<Arc<Proof>> {
        self.entries.get(key)
    }

    pub(super) fn insert(&self, key: Key, mut proof: Proof) {
        let identity = &proof.identity;
        let facts = identity.allocations().map(allocated).sum::<usize>();
        proof.weight = (ENTRY_SIZE + facts + claims_size(identity.claims())) as u64;
        self.entries.insert(key, Arc::new(proof));
    }

    /// Forgets what can never hold again.
    pub(super) fn remove(&self, key: &Key) {
        self.entries.remove(key);
    }
}

impl fmt::Debug for Cache {
    /// Without the entries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, max) = (self.size(), self.max);
        write!(f, "Cache({size} of {max} bytes)")
    }
}

#[derive(Clone)]
struct ByWeight;

impl Weighter<Key, Arc<Proof>> for ByWeight {
    fn weight(&self, _key: &Key, proof: &Arc<Proof>) -> u64 {
        proof.weight
    }
}

/// What `value` holds on the heap.
fn heap_size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        Value::String(text) => allocated(text.capacity()),
        Value::Array(list) => {
            let slots = allocated(list.capacity() * size_of::<Value>());
            slots + list.iter().map(heap_size).sum::<usize>()
        }
        Value::Object(members) => object_size(members),
    }
}

/// What `claims` hold on the heap.
fn claims_size(claims: &Claims) -> usize {
    let values = claims.values().map(heap_size);
    claims.allocations().map(allocated).sum::<usize>() + values.sum::<usize>()
}

/// What `members` hold on the heap. Nodes of the tree have eleven places, and when there are several
/// they are half full or more.
fn object_size(members: &Map<String, Value>) -> usize {
    const NODE: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 12 * size_of::<usize>();
    let nodes = match members.len() {
        0 => 0,
        1..=11 => 1,
        more => more.div_ceil(5) + 1,
    };
    let texts = members
        .iter()
        .map(|(name, value)| allocated(name.capacity()) + heap_size(value));
    nodes * allocated(NODE) + texts.sum::<usize>()
}

/// What an allocator spends on `size` bytes: it rounds up, by a quarter at most from 64 bytes on.
fn allocated(size: usize) -> usize {
    match size {
        0 => 0,
        1..64 => size.next_multiple_of(16),
        _ => size + size / 8,
    }
}

/// An entry without its identity: itself, counted by reference, and the places that the cache keeps for
/// it, keys that it remembers after they went included.
const ENTRY_SIZE: usize = 2 * size_of::<usize>() + size_of::<Proof>() + 2 * (size_of::<Key>() + 64);

/// About what an entry takes; a guess is good enough.
const USUAL_SIZE: usize = 2 << 10;

#[cfg(test)]
mod tests;
