//! What was found, where, and what it means for the request.
//!
//! A finding names its rule and its place and never carries the text it matched: findings are
//! logged, counted and sent upstream, and a log that quotes a secret has leaked it again.

use std::{borrow::Cow, fmt::Write as _, ops::Range};

use serde::{Deserialize, Serialize};

use crate::verdict::Reason;

/// What to do about a category of findings.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Refuse the request.
    Deny,
    /// Let it pass and tell the upstream.
    Flag,
    /// Do not look.
    Off,
}

/// A route's wish for each category. A key left out has the value of [`Requirement::default`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Requirement {
    /// Prompt injections.
    pub injection: Action,
    /// Text that no human reader sees, whatever it says: what it says is searched as well.
    pub invisible_text: Action,
    /// Credentials of any kind.
    pub secrets: Action,
    /// Card numbers, e-mail addresses and the like.
    pub personal_data: Action,
    /// Whether system prompts in the body are the operator's own. The role `system` is a claim of
    /// whoever wrote the body, so without this they are searched like a user's text.
    pub trust_system: bool,
}

impl Default for Requirement {
    fn default() -> Self {
        Self {
            injection: Action::Deny,
            invisible_text: Action::Flag,
            secrets: Action::Deny,
            personal_data: Action::Flag,
            trust_system: false,
        }
    }
}

impl Requirement {
    /// What is wished for `category`.
    #[must_use]
    pub fn action(&self, category: Category) -> Action {
        match category {
            Category::Injection => self.injection,
            Category::InvisibleText => self.invisible_text,
            Category::PersonalData => self.personal_data,
            Category::Secret => self.secrets,
        }
    }
}

/// The kinds of findings.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Category {
    /// Text that tries to take over the model.
    Injection,
    /// Text that a human reader cannot see.
    InvisibleText,
    /// Data about a person.
    PersonalData,
    /// A credential.
    Secret,
}

impl Category {
    /// Every category, in the order a denial names them.
    pub const ALL: [Self; 4] = [
        Self::Injection,
        Self::InvisibleText,
        Self::Secret,
        Self::PersonalData,
    ];

    /// The name used in headers, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Injection => "injection",
            Self::InvisibleText => "invisible_text",
            Self::PersonalData => "personal_data",
            Self::Secret => "secret",
        }
    }

    fn reason(self) -> Reason {
        match self {
            // Whoever hides text from people writes to the model.
            Self::Injection | Self::InvisibleText => Reason::PromptInjection,
            Self::PersonalData => Reason::PersonalData,
            Self::Secret => Reason::SecretFound,
        }
    }
}

/// How far the author of a text is trusted, by where it stands in the body.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Trust {
    /// The operator's own instructions, on routes that trust them: not searched for injection
    /// phrases.
    System,
    /// The person who asks.
    User,
    /// Anything else: tool results, documents, tool descriptions, unknown fields.
    Untrusted,
}

/// A rule's stable name: of ours, or of one that the configuration adds.
pub type RuleName = Cow<'static, str>;

/// One finding. Never the matched text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Finding {
    /// What kind of finding.
    pub category: Category,
    /// The rule's stable name, such as `secret.aws_access_key`.
    pub rule: RuleName,
    /// How sure it is, in percent: of rules by their kind, of the model by its score.
    pub certainty: u8,
    /// JSON pointer of the string (or of the member whose key it is); empty for plain text. For
    /// JSON inside a string it points at the outer string; over 512 bytes it is cut, with `…`.
    pub pointer: String,
    /// Byte offsets into that string, decoded.
    pub span: Range<usize>,
    /// Byte offsets into the body as it was sent.
    pub source: Range<usize>,
    /// Who is taken to have written it.
    pub trust: Trust,
}

/// Everything found in one body: at most [`Findings::MAX_PER_CATEGORY`] of each category are kept,
/// so that a flood of one kind never hides another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Findings {
    found: Vec<Finding>,
    remembered: bool,
}

impl Findings {
    /// How many findings of one category are kept.
    pub const MAX_PER_CATEGORY: usize = 64;

    /// The rule that findings of the model have.
    pub const MODEL_RULE: &'static str = "injection.model";

    pub(super) fn new(found: Vec<Finding>) -> Self {
        Self {
            found,
            remembered: false,
        }
    }

    /// The same, and whether some of it was known before.
    pub(super) fn remembered(self, remembered: bool) -> Self {
        Self { remembered, ..self }
    }

    /// Whether some of the text had been searched before and was not searched again: the time that
    /// this took says little about such a text.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        self.remembered
    }

    /// Sorts what was found by place, takes repeated ones out and keeps the first of each category.
    /// Each finding comes with the leaf that it stands in.
    pub(super) fn keep(found: &mut Vec<(usize, Finding)>) {
        found.sort_by(|(_, a), (_, b)| order(a).cmp(&order(b)));
        found.dedup_by(|(_, a), (_, b)| (&a.rule, &a.source) == (&b.rule, &b.source));
        let mut kept = [0; Category::ALL.len()];
        found.retain(|(_, finding)| {
            let count = &mut kept[finding.category as usize];
            *count += 1;
            *count <= Self::MAX_PER_CATEGORY
        });
        Self::drop_repeated_by_model(found);
    }

    /// Takes out what the model says of a place where a rule has found an injection: the rule's
    /// place is the better one, and two readings of a text may have led to the two.
    fn drop_repeated_by_model(found: &mut Vec<(usize, Finding)>) {
        let of_rules = found.iter().map(|(_, finding)| finding).filter(|finding| {
            finding.category == Category::Injection && finding.rule != Self::MODEL_RULE
        });
        let places: Vec<Range<usize>> = of_rules.map(|finding| finding.source.clone()).collect();
        found.retain(|(_, Finding { rule, source, .. })| {
            let overlaps =
                |place: &Range<usize>| place.start < source.end && source.start < place.end;
            *rule != Self::MODEL_RULE || !places.iter().any(overlaps)
        });
    }

    /// The findings in the order they stand in the body.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.found.iter()
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many findings of `category` there are.
    #[must_use]
    pub fn count(&self, category: Category) -> usize {
        let of_category = |finding: &&Finding| finding.category == category;
        self.found.iter().filter(of_category).count()
    }

    /// Why the request is refused under `want`, if it is: an injection or invisible text before a
    /// secret before personal data.
    #[must_use]
    pub fn denial(&self, want: &Requirement) -> Option<Reason> {
        let denies = |category: &Category| {
            want.action(*category) == Action::Deny && self.count(*category) > 0
        };
        let first = Category::ALL.into_iter().find(denies);
        first.map(Category::reason)
    }

    /// Counts for the upstream, such as `injection=2,secret=1`; empty when nothing was found. The
    /// order is fixed and the length bounded: four categories, two digits each.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut summary = String::new();
        for category in Category::ALL {
            let count = self.count(category);
            if count > 0 {
                let comma = if summary.is_empty() { "" } else { "," };
                // Writing to a String cannot fail.
                let _ = write!(summary, "{comma}{}={count}", category.as_str());
            }
        }
        summary
    }
}

fn order(finding: &Finding) -> (usize, usize, &str) {
    (finding.source.start, finding.source.end, &finding.rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(category: Category, at: usize) -> Finding {
        Finding {
            category,
            rule: category.as_str().into(),
            certainty: 99,
            pointer: String::new(),
            span: at..at + 1,
            source: at..at + 1,
            trust: Trust::User,
        }
    }

    fn kept(found: Vec<Finding>) -> Findings {
        let mut found: Vec<_> = found.into_iter().map(|finding| (0, finding)).collect();
        Findings::keep(&mut found);
        Findings::new(found.into_iter().map(|(_, finding)| finding).collect())
    }

    #[test]
    fn a_denial_names_the_gravest_category_that_is_denied() {
        let found = kept(vec![
            finding(Category::PersonalData, 0),
            finding(Category::Secret, 5),
            finding(Category::Injection, 9),
            finding(Category::Injection, 9),
        ]);
        assert_eq!(found.summary(), "injection=1,secret=1,personal_data=1");
        let mut want = Requirement::default();
        assert_eq!(found.denial(&want), Some(Reason::PromptInjection));
        want.injection = Action::Flag;
        assert_eq!(found.denial(&want), Some(Reason::SecretFound));
        want.secrets = Action::Off;
        assert_eq!(found.denial(&want), None, "personal data is only flagged");
    }

    #[test]
    fn the_model_does_not_repeat_what_a_rule_has_found() {
        let mut by_model = finding(Category::Injection, 5);
        (by_model.rule, by_model.source) = (Findings::MODEL_RULE.into(), 0..40);
        let mut elsewhere = by_model.clone();
        elsewhere.source = 50..90;
        let found = kept(vec![by_model, finding(Category::Injection, 8), elsewhere]);
        let places: Vec<_> = found.iter().map(|finding| finding.source.clone()).collect();
        assert_eq!(places, [8..9, 50..90]);
    }

    #[test]
    fn a_flood_of_one_category_hides_no_other() {
        let mut flood: Vec<_> = (0..10_000)
            .map(|at| finding(Category::PersonalData, at))
            .collect();
        flood.push(finding(Category::Injection, 20_000));
        let found = kept(flood);
        assert_eq!(found.summary(), "injection=1,personal_data=64");
    }
}
