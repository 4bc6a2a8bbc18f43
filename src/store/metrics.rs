//! How often answers were found, and where.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use crate::upstream;

/// The families that the store counts in. Clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: IntCounterVec,
    bytes: IntGaugeVec,
    upstream: upstream::Metrics,
}

/// One space's series.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) bytes: IntGauge,
    /// Nobody knows: Redis did not answer.
    pub(super) errors: IntCounter,
    /// In memory.
    pub(super) hits: IntCounter,
    /// Neither here nor there.
    pub(super) misses: IntCounter,
    /// In Redis.
    pub(super) shared: IntCounter,
    /// In Redis, of another version or not ours at all. Counted as a miss, too.
    pub(super) unusable: IntCounter,
}

impl Metrics {
    /// Counts in the families that all caches share, and in those of all upstreams.
    #[must_use]
    pub fn new(
        (requests, bytes): (IntCounterVec, IntGaugeVec),
        upstream: upstream::Metrics,
    ) -> Self {
        Self {
            requests,
            bytes,
            upstream,
        }
    }

    /// Counts that nobody reads, for commands and tests.
    ///
    /// # Panics
    ///
    /// Never: an empty registry takes every series.
    #[must_use]
    pub fn unread() -> Self {
        let registry = Registry::new();
        let made = || {
            Ok::<_, prometheus::Error>(Self {
                requests: crate::telemetry::counters(&registry, "a", "a", &["cache", "outcome"])?,
                bytes: crate::telemetry::gauges(&registry, "b", "b", &["cache"])?,
                upstream: upstream::Metrics::register(&registry)?,
            })
        };
        made().expect("an empty registry takes every series")
    }

    /// The series of one space, each at 0.
    pub(super) fn series(&self, space: &str) -> Series {
        let outcome = |name| self.requests.with_label_values(&[space, name]);
        Series {
            bytes: self.bytes.with_label_values(&[space]),
            errors: outcome("error"),
            hits: outcome("hit"),
            misses: outcome("miss"),
            shared: outcome("shared"),
            unusable: outcome("unusable"),
        }
    }

    /// The series of Redis as an upstream.
    pub(super) fn redis(&self) -> upstream::Series {
        self.upstream.guarded("redis")
    }
}
