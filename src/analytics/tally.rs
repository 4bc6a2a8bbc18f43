//! Counts and cost histograms by route, verdict and reason, and the report they make.
//!
//! What a reader would get wrong: a tally's memory does not grow with what is added, but with how
//! many routes it meets. Where route names are not our own configuration's (a log file), they are
//! bounded: what comes after the first [`Tally::MOST_GROUPS`] groups is counted under `(others)`.
//!
//! Cost: about 24 KiB a group.

use std::{collections::HashMap, sync::Arc, time::Duration};

use hdrhistogram::{Counter, Histogram};

use super::report::{
    Gathering, Latency, ReasonShare, Report, RouteReason, RouteReport, ratio, share,
};
use crate::{pipeline::Outcome, verdict::Reason};

/// Costs are counted in units of 100 ns, up to 10 s: longer ones count as 10 s.
const LONGEST: u64 = 100_000_000;

/// One part in a hundred.
const DIGITS: u8 = 2;

/// How long things took.
#[derive(Debug)]
pub struct Costs {
    histogram: Histogram<u64>,
    sum: Duration,
}

impl Default for Costs {
    fn default() -> Self {
        Self {
            histogram: empty(),
            sum: Duration::ZERO,
        }
    }
}

impl Costs {
    /// Counts `count` things that took `cost` each.
    pub fn add(&mut self, cost: Duration, count: u32) {
        self.histogram
            .saturating_record_n(units(cost), count.into());
        self.sum = self.sum.saturating_add(cost.saturating_mul(count));
    }

    /// How many were counted.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.histogram.len()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.histogram.is_empty()
    }

    /// Their sum.
    #[must_use]
    pub fn sum(&self) -> Duration {
        self.sum
    }

    /// Their quantiles.
    #[must_use]
    pub fn latency(&self) -> Latency {
        Latency::of(&self.histogram)
    }
}

/// Checks by route, verdict and reason.
#[derive(Debug, Default)]
pub struct Tally {
    groups: HashMap<Group, Histogram<u64>>,
    routes: HashMap<String, Route>,
}

/// A route's name, shared; `None` where no route matched.
pub(super) type Route = Arc<str>;

/// What is counted apart.
pub(super) type Group = (Option<Route>, Outcome, Reason);

/// A group seen from its route.
type OfRoute<'a> = (Outcome, Reason, &'a Histogram<u64>);

impl Tally {
    /// Most groups that are counted apart.
    pub const MOST_GROUPS: usize = 4_096;

    /// Counts `count` checks that took `cost` each.
    pub fn add(
        &mut self,
        route: Option<&str>,
        outcome: Outcome,
        reason: Reason,
        cost: Duration,
        count: u32,
    ) {
        let route = route.map(|name| self.route(name));
        self.group((route, outcome, reason))
            .saturating_record_n(units(cost), count.into());
    }

    /// The costs of one group, to be added to.
    pub(super) fn group(&mut self, group: Group) -> &mut Histogram<u64> {
        let full = self.groups.len() >= Self::MOST_GROUPS;
        let group = if full && !self.groups.contains_key(&group) {
            // At most one more group for each verdict and reason.
            (Some(self.route(OTHERS)), group.1, group.2)
        } else {
            group
        };
        self.groups.entry(group).or_insert_with(empty)
    }

    fn route(&mut self, name: &str) -> Route {
        if let Some(route) = self.routes.get(name) {
            return Arc::clone(route);
        }
        let full = self.routes.len() >= Self::MOST_GROUPS;
        let name = if full { OTHERS } else { name };
        Arc::clone(
            self.routes
                .entry(name.to_owned())
                .or_insert_with(|| name.into()),
        )
    }

    /// What it adds up to over `covered`.
    #[must_use]
    pub fn report(&self, covered: Duration) -> Report {
        let covered_s = covered.as_secs_f64();
        let mut total = Gathering::new(empty());
        let mut reasons: HashMap<Reason, u64> = HashMap::new();
        let mut routes: HashMap<Option<&Route>, Vec<OfRoute<'_>>> = HashMap::new();
        for ((route, outcome, reason), costs) in &self.groups {
            total.add(*outcome, *reason, costs);
            *reasons.entry(*reason).or_default() += costs.len();
            routes
                .entry(route.as_ref())
                .or_default()
                .push((*outcome, *reason, costs));
        }
        let checks = total.checks();
        let mut reasons: Vec<ReasonShare> = reasons
            .into_iter()
            .map(|(reason, count)| ReasonShare {
                reason: reason.as_str(),
                checks: count,
                share: share(count, checks),
            })
            .collect();
        reasons.sort_by(|a, b| b.checks.cmp(&a.checks).then(a.reason.cmp(b.reason)));
        reasons.truncate(TOP_REASONS);
        let mut routes: Vec<RouteReport> = routes
            .into_iter()
            .map(|(route, groups)| of_route(route, &groups, covered_s))
            .collect();
        routes.sort_by(|a, b| {
            let by_count = b.total.checks.cmp(&a.total.checks);
            by_count.then_with(|| a.route.cmp(&b.route))
        });
        Report {
            window_s: None,
            covered_s,
            total: total.figures(covered_s),
            reasons,
            routes,
        }
    }
}

fn of_route(route: Option<&Route>, groups: &[OfRoute<'_>], covered_s: f64) -> RouteReport {
    let mut total = Gathering::new(empty());
    for (outcome, reason, costs) in groups {
        total.add(*outcome, *reason, costs);
    }
    let mut reasons: Vec<RouteReason> = groups
        .iter()
        .map(|(outcome, reason, costs)| RouteReason {
            reason: reason.as_str(),
            verdict: outcome.as_str(),
            checks: costs.len(),
            rate: ratio(costs.len(), covered_s),
            share: share(costs.len(), total.checks()),
            latency: Latency::of(costs),
        })
        .collect();
    reasons.sort_by(|a, b| {
        let by_count = b.checks.cmp(&a.checks);
        by_count.then_with(|| (a.reason, a.verdict).cmp(&(b.reason, b.verdict)))
    });
    RouteReport {
        route: route.map(ToString::to_string),
        total: total.figures(covered_s),
        reasons,
    }
}

/// A histogram of costs.
pub(super) fn empty<C: Counter>() -> Histogram<C> {
    Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("a range that the digits allow")
}

/// A cost in the histograms' unit.
pub(super) fn units(cost: Duration) -> u64 {
    u64::try_from(cost.as_nanos() / 100)
        .unwrap_or(u64::MAX)
        .clamp(1, LONGEST)
}

/// The histograms' unit in microseconds.
#[expect(clippy::cast_precision_loss, reason = "at most LONGEST")]
pub(super) fn micros(units: u64) -> f64 {
    units as f64 / 10.0
}

/// Where groups go that came too late to be counted apart.
const OTHERS: &str = "(others)";

/// Reasons listed for all routes together.
const TOP_REASONS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_shares_and_quantiles_are_those_of_what_was_added() {
        let mut tally = Tally::default();
        for cost in 1..=100 {
            let cost = Duration::from_micros(cost);
            tally.add(Some("doc"), Outcome::Allow, Reason::Ok, cost, 1);
        }
        for _ in 0..60 {
            let cost = Duration::from_micros(5);
            tally.add(Some("doc"), Outcome::Deny, Reason::TokenMissing, cost, 1);
        }
        for _ in 0..40 {
            let cost = Duration::from_micros(1);
            tally.add(None, Outcome::Deny, Reason::NoRoute, cost, 1);
            let cost = Duration::from_mins(1);
            tally.add(Some("chat"), Outcome::Error, Reason::Deadline, cost, 1);
        }
        let report = tally.report(Duration::from_secs(20));
        assert_eq!(report.total.checks, 240);
        assert!((report.total.rate - 12.0).abs() < 1e-9);
        assert!((report.total.denied_share - 140.0 / 240.0).abs() < 1e-9);
        assert!((report.total.undecided_share - 40.0 / 240.0).abs() < 1e-9);
        assert_eq!(report.reasons[0].reason, "ok");
        assert_eq!(report.reasons[1].reason, "token_missing");
        let names: Vec<_> = report.routes.iter().map(|r| r.route.as_deref()).collect();
        assert_eq!(names, [Some("doc"), None, Some("chat")]);
        let ok = &report.routes[0].reasons[0];
        assert_eq!((ok.reason, ok.verdict, ok.checks), ("ok", "allow", 100));
        assert!((ok.latency.p50_us - 50.0).abs() < 1.0, "{ok:?}");
        assert!((ok.latency.p99_us - 99.0).abs() < 1.5, "{ok:?}");
        let late = &report.routes[2].reasons[0].latency;
        assert!(
            late.max_us > 9.9e6,
            "10 s is the most that is told: {late:?}"
        );
    }

    #[test]
    fn nothing_adds_up_to_zeros() {
        let report = Tally::default().report(Duration::ZERO);
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["rate"], 0.0);
        assert_eq!(json["denied_share"], 0.0);
        assert_eq!(json["latency"]["p99_us"], 0.0);
    }

    #[test]
    fn names_without_end_do_not_take_memory_without_end() {
        let mut tally = Tally::default();
        for name in 0..Tally::MOST_GROUPS + 500 {
            let name = name.to_string();
            tally.add(
                Some(&name),
                Outcome::Allow,
                Reason::Ok,
                Duration::from_micros(1),
                1,
            );
        }
        assert!(tally.groups.len() <= Tally::MOST_GROUPS + 1);
        assert!(tally.routes.len() <= Tally::MOST_GROUPS + 1);
        let report = tally.report(Duration::from_secs(1));
        assert_eq!(report.total.checks, Tally::MOST_GROUPS as u64 + 500);
        assert_eq!(report.routes[0].route.as_deref(), Some("(others)"));
        assert_eq!(report.routes[0].total.checks, 500);
    }
}
