//! What coalescing saved: counters resolved at start, written once a flight.

use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Registry};

use super::{Kind, flights::Landed};
use crate::telemetry::counters;

/// The families, every kind at zero from the start.
#[derive(Clone, Debug)]
pub struct Metrics {
    asked: IntCounterVec,
    fan_in: HistogramVec,
    saved: IntCounterVec,
}

impl Metrics {
    /// Adds the families to `registry`.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let fan_in = HistogramOpts::new(
            "subzero_coalesce_fan_in",
            "Callers that one piece of work was done for.",
        );
        let fan_in = HistogramVec::new(fan_in.buckets(FAN_IN.to_vec()), &["kind"])?;
        registry.register(Box::new(fan_in.clone()))?;
        let metrics = Self {
            asked: counters(
                registry,
                "subzero_coalesced_total",
                "Callers by whether they caused the work or joined what was under way.",
                &["kind", "role"],
            )?,
            fan_in,
            saved: counters(
                registry,
                "subzero_coalesce_saved_total",
                "Pieces of work (upstream calls, mostly) that were answered by another caller's.",
                &["kind"],
            )?,
        };
        for kind in Kind::ALL {
            drop(metrics.of(kind));
        }
        Ok(metrics)
    }

    /// The same, seen by nobody: for what no caller causes, and for tests.
    ///
    /// # Panics
    ///
    /// Never: an empty registry takes every series.
    #[must_use]
    pub fn unseen() -> Self {
        Self::register(&Registry::new()).expect("an empty registry takes every series")
    }

    /// The series of one kind.
    #[must_use]
    pub fn of(&self, kind: Kind) -> Series {
        let asked = |role: &str| self.asked.with_label_values(&[kind.as_str(), role]);
        Series {
            fan_in: self.fan_in.with_label_values(&[kind.as_str()]),
            followers: asked("follower"),
            leaders: asked("leader"),
            saved: self.saved.with_label_values(&[kind.as_str()]),
        }
    }
}

/// One kind's series.
#[derive(Clone, Debug)]
pub struct Series {
    fan_in: Histogram,
    followers: IntCounter,
    leaders: IntCounter,
    saved: IntCounter,
}

impl Series {
    /// Counts one that caused work.
    pub fn leads(&self) {
        self.leaders.inc();
    }

    /// Counts one that joined.
    pub fn follows(&self) {
        self.followers.inc();
    }

    /// Counts work that was done once for so many callers, where it is not a flight that says so.
    pub fn shared(&self, callers: usize) {
        let waiting = callers;
        self.landed(Landed { callers, waiting }, true);
    }

    /// Counts a flight that ended, `answered` if with an answer.
    #[expect(
        clippy::cast_precision_loss,
        reason = "callers are far fewer than a double's whole numbers"
    )]
    pub(super) fn landed(&self, landed: Landed, answered: bool) {
        self.fan_in.observe(landed.callers as f64);
        if answered {
            self.saved.inc_by(landed.waiting.saturating_sub(1) as u64);
        }
    }

    /// Leaders, followers and saved work so far.
    #[cfg(test)]
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        (self.leaders.get(), self.followers.get(), self.saved.get())
    }
}

/// Alone, a few, a burst, a herd.
const FAN_IN: [f64; 11] = [
    1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0,
];
