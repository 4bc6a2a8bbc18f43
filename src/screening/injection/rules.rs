//! The table of strong rules.
use super::{Rule, STRONG};

const fn rule(id: &'static str, literals: &'static [&'static str], pattern: &'static str) -> Rule {
    Rule { id, literals, pattern, weight: STRONG }
}

/// Spelled out in patterns.
pub(super) const FRAGMENTS: &[(&str, &str)] = &[];
/// Words that are looked for enciphered.
pub(super) const CIPHERED: &[&str] = &["ignore", "previous", "instructions"];
pub(super) const RULES: &[Rule] = &[
    rule("injection.ignore_instructions", &["ignore"], r"\bignore (?:all )?(?:the )?(?:previous|above) (?:instructions|rules)"),
];
