//! One issuer as checks see it: its settings and the key set of the moment.
//!
//! The set is replaced whole and read without a lock, so a check never waits for a fetch unless
//! its token names a key that is not there.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;

use super::{
    absent::Absent,
    cache::Version,
    config::{KeySource, Settings},
    demand::Demand,
    error::Error,
    exchange::Exchange,
    introspection::Introspector,
    keys::{KeySetId, Keys, Signature},
    source::Failure,
    token::Token,
};

/// An issuer, shared by checks, by the task that keeps it fresh, and across reloads.
pub(super) struct Issuer {
    absent: Absent,
    created: Instant,
    current: ArcSwapOption<KeySet>,
    pub(super) demand: Demand,
    /// Set once, before the issuer is used, if its settings have one.
    pub(super) exchange: OnceLock<Exchange>,
    failure: ArcSwapOption<Failure>,
    /// Set once, before the issuer is used, if its settings have one.
    pub(super) introspector: OnceLock<Introspector>,
    pub(super) name: Arc<str>,
    pub(super) settings: Settings,
    told_of_long_lives: AtomicBool,
    pub(super) version: Version,
}

struct KeySet {
    confirmed: Instant,
    keys: Arc<Keys>,
}

/// What is not there yet.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) enum Lack {
    /// Any key set.
    Keys,
    /// The key that a token names.
    ThisKey,
}

/// Whether an issuer's tokens can be checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct IssuerReadiness {
    /// The issuer's name in the configuration.
    pub name: String,
    /// Whether there is a key set that may be used.
    pub ready: bool,
    /// How many keys and how old, or what is wrong.
    pub detail: String,
}

impl Issuer {
    /// An issuer without keys, unless they come from a shared secret.
    pub(super) fn new(settings: Settings) -> Self {
        let issuer = Self {
            absent: Absent::new(settings.unknown_kid_interval, settings.refresh),
            created: Instant::now(),
            current: ArcSwapOption::empty(),
            demand: Demand::new(settings.unknown_kid_burst, settings.unknown_kid_interval),
            exchange: OnceLock::new(),
            failure: ArcSwapOption::empty(),
            introspector: OnceLock::new(),
            name: settings.name.as_str().into(),
            settings,
            told_of_long_lives: AtomicBool::new(false),
            version: Version::next(),
        };
        if let KeySource::Secret(secret) = &issuer.settings.source {
            let secret = secret.expose().as_bytes();
            issuer.publish(Keys::from_secret(secret, &issuer.settings.algorithms));
        }
        issuer
    }

    /// Replaces the key set.
    pub(super) fn publish(&self, keys: Keys) {
        if let Some(old) = &*self.current.load() {
            let now = Instant::now();
            let gone = old.keys.names().filter(|kid| !keys.has_named(kid));
            gone.for_each(|kid| self.absent.withdrawn(kid, now));
        }
        self.store(Arc::new(keys));
    }

    /// The key set has been looked at and is still the same.
    pub(super) fn confirm(&self) {
        if let Some(set) = &*self.current.load() {
            self.store(Arc::clone(&set.keys));
        }
    }

    /// The key set could not be had; the last one stays.
    pub(super) fn fail(&self, failure: Failure) {
        self.failure.store(Some(Arc::new(failure)));
    }

    /// Whether the issuer's keys are a shared secret, which nobody fetches.
    pub(super) fn is_static(&self) -> bool {
        matches!(self.settings.source, KeySource::Secret(_))
    }

    /// When the key set was last fetched or found unchanged.
    pub(super) fn confirmed(&self) -> Option<Instant> {
        self.current.load().as_ref().map(|set| set.confirmed)
    }

    /// How long ago that was; for an issuer that never had keys, how long it has been without.
    pub(super) fn age(&self) -> Duration {
        if self.is_static() {
            return Duration::ZERO;
        }
        self.confirmed().unwrap_or(self.created).elapsed()
    }

    /// Proves the signature of `token`. Waits only for an issuer's very first key set, and for a
    /// fetch when the token names an unknown key and the budget allows one; without a deadline, for
    /// nothing. Says which key set it was.
    pub(super) async fn prove(
        &self,
        token: &Token<'_>,
        deadline: Option<Instant>,
    ) -> Result<KeySetId, Error> {
        let mut found = self.check(token);
        let is_lacking = matches!(found, None | Some((Signature::UnknownKey, _)));
        if let Some(deadline) = deadline.filter(|_| is_lacking) {
            // On the heap: hardly any token waits, and no other need carry this about.
            found = Box::pin(self.check_after_fetch(token, deadline)).await;
        }
        match found {
            None => Err(Error::KeysUnavailable(self.settings.name.clone())),
            Some((Signature::Bad, _)) => Err(Error::Forged),
            Some((Signature::Good, keys)) => Ok(keys),
            Some((Signature::OtherAlgorithm, _)) => {
                Err(Error::Algorithm("the token's key is for other algorithms"))
            }
            Some((Signature::UnknownKey, _)) if self.is_behind(deadline) => {
                Err(Error::UnseenKey(self.settings.name.clone()))
            }
            Some((Signature::UnknownKey, _)) => Err(Error::UnknownKey),
        }
    }

    /// Checks `token` again, whose key was not there, once a fetch has brought it or cannot.
    async fn check_after_fetch(
        &self,
        token: &Token<'_>,
        deadline: Instant,
    ) -> Option<(Signature, KeySetId)> {
        let mut found = self.check(token);
        if found.is_none() {
            self.demand.first(deadline).await;
            found = self.check(token);
        }
        // The one under way may bring the key: only if it does not is another worth its price.
        if matches!(found, Some((Signature::UnknownKey, _))) && self.demand.current(deadline).await
        {
            found = self.check(token);
        }
        if matches!(found, Some((Signature::UnknownKey, _))) && self.seek(token, deadline).await {
            found = self.check(token);
        }
        found
    }

    /// Whether the key set may lack a key that the issuer has by now: it could not be fetched lately,
    /// or not in time.
    fn is_behind(&self, deadline: Option<Instant>) -> bool {
        self.failure.load().is_some() || deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Has the key that `token` names fetched, if it may be. Whether there was a fetch.
    async fn seek(&self, token: &Token<'_>, deadline: Instant) -> bool {
        let kid = token.kid.as_deref().unwrap_or_default();
        if self.absent.waits(kid, Instant::now()) || !self.demand.refetch(deadline).await {
            return false;
        }
        if !self.knows(Some(kid)) {
            self.absent.missed(kid, Instant::now());
        }
        true
    }

    /// Whether `keys` are the current key set, and not too old to be used.
    pub(super) fn still_has(&self, keys: &KeySetId) -> bool {
        let current = self.current.load();
        let set = current.as_ref();
        set.is_some_and(|set| set.keys.id() == keys && self.is_fresh(set))
    }

    /// Says in the log, once, that a token of this issuer outlives revocations.
    pub(super) fn tell_of_long_lives(&self) {
        if !self.told_of_long_lives.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                issuer = &*self.name,
                "its tokens live longer than `identity.revocation.max_token_life`: \
                 a revoked one may be good again before it expires; raise the value"
            );
        }
    }

    /// For `/readyz`.
    pub(super) fn readiness(&self) -> IssuerReadiness {
        let age = self.age();
        let trouble = self
            .failure
            .load()
            .as_ref()
            .map_or_else(String::new, |failure| format!("; last fetch: {failure}"));
        let (ready, state) = match &*self.current.load() {
            None => (false, "no key set yet".to_owned()),
            Some(set) => {
                let fresh = self.is_fresh(set);
                let what = if fresh { "" } else { ", too old to be used" };
                let (count, age) = (set.keys.count(), age.as_secs());
                (fresh, format!("keys: {count}, age: {age} s{what}"))
            }
        };
        IssuerReadiness {
            name: self.settings.name.clone(),
            ready,
            detail: format!("{state}{trouble}"),
        }
    }

    /// What would have to be fetched before `token` could be proven.
    pub(super) fn lacks(&self, token: &Token<'_>) -> Option<Lack> {
        match self.check(token) {
            None => Some(Lack::Keys),
            Some((Signature::UnknownKey, _)) => {
                let kid = token.kid.as_deref().unwrap_or_default();
                let waits = self.absent.waits(kid, Instant::now());
                (!waits).then_some(Lack::ThisKey)
            }
            Some(_) => None,
        }
    }

    /// Whether there are keys, and the one called `kid` among them if a name is given.
    pub(super) fn knows(&self, kid: Option<&str>) -> bool {
        let current = self.current.load();
        let set = current.as_ref().filter(|set| self.is_fresh(set));
        set.is_some_and(|set| kid.is_none_or(|kid| set.keys.has_named(kid)))
    }

    fn check(&self, token: &Token<'_>) -> Option<(Signature, KeySetId)> {
        let current = self.current.load();
        let set = current.as_ref()?;
        self.is_fresh(set)
            .then(|| (set.keys.check(token), *set.keys.id()))
    }

    fn is_fresh(&self, set: &KeySet) -> bool {
        self.is_static() || set.confirmed.elapsed() <= self.settings.max_stale
    }

    fn store(&self, keys: Arc<Keys>) {
        let confirmed = Instant::now();
        self.current
            .store(Some(Arc::new(KeySet { confirmed, keys })));
        self.failure.store(None);
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Issuer").field(&self.name).finish()
    }
}
