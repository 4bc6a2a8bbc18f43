//! What every feature needs to be seen: the registry's buckets and helpers.

mod log;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

pub use self::log::{Format, Level, LogConfig, start_logging};

/// Upper bounds in seconds for anything that happens inside a check: 10 µs to 2 s. A cached check
/// takes tens of microseconds and Envoy gives up within a second, so both ends matter.
pub const LATENCY_BUCKETS: [f64; 17] = [
    10e-6, 20e-6, 50e-6, 100e-6, 200e-6, 500e-6, 1e-3, 2e-3, 5e-3, 10e-3, 20e-3, 50e-3, 0.1, 0.2,
    0.5, 1.0, 2.0,
];

/// One cache's part of `subzero_cache_bytes` and `subzero_cache_requests_total`.
#[derive(Clone, Debug)]
pub struct CacheSeries {
    /// What it holds, estimated.
    pub bytes: IntGauge,
    /// Look-ups that were answered from it.
    pub hits: IntCounter,
    /// Look-ups that were not.
    pub misses: IntCounter,
}

/// Adds a counter family to `registry`.
pub fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(counters.clone()))?;
    Ok(counters)
}

/// Adds a gauge family to `registry`.
pub fn gauges(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntGaugeVec> {
    let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(gauges.clone()))?;
    Ok(gauges)
}

/// Adds a family of latency histograms, in seconds, to `registry`.
pub fn latencies(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<HistogramVec> {
    let opts = HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec());
    let histograms = HistogramVec::new(opts, labels)?;
    registry.register(Box::new(histograms.clone()))?;
    Ok(histograms)
}

/// Adds one latency histogram, in seconds, to `registry`.
pub fn latency(registry: &Registry, name: &str, help: &str) -> prometheus::Result<Histogram> {
    let histogram =
        Histogram::with_opts(HistogramOpts::new(name, help).buckets(LATENCY_BUCKETS.to_vec()))?;
    registry.register(Box::new(histogram.clone()))?;
    Ok(histogram)
}
