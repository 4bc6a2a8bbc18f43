//! Who is calling: a bearer token or a client certificate in, an [`Identity`] out.
//!
//! A token chooses nothing: the algorithm comes from the configuration and the key, the key from
//! the issuer's own key set, and the issuer from the route. What a reader would get wrong is the
//! order: apart from `iss` and `kid`, which only say whose keys to try, no claim is looked at
//! before the signature is proven, and each refusal has its own [`Error`].
//!
//! Keys come from elsewhere and checks do not wait for it: [`Verifier::run`] keeps them fresh in
//! the background, the last good set serves while an issuer is away, and only a token that names
//! an unknown key may wait for one fetch, within a budget.
//!
//! # Cost
//!
//! The signature check (RS256 12 µs) plus about 1.5 µs to take the token apart; for a token proven
//! before, 0.3 µs. No await that waits, unless the key is unknown.

mod assembly;
mod authentication;
mod batch;
mod cache;
mod caller;
mod claims;
mod config;
mod credential;
mod demand;
mod error;
mod exchange;
mod issuer;
mod keys;
mod metrics;
mod refresh;
mod revocation;
mod source;
mod token;
mod token_endpoint;
mod token_source;

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use futures_util::{FutureExt, future::join_all};

pub use self::{
    authentication::{Authenticated, Login, Unauthenticated},
    batch::{Batch, Refused},
    caller::Identity,
    config::{
        Audiences, ClientConfig, Config, IssuerConfig, IssuerDefaults, Place, Requirement,
        RevocationConfig, SecretBy, Stripped,
    },
    error::Error,
    issuer::IssuerReadiness,
    metrics::Metrics,
    revocation::{Error as RevocationError, Revocation, Revocations},
    token_endpoint::{AccessToken, Error as TokenEndpointError},
    token_source::TokenSource,
};
use self::{
    cache::{Cache, Key, Proof, TokenDigest},
    caller::PEER,
    claims::Lifetime,
    config::{KeySource, Settings},
    issuer::Issuer,
    keys::KeySetId,
    source::{Source, read_keys},
    token::{Headers, Token},
};
use crate::{check::HttpRequest, clock::Clock, upstream::Fetcher};

/// Verifies tokens of the configured issuers.
#[derive(Debug)]
pub struct Verifier {
    cache: Option<Arc<Cache>>,
    clock: Clock,
    headers: Arc<Headers>,
    issuers: BTreeMap<String, Arc<Issuer>>,
    metrics: Metrics,
    revocations: Revocations,
    /// One that may go anywhere, one that stays on the public internet.
    fetchers: [Fetcher; 2],
}

impl Verifier {
    /// Keeps the key sets fresh. Never ends; stops when dropped. Poll it on the control runtime.
    pub async fn run(&self) -> Infallible {
        let fetched = self.issuers.values().filter(|issuer| !issuer.is_static());
        refresh::run(fetched.cloned().collect(), |issuer| self.source(issuer)).await
    }

    /// Identifies the caller of `request` by its token, as `want` asks.
    ///
    /// Waits only when the token names an unknown key, or before an issuer's first key set has
    /// come or failed to, and then not past `deadline`.
    pub async fn verify(
        &self,
        request: &HttpRequest,
        want: &Requirement,
        deadline: Instant,
    ) -> Result<Identity, Error> {
        let token = credential::find(request, want.token.as_ref())?;
        self.verify_token(token, want, deadline).await
    }

    /// Identifies the caller by `token` itself, wherever it came from.
    pub async fn verify_token(
        &self,
        token: &str,
        want: &Requirement,
        deadline: Instant,
    ) -> Result<Identity, Error> {
        self.find_out(token, want, Some(deadline)).await
    }

    /// The same with the keys that are there: a token whose keys would have to be fetched is
    /// refused.
    pub fn verify_now(&self, token: &str, want: &Requirement) -> Result<Identity, Error> {
        let verdict = self.find_out(token, want, None).now_or_never();
        // Only what has a deadline waits, and only for keys.
        verdict.unwrap_or(Err(Error::UnknownKey))
    }

    /// What asks for a token of any issuer of the configuration, or of those named in `only`, and
    /// for no scope. The name of an unknown issuer is the error.
    pub fn any_of(&self, only: Option<&[String]>) -> Result<Requirement, String> {
        let issuers = match only {
            None => self.issuers.keys().cloned().collect(),
            Some(names) => names.to_vec(),
        };
        let unknown = issuers
            .iter()
            .find(|name| !self.issuers.contains_key(*name));
        match unknown {
            Some(name) => Err(name.clone()),
            None => Ok(Requirement {
                issuers,
                scopes: Vec::new(),
                strip: false,
                token: None,
            }),
        }
    }

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

    /// Waits until every issuer's keys have come or failed to once, but not past `deadline`.
    /// Somebody has to poll [`Verifier::run`] meanwhile.
    pub async fn until_fetched(&self, deadline: Instant) {
        let fetched = self.issuers.values().filter(|issuer| !issuer.is_static());
        join_all(fetched.map(|issuer| issuer.demand.first(deadline))).await;
    }

    /// Proves `token`, or recalls it. Waits for keys until `deadline`; without one, not at all.
    async fn find_out(
        &self,
        token: &str,
        want: &Requirement,
        deadline: Option<Instant>,
    ) -> Result<Identity, Error> {
        let cache = self.cache.as_deref();
        let Some((cache, digest)) = cache.and_then(|cache| Some((cache, cache.digest(token)?)))
        else {
            let (_, proof) = self.prove(token, want, deadline).await?;
            return Ok(proof.identity);
        };
        if let Some(known) = self.recall(cache, digest, want) {
            self.metrics.cache_hits.inc();
            claims::check_scopes(known.identity.claims(), &want.scopes)?;
            return Ok(known.identity.clone());
        }
        self.metrics.cache_misses.inc();
        let (issuer, proof) = self.prove(token, want, deadline).await?;
        let identity = proof.identity.clone();
        let key = Key {
            issuer: issuer.version,
            token: digest,
        };
        cache.insert(key, proof);
        Ok(identity)
    }

    /// Whether each issuer's tokens can be checked, for `/readyz`.
    #[must_use]
    pub fn readiness(&self) -> Vec<IssuerReadiness> {
        self.issuers
            .values()
            .map(|issuer| issuer.readiness())
            .collect()
    }

    /// What is known of the token with this digest, if [`Verifier::prove`] would find the same now,
    /// scopes aside.
    fn recall(&self, cache: &Cache, digest: TokenDigest, want: &Requirement) -> Option<Arc<Proof>> {
        for (at, issuer) in self.trusted(want).enumerate() {
            let key = Key {
                issuer: issuer.version,
                token: digest,
            };
            let Some(proof) = cache.get(&key) else {
                continue;
            };
            // Another issuer of the same `iss` may have the first say on this route.
            let name = &issuer.settings.issuer;
            let mut before = self.trusted(want).take(at);
            let has_first_say = before.all(|other| other.settings.issuer != *name);
            let lifetime = proof
                .lifetime
                .check(issuer.settings.leeway, self.clock.now());
            if lifetime == Err(Error::Expired) {
                cache.remove(&key);
            }
            let holds = has_first_say
                && lifetime.is_ok()
                && issuer.still_has(&proof.keys)
                && self.is_unrevoked(&proof, &issuer.settings.issuer);
            return holds.then_some(proof);
        }
        None
    }

    /// Whether a known token has not been revoked since it was looked up last.
    fn is_unrevoked(&self, proof: &Proof, issuer: &str) -> bool {
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

    /// Takes `token` apart and proves it with the keys of the issuer it names.
    async fn prove(
        &self,
        token: &str,
        want: &Requirement,
        deadline: Option<Instant>,
    ) -> Result<(&Issuer, Proof), Error> {
        let token = Token::parse(token, &self.headers)?;
        let name = token.issuer()?;
        // Several issuers of the configuration may have the same `iss` and different audiences.
        let mut refused = None;
        let named = self.trusted(want);
        for issuer in named.filter(|issuer| issuer.settings.issuer == name) {
            match self.admit(issuer, &token, want, deadline).await {
                Ok((lifetime, keys, unrevoked_at)) => {
                    if !token.is_known {
                        token.teach(&self.headers);
                    }
                    let expires_at = lifetime.expires_at();
                    let name = Arc::clone(&issuer.name);
                    let identity = Identity::new(token.claims, name, expires_at)
                        .ok_or(Error::Malformed("`sub` is not a non-empty string"))?;
                    let proof = Proof::new(identity, keys, lifetime, unrevoked_at);
                    return Ok((issuer, proof));
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or(Error::Issuer))
    }

    /// The issuers that a route accepts, in its order.
    fn trusted<'a, 'b>(
        &'a self,
        want: &'b Requirement,
    ) -> impl Iterator<Item = &'a Issuer> + use<'a, 'b> {
        let found = |name: &String| self.issuers.get(name).map(AsRef::as_ref);
        want.issuers.iter().filter_map(found)
    }

    async fn admit(
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
        // After whatever was waited for, so that a revocation meanwhile is seen; and its version
        // first, so that one between the two is seen the next time.
        let version = self.revocations.version();
        let name = &issuer.settings.issuer;
        if !self.revocations.are_known() {
            return Err(Error::RevocationsUnknown);
        }
        if self.revocations.is_revoked(name, &token.claims, now) {
            return Err(Error::Revoked);
        }
        if lifetime.expires_at() > now.saturating_add(self.revocations.keep()) {
            issuer.tell_of_long_lives();
        }
        claims::check_scopes(&token.claims, &want.scopes)?;
        Ok((lifetime, keys, version))
    }

    fn source(&self, issuer: &Issuer) -> Source {
        let fetcher = fetcher(&self.fetchers, &issuer.settings);
        Source::new(fetcher.clone(), self.metrics.fetches(&issuer.name))
    }
}

/// The one that goes as far as `settings` allow.
fn fetcher<'a>([anywhere, public]: &'a [Fetcher; 2], settings: &Settings) -> &'a Fetcher {
    if settings.allow_private_addresses {
        anywhere
    } else {
        public
    }
}

#[cfg(test)]
mod tests;
