//! Findings as the API tells them: what kind, how grave, where, and the prompt without them.

use serde::Serialize;

use super::WANT;
use crate::{
    screening::{Category, Error, Finding, Findings, Report},
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
        Self::told(findings, Some(prompt))
    }

    pub(super) fn of_body(findings: &Findings) -> Self {
        Self::told(findings, None)
    }

    fn told(findings: &Findings, prompt: Option<&str>) -> Self {
        let report = Report::new(findings, &WANT, prompt);
        Self {
            is_safe: report.is_safe,
            reason: findings.denial(&WANT).unwrap_or(Reason::Ok).as_str(),
            risk_score: Some(report.risk_score),
            violations: findings.iter().map(Violation::new).collect(),
            sanitized_prompt: report.sanitized_prompt,
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
