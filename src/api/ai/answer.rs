//! Findings as the API tells them: what kind, how grave, where, and the prompt without them.

use serde::Serialize;

use super::WANT;
use crate::{
    screening::{Category, Error, Finding, Findings},
    verdict::Reason,
};

#[derive(Debug, Serialize)]
pub(in crate::api) struct Answer {
    pub(in crate::api) is_safe: bool,
    pub(in crate::api) reason: &'static str,
    /// `None` when it could not be screened.
    pub(in crate::api) risk_score: Option<f64>,
    pub(in crate::api) violations: Vec<Violation>,
    /// `None` for bodies, when it could not be screened, and when some findings would stay in.
    pub(in crate::api) sanitized_prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::api) error: Option<String>,
}

#[derive(Debug, Serialize)]
pub(in crate::api) struct Violation {
    pub(in crate::api) threat_type: &'static str,
    pub(in crate::api) rule: &'static str,
    pub(in crate::api) risk_level: &'static str,
    pub(in crate::api) description: &'static str,
    /// First byte and the one after the last.
    pub(in crate::api) span: [usize; 2],
    /// The body's string that `span` is about; empty for prompts.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(in crate::api) pointer: String,
}

impl Answer {
    pub(super) fn of_prompt(prompt: &str, findings: &Findings) -> Self {
        Self {
            sanitized_prompt: sanitized(prompt, findings),
            ..Self::of_body(findings)
        }
    }

    pub(super) fn of_body(findings: &Findings) -> Self {
        let denial = findings.denial(&WANT);
        Self {
            is_safe: denial.is_none(),
            reason: denial.unwrap_or(Reason::Ok).as_str(),
            risk_score: Some(risk_score(findings)),
            violations: findings.iter().map(Violation::new).collect(),
            sanitized_prompt: None,
            error: None,
        }
    }

    pub(super) fn in_batch(prompt: &str, found: &Result<Findings, Error>) -> Self {
        match found {
            Ok(findings) => Self::of_prompt(prompt, findings),
            Err(error) => Self {
                is_safe: false,
                reason: error.reason().as_str(),
                risk_score: None,
                violations: Vec::new(),
                sanitized_prompt: None,
                error: Some(error.to_string()),
            },
        }
    }
}

impl Violation {
    fn new(finding: &Finding) -> Self {
        let (risk_level, description) = match finding.category {
            Category::Injection => (
                "high",
                "an attempt to take over the model, or text hidden from human readers",
            ),
            Category::Secret => ("high", "a credential"),
            Category::PersonalData => ("medium", "data about a person"),
        };
        Self {
            threat_type: finding.category.as_str(),
            rule: finding.rule,
            risk_level,
            description,
            span: [finding.span.start, finding.span.end],
            pointer: finding.pointer.clone(),
        }
    }
}

/// The gravest finding's weight: rules fire or do not, so there is no finer scale yet.
fn risk_score(findings: &Findings) -> f64 {
    let weight = |category| match category {
        Category::Injection | Category::Secret => 1.0,
        Category::PersonalData => 0.5,
    };
    findings
        .iter()
        .map(|finding| weight(finding.category))
        .fold(0.0, f64::max)
}

/// The prompt with a placeholder such as `[secret.aws_access_key]` for each finding; `None` when
/// there are more findings than are kept, and some would stay in clear.
fn sanitized(prompt: &str, findings: &Findings) -> Option<String> {
    let is_full = |category| findings.count(category) >= Findings::MAX_PER_CATEGORY;
    if Category::ALL.into_iter().any(is_full) {
        return None;
    }
    let mut text = String::with_capacity(prompt.len());
    let mut done = 0;
    for finding in findings.iter() {
        // Findings come in the order they stand in, but may overlap.
        let start = finding.source.start.max(done);
        if let (Some(between), true) = (prompt.get(done..start), finding.source.end > done) {
            text.push_str(between);
            text.push('[');
            text.push_str(finding.rule);
            text.push(']');
            done = finding.source.end;
        }
    }
    text.push_str(prompt.get(done..).unwrap_or_default());
    Some(text)
}
