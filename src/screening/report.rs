//! What was found, told to whoever asked: the form in which `/ai/validate-prompt` and
//! `subzero screen` answer.
//!
//! Unlike a finding it may repeat the text, with each finding's place taken by a placeholder that
//! names the rule. Where not every finding is known there is no such text: some would stay in clear.

use serde::Serialize;

use super::finding::{Category, Finding, Findings, Requirement, RuleName, Trust};

/// One text's or one body's findings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Whether a route with the same wishes would let it pass.
    pub is_safe: bool,
    /// 0 to 1: the gravest finding's weight. Rules fire or do not, so there is no finer scale yet.
    pub risk_score: f64,
    /// In the order they stand in the text.
    pub violations: Vec<Violation>,
    /// The text with a placeholder such as `[secret.aws_access_key]` for each finding; `null` when
    /// there are more findings than are kept, or the text cannot be told.
    pub sanitized_prompt: Option<String>,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Violation {
    /// The category: `injection`, `invisible_text`, `secret`, `personal_data`.
    pub threat_type: &'static str,
    /// The rule's stable name.
    pub rule: RuleName,
    /// `high` or `medium`.
    pub risk_level: &'static str,
    /// What such a finding is, in words.
    pub description: &'static str,
    /// Byte offsets into the text or body as it was sent: start and end.
    pub span: [usize; 2],
    /// JSON pointer of the string in the body; left out for plain text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub pointer: String,
    /// Whether the operator is taken to have written it.
    pub trusted: bool,
}

impl Report {
    /// What `findings` in `text` mean under `want`. Without the text there is no sanitised one.
    #[must_use]
    pub fn new(findings: &Findings, want: &Requirement, text: Option<&str>) -> Self {
        Self {
            is_safe: findings.denial(want).is_none(),
            risk_score: risk_score(findings),
            violations: findings.iter().map(Violation::new).collect(),
            sanitized_prompt: text.and_then(|text| sanitized(text, findings)),
        }
    }
}

impl Violation {
    fn new(finding: &Finding) -> Self {
        let (risk_level, description) = match finding.category {
            Category::Injection => ("high", "an attempt to take over the model"),
            Category::InvisibleText => ("medium", "text hidden from human readers"),
            Category::Secret => ("high", "a credential"),
            Category::PersonalData => ("medium", "data about a person"),
        };
        Self {
            threat_type: finding.category.as_str(),
            rule: finding.rule.clone(),
            risk_level,
            description,
            span: [finding.source.start, finding.source.end],
            pointer: finding.pointer.clone(),
            trusted: finding.trust == Trust::System,
        }
    }
}

fn risk_score(findings: &Findings) -> f64 {
    let weight = |category| match category {
        Category::Injection | Category::Secret => 1.0,
        Category::InvisibleText | Category::PersonalData => 0.5,
    };
    findings
        .iter()
        .map(|finding| weight(finding.category))
        .fold(0.0, f64::max)
}

fn sanitized(text: &str, findings: &Findings) -> Option<String> {
    let is_full = |category| findings.count(category) >= Findings::MAX_PER_CATEGORY;
    if Category::ALL.into_iter().any(is_full) {
        return None;
    }
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    for finding in findings.iter() {
        // Findings come in the order they stand in, but may overlap.
        let start = finding.source.start.max(done);
        if finding.source.end <= done {
            continue;
        }
        // A place that is none in this text: better no text than one with the finding in it.
        clean.push_str(text.get(done..start)?);
        clean.push('[');
        clean.push_str(&finding.rule);
        clean.push(']');
        done = finding.source.end;
    }
    clean.push_str(text.get(done..)?);
    Some(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(category: Category, rule: &'static str, place: std::ops::Range<usize>) -> Finding {
        Finding {
            category,
            rule: rule.into(),
            certainty: 99,
            pointer: String::new(),
            span: place.clone(),
            source: place,
            trust: Trust::User,
        }
    }

    fn report(text: &str, found: Vec<Finding>) -> Report {
        Report::new(&Findings::new(found), &Requirement::default(), Some(text))
    }

    #[test]
    fn findings_are_replaced_by_what_they_are() {
        let told = report(
            "mail a@b.example now",
            vec![finding(Category::PersonalData, "personal.email", 5..16)],
        );
        assert_eq!(
            told.sanitized_prompt.as_deref(),
            Some("mail [personal.email] now")
        );
        assert_eq!((told.is_safe, told.risk_score), (true, 0.5));
    }

    #[test]
    fn overlapping_findings_leave_nothing_in_clear() {
        let told = report(
            "abcdefgh",
            vec![
                finding(Category::Secret, "one", 1..5),
                finding(Category::Secret, "two", 2..4),
                finding(Category::Injection, "three", 3..7),
            ],
        );
        assert_eq!(told.sanitized_prompt.as_deref(), Some("a[one][three]h"));
        assert!(!told.is_safe);
    }

    #[test]
    fn where_findings_may_be_missing_there_is_no_text() {
        let many = |count| {
            let one = |at| finding(Category::Secret, "one", at..at + 1);
            report(&"x".repeat(100), (0..count).map(one).collect())
        };
        assert!(
            many(Findings::MAX_PER_CATEGORY - 1)
                .sanitized_prompt
                .is_some()
        );
        assert_eq!(many(Findings::MAX_PER_CATEGORY).sanitized_prompt, None);
        let elsewhere = report("é", vec![finding(Category::Secret, "one", 1..9)]);
        assert_eq!(elsewhere.sanitized_prompt, None);
    }

    #[test]
    fn a_report_of_nothing_is_safe_and_the_text_itself() {
        let told = report("hello", Vec::new());
        let json = serde_json::to_value(&told).expect("JSON");
        let expected = serde_json::json!({
            "is_safe": true, "risk_score": 0.0, "violations": [], "sanitized_prompt": "hello",
        });
        assert_eq!(json, expected);
    }
}
