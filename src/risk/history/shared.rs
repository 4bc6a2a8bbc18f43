//! Histories that several replicas write: as text, and two of them joined.
//!
//! What a reader would get wrong: this is said twice, here and in `store/scripts/history.lua`, since
//! Redis joins without asking us. `tests/it/histories.rs` has the one read what the other made.

use super::{Familiar, History, Place, seconds};
use crate::risk::score::Model;

impl History {
    /// What this and `newer` saw, together. A history that is over when the newer one was made counts
    /// no more.
    pub(in crate::risk) fn and(&self, newer: &Self, model: &Model) -> Self {
        if self.is_over(newer.counted, model) {
            return *newer;
        }
        let counted = self.counted.max(newer.counted);
        let left = |history: &Self| model.fading(seconds(history.counted, counted));
        let sum = |of: fn(&Self) -> f64| of(self) * left(self) + of(newer) * left(newer);
        Self {
            addresses: self.addresses.and(&newer.addresses),
            devices: self.devices.and(&newer.devices),
            seen: self.seen.max(newer.seen),
            denials: sum(|history| history.denials),
            findings: sum(|history| history.findings),
            counted,
        }
    }

    /// As `history.lua` has it.
    pub(in crate::risk) fn write(&self) -> String {
        let (seen, counted) = (self.seen.unwrap_or(0), self.counted);
        let (denials, findings) = (self.denials, self.findings);
        let (addresses, devices) = (self.addresses.write(), self.devices.write());
        format!("1 {seen} {denials:e} {findings:e} {counted} {addresses}/{devices}")
    }

    /// Reads what [`History::write`] or the script wrote; `None` for anything else.
    pub(in crate::risk) fn read(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let ["1", seen, denials, findings, counted, places] = words[..] else {
            return None;
        };
        let worth = |word: &str| {
            let worth = word.parse::<f64>().ok();
            worth.filter(|worth| worth.is_finite() && *worth >= 0.0)
        };
        let (addresses, devices) = places.split_once('/')?;
        let seen: u64 = seen.parse().ok()?;
        Some(Self {
            addresses: Familiar::read(addresses)?,
            devices: Familiar::read(devices)?,
            seen: (seen > 0).then_some(seen),
            denials: worth(denials)?,
            findings: worth(findings)?,
            counted: counted.parse().ok()?,
        })
    }
}

impl Familiar {
    fn and(&self, newer: &Self) -> Self {
        let mut together = *self;
        for place in newer.0.iter().rev().copied().flatten() {
            together.add(Some(place));
        }
        together
    }

    fn write(&self) -> String {
        let places = self.0.iter().flatten();
        let places: Vec<String> = places.map(|place| format!("{place:x}")).collect();
        places.join(",")
    }

    fn read(text: &str) -> Option<Self> {
        let mut familiar = Self::default();
        if text.is_empty() {
            return Some(familiar);
        }
        let places: Vec<&str> = text.split(',').collect();
        if places.len() > familiar.0.len() {
            return None;
        }
        for (slot, place) in familiar.0.iter_mut().zip(places) {
            *slot = Some(Place::new(u64::from_str_radix(place, 16).ok()?)?);
        }
        Some(familiar)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Denials fade by half in 100 seconds, and all is over after 1,000.
    fn model() -> Model {
        let config = "{ memory: 1MiB, forget_after: 1000s, device_header: null, tolerance: 5, \
                      weights: { time: 0.2, address: 0.3, device: 0.3, behavior: 0.2 }, \
                      half_life: { time: 1h, behavior: 100s } }";
        Model::new(&serde_saphyr::from_str(config).expect("a configuration"))
    }

    fn history(text: &str) -> History {
        History::read(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn two_that_saw_different_things_know_both_together() {
        let (old, newer) = (
            history("1 900 4e0 0e0 900 a,b,c,d/1"),
            history("1 0 1e0 2e0 1000 e,b/"),
        );
        let both = old.and(&newer, &model());
        assert_eq!(both, history("1 900 3e0 2e0 1000 e,b,a,c/1"));
        let late = history("1 0 1e0 0e0 1900 e/");
        assert_eq!(old.and(&late, &model()), late, "the older one is over");
    }

    #[test]
    fn what_is_of_another_form_is_no_history() {
        for bad in [
            "",
            "2 0 0 0 0 /",
            "1 0 0 0 0",
            "1 0 nan 0 0 /",
            "1 0 inf 0 0 /",
            "1 0 -1 0 0 /",
            "1 0 0 0 0 a,b,c,d,e/",
            "1 0 0 0 0 0/",
            "1 0 0 0 0 x/",
            "1 0 0 0 0 / ",
        ] {
            assert_eq!(History::read(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn histories_read_back_as_they_are_written(
            seen in any::<u32>(),
            denials in 0.0..1e9_f64,
            places in proptest::collection::vec(1..u64::MAX, 0..=4),
        ) {
            let mut written = History {
                seen: (seen > 0).then_some(u64::from(seen)),
                denials,
                ..History::default()
            };
            for place in places {
                written.addresses.add(Place::new(place));
                written.devices.add(Place::new(place ^ 1));
            }
            prop_assert_eq!(History::read(&written.write()), Some(written));
        }
    }
}
