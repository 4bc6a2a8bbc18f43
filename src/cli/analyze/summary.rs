//! What the lines of a log add up to.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

use super::line::{Decision, Step};
use crate::{
    analytics::{Costs, Latency, Report, Tally},
    clock::rfc3339,
    dispatch::Strategy,
};

/// Counts of a log.
#[derive(Debug, Default)]
pub(super) struct Summary {
    tally: Tally,
    steps: BTreeMap<(String, &'static str), StepTally>,
    first: Option<Duration>,
    last: Duration,
    decisions: u64,
    is_sample: bool,
    other: u64,
    malformed: u64,
    told: Vec<(u64, String)>,
}

#[derive(Debug, Default)]
struct StepTally {
    costs: Costs,
    /// Of the runs that were foretold.
    predicted: Duration,
    foretold: Duration,
}

/// A summary as `--json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    pub(super) lines: Lines,
    /// Whether some lines stand for several decisions: counts of allowed ones are estimates then.
    pub(super) is_sample: bool,
    /// Time of the earliest decision; `null` without any.
    pub(super) first: Option<String>,
    /// Time of the latest one.
    pub(super) last: Option<String>,
    #[serde(flatten)]
    pub(super) report: Report,
    pub(super) stages: Vec<StepReport>,
}

/// Lines by what they are.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Lines {
    pub(super) decisions: u64,
    /// Of the process's own log.
    pub(super) other: u64,
    pub(super) malformed: u64,
}

/// One step where it ran.
#[derive(Debug, Serialize)]
pub(super) struct StepReport {
    pub(super) stage: String,
    pub(super) strategy: &'static str,
    pub(super) runs: u64,
    pub(super) mean_us: f64,
    pub(super) latency: Latency,
    /// What the runs were expected to take in all, over what they took; `null` where nothing was
    /// foretold.
    pub(super) predicted_share: Option<f64>,
}

impl Summary {
    pub(super) fn add(&mut self, decision: &Decision<'_>) {
        let count = decision.stands_for;
        self.decisions += 1;
        self.is_sample |= count > 1;
        self.first = Some(
            self.first
                .map_or(decision.at, |first| first.min(decision.at)),
        );
        self.last = self.last.max(decision.at);
        let route = decision.route.as_deref();
        self.tally.add(
            route,
            decision.outcome,
            decision.reason,
            decision.cost,
            count,
        );
        for step in &decision.steps {
            self.add_step(step, count);
        }
    }

    fn add_step(&mut self, step: &Step<'_>, count: u32) {
        let is_full = self.steps.len() >= MOST_STEPS;
        let mut key = (step.stage.to_string(), step.strategy.as_str());
        if is_full && !self.steps.contains_key(&key) {
            "(others)".clone_into(&mut key.0);
        }
        let tally = self.steps.entry(key).or_default();
        tally.costs.add(step.actual, count);
        if let Some(predicted) = step.predicted {
            let all = |span: Duration| span.saturating_mul(count);
            tally.predicted = tally.predicted.saturating_add(all(predicted));
            tally.foretold = tally.foretold.saturating_add(all(step.actual));
        }
    }

    pub(super) fn other(&mut self) {
        self.other += 1;
    }

    pub(super) fn malformed(&mut self, number: u64, why: &str) {
        self.malformed += 1;
        if self.told.len() < MOST_TOLD {
            self.told.push((number, why.to_owned()));
        }
    }

    /// The first malformed lines, and what is wrong with them.
    pub(super) fn first_malformed(&self) -> &[(u64, String)] {
        &self.told
    }

    /// Whether this is no decision log at all.
    pub(super) fn is_something_else(&self) -> bool {
        self.decisions == 0 && self.malformed + self.other > 0
    }

    pub(super) fn in_json(&self) -> Written {
        let time = |at: Duration| rfc3339(u64::try_from(at.as_millis()).unwrap_or(u64::MAX));
        let covered = self
            .first
            .map_or(Duration::ZERO, |first| self.last.saturating_sub(first));
        Written {
            lines: Lines {
                decisions: self.decisions,
                other: self.other,
                malformed: self.malformed,
            },
            is_sample: self.is_sample,
            first: self.first.map(time),
            last: self.first.map(|_| time(self.last)),
            report: self.tally.report(covered),
            stages: self.steps.iter().map(StepReport::new).collect(),
        }
    }
}

impl StepReport {
    fn new(((stage, strategy), tally): (&(String, &'static str), &StepTally)) -> Self {
        let foretold = tally.foretold.as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
        let runs = tally.costs.len().max(1) as f64;
        Self {
            stage: stage.clone(),
            strategy,
            runs: tally.costs.len(),
            mean_us: tally.costs.sum().as_secs_f64() * 1e6 / runs,
            latency: tally.costs.latency(),
            predicted_share: (foretold > 0.0).then(|| tally.predicted.as_secs_f64() / foretold),
        }
    }
}

/// Malformed lines that are told.
const MOST_TOLD: usize = 5;

/// Steps and strategies that are counted apart.
const MOST_STEPS: usize = 16 * Strategy::ALL.len();
