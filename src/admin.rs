//! The operator's door: metrics, health, the configuration in force, the last decisions.
//!
//! It runs on a runtime and a thread of its own, so that a slow scrape never delays a check.
//! Nothing secret is shown: secrets live in files, and the configuration holds only their paths.

mod decisions;
mod failures;

use std::{
    collections::BTreeMap,
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use prometheus::{Encoder, Registry, TextEncoder};
use serde_json::{Value, json};

use crate::{
    decisions::Recorder,
    dispatch::{Dispatcher, Table},
    ext_authz::Serving,
    identity,
    store::Store,
    upstream::{self, Standing},
};

/// What the pages show.
#[derive(Debug)]
pub struct Status {
    /// The configuration in force, compiled.
    pub serving: Arc<ArcSwap<Serving>>,
    /// The configuration in force, as `/config` shows it.
    pub config: ArcSwap<Value>,
    /// What became of the last reload; `None` before the first.
    pub last_reload: ArcSwap<Option<Result<(), Vec<String>>>>,
    /// Off before the first check can be answered and again while draining.
    pub ready: AtomicBool,
    /// Every series.
    pub registry: Registry,
    /// Gauges of key ages are computed when they are read.
    pub identity: identity::Metrics,
    /// Which services are left alone.
    pub upstream: upstream::Metrics,
    /// Where work runs, and why.
    pub dispatcher: Dispatcher,
    /// What was decided.
    pub recorder: Recorder,
    /// What replicas share; `None` where nothing is kept.
    pub store: Option<Store>,
}

/// Serves the pages until the process ends.
pub async fn serve(listener: TcpListener, status: Arc<Status>) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let pages = Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/healthz", get(async || "alive\n"))
        .route("/readyz", get(readiness))
        .route("/config", get(config))
        .route("/dispatch", get(dispatch))
        .route("/failure-table", get(async || Json(failures::TABLE)))
        .merge(decisions::pages())
        .with_state(status);
    axum::serve(listener, pages).await
}

async fn index() -> Html<&'static str> {
    Html(concat!(
        "<!doctype html><meta charset=utf-8><title>subzero</title><h1>subzero ",
        env!("CARGO_PKG_VERSION"),
        "</h1><ul>",
        "<li><a href=/metrics>metrics</a>: for Prometheus",
        "<li><a href=/healthz>healthz</a>: the process is alive",
        "<li><a href=/readyz>readyz</a>: checks are answered; issuers and the last reload",
        "<li><a href=/config>config</a>: the configuration in force",
        "<li><a href=/dispatch>dispatch</a>: where work runs, and why",
        "<li><a href=/failure-table>failure-table</a>: what is decided when something fails",
        "<li><a href=/decisions>decisions</a>: the last ones; /decisions/ID tells why",
        "<li><a href=/analytics?window=5m>analytics</a>: what they add up to, up to 1h",
        "</ul>",
    ))
}

async fn metrics(State(status): State<Arc<Status>>) -> Response {
    let serving = status.serving.load_full();
    status.identity.refresh(serving.pipeline.verifier());
    serving.pipeline.authorizer().refresh();
    serving.pipeline.assessor().refresh();
    status.dispatcher.refresh();
    let mut text = Vec::new();
    match TextEncoder::new().encode(&status.registry.gather(), &mut text) {
        Ok(()) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// 200 while checks are answered. An issuer without keys is told, not failed: its tokens are
/// denied, and taking the whole process out of service would deny everybody else's too.
async fn readiness(State(status): State<Arc<Status>>) -> Response {
    let ready = status.ready.load(Ordering::Acquire);
    let serving = status.serving.load_full();
    let issuers = serving.pipeline.verifier().readiness();
    let permission = match serving.pipeline.authorizer().readiness() {
        None => json!("none or embedded"),
        Some(Ok(())) => json!("ready"),
        Some(Err(why)) => json!({ "failed": why }),
    };
    let reload = match &**status.last_reload.load() {
        None => json!("none"),
        Some(Ok(())) => json!("ok"),
        Some(Err(problems)) => json!({ "failed": problems }),
    };
    let redis = status.store.as_ref().and_then(Store::health);
    let is_away = redis.as_ref().is_some_and(|redis| !redis.connected);
    let breakers = status.upstream.breakers();
    let is_shut = |(_, standing): &(String, Standing)| *standing != Standing::Closed;
    let degraded = breakers.iter().any(is_shut)
        || issuers.iter().any(|issuer| !issuer.ready)
        || permission.is_object()
        || reload.is_object()
        || is_away;
    let word = match (ready, degraded) {
        (false, _) => "not ready",
        (true, true) => "degraded",
        (true, false) => "ready",
    };
    let issuers: Vec<Value> = issuers
        .iter()
        .map(|issuer| json!({ "issuer": issuer.name, "ready": issuer.ready, "detail": issuer.detail }))
        .collect();
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let breakers: BTreeMap<String, &str> = breakers
        .into_iter()
        .map(|(upstream, standing)| (upstream, standing.as_str()))
        .collect();
    let mut page = json!({
        "status": word,
        "issuers": issuers,
        "breakers": breakers,
        "permission": permission,
        "last_reload": reload,
    });
    if let Some(redis) = redis {
        page["redis"] = json!({ "ready": redis.connected, "detail": redis.detail });
    }
    (code, Json(page)).into_response()
}

async fn config(State(status): State<Arc<Status>>) -> Json<Value> {
    Json(Value::clone(&status.config.load()))
}

/// Costs, hand-off, break-evens and choices as they are believed right now.
async fn dispatch(State(status): State<Arc<Status>>) -> Json<Table> {
    Json(status.dispatcher.table())
}

/// Asks `url` whether it is ready.
///
/// # Errors
///
/// What was answered instead of success, or why nothing was.
pub async fn probe(url: &str) -> Result<String, String> {
    let client = reqwest::Client::builder()
        .timeout(PROBE_TIMEOUT)
        .no_proxy()
        .build()
        .map_err(|error| error.to_string())?;
    let response = client
        .get(url)
        .send()
        .await
        .map_err(|error| format!("{url}: {error}"))?;
    let status = response.status();
    let body = response.text().await.unwrap_or_default();
    if status.is_success() {
        Ok(body)
    } else {
        Err(format!("{url}: {status}: {body}"))
    }
}

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
