//! Every subject's history, in bounded memory.
//!
//! Nobody is kept in clear: a subject is a keyed hash of issuer and name, an address and a device
//! are shorter ones that only ever meet their like within one history. All three keys are of this
//! process alone, so histories end with it, and no hash means anything elsewhere; or of all replicas
//! that share a store. Then addresses and devices are hashed together with their subject, so that
//! whoever reads the store cannot find subjects who come from one place.
//!
//! When memory is full, subjects seen once go before those seen again: somebody with many
//! accounts hardly drives out the others. A subject that was driven out is a new one.
//!
//! # Cost
//!
//! An HMAC for the subject, which is most of 0.7 µs, and a cheap hash each for address and device (shared:
//! two more HMACs). A
//! look-up locks one shard for reading, a change locks one for writing while a history of about 100
//! bytes is changed; neither across an await.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Arc, Weak},
    time::Instant,
};

use aws_lc_rs::{
    hmac::{self, HMAC_SHA256},
    rand,
};
use quick_cache::{
    Weighter,
    sync::{self, EntryAction, EntryResult},
};

use super::{
    history::{History, Place},
    score::Model,
    shared::{FRESH, Shared, tell_forever},
};
use crate::{
    check::Fields,
    identity::Identity,
    store::{self, Tally},
};

/// Histories by subject. The only place that knows where they are kept.
pub(super) struct Subjects {
    entries: sync::Cache<Subject, Known, AllAlike>,
    max: usize,
    names: Names,
    /// `None` where there are no other replicas.
    shared: Option<Shared>,
}

/// What stands for names.
enum Names {
    /// Within this process.
    Own {
        places: RandomState,
        secret: hmac::Key,
    },
    /// Within all replicas.
    Shared(store::Hasher),
}

/// What is known of a subject, and since when it is what all replicas know.
#[derive(Clone, Copy)]
struct Known {
    history: History,
    /// `None` = only what was seen here.
    read: Option<Instant>,
}

/// Stands for one subject of one issuer.
pub(super) type Subject = [u8; 32];

/// Somebody who comes from somewhere: no names, only what tells them from others.
#[derive(Clone, Copy)]
pub struct Encounter {
    subject: Subject,
    /// `None` where the proxy cannot tell.
    pub(super) address: Option<Place>,
    /// `None` where nobody is asked for it. Not to have sent the header is a device too, or to
    /// leave it out would be the way around.
    pub(super) device: Option<Place>,
}

/// What the caller says it uses.
#[derive(Clone, Copy, Hash)]
pub(super) enum Device<'a> {
    /// The header was asked for and not sent.
    Absent,
    /// What the header says.
    Named(&'a [u8]),
    /// No header is configured, or there are none.
    NotAsked,
}

impl Subjects {
    /// Less than this remembers hardly anybody.
    pub(super) const MIN_BYTES: usize = 64 << 10;

    /// Room for histories of `max` bytes together. `None` if the system has no random numbers.
    pub(super) fn new(max: usize) -> Option<Self> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).ok()?;
        let names = Names::Own {
            places: RandomState::new(),
            secret: hmac::Key::new(HMAC_SHA256, &secret),
        };
        Some(Self::with(max, names, None))
    }

    /// The same, for histories that are shared by `tally`.
    pub(super) fn sharing(max: usize, tally: &Tally) -> Arc<Self> {
        let names = Names::Shared(tally.hasher().clone());
        let subjects = Arc::new(Self::with(max, names, Some(Shared::new(tally.clone()))));
        let weak: Weak<Self> = Arc::downgrade(&subjects);
        tally.behind(tell_forever(weak));
        subjects
    }

    fn with(max: usize, names: Names, shared: Option<Shared>) -> Self {
        Self {
            entries: sync::Cache::with_weighter(max / ENTRY_SIZE, max as u64, AllAlike),
            max,
            names,
            shared,
        }
    }

    /// Whether, and how, histories are shared.
    pub(super) fn shared(&self) -> Option<&Shared> {
        self.shared.as_ref()
    }

    /// How much there is room for, in bytes.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// How much is held, in bytes.
    pub(super) fn size(&self) -> usize {
        self.entries.len() * ENTRY_SIZE
    }

    /// How much is really taken, in bytes, empty places included.
    #[cfg(test)]
    pub(super) fn memory_used(&self) -> usize {
        self.entries.memory_used().total()
    }

    /// Who this is and where from, in hashes.
    pub(super) fn meet(
        &self,
        identity: &Identity,
        address: Option<IpAddr>,
        device: Device<'_>,
    ) -> Encounter {
        let subject = self.names.subject(identity);
        Encounter {
            subject,
            address: address.map(|address| self.names.address(&subject, network(address))),
            device: match device {
                Device::NotAsked => None,
                asked => Some(self.names.device(&subject, asked)),
            },
        }
    }

    /// Makes sure that what all replicas know of the subject is known here, as of a second ago at most.
    pub(super) async fn fetch(
        &self,
        encounter: &Encounter,
        model: &Model,
    ) -> Result<(), store::Error> {
        let Some(shared) = &self.shared else {
            return Ok(());
        };
        let known = self.entries.get(&encounter.subject);
        let is_fresh = |known: &Known| known.read.is_some_and(|read| read.elapsed() < FRESH);
        if known.as_ref().is_some_and(is_fresh) {
            return Ok(());
        }
        match shared.read(&encounter.subject, model).await {
            Ok(found) => {
                // That there is none is worth knowing, too.
                self.replace(&encounter.subject, found.unwrap_or_default());
                Ok(())
            }
            // What was known here is better than nothing.
            Err(error) => known.map(drop).ok_or(error),
        }
    }

    /// `history` is what all replicas know of `subject` now.
    pub(super) fn replace(&self, subject: &Subject, history: History) {
        let read = Some(Instant::now());
        self.entries.insert(*subject, Known { history, read });
    }

    /// What is known of the subject, if anything is.
    pub(super) fn recall(&self, encounter: &Encounter) -> Option<History> {
        let known = self.entries.get(&encounter.subject);
        known.map(|known| known.history)
    }

    /// Lets `change` add to what is known of the subject; nobody else changes it meanwhile.
    pub(super) fn record(
        &self,
        encounter: &Encounter,
        model: &Model,
        change: impl Fn(&mut History),
    ) {
        let changed = self.entries.entry(&encounter.subject, None, |_, known| {
            change(&mut known.history);
            EntryAction::Retain(())
        });
        if let EntryResult::Vacant(free) = changed {
            let mut history = History::default();
            change(&mut history);
            // Cleared meanwhile: then it is a new subject next time.
            let _ = free.insert(Known {
                history,
                read: None,
            });
        }
        if let Some(shared) = &self.shared {
            shared.owe(&encounter.subject, model, change);
        }
    }
}

impl Names {
    fn subject(&self, identity: &Identity) -> Subject {
        let fields = [identity.issuer(), identity.subject()].map(str::as_bytes);
        match self {
            Self::Own { secret, .. } => {
                let fill = |row: &mut Fields| {
                    for field in fields {
                        row.bytes(field);
                    }
                };
                let mut subject = [0; 32];
                let sign = |row: &[u8]| subject.copy_from_slice(hmac::sign(secret, row).as_ref());
                Fields::row(fill, sign);
                subject
            }
            Self::Shared(hasher) => *hasher.key(&fields).bytes(),
        }
    }

    fn address(&self, subject: &Subject, network: u128) -> Place {
        match self {
            Self::Own { places, .. } => place(places.hash_one(network)),
            Self::Shared(hasher) => {
                shortened(&hasher.key(&[subject, b"address", &network.to_be_bytes()]))
            }
        }
    }

    fn device(&self, subject: &Subject, device: Device<'_>) -> Place {
        match self {
            Self::Own { places, .. } => place(places.hash_one(device)),
            Self::Shared(hasher) => {
                let (kind, name): (&[u8], &[u8]) = match device {
                    Device::Named(name) => (b"device", name),
                    Device::Absent | Device::NotAsked => (b"no device", b""),
                };
                shortened(&hasher.key(&[subject, kind, name]))
            }
        }
    }
}

impl fmt::Debug for Subjects {
    /// Without the keys and the entries.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, max) = (self.size(), self.max);
        write!(f, "Subjects({size} of {max} bytes)")
    }
}

impl fmt::Debug for Encounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encounter").finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct AllAlike;

impl Weighter<Subject, Known> for AllAlike {
    fn weight(&self, _subject: &Subject, _known: &Known) -> u64 {
        ENTRY_SIZE as u64
    }
}

/// What stays the same while somebody stays where they are. Hosts change the lower half of an IPv6
/// address of their own accord, several times a day.
fn network(address: IpAddr) -> u128 {
    const HOST: u32 = 64;
    match address.to_canonical() {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits() >> HOST << HOST,
    }
}

fn shortened(key: &store::Key) -> Place {
    let mut hash = [0; 8];
    hash.copy_from_slice(&key.bytes()[..8]);
    place(u64::from_be_bytes(hash))
}

fn place(hash: u64) -> Place {
    Place::new(hash).unwrap_or(Place::MIN)
}

/// What one subject takes, with its part of the table and of the places that are kept for subjects
/// that went (half as many again).
const ENTRY_SIZE: usize = (size_of::<Subject>() + size_of::<Known>() + 32) * 3 / 2 + 32;
