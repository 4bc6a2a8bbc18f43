//! Every subject's history, in bounded memory.
//!
//! Nobody is kept in clear: a subject is a keyed hash of issuer and name, an address and a device
//! are shorter ones that only ever meet their like within one history. All three keys are of this
//! process alone, so histories end with it, and no hash means anything elsewhere.
//!
//! When memory is full, subjects seen once go before those seen again: somebody with many
//! accounts hardly drives out the others. A subject that was driven out is a new one.
//!
//! # Cost
//!
//! An HMAC for the subject, which is most of 0.7 µs, and a cheap hash each for address and device. A
//! look-up locks one shard for reading, a change locks one for writing while a history of about 100
//! bytes is changed; neither across an await.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    net::IpAddr,
};

use aws_lc_rs::{
    hmac::{self, HMAC_SHA256},
    rand,
};
use quick_cache::{
    Weighter,
    sync::{self, EntryAction, EntryResult},
};

use super::history::{History, Place};
use crate::identity::Identity;

/// Histories by subject. The only place that knows where they are kept.
pub(super) struct Subjects {
    entries: sync::Cache<Subject, History, AllAlike>,
    max: usize,
    places: RandomState,
    secret: hmac::Key,
}

/// Stands for one subject of one issuer, within this process.
type Subject = [u8; 32];

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
        Some(Self {
            entries: sync::Cache::with_weighter(max / ENTRY_SIZE, max as u64, AllAlike),
            max,
            places: RandomState::new(),
            secret: hmac::Key::new(HMAC_SHA256, &secret),
        })
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
        let mut context = hmac::Context::with_key(&self.secret);
        for field in [identity.issuer(), identity.subject()] {
            context.update(&(field.len() as u64).to_be_bytes());
            context.update(field.as_bytes());
        }
        let mut subject = [0; 32];
        subject.copy_from_slice(context.sign().as_ref());
        Encounter {
            subject,
            address: address.map(|address| place(self.places.hash_one(network(address)))),
            device: match device {
                Device::NotAsked => None,
                asked => Some(place(self.places.hash_one(asked))),
            },
        }
    }

    /// What is known of the subject, if anything is.
    pub(super) fn recall(&self, encounter: &Encounter) -> Option<History> {
        self.entries.get(&encounter.subject)
    }

    /// Lets `change` add to what is known of the subject; nobody else changes it meanwhile.
    pub(super) fn record(&self, encounter: &Encounter, change: impl Fn(&mut History)) {
        let changed = self.entries.entry(&encounter.subject, None, |_, history| {
            change(history);
            EntryAction::Retain(())
        });
        if let EntryResult::Vacant(free) = changed {
            let mut history = History::default();
            change(&mut history);
            // Cleared meanwhile: then it is a new subject next time.
            let _ = free.insert(history);
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

impl Weighter<Subject, History> for AllAlike {
    fn weight(&self, _subject: &Subject, _history: &History) -> u64 {
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

fn place(hash: u64) -> Place {
    Place::new(hash).unwrap_or(Place::MIN)
}

/// What one subject takes, with its part of the table and of the places that are kept for subjects
/// that went (half as many again).
const ENTRY_SIZE: usize = (size_of::<Subject>() + size_of::<History>() + 32) * 3 / 2 + 32;
