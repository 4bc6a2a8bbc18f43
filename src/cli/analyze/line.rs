//! One line of a decision log, read back.
//!
//! What a reader would get wrong: fields we do not know are passed over, so that a log of a later
//! version can still be read; a field that we do know and cannot read makes the line malformed.

use std::{borrow::Cow, time::Duration};

use serde::{Deserialize, de::IgnoredAny};
use uuid::Uuid;

use crate::{dispatch::Strategy, pipeline::Outcome, verdict::Reason};

/// A line that is no mistake.
#[derive(Debug)]
pub(super) enum Line<'a> {
    Decision(Decision<'a>),
    /// A line of the process's own log.
    Other,
}

/// What is summed up of a decision.
#[derive(Debug)]
pub(super) struct Decision<'a> {
    /// Since the Unix epoch.
    pub(super) at: Duration,
    pub(super) route: Option<Cow<'a, str>>,
    pub(super) outcome: Outcome,
    pub(super) reason: Reason,
    pub(super) cost: Duration,
    /// So many decisions, where the log is a sample.
    pub(super) stands_for: u32,
    pub(super) steps: Vec<Step<'a>>,
}

/// One step that ran.
#[derive(Debug)]
pub(super) struct Step<'a> {
    pub(super) stage: Cow<'a, str>,
    pub(super) strategy: Strategy,
    pub(super) predicted: Option<Duration>,
    pub(super) actual: Duration,
}

#[derive(Deserialize)]
struct Written<'a> {
    level: Option<IgnoredAny>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    route: Option<Cow<'a, str>>,
    #[serde(borrow)]
    verdict: Option<Cow<'a, str>>,
    #[serde(borrow)]
    reason: Option<Cow<'a, str>>,
    cost_us: Option<f64>,
    stands_for: Option<u32>,
    #[serde(borrow, default)]
    stages: Vec<WrittenStep<'a>>,
}

#[derive(Deserialize)]
struct WrittenStep<'a> {
    #[serde(borrow)]
    stage: Cow<'a, str>,
    #[serde(borrow)]
    strategy: Cow<'a, str>,
    predicted_us: Option<f64>,
    actual_us: f64,
}

impl<'a> Line<'a> {
    pub(super) fn read(line: &'a [u8]) -> Result<Self, String> {
        let written: Written<'a> = serde_json::from_slice(line).map_err(|error| {
            // The position that serde tells is that in our line: it is always line 1.
            let text = error.to_string();
            let (why, _) = text.split_once(" at line ").unwrap_or((&text, ""));
            format!("is no decision: {why} (column {})", error.column())
        })?;
        if written.id.is_none() && written.level.is_some() {
            return Ok(Self::Other);
        }
        Decision::new(written).map(Self::Decision)
    }
}

impl<'a> Decision<'a> {
    fn new(written: Written<'a>) -> Result<Self, String> {
        let id = written.id.ok_or("has no `id`")?;
        let stamp = Uuid::parse_str(&id).ok().and_then(|id| id.get_timestamp());
        let (seconds, nanos) = stamp
            .ok_or_else(|| format!("`{}` is no decision's id", short(&id)))?
            .to_unix();
        let verdict = written.verdict.ok_or("has no `verdict`")?;
        let outcome = Outcome::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == verdict)
            .ok_or_else(|| format!("`{}` is no verdict", short(&verdict)))?;
        let reason = written.reason.ok_or("has no `reason`")?;
        let reason = Reason::ALL
            .into_iter()
            .find(|known| known.as_str() == reason)
            .ok_or_else(|| format!("`{}` is no reason", short(&reason)))?;
        let steps: Result<_, _> = written.stages.into_iter().map(Step::new).collect();
        Ok(Self {
            at: Duration::new(seconds, nanos),
            route: written.route,
            outcome,
            reason,
            cost: span("cost_us", written.cost_us.ok_or("has no `cost_us`")?)?,
            stands_for: written.stands_for.unwrap_or(1).max(1),
            steps: steps?,
        })
    }
}

impl<'a> Step<'a> {
    fn new(written: WrittenStep<'a>) -> Result<Self, String> {
        let strategy = Strategy::ALL
            .into_iter()
            .find(|strategy| strategy.as_str() == written.strategy)
            .ok_or_else(|| format!("`{}` is no strategy", short(&written.strategy)))?;
        let predicted = written
            .predicted_us
            .map(|micros| span("predicted_us", micros));
        Ok(Self {
            stage: written.stage,
            strategy,
            predicted: predicted.transpose()?,
            actual: span("actual_us", written.actual_us)?,
        })
    }
}

fn span(name: &str, micros: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(micros / 1e6)
        .map_err(|_| format!("`{name}` is no span: `{micros}`"))
}

/// The beginning of what a line says, fit for a terminal.
fn short(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}
