//! The limit, and who was turned away by it.

use prometheus::{IntCounter, IntGauge, Registry};

use crate::{dispatch::Lane, telemetry::gauges};

/// Series of admission.
#[derive(Clone, Debug)]
pub struct Metrics {
    limit: IntGauge,
    /// `subzero_shed_total`, which counts what a full queue turns away as well.
    pub(super) shed: [IntCounter; Lane::ALL.len()],
}

impl Metrics {
    /// Adds the limit to `registry`; `shed` counts those turned away, by lane.
    pub fn register(
        registry: &Registry,
        shed: [IntCounter; Lane::ALL.len()],
    ) -> prometheus::Result<Self> {
        let limit = gauges(
            registry,
            "subzero_admission_limit",
            "Checks and calls that may be in flight at once, as measured.",
            &[],
        )?;
        Ok(Self {
            limit: limit.with_label_values::<&str>(&[]),
            shed,
        })
    }

    pub(super) fn limit(&self, limit: usize) {
        self.limit.set(i64::try_from(limit).unwrap_or(i64::MAX));
    }

    pub(super) fn shed(&self, lane: Lane) {
        self.shed[lane as usize].inc();
    }
}
