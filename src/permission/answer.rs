//! What is answered, and where the answer comes from.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The answer to one question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Whether it holds.
    pub allowed: bool,
    /// Who says so.
    pub origin: Origin,
}

impl Answer {
    pub(super) fn embedded(allowed: bool) -> Self {
        Self {
            allowed,
            origin: Origin::Embedded,
        }
    }

    pub(super) fn from_server(allowed: bool) -> Self {
        Self {
            allowed,
            origin: Origin::Remote,
        }
    }

    /// How long ago it was given.
    pub(super) fn age(&self) -> Duration {
        match self.origin {
            Origin::Cache(age) => age,
            Origin::Embedded | Origin::Remote => Duration::ZERO,
        }
    }
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// The server, this long ago.
    Cache(Duration),
    /// The engine in this process.
    Embedded,
    /// The server, just now.
    Remote,
}

impl Origin {
    /// The word in answers and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cache(_) => "cache",
            Self::Embedded => "embedded",
            Self::Remote => "remote",
        }
    }

    /// How old the answer is, where it was kept.
    #[must_use]
    pub fn age(self) -> Option<Duration> {
        match self {
            Self::Cache(age) => Some(age),
            Self::Embedded | Self::Remote => None,
        }
    }
}

/// How fresh an answer must be, in `OpenFGA`'s words. The embedded engine's always is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consistency {
    /// No kept answer, neither here nor at the server.
    HigherConsistency,
    /// Kept answers will do.
    #[default]
    MinimizeLatency,
}
