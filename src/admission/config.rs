//! The `admission:` section.

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// Between what the limit moves, and when it falls. Defaults: `config/default.yaml`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Never fewer in flight.
    pub min: usize,
    /// Never more in flight.
    pub max: usize,
    /// So many times the usual time of a check are still as good as usual.
    pub tolerance: f64,
}

impl Config {
    /// What cannot be used, with the cure.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.min == 0 || self.max > MOST || self.min > self.max {
            let message = format!(
                "`{}` to `{}` is no range from 1 to {MOST}; write the lower one in `min`",
                self.min, self.max
            );
            problems.push(Problem::new("max", message));
        }
        if !(1.1..=100.0).contains(&self.tolerance) {
            let message = format!("`{}` is not between 1.1 and 100", self.tolerance);
            problems.push(Problem::new("tolerance", message));
        }
        problems
    }
}

/// As many as connections can carry.
const MOST: usize = 1_000_000;
