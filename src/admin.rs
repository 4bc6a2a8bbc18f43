//! The operator's door: metrics, health, the configuration in force, the last decisions.
//!
//! It runs on a runtime and a thread of its own, so that a slow scrape never delays a check.
//! Nothing secret is shown: secrets live in files, and the configuration holds only their paths.

mod decisions;
mod failures;
mod home;
mod readiness;

use std::{
    net::TcpListener,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus::{Encoder, Registry, TextEncoder};
use serde_json::Value;

use crate::{
    decisions::Recorder,
    dispatch::{Dispatcher, Table},
    ext_authz::Serving,
    identity,
    store::Store,
    upstream,
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
        .route("/", get(home::page))
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

async fn metrics(State(status): State<Arc<Status>>) -> Response {
    let serving = status.serving.load_full();
    status.identity.refresh(serving.pipeline.verifier());
    serving.pipeline.authorizer().refresh();
    serving.pipeline.assessor().refresh();
    serving.pipeline.screener().refresh();
    status.dispatcher.refresh();
    let mut text = Vec::new();
    match TextEncoder::new().encode(&status.registry.gather(), &mut text) {
        Ok(()) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// 200 while checks are answered.
async fn readiness(State(status): State<Arc<Status>>) -> Response {
    let readiness = status.readiness();
    let code = if readiness.word == "not ready" {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (code, Json(readiness.page)).into_response()
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
