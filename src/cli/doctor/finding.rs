//! What the doctor has to say about one thing.

use std::fmt;

use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Requests pass unasked, or are answered wrongly.
    Wrong,
    /// Fine where it is meant.
    Look,
    /// As it should be.
    Good,
}

/// One finding and what cures it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(super) struct Finding {
    pub(super) severity: Severity,
    /// Where: a listener, a route, a cluster, an issuer.
    pub(super) place: String,
    /// What is so, and what comes of it.
    pub(super) what: String,
    /// The YAML that cures it; `null` where nothing is to be cured, or words in `what` tell the cure.
    pub(super) cure: Option<&'static str>,
}

impl Finding {
    pub(super) fn wrong(place: &str, what: impl Into<String>, cure: &'static str) -> Self {
        Self::new(Severity::Wrong, place, what, Some(cure))
    }

    pub(super) fn look(place: &str, what: impl Into<String>, cure: &'static str) -> Self {
        Self::new(Severity::Look, place, what, Some(cure))
    }

    pub(super) fn good(place: &str, what: impl Into<String>) -> Self {
        Self::new(Severity::Good, place, what, None)
    }

    pub(super) fn new(
        severity: Severity,
        place: &str,
        what: impl Into<String>,
        cure: Option<&'static str>,
    ) -> Self {
        Self {
            severity,
            place: place.to_owned(),
            what: what.into(),
            cure,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Wrong => "WRONG",
            Severity::Look => "look ",
            Severity::Good => "good ",
        };
        write!(f, "{word}  {}: {}", self.place, self.what)?;
        for line in self.cure.into_iter().flat_map(str::lines) {
            write!(f, "\n         {line}")?;
        }
        Ok(())
    }
}
