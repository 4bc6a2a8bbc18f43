//! Tokens taken back before their `exp`.
//!
//! A revocation names what a token says (`jti`, `sub`, `sid`, who issued it) and from when on that
//! is good again (`before`); a token is revoked when all of what one revocation names is true of
//! it. What a reader would get wrong is `sub` alone: it takes back what has been issued up to this
//! second, so that whoever signs in again is let in.
//!
//! Nothing is forgotten while it matters. An entry stays until no token that it could match can
//! still be valid, given that tokens live no longer than `max_token_life`; a list that is full of
//! such entries refuses a new one rather than drop an old one. Tokens that do live longer are warned
//! of, once an issuer. A `before` for everybody, or for one
//! issuer, always finds room: it is what is left to an operator whose list is full.
//!
//! The list outlives reloads, and with a shared store restarts, too: then every replica holds the same
//! one ([`shared`]). Its entries are digests under a secret of this process or of all replicas, so what
//! was revoked cannot be read from memory, nor from the store.
//!
//! # Cost
//!
//! An empty list: one atomic load a check. A token that was looked up before: one more, of the
//! list's version. Else a digest (0.1 µs) for each combination of fields in use and a read lock on
//! a sixteenth of the list, never held across an await.

mod entry;
mod shared;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};

use aws_lc_rs::{
    digest::{self, SHA256_OUTPUT_LEN},
    rand,
};

use self::entry::{Entry, Facts, ISSUER};
use super::claims::{Claim, Claims};
use crate::{
    check::Fields,
    clock::UnixSeconds,
    store::{self, Key, Ledger, Marks},
};

/// Which tokens to take back: those of which all is true that is given here.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Revocation {
    /// The token's own id.
    pub jti: Option<String>,
    /// Its subject. Without `jti`, `sid` and `before`: what was issued up to this second.
    pub sub: Option<String>,
    /// Its session.
    pub sid: Option<String>,
    /// Issued (`iat`) before this second, or at an unknown time.
    pub before: Option<UnixSeconds>,
    /// Its issuer: a name of the configuration, or an `iss`. Left out, any.
    pub issuer: Option<String>,
}

impl fmt::Debug for Revocation {
    /// Without the values: they are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revocation({:04b})", Facts::of(self).shape())
    }
}

/// Why a revocation was not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// Nothing that would choose tokens is given.
    #[error("names no token; give `jti`, `sub`, `sid` or `before`")]
    Empty,
    /// The list is full of entries that still matter.
    #[error(
        "the list of revocations is full; raise `identity.revocation.max_memory`, \
         or revoke everything issued `before` now"
    )]
    Full,
    /// `before` would take back what does not exist yet.
    #[error("`before` lies in the future; give a time up to now, in seconds since 1970")]
    Future,
    /// No issuer of the configuration has this name or this `iss`.
    #[error("`issuer` is no issuer of the configuration; give its name there, or its `iss`")]
    Issuer,
    /// It is in force here, but others may not have heard.
    #[error("it is in force here, but {0}, so other replicas may not know it yet; ask again")]
    Unshared(store::Error),
    /// A field is empty, or longer than a token may be.
    #[error("`{0}` is empty or too long; give what the token says, or leave it out")]
    Text(&'static str),
}

/// How much is kept, and how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Limits {
    /// Most memory, in bytes.
    pub(super) bytes: usize,
    /// How long a token that exists now can still be valid, leeway included.
    pub(super) keep: Duration,
    /// How long a list that is shared may go without word from the others; `None` = for ever.
    pub(super) max_stale: Option<Duration>,
}

/// The revocations in force. Clones share them; each has limits of its own, for what it adds.
#[derive(Clone)]
pub struct Revocations {
    /// `None` where there are no other replicas.
    ledger: Option<Ledger>,
    limits: Limits,
    list: Arc<List>,
}

struct List {
    secret: [u8; 32],
    /// A bit for each combination of fields that an entry may have.
    shapes: AtomicU32,
    shards: [Shard; SHARDS],
    version: AtomicU64,
    /// Held by whoever changes the list.
    writing: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    entries: usize,
    /// The first second in which an entry may be dropped.
    lapse: UnixSeconds,
}

type Digest = [u8; SHA256_OUTPUT_LEN];

impl Revocations {
    /// An empty list. `None` if the system has no random numbers.
    pub(super) fn new(limits: Limits) -> Option<Self> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).ok()?;
        Some(Self {
            ledger: None,
            limits,
            list: Arc::new(List::new(secret)),
        })
    }

    /// The same list, with other limits for what is added from now on.
    pub(super) fn with(&self, limits: Limits) -> Self {
        Self {
            ledger: self.ledger.clone(),
            limits,
            list: Arc::clone(&self.list),
        }
    }

    /// Takes tokens back. When this returns, every check that begins here is refused for them; other
    /// replicas hear of it soon.
    ///
    /// `what.issuer` is the `iss` of an issuer of the configuration, if it is there.
    pub(super) fn revoke(&self, what: &Revocation, now: UnixSeconds) -> Result<(), Error> {
        let (key, marks, most) = self.put(what, now)?;
        if let Some(ledger) = &self.ledger {
            ledger.add_soon(key, marks, most);
        }
        Ok(())
    }

    /// Puts it into the list here: what is to be told to others, and how many entries there may be.
    fn put(&self, what: &Revocation, now: UnixSeconds) -> Result<(Key, Marks, usize), Error> {
        let facts = Facts::of(what);
        facts.check()?;
        let mut entry = self.entry(what, now)?;
        entry.shape = facts.shape();
        let most = self.limits.entries(entry.shape & !ISSUER == 0);
        let digest = self.list.digest(&facts);
        self.list
            .insert(digest, entry, now, |entries| entries < most)?;
        Ok((Key::from(digest), entry.marks(), most))
    }

    /// Whether a token with these claims, of the issuer with this `iss`, has been taken back.
    pub(super) fn is_revoked(&self, issuer: &str, claims: &Claims, now: UnixSeconds) -> bool {
        let shapes = self.list.shapes.load(Ordering::Acquire);
        if shapes == 0 {
            return false;
        }
        let token = Facts::of_token(issuer, claims);
        let since = claims.get("iat").and_then(Claim::as_f64);
        (0..=Facts::ALL)
            .filter(|shape| shapes & 1 << shape != 0)
            .filter_map(|shape| token.only(shape))
            .any(|facts| self.list.has(&facts, since, now))
    }

    /// Changes with every revocation: a token that was not revoked at some version still is not at
    /// the same one. Read it *before* looking the token up.
    pub(super) fn version(&self) -> u64 {
        self.list.version.load(Ordering::Acquire)
    }

    /// How long an entry is kept, in seconds: a token that lives longer may outlive it.
    pub(super) fn keep(&self) -> UnixSeconds {
        self.limits.keep.as_secs().saturating_add(1)
    }

    /// How many entries there are, lapsed ones included that nobody needed the room of yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.held().entries
    }

    /// Whether nothing has been revoked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entry(&self, what: &Revocation, now: UnixSeconds) -> Result<Entry, Error> {
        let names_one = what.jti.is_some() || what.sid.is_some();
        if !names_one && what.sub.is_none() && what.before.is_none() {
            return Err(Error::Empty);
        }
        let keep = self.keep();
        match what.before {
            // Clocks may differ by that much, and no more.
            Some(before) if before > now.saturating_add(AHEAD) => Err(Error::Future),
            None if names_one => Ok(Entry {
                all: now.saturating_add(keep),
                ..Entry::default()
            }),
            before => {
                let before = before.unwrap_or(now + 1);
                let lapse = before.saturating_add(keep);
                Ok(Entry {
                    before: (before, lapse),
                    ..Entry::default()
                })
            }
        }
    }
}

impl fmt::Debug for Revocations {
    /// Without the secret and the entries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revocations({})", self.len())
    }
}

impl List {
    fn new(secret: [u8; 32]) -> Self {
        Self {
            secret,
            shapes: AtomicU32::new(0),
            shards: std::array::from_fn(|_| RwLock::default()),
            version: AtomicU64::new(0),
            writing: Mutex::default(),
        }
    }

    fn insert(
        &self,
        digest: Digest,
        entry: Entry,
        now: UnixSeconds,
        fits: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        let mut held = self.held();
        if held.entries > 0 && held.lapse <= now {
            self.drop_lapsed(&mut held, now);
        }
        {
            let mut shard = write(self.shard(&digest));
            match shard.get_mut(&digest) {
                Some(old) => *old = old.and(entry),
                None if !fits(held.entries) => return Err(Error::Full),
                None => {
                    shard.insert(digest, entry);
                    held.lapse = match held.entries {
                        0 => entry.lapse(),
                        _ => held.lapse.min(entry.lapse()),
                    };
                    held.entries += 1;
                }
            }
        }
        self.shapes.fetch_or(1 << entry.shape, Ordering::Release);
        // Last, so that whoever sees the new version finds the entry.
        self.version.fetch_add(1, Ordering::Release);
        Ok(())
    }

    fn drop_lapsed(&self, held: &mut Held, now: UnixSeconds) {
        *held = Held::default();
        held.lapse = UnixSeconds::MAX;
        for shard in &self.shards {
            let mut shard = write(shard);
            shard.retain(|_, entry| entry.lapse() > now);
            held.entries += shard.len();
            let first = shard.values().map(Entry::lapse).min();
            held.lapse = held.lapse.min(first.unwrap_or(UnixSeconds::MAX));
        }
        if held.entries == 0 {
            self.shapes.store(0, Ordering::Release);
        }
    }

    fn has(&self, facts: &Facts<'_>, issued: Option<f64>, now: UnixSeconds) -> bool {
        let digest = self.digest(facts);
        let shard = self.shard(&digest).read();
        let shard = shard.unwrap_or_else(PoisonError::into_inner);
        let entry = shard.get(&digest);
        entry.is_some_and(|entry| entry.covers(issued, now))
    }

    fn digest(&self, facts: &Facts<'_>) -> Digest {
        let fill = |row: &mut Fields| {
            for field in facts.0 {
                row.maybe(field);
            }
        };
        let mut digest = [0; SHA256_OUTPUT_LEN];
        Fields::row(fill, |row| {
            let mut context = digest::Context::new(&digest::SHA256);
            context.update(&self.secret);
            context.update(row);
            digest.copy_from_slice(context.finish().as_ref());
        });
        digest
    }

    fn shard(&self, digest: &Digest) -> &Shard {
        &self.shards[usize::from(digest[0]) % SHARDS]
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        // A panic while it was held would have left counts too high, never an entry out.
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(shard: &Shard) -> RwLockWriteGuard<'_, HashMap<Digest, Entry>> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

type Shard = RwLock<HashMap<Digest, Entry>>;

/// How far ahead of our clock another one may be, in seconds.
const AHEAD: UnixSeconds = 60;

/// Locks of which a look-up takes one.
const SHARDS: usize = 16;

/// What an entry takes, in bytes, with the map's spare places.
const ENTRY_SIZE: usize = 2 * (size_of::<Digest>() + size_of::<Entry>() + 1);

#[cfg(test)]
mod tests;
