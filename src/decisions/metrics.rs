//! What became of the decision log's lines.

use prometheus::{IntCounter, Registry};

use crate::telemetry::counters;

/// Lines by what became of them.
#[derive(Clone, Debug)]
pub struct Metrics {
    /// Handed to the file or to standard output.
    pub(super) written: IntCounter,
    /// Left out because the queue was full.
    pub(super) dropped: IntCounter,
    /// Left out because they could not be written.
    pub(super) failed: IntCounter,
}

impl Metrics {
    /// Adds the decision log's series to `registry`.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let lines = counters(
            registry,
            "subzero_decision_log_total",
            "Lines of the decision log by outcome.",
            &["outcome"],
        )?;
        let of = |outcome: &str| lines.with_label_values(&[outcome]);
        Ok(Self {
            written: of("written"),
            dropped: of("dropped"),
            failed: of("failed"),
        })
    }
}
