//! Who is calling: a bearer token or a client certificate in, an [`Identity`] out.
//!
//! A token chooses nothing: the algorithm comes from the configuration and the key, the key from
//! the issuer's own key set, and the issuer from the route. What a reader would get wrong is the
//! order: apart from `iss` and `kid`, which only say whose keys to try, no claim is looked at
//! before the signature is proven, and each refusal has its own [`Error`].
//!
//! A token that is no JWT says nothing; where an issuer can be asked about such tokens, its answer is
//! checked like claims.
//!
//! Keys come from elsewhere and checks do not wait for it: [`Verifier::run`] keeps them fresh in
//! the background, the last good set serves while an issuer is away, and only a token that names
//! an unknown key may wait for one fetch, within a budget.
//!
//! # Cost
//!
//! The signature check (RS256 12 µs) plus about 1.5 µs to take the token apart; for a token proven
//! before, 0.3 µs. No await that waits, unless the key is unknown.

mod absent;
mod assembly;
mod authentication;
mod batch;
mod cache;
mod caller;
mod claims;
mod config;
mod credential;
mod demand;
mod endpoint;
mod error;
mod exchange;
mod grants;
mod introspection;
mod issuer;
mod keys;
mod logout;
mod metrics;
mod once;
mod refresh;
mod revocation;
mod sender;
mod source;
mod taken_back;
mod token;
mod token_endpoint;
mod token_source;

use std::{collections::BTreeMap, convert::Infallible, sync::Arc, time::Instant};

use futures_util::{FutureExt, future::join_all};

pub use self::{
    authentication::{Authenticated, Login, Unauthenticated},
    batch::{Batch, Length, Refused, Samples},
    caller::Identity,
    config::{
        Audiences, ClientConfig, Config, DpopConfig, IntrospectionConfig, IssuerConfig,
        IssuerDefaults, Place, Requirement, RevocationConfig, SecretBy, Stripped,
    },
    error::Error,
    issuer::IssuerReadiness,
    logout::LogoutError,
    metrics::Metrics,
    revocation::{Error as RevocationError, Revocation, Revocations},
    sender::{PROOF_ALGORITHMS, Sender},
    token_endpoint::{AccessToken, Error as TokenEndpointError},
    token_source::TokenSource,
};
use self::{
    cache::{Cache, Grounds, Key, Proof},
    caller::PEER,
    claims::{Claims, Lifetime},
    config::{KeySource, Settings},
    credential::MAX_TOKEN,
    issuer::Issuer,
    once::Once,
    sender::Shown,
    source::{Source as KeysFrom, read_keys},
    token::{Headers, Token},
};
use crate::{
    check::{self, HttpRequest, Source},
    clock::Clock,
    upstream::Fetcher,
};

/// Verifies tokens of the configured issuers.
#[derive(Debug)]
pub struct Verifier {
    cache: Option<Arc<Cache>>,
    clock: Clock,
    headers: Arc<Headers>,
    issuers: BTreeMap<String, Arc<Issuer>>,
    metrics: Metrics,
    once: Once,
    proofs: sender::Rules,
    revocations: Revocations,
    /// One that may go anywhere, one that stays on the public internet.
    fetchers: [Fetcher; 2],
}

impl Verifier {
    /// Keeps the key sets fresh. Never ends; stops when dropped. Poll it on the control runtime.
    pub async fn run(&self) -> Infallible {
        // Checks ask about opaque tokens themselves, and must not be held up by reading the
        // system's CA certificates.
        for issuer in self.issuers.values() {
            if issuer.introspector.get().is_some() {
                fetcher(&self.fetchers, &issuer.settings).prepare();
            }
        }
        let fetched = self.issuers.values().filter(|issuer| !issuer.is_static());
        refresh::run(fetched.cloned().collect(), |issuer| self.source(issuer)).await
    }

    /// Identifies the caller of `request` by its token, as `want` asks. `peer` is who is at the
    /// other end, for tokens that are bound to a client certificate.
    ///
    /// Waits only when the token names an unknown key, or before an issuer's first key set has
    /// come or failed to, and then not past `deadline`.
    pub async fn verify(
        &self,
        request: &HttpRequest,
        peer: &Source,
        want: &Requirement,
        deadline: Instant,
    ) -> Result<Identity, Error> {
        let credential = credential::find(request, want.token.as_ref())?;
        let identity = self
            .find_out(credential.token, want, Some(deadline))
            .await?;
        let shown = Shown {
            credential,
            peer,
            request,
        };
        let proofs = (&self.once, self.proofs, self.clock.now());
        sender::check(identity.claims(), want.sender, &shown, proofs, deadline).await?;
        Ok(identity)
    }

    /// Identifies the caller by `token` itself, wherever it came from. A token that is bound to its
    /// sender is refused: there is no proof to look at.
    pub async fn verify_token(
        &self,
        token: &str,
        want: &Requirement,
        deadline: Instant,
    ) -> Result<Identity, Error> {
        let identity = self.find_out(token, want, Some(deadline)).await?;
        sender::check_unbound(identity.claims(), want.sender)?;
        Ok(identity)
    }

    /// The same with the keys that are there: a token whose keys would have to be fetched is
    /// refused.
    pub fn verify_now(&self, token: &str, want: &Requirement) -> Result<Identity, Error> {
        let verdict = self.find_out(token, want, None).now_or_never();
        // Only what has a deadline waits, for keys or for what an issuer says of a token.
        let identity = verdict.unwrap_or(Err(Error::UnknownKey))?;
        sender::check_unbound(identity.claims(), want.sender)?;
        Ok(identity)
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
                sender: None,
                strip: false,
                token: None,
            }),
        }
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
        let Some((cache, digest)) = cache.and_then(|cache| Some((cache, cache::digest(token)?)))
        else {
            let (_, proof) = Box::pin(self.prove(token, want, deadline)).await?;
            return Ok(proof.identity);
        };
        if let Some(known) = self.recall(cache, digest, want) {
            self.metrics.cache_hits.inc();
            claims::check_scopes(known.identity.claims(), &want.scopes)?;
            return Ok(known.identity.clone());
        }
        self.metrics.cache_misses.inc();
        // On the heap: small beside a signature, and those that are known need not carry it about.
        let (issuer, proof) = Box::pin(self.prove(token, want, deadline)).await?;
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
    fn recall(&self, cache: &Cache, digest: check::Key, want: &Requirement) -> Option<Arc<Proof>> {
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
                && match &proof.grounds {
                    Grounds::Keys(keys) => issuer.still_has(keys),
                    Grounds::Word(until) => Instant::now() < *until,
                }
                && self.is_unrevoked(&proof, &issuer.settings.issuer);
            return holds.then_some(proof);
        }
        None
    }

    /// Takes `token` apart and proves it with the keys of the issuer it names; one that names none,
    /// since it is opaque, by asking the issuer that is asked about such tokens.
    async fn prove(
        &self,
        text: &str,
        want: &Requirement,
        deadline: Option<Instant>,
    ) -> Result<(&Issuer, Proof), Error> {
        if let Some(issuer) = self.asked_about(text, want)? {
            return Box::pin(self.look_up(issuer, text, want, deadline)).await;
        }
        let token = Token::parse(text, &self.headers)?;
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
                    let grounds = Grounds::Keys(keys);
                    let proof = proof(issuer, token.claims, grounds, lifetime, unrevoked_at)?;
                    return Ok((issuer, proof));
                }
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        Err(refused.unwrap_or(Error::Issuer))
    }

    /// The issuer to be asked about `token`, if it is opaque and somebody is asked about such
    /// tokens. It does not say whose it is, and who did not issue it must not get to see it.
    fn asked_about(&self, token: &str, want: &Requirement) -> Result<Option<&Issuer>, Error> {
        let mut asked = self
            .trusted(want)
            .filter(|issuer| issuer.introspector.get().is_some());
        let Some(issuer) = asked.next() else {
            return Ok(None);
        };
        if token.len() > MAX_TOKEN || !token::is_opaque(token) {
            return Ok(None);
        }
        if asked.next().is_some() {
            return Err(Error::Malformed(
                "an opaque token, and several issuers could be asked about it",
            ));
        }
        Ok(Some(issuer))
    }

    /// Asks `issuer` about the opaque `token`.
    async fn look_up<'a>(
        &self,
        issuer: &'a Issuer,
        token: &str,
        want: &Requirement,
        deadline: Option<Instant>,
    ) -> Result<(&'a Issuer, Proof), Error> {
        let settings = &issuer.settings;
        let introspector = issuer.introspector.get();
        let (Some(introspector), Some(deadline)) = (introspector, deadline) else {
            return Err(Error::KeysUnavailable(settings.name.clone()));
        };
        let word = introspector.ask(token, deadline).await?;
        let mut claims = word.claims.clone();
        // A client's own token is about nobody but the client.
        if !claims.contains_key("sub")
            && let Some(client) = claims.text("client_id").map(str::to_owned)
        {
            claims.insert("sub", client);
        }
        let left = word.until.saturating_duration_since(Instant::now());
        let (now, left) = (self.clock.now(), left.as_secs().max(1));
        let lifetime = claims::check_word(&claims, settings, now, left)?;
        let unrevoked_at = self.check_grants(issuer, &claims, &lifetime, want, now)?;
        let grounds = Grounds::Word(word.until);
        let proof = proof(issuer, claims, grounds, lifetime, unrevoked_at)?;
        Ok((issuer, proof))
    }

    /// The issuers that a route accepts, in its order.
    fn trusted<'a, 'b>(
        &'a self,
        want: &'b Requirement,
    ) -> impl Iterator<Item = &'a Issuer> + use<'a, 'b> {
        let found = |name: &String| self.issuers.get(name).map(AsRef::as_ref);
        want.issuers.iter().filter_map(found)
    }

    fn source(&self, issuer: &Issuer) -> KeysFrom {
        let fetcher = fetcher(&self.fetchers, &issuer.settings);
        KeysFrom::new(fetcher.clone(), self.metrics.fetches(&issuer.name))
    }
}

fn proof(
    issuer: &Issuer,
    claims: Claims,
    grounds: Grounds,
    lifetime: Lifetime,
    unrevoked_at: u64,
) -> Result<Proof, Error> {
    let (name, expires_at) = (Arc::clone(&issuer.name), lifetime.expires_at());
    let identity = Identity::new(claims, name, expires_at)
        .ok_or(Error::Malformed("`sub` is not a non-empty string"))?;
    Ok(Proof::new(identity, grounds, lifetime, unrevoked_at))
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
