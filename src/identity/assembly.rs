//! A configuration into a [`Verifier`], and what of an earlier one is kept.
//!
//! What a reader would get wrong is how much outlives a reload: the keys and proven tokens of each
//! issuer whose settings are the same, and every revocation, whatever changed.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    Cache, Config, Issuer, KeySource, Metrics, Once, PEER, Revocations, Settings, Verifier,
    endpoint::Way,
    exchange::Exchange,
    fetcher,
    introspection::{self, Introspector},
    read_keys, revocation, sender,
    token_endpoint::{self, TokenEndpoint},
};
use crate::{
    clock::Clock,
    coalesce::Kind,
    problem::Problem,
    store::Store,
    units::Span,
    upstream::{Fetcher, Limits, Reach, Series},
};

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
        let cache = keep_cache(config.token_cache.get(), known);
        let limits = revocation_limits(config, issuers.values().map(AsRef::as_ref));
        let revoked = previous.map(|previous| &previous.revocations);
        let Some(revocations) = keep_revocations(limits, revoked) else {
            problems.push(Problem::new(
                "revocation",
                "needs random numbers, and the system has none",
            ));
            return Err(problems);
        };
        let once = match previous {
            Some(previous) => Some(previous.once.clone()),
            None => Once::new(config.dpop.max_memory.get()),
        };
        let Some(once) = once else {
            let text = "needs random numbers, and the system has none";
            problems.push(Problem::new("", text));
            return Err(problems);
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        let fetchers = match previous {
            Some(previous) => previous.fetchers.clone(),
            None => [Reach::Anywhere, Reach::Public].map(Fetcher::new),
        };
        for issuer in issuers.values() {
            open_endpoints(issuer, &fetchers, &clock, &metrics);
            // An issuer that is kept has it already.
            let series = metrics.coalesced().of(Kind::Keys);
            let _ = issuer.demand.series.set(series);
        }
        Ok(Self {
            cache,
            clock,
            headers: previous.map_or_else(Arc::default, |previous| Arc::clone(&previous.headers)),
            issuers,
            metrics,
            once,
            proofs: sender::Rules {
                max_age: config.dpop.max_age.get(),
                nonce_life: config.dpop.nonce_life.map(Span::get),
            },
            revocations,
            fetchers,
        })
    }
}

impl Verifier {
    /// The same, with the revocations, and the proofs shown before, that all replicas of `store`
    /// share. Those of a verifier that it was made from are shared already.
    #[must_use]
    pub fn sharing(self, store: &Store) -> Self {
        Self {
            once: self.once.sharing(store),
            revocations: self.revocations.sharing(store),
            ..self
        }
    }
}

/// A cache for `max` bytes: the one there was, if it had the same, else a new one.
fn keep_cache(max: usize, kept: Option<&Arc<Cache>>) -> Option<Arc<Cache>> {
    match kept.filter(|kept| kept.max() == max) {
        Some(kept) => Some(Arc::clone(kept)),
        None => (max > 0).then(|| Arc::new(Cache::new(max))),
    }
}

/// Opens the ways to the endpoints that `issuer` is to be asked at and has no way to yet.
fn open_endpoints(issuer: &Issuer, fetchers: &[Fetcher; 2], clock: &Clock, metrics: &Metrics) {
    let settings = &issuer.settings;
    let way = |bytes: usize, series: Series| Way {
        fetcher: fetcher(fetchers, settings).clone(),
        limits: Limits {
            bytes,
            time: settings.fetch_timeout,
        },
        series,
    };
    // Whoever else has just set one of them made the same.
    if let (Some(client), None) = (&settings.exchange, issuer.exchange.get()) {
        let way = way(
            token_endpoint::MAX_ANSWER,
            metrics.token_endpoint(&issuer.name),
        );
        let endpoint = TokenEndpoint::new(client.clone(), clock.clone(), way);
        let exchange = Exchange::new(endpoint, metrics.coalesced());
        let _ = issuer.exchange.set(exchange);
    }
    if let (Some(config), None) = (&settings.introspection, issuer.introspector.get()) {
        let way = way(
            introspection::MAX_ANSWER,
            metrics.introspection(&issuer.name),
        );
        let asking = (config.clone(), clock.clone(), way);
        let introspector = Introspector::new(&issuer.name, asking, metrics.coalesced());
        let _ = issuer.introspector.set(introspector);
    }
}

/// How much `config` allows to be kept, and how long a token of any of `issuers` can be valid.
fn revocation_limits<'a>(
    config: &Config,
    issuers: impl Iterator<Item = &'a Issuer>,
) -> revocation::Limits {
    let leeway = issuers.map(|issuer| issuer.settings.leeway).max();
    let config = &config.revocation;
    // Once for a token that says it was issued in our future, once for its end.
    let leeway = leeway.unwrap_or_default().saturating_mul(2);
    revocation::Limits {
        bytes: config.max_memory.get(),
        keep: config.max_token_life.get().saturating_add(leeway),
        max_stale: config.max_stale.map(Span::get),
    }
}

/// The list there was, with these limits from now on, else an empty one.
fn keep_revocations(limits: revocation::Limits, kept: Option<&Revocations>) -> Option<Revocations> {
    match kept {
        Some(kept) => Some(kept.with(limits)),
        None => Revocations::new(limits),
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
