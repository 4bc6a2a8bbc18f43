//! Why a body could not be screened.
//!
//! None of these says that the body is bad in itself, and none lets it pass: a text that was not
//! read cannot be called clean.

use crate::verdict::Reason;

/// Why a body could not be screened. `Display` quotes nothing of the body.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// Time ran out before the end of the text.
    #[error("screening did not finish in time")]
    Deadline,
    /// Compressed by what is not known here, without saying so, or not in UTF-8.
    #[error("the body's encoding is not supported")]
    Encoded,
    /// Not what its content type says.
    #[error("the body is not valid {what} at byte {at}")]
    Malformed {
        /// What it should be: `json`, `utf-8`.
        what: &'static str,
        /// Byte offset of the first fault.
        at: usize,
    },
    /// No body arrived, or an empty one.
    #[error("no body arrived")]
    Missing,
    /// Only the body's beginning arrived.
    #[error("only the beginning of the body arrived")]
    Partial,
    /// Nested deeper than `max_depth`.
    #[error("the body is nested deeper than {0} levels")]
    TooDeep(usize),
    /// Longer than `max_body`, or more text in it than `max_text`.
    #[error("the body holds more text than is screened")]
    TooLarge,
}

impl Error {
    /// What the caller is told. No `_` arm: a new variant must choose its reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Deadline => Reason::Deadline,
            Self::Encoded | Self::Malformed { .. } => Reason::BodyMalformed,
            Self::Missing => Reason::BodyMissing,
            Self::Partial => Reason::BodyPartial,
            Self::TooDeep(_) | Self::TooLarge => Reason::BodyTooLarge,
        }
    }
}
