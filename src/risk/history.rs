//! What is remembered of one subject.
//!
//! What a reader would get wrong: `seen`, addresses and devices are those of *allowed* requests.
//! Denied ones are counted and leave no other trace.
//!
//! The clock may be set back; time that runs backwards counts as no time at all.

mod shared;

use std::num::NonZeroU64;

use super::{
    Encounter, Ending,
    score::{Model, Signals},
};
use crate::clock::UnixSeconds;

/// One subject's past. Always the same size, so that a number of them is an amount of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct History {
    addresses: Familiar,
    devices: Familiar,
    /// Of the last request that was allowed.
    seen: Option<UnixSeconds>,
    /// Denials and findings as they were worth at `counted`.
    denials: f64,
    findings: f64,
    counted: UnixSeconds,
}

/// Stands for an address or a device, within this process.
pub(super) type Place = NonZeroU64;

/// The last few, latest first: people have a telephone beside the desk, and going from one to the
/// other and back is no change.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Familiar([Option<Place>; 4]);

impl History {
    /// Whether it is too old to tell anything.
    pub(super) fn is_over(&self, now: UnixSeconds, model: &Model) -> bool {
        let latest = self.seen.unwrap_or(self.counted);
        now.saturating_sub(latest) >= model.forget_after.as_secs()
    }

    /// What `encounter` looks like to somebody who knows this.
    pub(super) fn signals(
        &self,
        encounter: &Encounter,
        now: UnixSeconds,
        model: &Model,
    ) -> Signals {
        let address = self.addresses.surprise(encounter.address);
        let device = self.devices.surprise(encounter.device);
        let time = match self.seen {
            Some(seen) if address + device > 0.0 => model.recency(seconds(seen, now)),
            _ => 0.0,
        };
        let left = model.fading(seconds(self.counted, now));
        Signals {
            address,
            behavior: model.behavior((self.denials + self.findings) * left),
            device,
            time,
        }
    }

    /// Adds what became of the check that `encounter` came with.
    pub(super) fn learn(
        &mut self,
        encounter: &Encounter,
        ending: Ending,
        now: UnixSeconds,
        model: &Model,
    ) {
        if self.is_over(now, model) {
            *self = Self::default();
        }
        let left = model.fading(seconds(self.counted, now));
        self.denials = self.denials * left + f64::from(u8::from(ending.denied));
        self.findings = self.findings * left + f64::from(u8::from(ending.found));
        self.counted = now;
        if ending.familiar {
            self.seen = Some(now);
            self.addresses.add(encounter.address);
            self.devices.add(encounter.device);
        }
    }
}

impl Familiar {
    /// 1 if others are known but not `place`, else 0; a place that cannot be told is none.
    fn surprise(&self, place: Option<Place>) -> f64 {
        let strange =
            place.is_some() && self.0.iter().any(Option::is_some) && !self.0.contains(&place);
        f64::from(u8::from(strange))
    }

    /// Puts `place` first; the one not seen for longest makes room.
    fn add(&mut self, place: Option<Place>) {
        if place.is_none() {
            return;
        }
        let last = self.0.len() - 1;
        let at = self.0.iter().position(|known| *known == place);
        self.0[..=at.unwrap_or(last)].rotate_right(1);
        self.0[0] = place;
    }
}

/// From `then` to `now`; 0 where the clock was set back between them.
#[expect(
    clippy::cast_precision_loss,
    reason = "seconds are exact in f64 for 285 million years"
)]
fn seconds(then: UnixSeconds, now: UnixSeconds) -> f64 {
    now.saturating_sub(then) as f64
}
