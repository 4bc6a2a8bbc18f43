//! A configuration into everything that answers checks.

use std::sync::Arc;

use prometheus::{IntCounterVec, Registry};

use super::runtime::MAX_BODY_BYTES;
use crate::{
    admission::{self, Admission},
    api,
    clock::Clock,
    coalesce,
    config::{Config, Loaded},
    decisions::{self, Recorder},
    dispatch::{self, Dispatcher},
    ext_authz::{Limits, Serving},
    identity::{self, Verifier},
    permission::{self, Authorizer},
    pipeline::{self, Pipeline},
    policy::Policy,
    problem::Problem,
    risk::{self, Assessor},
    screening::{self, Screener},
    store::{self, Store},
    telemetry::{counters, gauges},
    upstream,
};

/// Every feature's metrics. They outlive reloads, so counters never go back.
#[derive(Clone, Debug)]
pub(super) struct Instruments {
    pub(super) registry: Registry,
    pub(super) identity: identity::Metrics,
    pub(super) permission: permission::Metrics,
    pub(super) screening: screening::Metrics,
    pub(super) risk: risk::Metrics,
    pub(super) pipeline: pipeline::Metrics,
    pub(super) dispatcher: Dispatcher,
    pub(super) decisions: decisions::Metrics,
    pub(super) reloads: IntCounterVec,
    store_metrics: store::Metrics,
    pub(super) upstream: upstream::Metrics,
    /// `None` where nothing is shared or kept: while a configuration is only looked at.
    pub(super) store: Option<Store>,
}

impl Instruments {
    pub(super) fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let build = gauges(
            &registry,
            "subzero_build_info",
            "Always 1; the labels tell the build.",
            &["version"],
        )?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let reloads = counters(
            &registry,
            "subzero_config_reloads_total",
            "Configuration reloads by outcome; a failed one keeps the old configuration.",
            &["outcome"],
        )?;
        for outcome in ["ok", "failed"] {
            reloads.with_label_values(&[outcome]).inc_by(0);
        }
        let coalesced = coalesce::Metrics::register(&registry)?;
        let upstream = upstream::Metrics::register(&registry)?;
        let identity = identity::Metrics::register(&registry, upstream.clone(), coalesced.clone())?;
        let identity_caches = identity.cache_families();
        Ok(Self {
            permission: permission::Metrics::register(
                &registry,
                &upstream,
                identity.cache("permission"),
                coalesced.clone(),
            )?,
            risk: risk::Metrics::register(&registry, identity.cache("risk"))?,
            screening: screening::Metrics::register(&registry)?
                .with_cache(identity.cache("screening")),
            identity,
            pipeline: pipeline::Metrics::register(&registry, coalesced)?,
            dispatcher: Dispatcher::in_place(),
            decisions: decisions::Metrics::register(&registry)?,
            reloads,
            store_metrics: store::Metrics::new(identity_caches, upstream.clone()),
            upstream,
            store: None,
            registry,
        })
    }
}

impl Instruments {
    /// Who may come in, as `config` has it. Once: its limit is a series.
    pub(super) fn admission(&self, config: admission::Config) -> prometheus::Result<Admission> {
        let metrics = admission::Metrics::register(&self.registry, self.dispatcher.shed())?;
        Ok(Admission::new(config, metrics))
    }

    /// The same, with a pool as `config` has it.
    pub(super) fn with_pool(self, config: &dispatch::Config) -> anyhow::Result<Self> {
        let metrics = dispatch::Metrics::register(&self.registry)?;
        let dispatcher = Dispatcher::new(config, metrics)
            .map_err(|error| anyhow::anyhow!("cannot start the pool: {error}"))?;
        Ok(Self {
            identity: self.identity.waiting_through(&dispatcher),
            dispatcher,
            ..self
        })
    }

    /// The same, with the store that `loaded` describes. Begins to connect.
    pub(super) fn with_store(self, loaded: &Loaded) -> Result<Self, Vec<Problem>> {
        let (config, metrics) = (&loaded.config.store, self.store_metrics.clone());
        let opened = Store::open(config, &loaded.base_dir, metrics, self.dispatcher.clone());
        let store = opened.map_err(|found| {
            let found = found.into_iter();
            found
                .map(|problem| problem.within("store"))
                .collect::<Vec<_>>()
        })?;
        Ok(Self {
            store: Some(store),
            ..self
        })
    }
}

/// Compiles all of `loaded`, or lists everything that is wrong with it.
pub(super) fn build_all(
    loaded: &Loaded,
    instruments: &Instruments,
    previous: Option<&Serving>,
) -> Result<(Serving, api::Settings), Vec<Problem>> {
    let mut problems = Vec::new();
    let settings = api::Settings::load(&loaded.config.api, &loaded.base_dir);
    let settings = keep(settings, "api", &mut problems);
    match (build(loaded, instruments, previous), settings) {
        (Ok(serving), Some(settings)) => Ok((serving, settings)),
        (serving, _) => {
            problems.splice(0..0, serving.err().unwrap_or_default());
            Err(problems)
        }
    }
}

/// Compiles what answers checks. Keys that `previous` holds stay warm.
pub(super) fn build(
    loaded: &Loaded,
    instruments: &Instruments,
    previous: Option<&Serving>,
) -> Result<Serving, Vec<Problem>> {
    let (config, base_dir) = (&loaded.config, loaded.base_dir.as_path());
    let mut problems = out_of_bounds(config);
    let dispatch = config.dispatch.problems().into_iter();
    problems.extend(dispatch.map(|problem| problem.within("dispatch")));
    let admission = config.admission.problems().into_iter();
    problems.extend(admission.map(|problem| problem.within("admission")));
    let upstream = config.upstream.problems().into_iter();
    problems.extend(upstream.map(|problem| problem.within("upstream")));
    let store = config.store.problems(base_dir).into_iter();
    problems.extend(store.map(|problem| problem.within("store")));
    let settled = decisions::settle(config.decisions, &config.decision_log, base_dir);
    problems.extend(settled.err().unwrap_or_default());
    let known = previous.map(|serving| serving.pipeline.verifier().as_ref());
    let verifier = Verifier::new(
        &config.identity,
        base_dir,
        Clock::System,
        instruments.identity.clone(),
        known,
    );
    let verifier = keep(verifier, "identity", &mut problems);
    let store = instruments.store.as_ref();
    let verifier = verifier.map(|verifier| match store {
        Some(store) => verifier.sharing(store),
        None => verifier,
    });
    let authorizer = keep(
        Authorizer::new(
            &config.permission,
            base_dir,
            &instruments.permission,
            &instruments.dispatcher,
            previous.map(|serving| serving.pipeline.authorizer().as_ref()),
        ),
        "permission",
        &mut problems,
    );
    let authorizer = authorizer.map(|authorizer| match store {
        Some(store) => authorizer.sharing(store),
        None => authorizer,
    });
    let screener = keep(
        Screener::new(&config.screening, instruments.screening.clone()),
        "screening",
        &mut problems,
    );
    let known = previous.map(|serving| serving.pipeline.assessor().as_ref());
    let assessor = Assessor::new(&config.risk, Clock::System, instruments.risk.clone(), known);
    let assessor = keep(assessor, "risk", &mut problems);
    let assessor = assessor.map(|assessor| match store {
        Some(store) => assessor.sharing(store),
        None => assessor,
    });
    let policy = authorizer.as_ref().and_then(|authorizer| {
        let policy = Policy::new(
            &config.routes,
            &config.route_defaults,
            &config.identity,
            authorizer,
        );
        policy.map_err(|found| problems.extend(found)).ok()
    });
    match (policy, verifier, authorizer, screener, assessor) {
        (Some(policy), Some(verifier), Some(authorizer), Some(screener), Some(assessor))
            if problems.is_empty() =>
        {
            let pipeline = Pipeline::new(
                policy,
                Arc::new(verifier),
                Arc::new(authorizer),
                Arc::new(screener),
                Arc::new(assessor),
                instruments.dispatcher.clone(),
                &instruments.pipeline,
            );
            let limits = Limits {
                deadline: config.limits.deadline.get(),
                max_body_bytes: config.screening.max_body.get(),
            };
            Ok(Serving { pipeline, limits })
        }
        _ => Err(problems),
    }
}

/// Starts keeping what is decided, for checks on `threads` threads.
pub(super) fn record(
    loaded: &Loaded,
    instruments: &Instruments,
    threads: usize,
) -> Result<Recorder, Vec<Problem>> {
    let (config, base_dir) = (&loaded.config, loaded.base_dir.as_path());
    let settings = decisions::settle(config.decisions, &config.decision_log, base_dir)?;
    Recorder::start(settings, &instruments.decisions, threads).map_err(|error| {
        let message = format!("its thread cannot be started: {error}");
        vec![Problem::new("decision_log", message)]
    })
}

/// What no feature can see by itself.
fn out_of_bounds(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    if config.listen.grpc.is_empty() {
        problems.push(Problem::new(
            "listen.grpc",
            "names no address, so nobody can ask; add one",
        ));
    }
    let is_fenced = config.api.keys_file.is_some() || config.api.tls.asks_for_certificates();
    if !config.listen.http.ip().is_loopback() && !is_fenced {
        let message = format!(
            "`{}` is open to others, who could ask anything; use 127.0.0.1 or [::1], or set `api.keys_file` or `api.tls.client_ca_file`",
            config.listen.http
        );
        problems.push(Problem::new("listen.http", message));
    }
    if config.screening.max_body.get() > MAX_BODY_BYTES {
        let message = format!(
            "`{}` is more than is ever taken in; the most is 32MiB",
            config.screening.max_body
        );
        problems.push(Problem::new("screening.max_body", message));
    }
    problems
}

fn keep<T>(
    result: Result<T, Vec<Problem>>,
    section: &str,
    problems: &mut Vec<Problem>,
) -> Option<T> {
    result
        .map_err(|found| problems.extend(found.into_iter().map(|problem| problem.within(section))))
        .ok()
}
