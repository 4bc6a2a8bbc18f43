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
    /// The risk of OWASP's Top 10 for LLM applications of 2025 that it belongs to, such as `LLM01`.
    pub owasp: &'static str,
    /// How sure it is, from 0 to 1: of rules by their kind, of the model by its score.
    pub score: f64,
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
        let owasp = match (finding.category, &*finding.rule) {
            (_, "injection.reveal_prompt") => "LLM07",
            (_, "injection.reveal_secret" | "injection.exfiltration")
            | (Category::PersonalData | Category::Secret, _) => "LLM02",
            (Category::Injection | Category::InvisibleText, _) => "LLM01",
        };
        let risk_level = match finding.category {
            Category::Injection | Category::Secret => "high",
            Category::InvisibleText | Category::PersonalData => "medium",
        };
        Self {
            threat_type: finding.category.as_str(),
            rule: finding.rule.clone(),
            owasp,
            score: f64::from(finding.certainty) / 100.0,
            risk_level,
            description: description(finding),
            span: [finding.source.start, finding.source.end],
            pointer: finding.pointer.clone(),
            trusted: finding.trust == Trust::System,
        }
    }
}

/// What such a finding is, in words: those of its rule, or of its category.
fn description(finding: &Finding) -> &'static str {
    match (&*finding.rule, finding.category) {
        ("injection.chat_template", _) => {
            "the marks that a model's chat template has between turns"
        }
        ("injection.code_execution", _) => "an order to run code",
        ("injection.exfiltration", _) => "an address that would carry data out",
        ("injection.fake_role", _) => "a turn of another role made up inside a text",
        ("injection.hidden_instruction", _) => "an instruction that people are not to see",
        ("injection.ignore_instructions", _) => "an order to set instructions aside",
        ("injection.jailbreak", _) => "several phrases that talk a model out of its rules",
        ("injection.model", _) => "a stretch that reads like an attack",
        ("injection.new_instructions", _) => "instructions that claim to replace the model's own",
        ("injection.reveal_prompt", _) => "an attempt to draw out the system prompt",
        ("injection.reveal_secret", _) => "an attempt to draw out a secret",
        ("injection.tool_poisoning", _) => "orders in what describes or answers for a tool",
        (_, Category::Injection) => "an attempt to take over the model",
        (_, Category::InvisibleText) => "text hidden from human readers",
        (_, Category::Secret) => "a credential",
        (_, Category::PersonalData) => "data about a person",
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
    fn a_violation_says_what_it_is_how_sure_and_which_risk() {
        let told = |category, rule| {
            let told = report("x", vec![finding(category, rule, 0..1)]).violations;
            (told[0].owasp, told[0].description, told[0].score)
        };
        let prompt = told(Category::Injection, "injection.reveal_prompt");
        assert_eq!(
            prompt,
            ("LLM07", "an attempt to draw out the system prompt", 0.99)
        );
        let own = told(Category::Injection, "custom.word");
        assert_eq!(own, ("LLM01", "an attempt to take over the model", 0.99));
        assert_eq!(told(Category::Secret, "secret.jwt").0, "LLM02");
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
