//! Tokens taken back, as [`Verifier`] knows them.

use std::{sync::atomic::Ordering, time::Instant};

use super::{Revocation, RevocationError, Verifier, cache::Proof};

impl Verifier {
    /// Takes tokens back: every check that begins here after this is refused for them, known tokens
    /// included. Other replicas hear of it soon.
    pub fn revoke(&self, what: Revocation) -> Result<(), RevocationError> {
        self.revocations
            .revoke(&self.resolved(what)?, self.clock.now())
    }

    /// Takes tokens back on every replica; when this returns, each refuses them within a second.
    pub async fn revoke_everywhere(
        &self,
        what: Revocation,
        deadline: Instant,
    ) -> Result<(), RevocationError> {
        let (what, now) = (self.resolved(what)?, self.clock.now());
        self.revocations
            .revoke_everywhere(&what, now, deadline)
            .await
    }

    /// Waits until the revocations of other replicas are known, where there are any.
    pub async fn until_revocations_known(&self) {
        self.revocations.until_known().await;
    }

    /// With the issuer's `iss` in its name's place.
    fn resolved(&self, mut what: Revocation) -> Result<Revocation, RevocationError> {
        if let Some(name) = &what.issuer {
            let mut issuers = self.issuers.values().map(|issuer| &issuer.settings);
            let named = self.issuers.get(name).map(|issuer| &issuer.settings);
            let found = named.or_else(|| issuers.find(|settings| settings.issuer == *name));
            let found = found.ok_or(RevocationError::Issuer)?;
            what.issuer = Some(found.issuer.clone());
        }
        Ok(what)
    }

    /// Whether a known token has not been revoked since it was looked up last.
    pub(super) fn is_unrevoked(&self, proof: &Proof, issuer: &str) -> bool {
        if !self.revocations.are_known() {
            return false;
        }
        // The version first, then the list: in the other order a revocation between the two would
        // never be noticed.
        let version = self.revocations.version();
        if proof.unrevoked_at.load(Ordering::Relaxed) == version {
            return true;
        }
        let (claims, now) = (proof.identity.claims(), self.clock.now());
        let is_unrevoked = !self.revocations.is_revoked(issuer, claims, now);
        if is_unrevoked {
            proof.unrevoked_at.store(version, Ordering::Relaxed);
        }
        is_unrevoked
    }
}
