//! How unlike its subject is this request: a score from 0 to 1 out of what that subject did before.
//!
//! ```text
//! Identity + address + device -> Encounter -> history (subjects) -> signals -> score
//!              the whole check's ending ------^  only what was allowed becomes familiar
//! ```
//!
//! # The score of a check
//!
//! `score = (w.time*time + w.address*address + w.device*device + w.behavior*behavior) / sum of w`,
//! rounded to hundredths, so that a threshold compares what headers and logs show.
//!
//! | signal | is |
//! |---|---|
//! | `address` | 1 if the subject has been seen before and not lately from this address, else 0 |
//! | `device` | the same for the device header; its weight drops out where none is configured |
//! | `time` | `1 / (1 + hours)` at the default half-life of one hour, hours since the subject was last seen, when address or device changed; else 0 |
//! | `behavior` | `1 - 2^(-n/tolerance)`, n the recent denials and findings, each halved every half-life |
//!
//! A batch of events is scored by another formula, the predecessor's: see [`Batch`].
//!
//! # What a reader would get wrong
//!
//! *First score, then learn.* A denied check adds to `behavior` and changes nothing else: were its
//! address remembered, a thief's second try would look like the owner. For the same reason nothing
//! is learnt from what a stricter route would have refused. A denial for risk does not count as bad
//! behaviour, or one change of place would lock its owner out for good.
//!
//! *A subject never seen scores 0.* Nothing changed, since nothing is known; and after a restart
//! everybody is new, who must not all be denied at once.
//!
//! *A quick change is the strange one.* Nobody is in two places within minutes, so `time` falls
//! with the hours, and it says nothing about a subject that stays where it was.
//!
//! # Cost
//!
//! About 1 µs a check: a keyed hash of the subject (0.7 µs), a look-up before the verdict (0.2 µs) and
//! a change after it (0.1 µs), each under the lock of one shard. Nothing is kept in clear, and memory
//! is bounded (`risk.memory`). Where replicas share histories ([`shared`]), a subject that was not
//! asked for within a second costs one question to Redis.

mod batch;
mod config;
mod error;
mod history;
mod metrics;
mod score;
mod shared;
mod subjects;

use std::{net::IpAddr, sync::Arc};

pub use self::{
    batch::{BadEvent, Batch, Event, Name, NameTooLong},
    config::{Config, HalfLives, Weights},
    error::Error,
    metrics::Metrics,
    subjects::Encounter,
};
use self::{
    score::Model,
    subjects::{Device, Subjects},
};
use crate::{
    check::Check,
    clock::{Clock, UnixSeconds},
    dispatch::Operation,
    identity::Identity,
    problem::Problem,
    store::{Space, Store},
};

/// Scores checks by their subjects' histories, and keeps those.
#[derive(Debug)]
pub struct Assessor {
    clock: Clock,
    /// In lower case.
    device_header: Option<String>,
    metrics: Metrics,
    model: Model,
    subjects: Arc<Subjects>,
}

/// What became of a whole check, as far as its subject's history is concerned.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ending {
    /// A step other than risk denied it.
    pub denied: bool,
    /// Its body carried an injection or a secret, whether or not that was denied.
    pub found: bool,
    /// It was scored and passed, and would have passed everywhere: address and device are the
    /// subject's own from now on.
    pub familiar: bool,
}

impl Assessor {
    /// An assessor for `config`. Histories of `previous` are kept if they fit the new one.
    ///
    /// # Errors
    ///
    /// What is wrong with the numbers, and that the system has no random ones.
    pub fn new(
        config: &Config,
        clock: Clock,
        metrics: Metrics,
        previous: Option<&Self>,
    ) -> Result<Self, Vec<Problem>> {
        let problems = config.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        let device_header = config.device_header.as_deref().map(str::to_ascii_lowercase);
        // Another header names devices in other words: all of them would be strange.
        let fits = |previous: &&Self| {
            previous.device_header == device_header
                && previous.subjects.max() == config.memory.get()
        };
        let subjects = match previous.filter(fits) {
            Some(previous) => Arc::clone(&previous.subjects),
            None => Subjects::new(config.memory.get())
                .map(Arc::new)
                .ok_or_else(|| {
                    let message = "needs random numbers, and the system has none";
                    vec![Problem::new("memory", message)]
                })?,
        };
        Ok(Self {
            clock,
            model: Model::new(config),
            device_header,
            metrics,
            subjects,
        })
    }

    /// The same, with the histories that all replicas of `store` share. Those of an assessor that it
    /// was made from are shared already.
    #[must_use]
    pub fn sharing(self, store: &Store) -> Self {
        match store.tally(SPACE) {
            Some(tally) if self.subjects.shared().is_none() => Self {
                subjects: Subjects::sharing(self.subjects.max(), &tally),
                ..self
            },
            _ => self,
        }
    }

    /// Who comes from where with `check`.
    #[must_use]
    pub fn meet(&self, identity: &Identity, check: &Check) -> Encounter {
        let asked = self.device_header.as_deref().zip(check.http.as_ref());
        let sent = asked.and_then(|(name, request)| request.headers.joined(name));
        let device = match (asked, &sent) {
            (None, _) => Device::NotAsked,
            (Some(_), None) => Device::Absent,
            (Some(_), Some(name)) => Device::Named(name),
        };
        self.subjects.meet(identity, check.source.address, device)
    }

    /// Who comes from where, for callers that have no check. `device` is what the device header
    /// would say.
    #[must_use]
    pub fn meet_at(
        &self,
        identity: &Identity,
        address: Option<IpAddr>,
        device: Option<&[u8]>,
    ) -> Encounter {
        let device = match (&self.device_header, device) {
            (None, _) => Device::NotAsked,
            (Some(_), None) => Device::Absent,
            (Some(_), Some(name)) => Device::Named(name),
        };
        self.subjects.meet(identity, address, device)
    }

    /// The score of `encounter`, from 0 (as usual) to 1, in hundredths. Changes nothing: see
    /// [`Assessor::observe`].
    ///
    /// # Errors
    ///
    /// That nobody is known to be there, or nothing of a history that replicas share.
    pub async fn assess(&self, encounter: Option<&Encounter>) -> Result<f32, Error> {
        self.fetch(encounter).await?;
        self.score(encounter)
    }

    /// The same by what is known here. Waits for nothing: call [`Assessor::fetch`] before.
    ///
    /// # Errors
    ///
    /// That nobody is known to be there.
    pub fn score(&self, encounter: Option<&Encounter>) -> Result<f32, Error> {
        let encounter = encounter.ok_or(Error::Nobody)?;
        let now = self.clock.now();
        let history = self
            .subjects
            .recall(encounter)
            .filter(|history| !history.is_over(now, &self.model));
        let signals = history
            .as_ref()
            .map(|history| history.signals(encounter, now, &self.model));
        let score = self.model.score(&signals.unwrap_or_default());
        self.metrics.scored(score, history.is_some());
        Ok(score)
    }

    /// Waits for what other replicas know of who is there, unless it is known here already.
    ///
    /// # Errors
    ///
    /// That nobody is known to be there, or nothing is known of them, here or there.
    pub async fn fetch(&self, encounter: Option<&Encounter>) -> Result<(), Error> {
        let encounter = encounter.ok_or(Error::Nobody)?;
        let fetched = self.subjects.fetch(encounter, &self.model).await;
        fetched.map_err(Error::Unread)
    }

    /// Learns what became of the check that `encounter` came with. Call it once, after the verdict.
    pub fn observe(&self, encounter: &Encounter, ending: Ending) {
        if ending == Ending::default() {
            return;
        }
        let now = self.clock.now();
        self.subjects.record(encounter, &self.model, |history| {
            history.learn(encounter, ending, now, &self.model);
        });
    }

    /// The time that scores go by.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        self.clock.now()
    }

    /// Brings the gauge of memory up to now: call it before each scrape.
    pub fn refresh(&self) {
        self.metrics.holds(self.subjects.size());
    }
}

/// Histories in the store.
const SPACE: Space = Space {
    name: "risk",
    operation: Operation::Risk,
};

#[cfg(test)]
mod tests;
