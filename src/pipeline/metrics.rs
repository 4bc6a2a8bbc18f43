//! What was decided, how long it took, and in which state bodies arrived.

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Registry};

use super::{Decision, Outcome};
use crate::{
    check::Body,
    coalesce,
    telemetry::{counters, latencies},
    verdict::{Class, Reason},
};

/// A step of the pipeline, as the metric label says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// Token or peer certificate to identity.
    Identity,
    /// Relationship check.
    Permission,
    /// Body to findings.
    Screening,
    /// Histories to score.
    Risk,
}

impl Stage {
    const ALL: [Self; 4] = [
        Self::Identity,
        Self::Permission,
        Self::Screening,
        Self::Risk,
    ];

    /// Label and log word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Permission => "permission",
            Self::Screening => "screening",
            Self::Risk => "risk",
        }
    }
}

/// Counters of the pipeline. Routes come from configuration, so their handles are resolved by
/// [`Metrics::for_routes`] at load and never looked up by label during a check.
#[derive(Clone, Debug)]
pub struct Metrics {
    checks: IntCounterVec,
    pub(super) coalesced: coalesce::Metrics,
    durations: HistogramVec,
    shadow: IntCounterVec,
    stages: [Histogram; 4],
    bodies: Vec<(&'static str, IntCounter)>,
    /// By the routes' numbers, and at last of what matched none.
    routes: Vec<RouteMetrics>,
}

#[derive(Clone, Debug)]
struct RouteMetrics {
    duration: Histogram,
    /// By reason and outcome; see [`place`].
    checks: Vec<Option<IntCounter>>,
    agree: IntCounter,
    disagree: IntCounter,
}

/// The `route` label of checks that matched none.
const NO_ROUTE: &str = "none";

impl Metrics {
    /// Adds the pipeline's series to `registry`; what is done once for several checks is counted in
    /// `coalesced`.
    pub fn register(registry: &Registry, coalesced: coalesce::Metrics) -> prometheus::Result<Self> {
        let stages = latencies(
            registry,
            "subzero_stage_duration_seconds",
            "Time of one step of a check.",
            &["stage"],
        )?;
        let bodies = counters(
            registry,
            "subzero_bodies_total",
            "Request bodies by the state in which they arrived.",
            &["state"],
        )?;
        let metrics = Self {
            checks: counters(
                registry,
                "subzero_checks_total",
                "Checks by route, verdict and reason.",
                &["route", "verdict", "reason"],
            )?,
            coalesced,
            durations: latencies(
                registry,
                "subzero_check_duration_seconds",
                "Time from the decoded check to its verdict.",
                &["route"],
            )?,
            shadow: counters(
                registry,
                "subzero_shadow_total",
                "Checks of routes in shadow mode, by whether enforcing would have changed the outcome.",
                &["route", "agreement"],
            )?,
            stages: Stage::ALL.map(|stage| stages.with_label_values(&[stage.as_str()])),
            bodies: Body::STATES
                .map(|state| (state, bodies.with_label_values(&[state])))
                .to_vec(),
            routes: Vec::new(),
        };
        Ok(metrics.for_routes(std::iter::empty()))
    }

    /// The same metrics with handles for exactly these routes, in the order of their numbers, each
    /// series present from zero.
    #[must_use]
    pub fn for_routes<'n>(&self, names: impl Iterator<Item = &'n str>) -> Self {
        let routes = names
            .chain([NO_ROUTE])
            .map(|name| self.route(name))
            .collect();
        Self {
            routes,
            ..self.clone()
        }
    }

    fn route(&self, name: &str) -> RouteMetrics {
        let mut checks = vec![None; Reason::ALL.len() * Outcome::ALL.len()];
        for reason in Reason::ALL {
            let outcomes = Outcome::ALL.into_iter();
            for outcome in outcomes.filter(|outcome| can_be(*outcome, reason)) {
                let labels = [name, outcome.as_str(), reason.as_str()];
                checks[place(outcome, reason)] = Some(self.checks.with_label_values(&labels));
            }
        }
        RouteMetrics {
            duration: self.durations.with_label_values(&[name]),
            checks,
            agree: self.shadow.with_label_values(&[name, "agree"]),
            disagree: self.shadow.with_label_values(&[name, "disagree"]),
        }
    }

    pub(super) fn body(&self, state: &str) {
        if let Some((_, counter)) = self.bodies.iter().find(|(own, _)| *own == state) {
            counter.inc();
        }
    }

    pub(super) fn decided(&self, decision: &Decision) {
        for ran in &decision.plan.ran {
            self.stages[ran.stage as usize].observe(ran.actual.as_secs_f64());
        }
        let number = decision.route.as_ref().map(|route| route.number);
        let Some(route) = number.map_or(self.routes.last(), |number| self.routes.get(number))
        else {
            return;
        };
        route.duration.observe(decision.cost.as_secs_f64());
        if let Some(Some(counter)) = route.checks.get(place(decision.outcome, decision.reason)) {
            counter.inc();
        }
        if decision.in_shadow() {
            if decision.shadowed {
                &route.disagree
            } else {
                &route.agree
            }
            .inc();
        }
    }
}

/// Where among a route's counters this one is.
fn place(outcome: Outcome, reason: Reason) -> usize {
    reason as usize * Outcome::ALL.len() + outcome as usize
}

/// Whether `outcome` can come with `reason`: a denial can be let pass (shadow, or `on_unavailable:
/// allow`), but what the rules allow is never denied.
fn can_be(outcome: Outcome, reason: Reason) -> bool {
    match outcome {
        Outcome::Allow => true,
        Outcome::Deny => reason.class() != Class::Allowed,
        Outcome::Error => reason.class() == Class::Undecided,
    }
}
