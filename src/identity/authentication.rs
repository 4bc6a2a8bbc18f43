//! Signing in with a token: who it is about, for how long, and what it grants.
//!
//! The token is verified first, whatever else is said: a user id that somebody sends along proves
//! nothing, it can only contradict.
//!
//! Where the issuer has an `exchange`, whoever is let in gets a token of its token endpoint as well,
//! or is not let in: an answer without it would look whole and not be.
//!
//! # Cost
//!
//! That of verifying the token; with an exchange a round trip, once a token.

use std::time::Instant;

use super::{AccessToken, Error, Identity, TokenEndpointError, Verifier};
use crate::{clock::UnixSeconds, verdict::Reason};

/// What somebody shows who wants to be let in.
#[derive(Clone)]
pub struct Login {
    /// Who they say they are; left out, whoever the token says.
    pub user_id: Option<String>,
    /// The proof.
    pub token: String,
    /// What they want to do: the token must grant all of it.
    pub scopes: Vec<String>,
}

/// Somebody who has been let in.
#[derive(Debug)]
pub struct Authenticated {
    /// Who it is.
    pub identity: Identity,
    /// For how many seconds more the token is good, and the one given for it.
    pub expires_in: UnixSeconds,
    /// What the issuer gave for the token, if it is asked to.
    pub access_token: Option<AccessToken>,
}

/// Why somebody was not let in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unauthenticated {
    /// The issuer gives no other token for this one, or could not be asked.
    #[error(transparent)]
    Exchange(#[from] TokenEndpointError),
    /// The token is about another user.
    #[error("the token is about another user than the one named")]
    OtherUser,
    /// The token does not do.
    #[error(transparent)]
    Token(#[from] Error),
}

impl Unauthenticated {
    /// What the caller is told.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            // Nearest in the closed list: something of the issuer's could not be had.
            Self::Exchange(TokenEndpointError::Upstream(_)) => Reason::KeysUnavailable,
            Self::Exchange(TokenEndpointError::Dropped | TokenEndpointError::Unsigned) => {
                Reason::Internal
            }
            Self::Exchange(TokenEndpointError::Refused(_)) | Self::OtherUser => {
                Reason::PermissionDenied
            }
            Self::Token(error) => error.reason(),
        }
    }
}

impl std::fmt::Debug for Login {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

impl Verifier {
    /// Lets in whoever shows a good token of any issuer of the configuration. Waits for missing
    /// keys as [`Verifier::verify`] does, and not past `deadline`.
    pub async fn authenticate(
        &self,
        login: &Login,
        deadline: Instant,
    ) -> Result<Authenticated, Unauthenticated> {
        let mut want = self.any_of(None).unwrap_or_default();
        want.scopes.clone_from(&login.scopes);
        let identity = self.verify_token(&login.token, &want, deadline).await?;
        if let Some(user) = &login.user_id
            && user != identity.subject()
        {
            return Err(Unauthenticated::OtherUser);
        }
        let issuer = self.issuers.get(identity.issuer());
        let access_token = match issuer.and_then(|issuer| issuer.exchange.get()) {
            Some(exchange) => Some(exchange.exchange(&identity, &login.token).await?),
            None => None,
        };
        let own = identity.expires_at().unwrap_or_default();
        let expires_at = access_token.as_ref().map_or(own, |given| given.expires_at);
        Ok(Authenticated {
            expires_in: expires_at.saturating_sub(self.clock.now()),
            identity,
            access_token,
        })
    }
}
