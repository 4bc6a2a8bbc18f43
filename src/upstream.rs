//! Asks other services, for documents or with a form: bounded, timed, counted, and never where it must not go.
//!
//! A document's address often comes from someone else (a discovery document names the key set's),
//! so it is not to be trusted: redirects are not followed, proxies from the environment are not
//! used, and addresses that are not public are refused unless the operator allows them. The check
//! is made on the address that is really dialled, so a name that changes its mind between check
//! and use gains nothing.
//!
//! Certificates are checked against the system's; for a private CA set `SSL_CERT_FILE`.
//!
//! # Cost
//!
//! Building the client reads the system's CA certificates: about 10 ms, once, on first use. Use it
//! on the control runtime or the API's, never on one that answers checks.

mod address;
mod budget;
mod call;
mod cause;
mod fetch;

use std::{fmt, sync::Arc, time::Duration};

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, Registry};

use crate::telemetry;

pub use self::{
    address::is_public,
    budget::Budget,
    call::{Call, Reply},
    cause::{Cause, Error},
    fetch::{Fetcher, Form, Limits, Reach},
};

/// How calls to other services end and how long they take.
#[derive(Clone, Debug)]
pub struct Metrics {
    durations: HistogramVec,
    requests: IntCounterVec,
}

impl Metrics {
    /// Adds the two families to `registry`; each upstream's series appear with [`Metrics::series`].
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            durations: telemetry::latencies(
                registry,
                "subzero_upstream_duration_seconds",
                "How long calls to other services take.",
                &["upstream"],
            )?,
            requests: telemetry::counters(
                registry,
                "subzero_upstream_requests_total",
                "Calls to other services by outcome: ok or the class of the cause.",
                &["upstream", "outcome"],
            )?,
        })
    }

    /// The series of one upstream, every outcome at zero. `upstream` is a name from the
    /// configuration, never from a request.
    #[must_use]
    pub fn series(&self, upstream: &str) -> Series {
        let outcome = |name: &str| self.requests.with_label_values(&[upstream, name]);
        Series {
            duration: self.durations.with_label_values(&[upstream]),
            failed: Cause::ALL.map(|cause| outcome(cause.as_str())),
            ok: outcome("ok"),
            watcher: None,
        }
    }
}

/// One upstream's series, resolved.
#[derive(Clone)]
pub struct Series {
    duration: Histogram,
    failed: [IntCounter; Cause::ALL.len()],
    ok: IntCounter,
    watcher: Option<Arc<dyn Fn(Duration) + Send + Sync>>,
}

impl Series {
    /// The same, with `watcher` told how long each call took, for those who count waiting elsewhere.
    #[must_use]
    pub fn watched(self, watcher: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        Self {
            watcher: Some(Arc::new(watcher)),
            ..self
        }
    }

    /// Counts one call that took `seconds`.
    pub fn record<T>(&self, outcome: &Result<T, Error>, seconds: f64) {
        self.duration.observe(seconds);
        if let Some(watcher) = &self.watcher {
            watcher(Duration::try_from_secs_f64(seconds).unwrap_or_default());
        }
        match outcome {
            Ok(_) => self.ok.inc(),
            Err(error) => self.failed[error.cause() as usize].inc(),
        }
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Series").finish_non_exhaustive()
    }
}
