//! How old key sets are, how fetching them goes, and how often a token was known.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::Verifier;
use crate::{
    coalesce,
    dispatch::{Dispatcher, Operation},
    telemetry::{self, CacheSeries},
    upstream::{self, Series},
};

/// This step's series. Cheap to clone: clones share the series.
#[derive(Clone, Debug)]
pub struct Metrics {
    age: IntGaugeVec,
    cache_bytes: IntGauge,
    caches: (IntCounterVec, IntGaugeVec),
    coalesced: coalesce::Metrics,
    pub(super) cache_hits: IntCounter,
    pub(super) cache_misses: IntCounter,
    revocations: IntGauge,
    /// The issuers shown, so that one removed by a reload disappears. Held while setting gauges.
    shown: Arc<Mutex<BTreeSet<String>>>,
    upstream: upstream::Metrics,
    /// Who counts what was waited for, too.
    waits: Option<Dispatcher>,
}

impl Metrics {
    /// Adds this step's families to `registry`; fetches are counted in `upstream`, and questions
    /// asked once for several callers in `coalesced`.
    pub fn register(
        registry: &Registry,
        upstream: upstream::Metrics,
        coalesced: coalesce::Metrics,
    ) -> prometheus::Result<Self> {
        let help = "Time since the issuer's key set was fetched or found unchanged; without a set, since start.";
        let requests = telemetry::counters(
            registry,
            "subzero_cache_requests_total",
            "Look-ups in caches: answered from there, or not.",
            &["cache", "outcome"],
        )?;
        let bytes = telemetry::gauges(
            registry,
            "subzero_cache_bytes",
            "What caches hold, estimated.",
            &["cache"],
        )?;
        let revocations = IntGauge::new(
            "subzero_revocations",
            "Revocations that are kept: tokens, sessions, subjects or times.",
        )?;
        registry.register(Box::new(revocations.clone()))?;
        Ok(Self {
            revocations,
            cache_bytes: bytes.with_label_values(&["token"]),
            cache_hits: requests.with_label_values(&["token", "hit"]),
            cache_misses: requests.with_label_values(&["token", "miss"]),
            caches: (requests, bytes),
            coalesced,
            age: telemetry::gauges(registry, "subzero_keys_age_seconds", help, &["issuer"])?,
            shown: Arc::default(),
            upstream,
            waits: None,
        })
    }

    /// The same; from now on `dispatcher` counts every fetch of keys and every question to a token
    /// endpoint as waited for, on behalf of tokens.
    #[must_use]
    pub fn waiting_through(self, dispatcher: &Dispatcher) -> Self {
        Self {
            waits: Some(dispatcher.clone()),
            ..self
        }
    }

    /// The series of another cache in the families that all caches share, each at 0.
    #[must_use]
    pub fn cache(&self, name: &str) -> CacheSeries {
        let (requests, bytes) = &self.caches;
        CacheSeries {
            bytes: bytes.with_label_values(&[name]),
            hits: requests.with_label_values(&[name, "hit"]),
            misses: requests.with_label_values(&[name, "miss"]),
        }
    }

    /// The families that all caches share, for whoever counts more than hits and misses.
    #[must_use]
    pub fn cache_families(&self) -> (IntCounterVec, IntGaugeVec) {
        self.caches.clone()
    }

    /// Brings ages and sizes up to now: call it before each scrape, with the verifier in use.
    pub fn refresh(&self, verifier: &Verifier) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let now: BTreeSet<String> = verifier.issuers.keys().cloned().collect();
        for gone in shown.difference(&now) {
            // It may have been removed before, which is as good.
            let _absent = self.age.remove_label_values(&[gone]);
        }
        for (name, issuer) in &verifier.issuers {
            let age = i64::try_from(issuer.age().as_secs()).unwrap_or(i64::MAX);
            self.age.with_label_values(&[name]).set(age);
        }
        *shown = now;
        let revocations = i64::try_from(verifier.revocations.len()).unwrap_or(i64::MAX);
        self.revocations.set(revocations);
        let held = verifier.cache.as_ref().map_or(0, |cache| cache.size());
        self.cache_bytes
            .set(i64::try_from(held).unwrap_or(i64::MAX));
    }

    /// The series that count what is done once for several callers.
    pub(super) fn coalesced(&self) -> &coalesce::Metrics {
        &self.coalesced
    }

    /// The series that count questions to one issuer's token endpoint.
    pub(super) fn token_endpoint(&self, issuer: &str) -> Series {
        self.waited(&format!("token:{issuer}"))
    }

    /// The series that count questions to one issuer about opaque tokens.
    pub(super) fn introspection(&self, issuer: &str) -> Series {
        self.upstream.guarded(&format!("introspection:{issuer}"))
    }

    /// The series that count fetches for one issuer.
    pub(super) fn fetches(&self, issuer: &str) -> Series {
        self.waited(&format!("keys:{issuer}"))
    }

    fn waited(&self, upstream: &str) -> Series {
        let series = self.upstream.guarded(upstream);
        match self.waits.clone() {
            Some(waits) => series.watched(move |took| waits.waited(Operation::Jwt, took)),
            None => series,
        }
    }
}
