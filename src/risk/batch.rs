//! Risk scores of many events of one subject at once, as the predecessor's gateway gave them.
//!
//! # The formula
//!
//! For each event, in the order in which they are given (32-bit floats):
//!
//! ```text
//! time     = 1 / (1 + (last event's timestamp - own timestamp) / 3600)
//! ip       = 1 if the ip differs from the event's before, else 0; 0 for the first
//! device   = 1 if the device differs from the event's before, else 0; 0 for the first
//! score    = 0.2*time + 0.3*ip + 0.3*device + 0.2*behavior, not below 0 and not above 1
//! ```
//!
//! Timestamps are seconds; only their distances matter, so any epoch will do. An event whose age is
//! 0, such as the last one, always gets the whole 0.2 of `time`.
//!
//! # What a reader would get wrong
//!
//! Now is the *last event's* time and not the clock's: the same events always score the same. The
//! events must be one subject's: two people's in turn are one who changes places all the time. An
//! event later than the last would be negative years old, so it is refused; apart from that,
//! timestamps may go back and forth, since events may arrive a little out of order.
//!
//! # Cost
//!
//! Texts become numbers when the batch is made (a look-up for each); scoring is arithmetic over
//! columns, which the compiler does four or more at a time: about 0.5 ns an event.

use std::{collections::HashMap, fmt, ops::Range};

use serde::{Deserialize, Deserializer, de};

use crate::dispatch::{Operation, Weight, Work};

/// One event as a caller writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// Seconds, fractions allowed; 0 or more.
    pub timestamp: f64,
    /// Where it came from. Only compared: any name of the place will do.
    #[serde(default)]
    pub ip: Name,
    /// What it came from. Only compared, too.
    #[serde(default)]
    pub device: Name,
    /// How bad it was, 0 or more; usually at most 1.
    #[serde(default)]
    pub behavior: f64,
}

/// A text of up to [`Name::MAX_BYTES`], or a whole number, which is the same as its digits.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct Name(String);

/// Events in columns, ready to be scored.
#[derive(Debug)]
pub struct Batch {
    /// Seconds before the last event.
    ages: Vec<f32>,
    behaviors: Vec<f32>,
    /// One number for each different device. The first stands twice, so that each event has one
    /// before it, pieces of the batch included.
    devices: Vec<u32>,
    /// As `devices`.
    ips: Vec<u32>,
}

/// Why a batch of events cannot be scored.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum BadEvent {
    /// A behaviour that is no measure of badness.
    #[error("events[{at}].behavior: `{value}` is not a number from 0 on")]
    Behavior {
        /// Which event, from 0.
        at: usize,
        /// What it says.
        value: f64,
    },
    /// An event later than the last one.
    #[error(
        "events[{0}].timestamp: is later than the last event's; \
         send events in the order in which they happened"
    )]
    Later(usize),
    /// A time that is none.
    #[error("events[{at}].timestamp: `{value}` is not a number of seconds from 0 to 1e12")]
    Timestamp {
        /// Which event, from 0.
        at: usize,
        /// What it says.
        value: f64,
    },
    /// More than [`Batch::MAX_EVENTS`].
    #[error("events: {0} are more than {max}; send them in several batches", max = Batch::MAX_EVENTS)]
    TooMany(usize),
}

/// A name longer than [`Name::MAX_BYTES`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("is {0} bytes long; the most are {max}", max = Name::MAX_BYTES)]
pub struct NameTooLong(usize);

impl Batch {
    /// Most events of one batch.
    pub const MAX_EVENTS: usize = 1 << 24;

    /// Puts `events` into columns.
    ///
    /// # Errors
    ///
    /// The first event that cannot be scored, and why.
    pub fn new(events: &[Event]) -> Result<Self, BadEvent> {
        if events.len() > Self::MAX_EVENTS {
            return Err(BadEvent::TooMany(events.len()));
        }
        let now = events.last().map_or(0.0, |last| last.timestamp);
        for (at, event) in events.iter().enumerate() {
            event.check(at, now)?;
        }
        #[expect(clippy::cast_possible_truncation, reason = "scores are 32-bit floats")]
        Ok(Self {
            ages: events
                .iter()
                .map(|event| (now - event.timestamp) as f32)
                .collect(),
            behaviors: events.iter().map(|event| event.behavior as f32).collect(),
            devices: numbered(events.iter().map(|event| &event.device)),
            ips: numbered(events.iter().map(|event| &event.ip)),
        })
    }
}

impl BadEvent {
    /// Where it is: `events[3].behavior`.
    #[must_use]
    pub fn field(&self) -> String {
        match self {
            Self::Behavior { at, .. } => format!("events[{at}].behavior"),
            Self::Later(at) | Self::Timestamp { at, .. } => format!("events[{at}].timestamp"),
            Self::TooMany(_) => "events".to_owned(),
        }
    }
}

impl Event {
    fn check(&self, at: usize, now: f64) -> Result<(), BadEvent> {
        let value = self.timestamp;
        if !(0.0..=MAX_SECONDS).contains(&value) {
            return Err(BadEvent::Timestamp { at, value });
        }
        if value > now {
            return Err(BadEvent::Later(at));
        }
        let value = self.behavior;
        if !(0.0..=f64::MAX).contains(&value) {
            return Err(BadEvent::Behavior { at, value });
        }
        Ok(())
    }
}

impl Work for Batch {
    const OPERATION: Operation = Operation::Risk;

    type Output = f32;

    fn len(&self) -> usize {
        self.ages.len()
    }

    fn weight(&self, _item: usize) -> Weight {
        ROW
    }

    fn uniform(&self) -> Option<Weight> {
        Some(ROW)
    }

    fn run(&self, items: Range<usize>) -> Vec<f32> {
        let before = items.clone();
        let own = items.start + 1..items.end + 1;
        let ips = self.ips[before.clone()].iter().zip(&self.ips[own.clone()]);
        let devices = self.devices[before].iter().zip(&self.devices[own]);
        let measures = self.ages[items.clone()].iter().zip(&self.behaviors[items]);
        let rows = measures.zip(ips).zip(devices);
        rows.map(|(((age, behavior), ip), device)| {
            let time = 1.0 / (1.0 + age / 3600.0);
            let score = 0.2 * time + 0.3 * changed(ip) + 0.3 * changed(device) + 0.2 * behavior;
            score.clamp(0.0, 1.0)
        })
        .collect()
    }
}

fn changed((before, own): (&u32, &u32)) -> f32 {
    f32::from(u8::from(before != own))
}

/// The same number for the same name, the first one's twice.
fn numbered<'e>(names: impl Iterator<Item = &'e Name>) -> Vec<u32> {
    let mut known: HashMap<&Name, u32> = HashMap::new();
    let mut numbers = Vec::with_capacity(names.size_hint().0 + 1);
    for name in names {
        let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
        let number = *known.entry(name).or_insert(next);
        if numbers.is_empty() {
            numbers.push(number);
        }
        numbers.push(number);
    }
    if numbers.is_empty() {
        numbers.push(0);
    }
    numbers
}

impl Name {
    /// Longest name.
    pub const MAX_BYTES: usize = 256;
}

impl TryFrom<String> for Name {
    type Error = NameTooLong;

    fn try_from(text: String) -> Result<Self, NameTooLong> {
        match text.len() {
            0..=Self::MAX_BYTES => Ok(Self(text)),
            length => Err(NameTooLong(length)),
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Words;
        impl de::Visitor<'_> for Words {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(
                    f,
                    "a text of up to {} bytes, or a whole number",
                    Name::MAX_BYTES
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Name, E> {
                self.visit_string(text.to_owned())
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Name, E> {
                Name::try_from(text).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Name, E> {
                Ok(Name(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Name, E> {
                Ok(Name(number.to_string()))
            }
        }
        deserializer.deserialize_any(Words)
    }
}

/// What one event is in the columns.
const ROW: Weight = Weight {
    class: 0,
    bytes: 4 * size_of::<f32>(),
};

/// Thirty thousand years: milliseconds and nanoseconds since the epoch are found out.
const MAX_SECONDS: f64 = 1e12;

#[cfg(test)]
mod tests;
