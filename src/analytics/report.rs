//! The words of a report: counts, rates, shares and latencies, as JSON shows them.
//!
//! Everything is counted in checks; a share of nothing is 0, never "not a number".

use hdrhistogram::Histogram;
use serde::Serialize;

use super::tally::micros;
use crate::{
    pipeline::Outcome,
    verdict::{Class, Reason},
};

/// What was decided in some stretch of time.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The stretch asked for, in seconds; absent for a log file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_s: Option<f64>,
    /// The stretch that the figures stand for, in seconds: up to a minute more than the window, and less
    /// while the process is younger than it.
    pub covered_s: f64,
    /// Everything together.
    #[serde(flatten)]
    pub total: Figures,
    /// The most frequent reasons over all routes, most frequent first.
    pub reasons: Vec<ReasonShare>,
    /// Route by route, most asked first. The route of checks that matched none is `null`.
    pub routes: Vec<RouteReport>,
}

/// One route.
#[derive(Clone, Debug, Serialize)]
pub struct RouteReport {
    /// Its name; `null` where no route matched.
    pub route: Option<String>,
    /// All its checks together.
    #[serde(flatten)]
    pub total: Figures,
    /// Reason by reason, most frequent first.
    pub reasons: Vec<RouteReason>,
}

/// One route's checks that ended with one reason and one verdict.
#[derive(Clone, Debug, Serialize)]
pub struct RouteReason {
    /// Why.
    pub reason: &'static str,
    /// What the proxy was told: a reason to deny comes with `allow` in shadow mode.
    pub verdict: &'static str,
    /// How many.
    pub checks: u64,
    /// How many a second.
    pub rate: f64,
    /// Of the route's checks, 0 to 1.
    pub share: f64,
    /// How long they took.
    pub latency: Latency,
}

/// How often a reason was given.
#[derive(Clone, Debug, Serialize)]
pub struct ReasonShare {
    /// Why.
    pub reason: &'static str,
    /// How many checks.
    pub checks: u64,
    /// Of all checks, 0 to 1.
    pub share: f64,
}

/// What every group of checks is described by.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// How many checks.
    pub checks: u64,
    /// How many a second.
    pub rate: f64,
    /// By what the proxy was told.
    pub verdicts: Verdicts,
    /// Of all checks, those that were not allowed (`deny` and `error`), 0 to 1.
    pub denied_share: f64,
    /// Of all checks, those that could not be decided, 0 to 1, whatever the route made of them.
    pub undecided_share: f64,
    /// How long they took.
    pub latency: Latency,
}

/// Checks by what the proxy was told.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Verdicts {
    /// It may pass.
    pub allow: u64,
    /// It may not.
    pub deny: u64,
    /// The proxy's failure mode decides.
    pub error: u64,
}

/// Quantiles in microseconds, to about one part in a hundred; 0 where there was no check.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// Half of all checks took at most this.
    pub p50_us: f64,
    /// 95 of 100.
    pub p95_us: f64,
    /// 99 of 100.
    pub p99_us: f64,
    /// The longest.
    pub max_us: f64,
}

impl Verdicts {
    pub(super) fn add(&mut self, outcome: Outcome, checks: u64) {
        *match outcome {
            Outcome::Allow => &mut self.allow,
            Outcome::Deny => &mut self.deny,
            Outcome::Error => &mut self.error,
        } += checks;
    }
}

impl Latency {
    /// The quantiles of costs counted in [`super::tally`]'s unit.
    pub(super) fn of(costs: &Histogram<u64>) -> Self {
        if costs.is_empty() {
            return Self::default();
        }
        let at = |quantile| micros(costs.value_at_quantile(quantile));
        Self {
            p50_us: at(0.5),
            p95_us: at(0.95),
            p99_us: at(0.99),
            max_us: micros(costs.max()),
        }
    }
}

/// Gathers what [`Figures`] tell.
#[derive(Debug)]
pub(super) struct Gathering {
    verdicts: Verdicts,
    undecided: u64,
    costs: Histogram<u64>,
}

impl Gathering {
    pub(super) fn new(costs: Histogram<u64>) -> Self {
        Self {
            verdicts: Verdicts::default(),
            undecided: 0,
            costs,
        }
    }

    pub(super) fn add(&mut self, outcome: Outcome, reason: Reason, costs: &Histogram<u64>) {
        let count = costs.len();
        self.verdicts.add(outcome, count);
        if reason.class() == Class::Undecided {
            self.undecided += count;
        }
        self.costs
            .add(costs)
            .expect("histograms of one range fit into each other");
    }

    pub(super) fn checks(&self) -> u64 {
        self.costs.len()
    }

    pub(super) fn figures(&self, covered_s: f64) -> Figures {
        let checks = self.checks();
        Figures {
            checks,
            rate: ratio(checks, covered_s),
            verdicts: self.verdicts,
            denied_share: share(self.verdicts.deny + self.verdicts.error, checks),
            undecided_share: share(self.undecided, checks),
            latency: Latency::of(&self.costs),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn ratio(count: u64, of: f64) -> f64 {
    if of > 0.0 { count as f64 / of } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(super) fn share(count: u64, of: u64) -> f64 {
    ratio(count, of as f64)
}
