//! What permissions are asked of a server, and what is known of its answers.

use prometheus::{Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, Registry};

use crate::{
    coalesce,
    telemetry::{CacheSeries, counters},
    upstream::{self, Series},
};

/// This step's series. Cheap to clone: clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(super) ages: Histogram,
    pub(super) cache: CacheSeries,
    pub(super) coalesce: coalesce::Metrics,
    pub(super) gather: [IntCounter; 2],
    pub(super) gathered: Histogram,
    pub(super) model_changes: IntCounter,
    pub(super) newer_model: IntGauge,
    pub(super) hedges: IntCounter,
    pub(super) retries: IntCounter,
    pub(super) server: Series,
    pub(super) tokens: Series,
}

impl Metrics {
    /// Adds this step's families to `registry`; calls are counted in `upstream`, look-ups in `cache`.
    pub fn register(
        registry: &Registry,
        upstream: &upstream::Metrics,
        cache: CacheSeries,
        coalesce: coalesce::Metrics,
    ) -> prometheus::Result<Self> {
        let histogram = |name: &str, help: &str, buckets: &[f64]| {
            let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            let histogram = Histogram::with_opts(opts)?;
            registry.register(Box::new(histogram.clone()))?;
            prometheus::Result::Ok(histogram)
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            prometheus::Result::Ok(counter)
        };
        let choices: IntCounterVec = counters(
            registry,
            "subzero_permission_gather_total",
            "Checks to the server by how they were sent: alone at once, or gathered with others.",
            &["choice"],
        )?;
        let newer_model = IntGauge::new(
            "subzero_permission_newer_model",
            "1 while the server has a newer model than the one that answers.",
        )?;
        registry.register(Box::new(newer_model.clone()))?;
        Ok(Self {
            ages: histogram(
                "subzero_permission_answer_age_seconds",
                "Age of the kept answers that were used.",
                &[0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 60.0],
            )?,
            cache,
            coalesce,
            gather: ["alone", "gathered"].map(|choice| choices.with_label_values(&[choice])),
            gathered: histogram(
                "subzero_permission_gathered_items",
                "Checks in one request that were gathered or asked for together.",
                &[1.0, 2.0, 5.0, 10.0, 20.0, 35.0, 50.0],
            )?,
            model_changes: counter(
                "subzero_permission_model_changes_total",
                "Times that another model of the server's was taken over.",
            )?,
            newer_model,
            hedges: counter(
                "subzero_permission_hedges_total",
                "Questions to the server that were put a second time while the first was under way.",
            )?,
            retries: counter(
                "subzero_permission_retries_total",
                "Calls to the server that were tried again.",
            )?,
            server: upstream.guarded("openfga"),
            tokens: upstream.guarded("token:openfga"),
        })
    }

    /// Series that nobody looks at.
    pub(super) fn unseen() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let cache = CacheSeries {
            bytes: IntGauge::new("bytes", "bytes")?,
            hits: IntCounter::new("hits", "hits")?,
            misses: IntCounter::new("misses", "misses")?,
        };
        let upstream = upstream::Metrics::register(&registry)?;
        let coalesce = coalesce::Metrics::register(&registry)?;
        Self::register(&registry, &upstream, cache, coalesce)
    }
}
