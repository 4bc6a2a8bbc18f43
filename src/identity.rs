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
//! The signature check (RS256 12 µs) plus about 2 µs to take the token apart; for a token proven
//! before, its digest. No await that waits, unless the key is unknown.

mod cache;
mod caller;
mod claims;
mod config;
mod credential;
mod demand;
mod error;
mod issuer;
mod keys;
mod metrics;
mod refresh;
mod source;
mod token;

use std::{collections::BTreeMap, convert::Infallible, path::Path, sync::Arc, time::Instant};

use self::{
    cache::{Cache, Key, Proof, TokenDigest},
    caller::PEER,
    claims::Lifetime,
    config::{KeySource, Settings},
    issuer::Issuer,
    keys::KeySetId,
    source::{Source, read_keys},
    token::Token,
};
pub use self::{
    caller::Identity,
    config::{Audiences, Config, IssuerConfig, IssuerDefaults, Place, Requirement, Stripped},
    error::Error,
    issuer::IssuerReadiness,
    metrics::Metrics,
};
use crate::{
    check::HttpRequest,
    clock::Clock,
    problem::Problem,
    upstream::{Fetcher, Reach},
};

/// Verifies tokens of the configured issuers.
#[derive(Debug)]
pub struct Verifier {
    cache: Option<Arc<Cache>>,
    clock: Clock,
    issuers: BTreeMap<String, Arc<Issuer>>,
    metrics: Metrics,
    /// One that may go anywhere, one that stays on the public internet.
    fetchers: [Fetcher; 2],
}

impl Verifier {
    /// A verifier for `config`. Reads key files and secrets, relative to `base_dir`, but asks
    /// nobody on the network. Issuers whose configuration is the same as in `previous` keep their
    /// keys and their proven tokens.
    pub fn new(
        config: &Config,
        base_dir: &Path,
        clock: Clock,
        metrics: Metrics,
        previous: Option<&Self>,
    ) -> Result<Self, Vec<Problem>> {
        let mut issuers = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, issuer) in &config.issuers {
            let kept = previous.and_then(|previous| previous.issuers.get(name));
            let made = Settings::resolve(name, issuer, &config.defaults, base_dir)
                .and_then(|settings| make(settings, kept));
            match made {
                Ok(issuer) => drop(issuers.insert(name.clone(), issuer)),
                Err(found) => {
                    let at = format!("issuers.{name}");
                    problems.extend(found.into_iter().map(|problem| problem.within(&at)));
                }
            }
        }
        let known = previous.and_then(|previous| previous.cache.as_ref());
        let cache = keep_cache(config.token_cache.get(), known)
            .map_err(|problem| problems.push(problem))
            .unwrap_or_default();
        if !problems.is_empty() {
            return Err(problems);
        }
        let fetchers = match previous {
            Some(previous) => previous.fetchers.clone(),
            None => [Reach::Anywhere, Reach::Public].map(Fetcher::new),
        };
        Ok(Self {
            cache,
            clock,
            issuers,
            metrics,
            fetchers,
        })
    }

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
            let holds = has_first_say && lifetime.is_ok() && issuer.still_has(&proof.keys);
            return holds.then_some(proof);
        }
        None
    }

    /// Takes `token` apart and proves it with the keys of the issuer it names.
    async fn prove(
        &self,
        token: &str,
        want: &Requirement,
        deadline: Instant,
    ) -> Result<(&Issuer, Proof), Error> {
        let token = Token::parse(token)?;
        let name = token.issuer()?;
        // Several issuers of the configuration may have the same `iss` and different audiences.
        let mut refused = None;
        let named = self.trusted(want);
        for issuer in named.filter(|issuer| issuer.settings.issuer == name) {
            match self.admit(issuer, &token, want, deadline).await {
                Ok((lifetime, keys)) => {
                    let expires_at = lifetime.expires_at();
                    let name = Arc::clone(&issuer.name);
                    let identity = Identity::new(token.claims, name, expires_at)
                        .ok_or(Error::Malformed("`sub` is not a non-empty string"))?;
                    return Ok((issuer, Proof::new(identity, keys, lifetime)));
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
        deadline: Instant,
    ) -> Result<(Lifetime, KeySetId), Error> {
        if !issuer.settings.algorithms.contains(&token.algorithm) {
            return Err(Error::Algorithm("the issuer is not configured for it"));
        }
        let keys = issuer.prove(token, deadline).await?;
        let lifetime = claims::check(
            &token.claims,
            &issuer.settings,
            &want.scopes,
            self.clock.now(),
        )?;
        Ok((lifetime, keys))
    }

    fn source(&self, issuer: &Issuer) -> Source {
        let [anywhere, public] = &self.fetchers;
        let fetcher = if issuer.settings.allow_private_addresses {
            anywhere
        } else {
            public
        };
        Source::new(fetcher.clone(), self.metrics.fetches(&issuer.name))
    }
}

/// A cache for `max` bytes: the one there was, if it had the same, else a new one.
fn keep_cache(max: usize, kept: Option<&Arc<Cache>>) -> Result<Option<Arc<Cache>>, Problem> {
    match kept.filter(|kept| kept.max() == max) {
        Some(kept) => Ok(Some(Arc::clone(kept))),
        None if max == 0 => Ok(None),
        None => match Cache::new(max) {
            Some(cache) => Ok(Some(Arc::new(cache))),
            None => Err(Problem::new(
                "token_cache",
                "needs random numbers, and the system has none; `0` keeps no tokens",
            )),
        },
    }
}

/// The issuer with these settings: the one there was, if it had the same, else a new one.
fn make(settings: Settings, kept: Option<&Arc<Issuer>>) -> Result<Arc<Issuer>, Vec<Problem>> {
    if settings.name == PEER {
        let text =
            "is what callers with a client certificate are said to come from; use another name";
        return Err(vec![Problem::new("", text)]);
    }
    if let Some(kept) = kept.filter(|kept| kept.settings == settings) {
        return Ok(Arc::clone(kept));
    }
    let keys = match &settings.source {
        KeySource::File(path) => {
            let keys = read_keys(path, &settings).map_err(|error| {
                let text = format!("cannot use `{}`: {error}", path.display());
                vec![Problem::new("jwks_file", text)]
            })?;
            Some(keys)
        }
        KeySource::Discovery(_) | KeySource::Secret(_) | KeySource::Uri(_) => None,
    };
    let issuer = Issuer::new(settings);
    if let Some(keys) = keys {
        issuer.publish(keys);
    }
    Ok(Arc::new(issuer))
}

#[cfg(test)]
mod tests;
