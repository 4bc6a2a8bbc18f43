//! Why a check has no score.

use crate::{store, verdict::Reason};

/// Why a check has no score.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// Identity could not be found out and the route says to go on, so there is no history to go by.
    #[error("nobody is identified, so there is no history to go by")]
    Nobody,
    /// Replicas share their histories, and there was no answer about this one.
    #[error("the history could not be read: {0}")]
    Unread(store::Error),
}

impl Error {
    /// What the caller is told. No `_` arm: a new variant must choose its reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Nobody | Self::Unread(_) => Reason::RiskUnavailable,
        }
    }
}
