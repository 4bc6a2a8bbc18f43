//! The `risk:` section: what is remembered, and how much each signal counts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::subjects::Subjects;
use crate::{
    problem::Problem,
    units::{Bytes, Span},
};

/// How checks are scored. Defaults and examples: `config/default.yaml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The header that names the caller's device; without one devices do not count.
    pub device_header: Option<String>,
    /// How long after its last allowed request a subject is as good as new.
    pub forget_after: Span,
    /// How fast things lose their weight.
    pub half_life: HalfLives,
    /// Most memory for all histories together.
    pub memory: Bytes,
    /// How many recent denials and findings make `behavior` 0.5.
    pub tolerance: f64,
    /// How much each signal counts.
    pub weights: Weights,
}

/// How fast things lose their weight.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HalfLives {
    /// After which time denials and findings count half.
    pub behavior: Span,
    /// How long after a subject was last seen a change of address or device is half as strange.
    pub time: Span,
}

/// How much each signal counts. Only their proportion matters.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Another address than lately.
    pub address: f64,
    /// Recent denials and findings.
    pub behavior: f64,
    /// Another device than lately.
    pub device: f64,
    /// How soon the change came.
    pub time: f64,
}

impl Config {
    /// What is wrong with the numbers.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let weights = self.weights.named();
        for (name, weight) in weights {
            if !(0.0..=MAX_NUMBER).contains(&weight) {
                let message = format!(
                    "`{weight}` is not a number from 0 to {MAX_NUMBER}; 0 ignores the signal"
                );
                problems.push(Problem::new(format!("weights.{name}"), message));
            }
        }
        let counted = |(name, _): &(&str, f64)| *name != "device" || self.device_header.is_some();
        let sum: f64 = weights
            .into_iter()
            .filter(counted)
            .map(|(_, weight)| weight)
            .sum();
        if problems.is_empty() && sum <= 0.0 {
            let message = "count nothing, so every score would be 0; \
                           give a signal a weight (`device` needs `device_header`)";
            problems.push(Problem::new("weights", message));
        }
        if !(MIN_TOLERANCE..=MAX_NUMBER).contains(&self.tolerance) {
            let message = format!(
                "`{}` is not a number from {MIN_TOLERANCE} to {MAX_NUMBER}",
                self.tolerance
            );
            problems.push(Problem::new("tolerance", message));
        }
        if self.memory.get() < Subjects::MIN_BYTES {
            let message = format!(
                "`{}` is too little to remember anybody by; make it at least `{}KiB`",
                self.memory,
                Subjects::MIN_BYTES >> 10
            );
            problems.push(Problem::new("memory", message));
        }
        if self.forget_after.get() < MIN_FORGET_AFTER {
            let message = format!(
                "`{}` is too short for anything to be remembered; make it at least `1m`",
                self.forget_after
            );
            problems.push(Problem::new("forget_after", message));
        }
        if let Some(name) = &self.device_header
            && http::HeaderName::from_bytes(name.as_bytes()).is_err()
        {
            let message = format!("`{name}` is not a header name; `null` counts no devices");
            problems.push(Problem::new("device_header", message));
        }
        problems
    }
}

impl Weights {
    fn named(&self) -> [(&'static str, f64); 4] {
        [
            ("address", self.address),
            ("behavior", self.behavior),
            ("device", self.device),
            ("time", self.time),
        ]
    }
}

/// Far above any sensible value, and far from where sums become inexact.
const MAX_NUMBER: f64 = 1e6;

/// Clocks here tick once a second.
const MIN_FORGET_AFTER: Duration = Duration::from_mins(1);

/// Below this a single denial is as bad as a thousand.
const MIN_TOLERANCE: f64 = 0.1;
