//! Phrases that count only together.
use super::Rule;
pub(super) const RULES: &[Rule] = &[];
