//! What is kept of a decision: a line in the decision log, an entry among the last ones, a count in
//! the windows of [`crate::analytics`].
//!
//! ```text
//! Door::decide -> Recorder::record -> last ones   -> GET /decisions, /decisions/{id}
//!                                  -> windows     -> GET /analytics
//!                                  -> queue       -> decision log (a thread of its own)
//!                                  or process log -> denials, where there is no decision log
//! ```
//!
//! # What a reader would get wrong
//!
//! Each decision is told in one place. With a decision log, every decision is a line there and the
//! process's own log tells none; without one, the process's log tells those that were not plainly
//! allowed. And recording never waits: a full queue drops the line and counts it.
//!
//! No token, prompt, query, header or matched text is kept, and no subject is shown: a keyed hash
//! stands for it ([`SubjectKey`]), made when somebody looks or a line is written, not during a
//! check.
//!
//! # Cost
//!
//! One allocation, in which the decision moves to where it is kept, one slot's lock and one count:
//! 0.1 µs, and little more with the log on (`benches/recorder.rs`).

mod config;
mod entry;
mod log;
mod metrics;
mod places;
mod recent;
mod sink;
mod subject;
mod told;

use std::{path::Path, sync::Arc, time::Duration};

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

pub use self::{
    config::{Config, LogConfig, Settings, Target},
    metrics::Metrics,
    recent::Filter,
    subject::SubjectKey,
};
use self::{
    entry::{Entry, Short, Told},
    log::Log,
    places::places,
    recent::Recent,
};
use crate::{analytics::Windows, check::Check, pipeline::Decision, problem::Problem};

/// Keeps what was decided. Outlives every configuration but its own two sections; clones share
/// everything.
#[derive(Clone, Debug)]
pub struct Recorder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    recent: Recent,
    windows: Windows,
    log: Option<Log>,
    redact: bool,
    key: Arc<SubjectKey>,
}

impl Recorder {
    /// Starts recording for checks on `threads` threads, and the log's thread if there is a log.
    ///
    /// # Errors
    ///
    /// That the thread cannot be started.
    pub fn start(settings: Settings, metrics: &Metrics, threads: usize) -> std::io::Result<Self> {
        let key = Arc::new(settings.key);
        let log = match settings.log.to {
            Target::Off => None,
            Target::File(_) | Target::Stdout => {
                Some(Log::start(&settings.log, Arc::clone(&key), metrics)?)
            }
        };
        let inner = Inner {
            recent: Recent::new(settings.keep.keep, settings.keep.memory.get()),
            windows: Windows::new(threads),
            log,
            redact: settings.log.redact,
            key,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Keeps `decision` about `check`. Called once for each decision, by the door that answers it.
    #[must_use]
    pub fn record(&self, check: &Check, decision: Decision) -> Arc<Decision> {
        let inner = &*self.inner;
        inner.windows.add(&decision);
        if inner.log.is_none() {
            told::tell(check, &decision);
        }
        let decision = Arc::new(decision);
        let entry = Entry::new(check, Arc::clone(&decision), inner.redact);
        if let Some(log) = &inner.log {
            log.offer(&entry);
        }
        inner.recent.keep(entry);
        decision
    }

    /// Everything known about one of the last decisions: which steps ran and why others did not,
    /// where, what they cost, and where something was found. `None` when it is not kept (any more).
    #[must_use]
    pub fn explain(&self, id: Uuid) -> Option<Value> {
        let entry = self.inner.recent.find(id)?;
        let explained = Explained {
            told: Told::new(&entry, &self.inner.key),
            places: places(&entry.decision.findings),
        };
        serde_json::to_value(explained).ok()
    }

    /// The last decisions that `filter` asks for, newest first, each with id, time, route, verdict,
    /// reason and cost.
    #[must_use]
    pub fn latest(&self, filter: &Filter) -> Vec<Value> {
        let entries = self.inner.recent.latest(filter);
        let short = |entry: &Entry| serde_json::to_value(Short::new(entry)).ok();
        entries.iter().filter_map(short).collect()
    }

    /// How many decisions are kept at most, and how many are kept now.
    #[must_use]
    pub fn kept(&self) -> (usize, usize) {
        (self.inner.recent.capacity(), self.inner.recent.len())
    }

    /// What the last hour's decisions add up to.
    #[must_use]
    pub fn windows(&self) -> &Windows {
        &self.inner.windows
    }

    /// Writes what is queued and closes the log; whether all was written within `within`.
    pub async fn finish(&self, within: Duration) -> bool {
        match &self.inner.log {
            None => true,
            Some(log) => log.finish(within).await,
        }
    }
}

/// Checks both sections without starting anything.
///
/// # Errors
///
/// Each thing that is wrong, with its whole key.
pub fn settle(config: Config, log: &LogConfig, base_dir: &Path) -> Result<Settings, Vec<Problem>> {
    Settings::resolve(config, log, base_dir)
}

#[derive(Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    told: Told<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    places: Vec<Value>,
}

#[cfg(test)]
mod tests;
