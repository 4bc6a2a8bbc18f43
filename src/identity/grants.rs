//! From a token taken apart to one that may be believed: its signature, its claims, and what it grants.

use std::time::Instant;

use super::{
    Error, Requirement, Verifier,
    claims::{self, Claims, Lifetime},
    issuer::Issuer,
    keys::KeySetId,
    token::Token,
};
use crate::clock::UnixSeconds;

impl Verifier {
    /// Proves `token` with the issuer's keys and looks at what it claims.
    pub(super) async fn admit(
        &self,
        issuer: &Issuer,
        token: &Token<'_>,
        want: &Requirement,
        deadline: Option<Instant>,
    ) -> Result<(Lifetime, KeySetId, u64), Error> {
        if !issuer.settings.algorithms.contains(&token.algorithm) {
            return Err(Error::Algorithm("the issuer is not configured for it"));
        }
        let keys = issuer.prove(token, deadline).await?;
        let now = self.clock.now();
        let lifetime = claims::check(&token.claims, &issuer.settings, now)?;
        let version = self.check_grants(issuer, &token.claims, &lifetime, want, now)?;
        Ok((lifetime, keys, version))
    }

    /// Whether a token with these claims has not been taken back and grants what the route wants.
    /// Says at which version of the list of revocations it was not on it.
    pub(super) fn check_grants(
        &self,
        issuer: &Issuer,
        claims: &Claims,
        lifetime: &Lifetime,
        want: &Requirement,
        now: UnixSeconds,
    ) -> Result<u64, Error> {
        // After whatever was waited for, so that a revocation meanwhile is seen; and its version
        // first, so that one between the two is seen the next time.
        let version = self.revocations.version();
        let name = &issuer.settings.issuer;
        if !self.revocations.are_known() {
            return Err(Error::RevocationsUnknown);
        }
        if self.revocations.is_revoked(name, claims, now) {
            return Err(Error::Revoked);
        }
        if lifetime.expires_at() > now.saturating_add(self.revocations.keep()) {
            issuer.tell_of_long_lives();
        }
        claims::check_scopes(claims, &want.scopes)?;
        Ok(version)
    }
}
