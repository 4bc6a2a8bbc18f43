//! Why no identity was established.

use crate::verdict::Reason;

/// Why a caller could not be identified.
///
/// `Display` is for our logs and may name issuers of the configuration, never anything from the
/// token. What leaves the process is [`Error::reason`] alone.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The header's algorithm is none, unknown, or not for this issuer or key.
    #[error("{0}")]
    Algorithm(&'static str),
    /// `aud` names none of the configured audiences.
    #[error("the token is for another audience")]
    Audience,
    /// Past its `exp`, leeway included.
    #[error("the token has expired")]
    Expired,
    /// The signature does not match any key that fits.
    #[error("the signature matches no key")]
    Forged,
    /// The issuer, asked about the token, says that it is not active: revoked, expired or never
    /// issued.
    #[error("the issuer says that the token is not active")]
    Inactive,
    /// None of the route's issuers has this `iss`.
    #[error("the token is from an issuer that this route does not accept")]
    Issuer,
    /// No key set has been fetched, or the last one is too old; or the issuer could not be asked
    /// about an opaque token.
    #[error("issuer `{0}` has no usable key set or could not be asked")]
    KeysUnavailable(String),
    /// Not a token as RFC 7519 and RFC 8725 have it, or more than one.
    #[error("{0}")]
    Malformed(&'static str),
    /// No token was sent where the route looks for it.
    #[error("no token was sent")]
    Missing,
    /// The proof lacks a nonce of ours that is still good. This one is.
    #[error("the proof has no nonce of ours, or an old one")]
    Nonce(String),
    /// Before its `nbf` or `iat`, leeway included.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// More at once than is taken on.
    #[error("too much is asked at once")]
    Overloaded,
    /// Whether the proof has been shown to another replica is not known: the store is away.
    #[error("whether the proof was shown before is not known")]
    ProofsUnknown,
    /// Taken back, by itself or with its session, its subject or all of its time.
    #[error("the token has been revoked")]
    Revoked,
    /// Replicas share their revocations, and which there are is not known, or no longer.
    #[error("revocations are not known: there has been no word from redis")]
    RevocationsUnknown,
    /// A scope that the route asks for is not there.
    #[error("the token lacks a required scope")]
    Scope,
    /// The token is bound to no key, or not in the way that the route wants.
    #[error("the token is not bound to its sender as the route wants")]
    Unbound,
    /// Whoever showed a bound token did not prove to hold its key.
    #[error("{0}")]
    Unproven(&'static str),
    /// `kid` names no key of the issuer, fetched again or over the budget for that.
    #[error("the token's key id is unknown")]
    UnknownKey,
    /// `kid` names no key of the issuer's last good set, and whether a newer one has it could not be
    /// found out.
    #[error(
        "the token's key id is unknown to the last key set of issuer `{0}`, which cannot be asked"
    )]
    UnseenKey(String),
}

impl Error {
    /// What the caller is told.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Algorithm(_) => Reason::TokenAlgorithm,
            Self::Audience => Reason::TokenAudience,
            Self::Expired => Reason::TokenExpired,
            Self::Forged | Self::UnknownKey | Self::Unproven(_) => Reason::TokenSignature,
            Self::Issuer => Reason::TokenIssuer,
            Self::KeysUnavailable(_)
            | Self::ProofsUnknown
            | Self::RevocationsUnknown
            | Self::UnseenKey(_) => Reason::KeysUnavailable,
            Self::Malformed(_) | Self::Unbound => Reason::TokenMalformed,
            Self::Missing => Reason::TokenMissing,
            Self::Nonce(_) => Reason::ProofNonce,
            Self::NotYetValid => Reason::TokenNotYetValid,
            Self::Overloaded => Reason::Overloaded,
            Self::Inactive | Self::Revoked => Reason::TokenRevoked,
            Self::Scope => Reason::TokenScope,
        }
    }

    /// Whether a route that goes on without an identity may do so here. Not for a token of a key that
    /// nobody has seen: anybody can invent one, and an issuer that is away would be a way in.
    #[must_use]
    pub fn may_be_waved_through(&self) -> bool {
        !matches!(self, Self::UnseenKey(_))
    }
}
