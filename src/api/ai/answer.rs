//! Findings as the API tells them: whether it is safe, what was found where, and the prompt without it.
//!
//! Places are those of [`Report`]: bytes of what the caller sent, be it a prompt or a body.

use serde::Serialize;

use super::WANT;
use crate::{
    screening::{Error, Findings, Prompt, Report, Violation},
    verdict::Reason,
};

#[derive(Debug, Serialize)]
pub(in crate::api) struct Answer {
    pub(in crate::api) is_safe: bool,
    pub(in crate::api) reason: &'static str,
    /// `None` when it could not be screened.
    pub(in crate::api) risk_score: Option<f64>,
    pub(in crate::api) violations: Vec<Violation>,
    /// `None` when it could not be screened, and when some findings would stay in.
    pub(in crate::api) sanitized_prompt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::api) error: Option<String>,
}

impl Answer {
    pub(super) fn new(text: Option<&str>, findings: &Findings) -> Self {
        let report = Report::new(findings, &WANT, text);
        Self {
            is_safe: report.is_safe,
            reason: findings.denial(&WANT).unwrap_or(Reason::Ok).as_str(),
            risk_score: Some(report.risk_score),
            violations: report.violations,
            sanitized_prompt: report.sanitized_prompt,
            error: None,
        }
    }

    pub(super) fn in_batch((prompt, found): (&Prompt, &Result<Findings, Error>)) -> Self {
        match found {
            Ok(findings) => Self::new(prompt.text(), findings),
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
