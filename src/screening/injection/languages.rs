//! The same in other languages.
use super::Rule;
pub(super) const RULES: &[Rule] = &[];
