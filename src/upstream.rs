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
mod breaker;
mod budget;
mod call;
mod cause;
mod fetch;
mod hedge;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use arc_swap::ArcSwap;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Registry};
use serde::{Deserialize, Serialize};

use crate::{problem::Problem, telemetry};

pub use self::{
    address::is_public,
    breaker::{Attempt, Breaker, BreakerConfig, Standing},
    budget::Budget,
    call::{Call, Reply},
    cause::{Cause, Error},
    fetch::{Fetcher, Form, Limits, Reach},
    hedge::hedged,
};

/// How other services are asked. Defaults: `config/default.yaml`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// When one that fails is left alone.
    pub breaker: BreakerConfig,
}

impl Config {
    /// What is out of bounds.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let problems = self.breaker.problems().into_iter();
        problems.map(|problem| problem.within("breaker")).collect()
    }
}

/// How calls to other services end and how long they take, and which services are left alone.
#[derive(Clone, Debug)]
pub struct Metrics {
    breakers: Arc<Mutex<BTreeMap<String, Breaker>>>,
    breaker_states: IntGaugeVec,
    durations: HistogramVec,
    requests: IntCounterVec,
    settings: breaker::Settings,
}

impl Metrics {
    /// Adds the families to `registry`; each upstream's series appear with [`Metrics::series`].
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            breakers: Arc::default(),
            breaker_states: telemetry::gauges(
                registry,
                "subzero_breaker_state",
                "Whether a service may be asked: 0 closed (yes), 1 half-open (a few probes), 2 open.",
                &["upstream"],
            )?,
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
            settings: Arc::new(ArcSwap::from_pointee(None)),
        })
    }

    /// From now on breakers open as `config` says. Before the first call, none does.
    pub fn configure(&self, config: &Config) {
        self.settings.store(Arc::new(Some(config.breaker)));
    }

    /// The series of one upstream with its breaker, which is the same for all who ask for it.
    #[must_use]
    pub fn guarded(&self, upstream: &str) -> Series {
        let mut breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let breaker = breakers.entry(upstream.to_owned()).or_insert_with(|| {
            let gauge = self.breaker_states.with_label_values(&[upstream]);
            Breaker::new(Arc::clone(&self.settings), gauge)
        });
        Series {
            breaker: Some(breaker.clone()),
            ..self.series(upstream)
        }
    }

    /// Where each breaker stands, by upstream.
    #[must_use]
    pub fn breakers(&self) -> Vec<(String, Standing)> {
        let breakers = self.breakers.lock().unwrap_or_else(PoisonError::into_inner);
        let all = breakers.iter();
        all.map(|(name, breaker)| (name.clone(), breaker.standing()))
            .collect()
    }

    /// The series of one upstream, every outcome at zero. `upstream` is a name from the
    /// configuration, never from a request.
    #[must_use]
    pub fn series(&self, upstream: &str) -> Series {
        let outcome = |name: &str| self.requests.with_label_values(&[upstream, name]);
        Series {
            breaker: None,
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
    breaker: Option<Breaker>,
    duration: Histogram,
    failed: [IntCounter; Cause::ALL.len()],
    ok: IntCounter,
    watcher: Option<Arc<dyn Fn(Duration) + Send + Sync>>,
}

impl Series {
    /// A call that may be made now, to be ended; counted as [`Cause::Open`] if it may not.
    ///
    /// # Errors
    ///
    /// That the breaker is open.
    pub fn begin(&self) -> Result<Option<Attempt>, Error> {
        let Some(breaker) = &self.breaker else {
            return Ok(None);
        };
        let call = breaker.begin().ok_or_else(|| {
            self.failed[Cause::Open as usize].inc();
            Error::Open
        })?;
        Ok(Some(call))
    }

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
