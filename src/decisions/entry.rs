//! One decision as it is kept, and as it is told in JSON.
//!
//! What a reader would get wrong: the line carries no clock reading of its own. A decision's id is
//! a UUID of version 7, which begins with the millisecond in which it was made, so id and time can
//! never disagree.

use std::{net::IpAddr, sync::Arc, time::Duration};

use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::SubjectKey;
use crate::{
    check::Check,
    clock::rfc3339,
    permission::Origin,
    pipeline::{Decision, Ran, Skip, Stage},
};

/// A decision and what is kept of the check.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) decision: Arc<Decision>,
    /// How much memory it takes, roughly.
    pub(super) bytes: usize,
    /// One of the methods everybody knows, or `other`: a client can make up any word.
    method: Option<&'static str>,
    /// What is kept only where nothing is redacted.
    request: Option<Arc<Seen>>,
}

/// What says where a request went and where it came from.
#[derive(Debug)]
struct Seen {
    host: Option<String>,
    path: Option<String>,
    source: Option<IpAddr>,
}

impl Entry {
    pub(super) fn new(check: &Check, decision: Arc<Decision>, redact: bool) -> Self {
        let http = check.http.as_ref();
        let seen = || {
            let path = http.and_then(|request| request.path.as_ref().ok());
            Arc::new(Seen {
                host: http.map(|request| short(&request.host).to_owned()),
                path: path.map(|path| short(path.raw()).to_owned()),
                source: check.source.address,
            })
        };
        let request = (!redact).then(seen);
        Self {
            bytes: size_of::<Self>() + bytes(&decision) + request.as_deref().map_or(0, Seen::bytes),
            decision,
            method: http.map(|request| known_method(&request.method)),
            request,
        }
    }
}

impl Seen {
    fn bytes(&self) -> usize {
        size_of::<Self>() + capacity(self.host.as_ref()) + capacity(self.path.as_ref())
    }
}

fn bytes(decision: &Decision) -> usize {
    let findings = decision
        .findings
        .iter()
        .map(|finding| size_of_val(finding) + finding.pointer.capacity());
    size_of::<Decision>()
        + decision.subject.as_ref().map_or(0, |subject| subject.len())
        + findings.sum::<usize>()
        + if decision.plan.ran.spilled() {
            decision.plan.ran.capacity() * size_of::<Ran>()
        } else {
            0
        }
        + decision.plan.skipped.capacity() * size_of::<(Stage, Skip)>()
}

fn capacity(text: Option<&String>) -> usize {
    text.map_or(0, String::capacity)
}

/// A line of the decision log, and the first part of an explanation.
#[derive(Debug, Serialize)]
pub(super) struct Told<'a> {
    #[serde(flatten)]
    short: Short<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shadow: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<IpAddr>,
    /// How many decisions the line stands for, where it is one of a sample.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stands_for: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    risk: Option<f32>,
    /// Where the answer about the permission came from, and how old it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    permission: Option<Source>,
    stages: Stages<'a>,
    #[serde(skip_serializing_if = "PassedOver::is_empty")]
    skipped: PassedOver<'a>,
}

impl<'a> Told<'a> {
    pub(super) fn new(entry: &'a Entry, key: &SubjectKey) -> Self {
        let decision = &*entry.decision;
        let seen = entry.request.as_deref();
        let findings = &decision.findings;
        Self {
            short: Short::new(entry),
            shadow: decision.shadowed,
            subject: decision.subject.as_ref().map(|subject| key.hash(subject)),
            method: entry.method,
            host: seen.and_then(|seen| seen.host.as_deref()),
            path: seen.and_then(|seen| seen.path.as_deref()),
            source: seen.and_then(|seen| seen.source),
            stands_for: None,
            findings: (!findings.is_empty()).then(|| findings.summary()),
            risk: decision.risk,
            permission: decision.permission.map(Source::from),
            stages: Stages(&decision.plan.ran),
            skipped: PassedOver(&decision.plan.skipped),
        }
    }
}

#[derive(Debug, Serialize)]
struct Source {
    source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    age_ms: Option<f64>,
}

impl From<Origin> for Source {
    fn from(origin: Origin) -> Self {
        Self {
            source: origin.as_str(),
            age_ms: origin.age().map(|age| micros(age) / 1e3),
        }
    }
}

/// What a list of decisions shows of each.
#[derive(Debug, Serialize)]
pub(super) struct Short<'a> {
    time: String,
    #[serde(serialize_with = "without_dashes")]
    id: Uuid,
    route: Option<&'a str>,
    verdict: &'static str,
    reason: &'static str,
    cost_us: f64,
}

impl<'a> Short<'a> {
    pub(super) fn new(entry: &'a Entry) -> Self {
        let decision = &*entry.decision;
        Self {
            time: rfc3339(made_at(decision.id)),
            id: decision.id,
            route: decision.route.as_ref().map(|route| route.name.as_str()),
            verdict: decision.outcome.as_str(),
            reason: decision.reason.as_str(),
            cost_us: micros(decision.cost),
        }
    }
}

/// When a decision was made, in milliseconds since the Unix epoch.
fn made_at(id: Uuid) -> u64 {
    id.get_timestamp().map_or(0, |stamp| {
        let (seconds, nanos) = stamp.to_unix();
        seconds * 1_000 + u64::from(nanos / 1_000_000)
    })
}

fn without_dashes<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&id.simple())
}

#[derive(Serialize)]
struct Step {
    stage: &'static str,
    strategy: &'static str,
    predicted_us: Option<f64>,
    actual_us: f64,
}

/// Steps that ran.
#[derive(Debug)]
struct Stages<'a>(&'a [Ran]);

impl Serialize for Stages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|ran| Step {
            stage: ran.stage.as_str(),
            strategy: ran.strategy.as_str(),
            predicted_us: ran.predicted.map(micros),
            actual_us: micros(ran.actual),
        }))
    }
}

#[derive(Serialize)]
struct Skipped {
    stage: &'static str,
    why: &'static str,
}

/// Steps that did not run.
#[derive(Debug)]
struct PassedOver<'a>(&'a [(Stage, Skip)]);

impl PassedOver<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for PassedOver<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(stage, why)| Skipped {
            stage: stage.as_str(),
            why: why.as_str(),
        }))
    }
}

/// Microseconds to a tenth.
fn micros(span: Duration) -> f64 {
    (span.as_secs_f64() * 1e7).round() / 10.0
}

/// The method, when it is one that everybody knows.
fn known_method(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "CONNECT", "TRACE",
    ];
    let known = KNOWN.into_iter().find(|known| *known == method);
    known.unwrap_or("other")
}

/// A proxy may pass on megabytes; a log line should not.
pub(super) fn short(text: &str) -> &str {
    text.char_indices()
        .nth(MAX_CHARS)
        .map_or(text, |(end, _)| &text[..end])
}

const MAX_CHARS: usize = 256;
