//! What is wrong with one key of the configuration, and the cure.
//!
//! Each feature checks its own part and says which key is wrong; `config` alone knows in which
//! file and on which line that key stands.

use std::fmt;

/// One thing to mend before the configuration can be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Problem {
    /// Where, as a path of keys: `routes[2].match.path`.
    pub key: String,
    /// What is wrong and what to do: lower-case, no full stop, user input in backticks.
    pub message: String,
}

impl Problem {
    /// A problem at `key`.
    #[must_use]
    pub fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            message: message.into(),
        }
    }

    /// The same problem seen from one level further out: `path` becomes `match.path`.
    #[must_use]
    pub fn within(mut self, outer: &str) -> Self {
        let dot = if self.key.is_empty() || self.key.starts_with('[') {
            ""
        } else {
            "."
        };
        self.key = format!("{outer}{dot}{}", self.key);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}
