//! Why there is no grant, and what that is worth.
//!
//! What a reader would get wrong: [`Error::Denied`] alone is a no. Of the others some deny, because a
//! caller could bring them about, and the rest mean that nothing was decided.

use crate::verdict::Reason;

/// Why there is no [`super::Grant`].
///
/// `Display` is for our logs and may name users and objects. What leaves the process is
/// [`Error::reason`] alone.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The condition of a tuple cannot be evaluated, for want of a parameter or for its type.
    #[error("ask for permission: {0}")]
    Condition(String),
    /// A tuple that came with the question does not fit the model.
    #[error("ask for permission: contextual tuple {0}")]
    ContextualTuple(String),
    /// The model and its tuples say no.
    #[error("permission denied")]
    Denied,
    /// The question does not fit the model: an unknown type or relation, or a name of the wrong form.
    #[error("ask for permission: {0}")]
    Invalid(String),
    /// No store is configured.
    #[error(
        "no permission store is configured: set `permission.store_file` or `permission.openfga`"
    )]
    NoStore,
    /// The subject is a userset or a wildcard.
    #[error("ask for permission: the user must be one object, neither a userset nor a wildcard")]
    SetAsSubject,
    /// The way to an answer is longer than is followed.
    #[error("permission is too deep or too wide to work out")]
    TooComplex,
    /// The server could not be asked, or could not answer.
    #[error("ask the permission server: {0}")]
    Unavailable(String),
}

impl Error {
    /// What the caller is told. No `_` arm: a new variant must choose its reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Denied => Reason::PermissionDenied,
            // The configuration was checked at load, so what does not fit the model is a value that
            // the request brought. That must deny: were it "could not decide", a caller could choose
            // it, and pass where a route says `on_unavailable: { permission: allow }`.
            Self::Condition(_)
            | Self::ContextualTuple(_)
            | Self::Invalid(_)
            | Self::SetAsSubject => Reason::MissingInput,
            Self::NoStore | Self::TooComplex | Self::Unavailable(_) => {
                Reason::PermissionUnavailable
            }
        }
    }

    /// `OpenFGA`'s number for this error, where it has one.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Denied | Self::NoStore | Self::Unavailable(_) => None,
            Self::Condition(_) | Self::Invalid(_) | Self::SetAsSubject => Some(VALIDATION_ERROR),
            Self::ContextualTuple(_) => Some(INVALID_TUPLE),
            Self::TooComplex => Some(RESOLUTION_TOO_COMPLEX),
        }
    }
}

/// `OpenFGA`'s `invalid_tuple`.
const INVALID_TUPLE: u16 = 2027;

/// `OpenFGA`'s `authorization_model_resolution_too_complex`.
const RESOLUTION_TOO_COMPLEX: u16 = 2002;

/// `OpenFGA`'s `validation_error`.
const VALIDATION_ERROR: u16 = 2000;
