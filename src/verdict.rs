//! What was decided, and the closed list of reasons.
//!
//! One list serves the response header, the problem body, the metric label and the log, so they
//! can never disagree. "Denied" and "could not decide" are different things: see
//! [`Reason::class`].

use std::fmt;

/// Why a check ended as it did.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Reason {
    /// Path with an ambiguous or forbidden spelling.
    BadPath,
    /// A policy reads the body and it is not what its content type says.
    BodyMalformed,
    /// A policy reads the body and none arrived.
    BodyMissing,
    /// Only the body's beginning arrived.
    BodyPartial,
    /// The body is over the limit.
    BodyTooLarge,
    /// Time ran out before a decision.
    Deadline,
    /// A defect of ours.
    Internal,
    /// The issuer's keys could not be had.
    KeysUnavailable,
    /// A fact that the policy needs is absent or would break out of its place.
    MissingInput,
    /// No route matches.
    NoRoute,
    /// Allowed by the route's rules.
    Ok,
    /// Shed, to keep the others' latency.
    Overloaded,
    /// No such relation.
    PermissionDenied,
    /// The permission engine could not answer.
    PermissionUnavailable,
    /// The body carries personal data.
    PersonalData,
    /// The body carries a prompt injection.
    PromptInjection,
    /// The proof that comes with the token lacks a nonce of ours.
    ProofNonce,
    /// Allowed because the route is public.
    Public,
    /// The risk score is above the route's limit.
    RiskTooHigh,
    /// Risk could not be scored.
    RiskUnavailable,
    /// Screening could not run.
    ScreeningUnavailable,
    /// The body carries a secret.
    SecretFound,
    /// Signed with an algorithm the issuer is not configured for.
    TokenAlgorithm,
    /// Meant for another audience.
    TokenAudience,
    /// Past its `exp`.
    TokenExpired,
    /// From an issuer this route does not accept.
    TokenIssuer,
    /// Not a well-formed token, or several.
    TokenMalformed,
    /// None was sent.
    TokenMissing,
    /// Before its `nbf`.
    TokenNotYetValid,
    /// Taken back.
    TokenRevoked,
    /// Lacks a scope the route asks for.
    TokenScope,
    /// The signature does not match.
    TokenSignature,
}

/// What kind of ending a reason is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Class {
    /// The request may pass.
    Allowed,
    /// The rules say no.
    Denied,
    /// The rules could not be applied; `on_unavailable` has the say.
    Undecided,
}

impl Reason {
    /// Every reason, for metrics that start at zero and for the docs' test.
    pub const ALL: [Self; 32] = [
        Self::Ok,
        Self::Public,
        Self::TokenMissing,
        Self::TokenMalformed,
        Self::TokenExpired,
        Self::TokenNotYetValid,
        Self::TokenSignature,
        Self::TokenIssuer,
        Self::TokenAudience,
        Self::TokenAlgorithm,
        Self::TokenScope,
        Self::TokenRevoked,
        Self::ProofNonce,
        Self::PermissionDenied,
        Self::PromptInjection,
        Self::SecretFound,
        Self::PersonalData,
        Self::BodyMissing,
        Self::BodyPartial,
        Self::BodyMalformed,
        Self::BodyTooLarge,
        Self::RiskTooHigh,
        Self::NoRoute,
        Self::MissingInput,
        Self::BadPath,
        Self::KeysUnavailable,
        Self::PermissionUnavailable,
        Self::ScreeningUnavailable,
        Self::RiskUnavailable,
        Self::Overloaded,
        Self::Deadline,
        Self::Internal,
    ];

    /// The name used in headers, bodies, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadPath => "bad_path",
            Self::BodyMalformed => "body_malformed",
            Self::BodyMissing => "body_missing",
            Self::BodyPartial => "body_partial",
            Self::BodyTooLarge => "body_too_large",
            Self::Deadline => "deadline",
            Self::Internal => "internal",
            Self::KeysUnavailable => "keys_unavailable",
            Self::MissingInput => "missing_input",
            Self::NoRoute => "no_route",
            Self::Ok => "ok",
            Self::Overloaded => "overloaded",
            Self::PermissionDenied => "permission_denied",
            Self::PermissionUnavailable => "permission_unavailable",
            Self::PersonalData => "personal_data",
            Self::PromptInjection => "prompt_injection",
            Self::ProofNonce => "proof_nonce",
            Self::Public => "public",
            Self::RiskTooHigh => "risk_too_high",
            Self::RiskUnavailable => "risk_unavailable",
            Self::ScreeningUnavailable => "screening_unavailable",
            Self::SecretFound => "secret_found",
            Self::TokenAlgorithm => "token_algorithm",
            Self::TokenAudience => "token_audience",
            Self::TokenExpired => "token_expired",
            Self::TokenIssuer => "token_issuer",
            Self::TokenMalformed => "token_malformed",
            Self::TokenMissing => "token_missing",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::TokenRevoked => "token_revoked",
            Self::TokenScope => "token_scope",
            Self::TokenSignature => "token_signature",
        }
    }

    /// Whether this reason allows, denies, or says that nothing could be decided.
    #[must_use]
    pub fn class(self) -> Class {
        match self.http_status() {
            200 => Class::Allowed,
            503 => Class::Undecided,
            _ => Class::Denied,
        }
    }

    /// Whether a route's `on_unavailable` has the say. Not where we could not decide by ourselves: whoever
    /// sends much, or what takes long, must not get in by it.
    #[must_use]
    pub fn is_up_to_the_route(self) -> bool {
        matches!(
            self,
            Self::KeysUnavailable
                | Self::PermissionUnavailable
                | Self::RiskUnavailable
                | Self::ScreeningUnavailable
        )
    }

    /// The HTTP status that the caller sees: 200, 400, 401, 403, 413 or 503.
    #[must_use]
    pub fn http_status(self) -> u16 {
        match self {
            Self::Ok | Self::Public => 200,
            Self::BadPath | Self::BodyMalformed | Self::BodyMissing => 400,
            Self::ProofNonce
            | Self::TokenAlgorithm
            | Self::TokenAudience
            | Self::TokenExpired
            | Self::TokenIssuer
            | Self::TokenMalformed
            | Self::TokenMissing
            | Self::TokenNotYetValid
            | Self::TokenRevoked
            | Self::TokenSignature => 401,
            Self::MissingInput
            | Self::NoRoute
            | Self::PermissionDenied
            | Self::PersonalData
            | Self::PromptInjection
            | Self::RiskTooHigh
            | Self::SecretFound
            | Self::TokenScope => 403,
            Self::BodyPartial | Self::BodyTooLarge => 413,
            Self::Deadline
            | Self::Internal
            | Self::KeysUnavailable
            | Self::Overloaded
            | Self::PermissionUnavailable
            | Self::RiskUnavailable
            | Self::ScreeningUnavailable => 503,
        }
    }

    /// One public sentence: safe for any caller, it names no rule and no secret.
    #[must_use]
    pub fn detail(self) -> &'static str {
        match self {
            Self::BadPath => "The request path is ambiguous or uses forbidden characters.",
            Self::BodyMalformed => "The request body is not valid for its content type.",
            Self::BodyMissing => "This route needs the request body, and none arrived.",
            Self::BodyPartial => "The request body is too large to be checked whole.",
            Self::BodyTooLarge => "The request body is over the limit.",
            Self::Deadline => "The check did not finish in time.",
            Self::Internal => "The check failed.",
            Self::KeysUnavailable => "The token issuer's keys are unavailable.",
            Self::MissingInput => "The request lacks a value that this route's rules need.",
            Self::NoRoute => "No rule allows this request.",
            Self::Ok => "Allowed.",
            Self::Overloaded => "Too many checks at once.",
            Self::PermissionDenied => "The caller has no permission for this.",
            Self::PermissionUnavailable => "Permission could not be determined.",
            Self::PersonalData => "The request carries personal data.",
            Self::PromptInjection => "The request carries a prompt injection.",
            Self::ProofNonce => "The proof must carry the nonce that comes with this answer.",
            Self::Public => "Allowed: this route is public.",
            Self::RiskTooHigh => "The request is too risky.",
            Self::RiskUnavailable => "Risk could not be determined.",
            Self::ScreeningUnavailable => "The request could not be screened.",
            Self::SecretFound => "The request carries a secret.",
            Self::TokenAlgorithm => "The token is signed with an algorithm that is not accepted.",
            Self::TokenAudience => "The token is meant for another audience.",
            Self::TokenExpired => "The token has expired.",
            Self::TokenIssuer => "The token comes from an issuer that is not accepted.",
            Self::TokenMalformed => "The token is malformed.",
            Self::TokenMissing => "A bearer token is required.",
            Self::TokenNotYetValid => "The token is not valid yet.",
            Self::TokenRevoked => "The token has been revoked.",
            Self::TokenScope => "The token lacks a required scope.",
            Self::TokenSignature => "The token's signature is not valid.",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_reason_is_listed_once() {
        let names: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn only_ok_and_public_allow() {
        let allowing: Vec<_> = Reason::ALL
            .into_iter()
            .filter(|reason| reason.class() == Class::Allowed)
            .collect();
        assert_eq!(allowing, [Reason::Ok, Reason::Public]);
    }
}
