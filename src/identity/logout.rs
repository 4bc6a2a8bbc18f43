//! What an issuer tells us when a session ends (OIDC Back-Channel Logout 1.0): a revocation.
//!
//! A logout token proves itself, so nobody needs a key to send one. What a reader would get wrong
//! is how little it ends: the session that it names (`sid`), or where it names none, what its
//! subject was given before it was issued. Tokens that carry no `sid` are not of that session as far
//! as anybody can see. Sent twice it is refused the second time, and even if that were not noticed,
//! it would end nothing that began since.
//!
//! # Cost
//!
//! A signature check. Unknown keys are fetched out of the issuer's budget.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{
    Error, Issuer, Revocation, RevocationError, Verifier,
    claims::{Claim, Claims, check_audience, date},
    config::Audiences,
    token::Token,
};
use crate::{clock::UnixSeconds, verdict::Reason};

/// Why a logout token ended nothing.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LogoutError {
    /// It does not say what a logout token says.
    #[error("{0}")]
    Claims(&'static str),
    /// It was sent before.
    #[error("this logout token has been used before")]
    Replayed,
    /// What it ends cannot be noted.
    #[error(transparent)]
    Revocation(#[from] RevocationError),
    /// It is not proven, or not from an issuer whose logout tokens are accepted.
    #[error(transparent)]
    Token(#[from] Error),
}

impl LogoutError {
    /// Why nothing could be decided, if that is so: the issuer should send it again.
    #[must_use]
    pub fn undecided(&self) -> Option<Reason> {
        match self {
            Self::Token(error) if error.reason().http_status() == 503 => Some(error.reason()),
            Self::Claims(_) | Self::Replayed | Self::Revocation(_) | Self::Token(_) => None,
        }
    }
}

impl Verifier {
    /// Ends what the logout token `text` says has ended. Waits for missing keys as
    /// [`Verifier::verify`] does, and not past `deadline`.
    pub async fn log_out(&self, text: &str, deadline: Instant) -> Result<(), LogoutError> {
        let token = Token::parse_logout(text)?;
        let name = token.issuer()?;
        let mut refused = None;
        let told = |issuer: &&Issuer| {
            issuer.settings.issuer == name && !issuer.settings.logout_audiences.is_empty()
        };
        for issuer in self.issuers.values().map(AsRef::as_ref).filter(told) {
            match self.prove_logout(issuer, &token, deadline).await {
                Ok(logout) => return self.end(issuer, logout, deadline).await,
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or(Error::Issuer.into()))
    }

    async fn prove_logout(
        &self,
        issuer: &Issuer,
        token: &Token<'_>,
        deadline: Instant,
    ) -> Result<Logout, LogoutError> {
        if !issuer.settings.algorithms.contains(&token.algorithm) {
            let text = "the issuer is not configured for it";
            return Err(Error::Algorithm(text).into());
        }
        issuer.prove(token, Some(deadline)).await?;
        let leeway = issuer.settings.leeway;
        let logout = Logout::read(&token.claims, leeway, self.clock.now())?;
        let ours = Audiences::OneOf(issuer.settings.logout_audiences.clone());
        check_audience(&token.claims, &ours)?;
        Ok(logout)
    }

    async fn end(
        &self,
        issuer: &Issuer,
        logout: Logout,
        deadline: Instant,
    ) -> Result<(), LogoutError> {
        let Logout {
            life,
            jti,
            what: mut revocation,
        } = logout;
        let iss = &issuer.settings.issuer;
        revocation.issuer = Some(iss.clone());
        // First, since whoever could not be heard has to be able to say it again; and it ends the same
        // however often it is said.
        self.revoke_everywhere(revocation, deadline).await?;
        let shown = ["logout", iss, &jti];
        if !self.once.first(&shown, life, deadline).await? {
            return Err(LogoutError::Replayed);
        }
        Ok(())
    }
}

/// A logout token in our words.
#[derive(Debug)]
struct Logout {
    jti: String,
    /// How long it could be sent again.
    life: Duration,
    what: Revocation,
}

impl Logout {
    fn read(claims: &Claims, leeway: Duration, now: UnixSeconds) -> Result<Self, LogoutError> {
        let claims_not = |text| Err(LogoutError::Claims(text));
        let is_logout = |events: Claim<'_>| events.member(EVENT).is_some_and(Value::is_object);
        if !claims.get("events").is_some_and(is_logout) {
            return claims_not("`events` does not name a back-channel logout");
        }
        if claims.contains_key("nonce") {
            return claims_not("a logout token has no `nonce`");
        }
        let missing = |text| LogoutError::Claims(text);
        let issued = date(claims, "iat")?.ok_or(missing("`iat` is missing"))?;
        // Required since the specification's final version, which some issuers predate.
        let expires = date(claims, "exp")?.unwrap_or(issued + LIFE.as_secs_f64());
        #[expect(clippy::cast_precision_loss, reason = "seconds are exact in f64")]
        let now = now as f64;
        let leeway = leeway.as_secs_f64();
        let oldest = now - LIFE.as_secs_f64() - leeway;
        if now >= expires + leeway || issued < oldest {
            return Err(Error::Expired.into());
        }
        if issued > now + leeway {
            return Err(Error::NotYetValid.into());
        }
        let text = |name: &'static str, wrong| match claims.get(name) {
            None => Ok(None),
            Some(Claim::Text(text)) if !text.is_empty() => Ok(Some(text.to_owned())),
            Some(_) => Err(LogoutError::Claims(wrong)),
        };
        let jti = text("jti", "`jti` is not a non-empty string")?;
        let sub = text("sub", "`sub` is not a non-empty string")?;
        let sid = text("sid", "`sid` is not a non-empty string")?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "not below `oldest`, and the cast saturates"
        )]
        let issued = issued.floor() as UnixSeconds;
        let what = match (sid, sub) {
            (Some(sid), _) => Revocation {
                sid: Some(sid),
                ..Revocation::default()
            },
            (None, Some(sub)) => Revocation {
                sub: Some(sub),
                before: Some(issued + 1),
                ..Revocation::default()
            },
            (None, None) => return claims_not("names neither `sub` nor `sid`"),
        };
        Ok(Self {
            jti: jti.ok_or(missing("`jti` is missing"))?,
            life: LIFE + Duration::from_secs_f64(2.0 * leeway),
            what,
        })
    }
}

/// The one member of `events` that makes a token a logout token.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The oldest logout token that is taken. Issuers send them at once, and again a few times.
const LIFE: Duration = Duration::from_mins(10);

#[cfg(test)]
mod tests;
