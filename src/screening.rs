//! Is what they send safe: finds prompt injections, secrets and personal data in request bodies.
//!
//! ```text
//! body -> strings with place and trust -> normal forms and decoded views -> detectors -> findings
//! (body, walk)        (document)              (normalise, views)        (injection, ..)  (finding)
//! ```
//!
//! # What a reader would get wrong
//!
//! A body that could not be read whole is an [`Error`], never "clean". Findings carry places, never
//! the text. Trust comes from the place of a string in the known APIs' bodies, and whoever writes
//! the body writes the system prompt too: it is a user's text unless the route says `trust_system`.
//! Offsets in a body that was sent compressed are those of what it was before.
//!
//! # Cost
//!
//! Linear in the body whatever it says; no tree is built. Screening is computation and awaits
//! nothing; where it runs is the pipeline's choice: some 15 ns a byte of an ordinary chat, and a
//! few times that for texts made to be expensive (`benches/prompt.rs`). A rule that no text has led to yet compiles then, which makes
//! that one check some tenths of a millisecond slower a rule.

mod batch;
mod blocks;
mod body;
mod document;
mod error;
mod finding;
mod injection;
mod json;
mod literals;
mod memory;
mod metrics;
pub mod model;
mod normalise;
mod offsets;
mod own;
mod pattern;
mod personal;
mod place;
mod report;
mod same;
mod scan;
mod secrets;
mod views;
mod walk;

use std::{sync::Arc, time::Instant};

use serde::{Deserialize, Serialize};

pub use self::{
    batch::{Batch, Prompt},
    error::Error,
    finding::{Action, Category, Finding, Findings, Requirement, RuleName, Trust},
    metrics::Metrics,
    own::{Allowed, OwnPattern},
    personal::{PersonalData, Region},
    report::{Report, Violation},
};
use self::{
    body::Json,
    document::{Document, Lane},
    memory::Memory,
    model::Model,
    own::Own,
    personal::Regions,
    scan::{Detectors, Hit, Scanned, Wanted},
    walk::Limits,
};
use crate::{
    check::{Body, Headers, HttpRequest},
    problem::Problem,
    units::Bytes,
};

/// How much is screened. Defaults and examples: `config/default.yaml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The proxy's limit on bodies (Envoy's `max_request_bytes`). A body that fills it exactly has
    /// been cut; the door says so with [`crate::check::Body::Partial`], here longer ones are
    /// refused.
    pub max_body: Bytes,
    /// Most decoded text of one body; JSON inside strings counts again.
    pub max_text: Bytes,
    /// Most levels of arrays and objects.
    pub max_depth: usize,
    /// Whose personal data is looked for.
    pub personal_data: PersonalData,
    /// What the operator looks for besides.
    pub patterns: Vec<OwnPattern>,
    /// Texts in which nothing is found.
    pub allow: Allowed,
    /// Most memory for what was found in messages, which are not searched again while they are sent
    /// again; 0 keeps nothing.
    pub cache: Bytes,
}

/// Screens bodies.
#[derive(Debug)]
pub struct Screener {
    detectors: Detectors,
    limits: Limits,
    max_body: usize,
    memory: Option<Memory>,
    metrics: Metrics,
}

impl Screener {
    /// Builds the table of literals. Takes about ten milliseconds: once, at start or reload.
    ///
    /// # Errors
    ///
    /// What is wrong with the limits.
    pub fn new(config: &Config, metrics: Metrics) -> Result<Self, Vec<Problem>> {
        Self::with_model(config, metrics, Model::embedded())
    }

    /// The same with another model than the binary's own, as training and its measurements need.
    ///
    /// # Errors
    ///
    /// What is wrong with the limits.
    pub fn with_model(
        config: &Config,
        metrics: Metrics,
        model: Model,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if config.max_text < config.max_body {
            problems.push(Problem::new(
                "max_text",
                format!(
                    "`{}` is less than `max_body`, so plain bodies would be refused: make it at least `{}`",
                    config.max_text, config.max_body
                ),
            ));
        }
        if !(MIN_DEPTH..=MAX_DEPTH).contains(&config.max_depth) {
            problems.push(Problem::new(
                "max_depth",
                format!(
                    "`{}` is not between `{MIN_DEPTH}` and `{MAX_DEPTH}`",
                    config.max_depth
                ),
            ));
        }
        let own = Own::new(&config.patterns, &config.allow).map_err(|wrong| problems.extend(wrong));
        let (Ok(own), []) = (own, &*problems) else {
            return Err(problems);
        };
        let regions = Regions::new(&config.personal_data);
        let detectors = Detectors::new(model, own, regions);
        Ok(Self {
            detectors,
            limits: Limits {
                depth: config.max_depth,
                text: config.max_text.get(),
            },
            max_body: config.max_body.get(),
            memory: Memory::new(config.cache.get(), metrics.cache.clone()),
            metrics,
        })
    }

    /// Screens the body of `request` for what `want` does not turn off. Messages that came before
    /// are not searched again.
    ///
    /// # Errors
    ///
    /// Why the body could not be read whole, or that time ran out.
    pub fn screen(
        &self,
        request: &HttpRequest,
        want: &Requirement,
        deadline: Instant,
    ) -> Result<Findings, Error> {
        let memory = self.memory.as_ref();
        self.screen_body(
            &request.body,
            &request.headers,
            *want,
            Some(deadline),
            memory,
        )
    }

    /// Brings the size of what is kept up to now: call it before each scrape.
    pub fn refresh(&self) {
        if let Some(series) = &self.metrics.cache {
            let held = self.memory.as_ref().map_or(0, Memory::bytes);
            series.bytes.set(i64::try_from(held).unwrap_or(i64::MAX));
        }
    }

    fn screen_body(
        &self,
        body: &Body,
        headers: &Headers,
        want: Requirement,
        deadline: Option<Instant>,
        memory: Option<&Memory>,
    ) -> Result<Findings, Error> {
        if let Body::Complete(body) = body
            && body.len() > self.max_body
        {
            return Err(Error::TooLarge);
        }
        let bytes = body::whole(body, headers, self.limits)?;
        let mut text = body::read(&bytes, headers, self.limits)?;
        if !want.trust_system {
            for leaf in &mut text.document.leaves {
                leaf.trust = leaf.trust.max(Trust::User);
            }
        }
        self.search(&text.document, text.json.as_ref(), want, deadline, memory)
    }

    fn search(
        &self,
        document: &Document,
        json: Option<&Json<'_>>,
        want: Requirement,
        deadline: Option<Instant>,
        memory: Option<&Memory>,
    ) -> Result<Findings, Error> {
        let mut found = Vec::new();
        let mut remembered = false;
        for lane in document.lanes() {
            let wanted = Wanted::of(want, lane.trust.unwrap_or(Trust::Untrusted));
            let mut scan = |text: &str| -> Result<Arc<Scanned>, Error> {
                let scan = || self.detectors.scan(text, wanted, deadline);
                let Some(memory) = memory else {
                    return scan().map(Arc::new);
                };
                let (scanned, was_known) = memory.find(text, wanted, scan)?;
                remembered |= was_known;
                Ok(scanned)
            };
            let mut read = Vec::new();
            let mut length = 0;
            for unit in lane.units() {
                let scanned = scan(&unit.text)?;
                length += scanned.length;
                let seams = unit.seams();
                read.push((unit, scanned));
                if let Some(seams) = seams {
                    let scanned = scan(&seams.text)?;
                    read.push((seams, scanned));
                }
            }
            for (unit, scanned) in &read {
                let sure = |hit| Some((hit, self.detectors.certainty(hit, length)?));
                let sure = scanned.hits.iter().filter_map(sure);
                found.extend(sure.map(|(hit, certainty)| placed(document, unit, hit, certainty)));
            }
        }
        let findings = self.with_pointers(found, json).remembered(remembered);
        for category in Category::ALL {
            self.metrics.found(category, findings.count(category));
        }
        Ok(findings)
    }

    /// Fills in the pointers, which the walk did not keep.
    fn with_pointers(&self, mut found: Vec<(usize, Finding)>, json: Option<&Json<'_>>) -> Findings {
        Findings::keep(&mut found);
        if let Some(json) = json.filter(|_| !found.is_empty()) {
            let mut leaves: Vec<usize> = found.iter().map(|(leaf, _)| *leaf).collect();
            leaves.sort_unstable();
            leaves.dedup();
            let pointers = walk::pointers(&json.text, json.form, self.limits, &leaves);
            for (leaf, finding) in &mut found {
                if let Ok(at) = leaves.binary_search(leaf) {
                    finding.pointer.clone_from(&pointers[at]);
                }
            }
        }
        Findings::new(found.into_iter().map(|(_, finding)| finding).collect())
    }
}

/// A hit in a lane as a finding in the body, with the leaf whose pointer it needs.
fn placed(document: &Document, lane: &Lane, hit: &Hit, certainty: u8) -> (usize, Finding) {
    let (leaf, span) = lane.leaf_of(&hit.range);
    let outermost = document.outermost(leaf);
    let (span, source) = document.locate(leaf, span);
    let finding = Finding {
        category: hit.category,
        rule: hit.rule.clone(),
        pointer: String::new(),
        certainty,
        span,
        source,
        trust: document.leaves[outermost].trust,
    };
    (outermost, finding)
}

/// A depth below this refuses ordinary chat bodies; a depth above it is nobody's.
const MIN_DEPTH: usize = 8;
const MAX_DEPTH: usize = 256;

#[cfg(test)]
mod tests;
