//! A server's store with a relay before it that can be told to misbehave, and that counts.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{support::openfga::OpenFga, *};
use crate::verdict::Reason;

/// How the relay behaves.
#[derive(Clone, Debug)]
pub(super) enum Weather {
    Fine,
    /// Passes on after this long.
    Slow(Duration),
    /// Answers so by itself, so many times; then it is fine.
    Says(usize, u16, &'static str),
    /// Asks to be left alone for a second, once.
    Busy,
    /// Sends elsewhere.
    Moved,
    /// More than is ever read.
    Endless,
}

#[derive(Debug)]
pub(super) struct Relay {
    asked: AtomicUsize,
    batches: AtomicUsize,
    to: std::net::SocketAddr,
    weather: Mutex<Weather>,
}

impl Relay {
    /// A relay to `server`, and its address.
    pub(super) async fn start(server: &OpenFga) -> (Arc<Self>, String) {
        let relay = Arc::new(Self {
            asked: AtomicUsize::new(0),
            batches: AtomicUsize::new(0),
            to: server.http,
            weather: Mutex::new(Weather::Fine),
        });
        let routes = Router::new().fallback(pass).with_state(Arc::clone(&relay));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (relay, url)
    }

    pub(super) fn is(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
    }

    /// How many checks and batches came since this was last asked.
    pub(super) fn count(&self) -> (usize, usize) {
        (
            self.asked.swap(0, Ordering::Relaxed),
            self.batches.swap(0, Ordering::Relaxed),
        )
    }
}

async fn pass(State(relay): State<Arc<Relay>>, uri: Uri, body: Bytes) -> Response {
    let path = uri.path();
    if path.ends_with("batch-check") {
        relay.batches.fetch_add(1, Ordering::Relaxed);
    } else if path.ends_with("check") {
        relay.asked.fetch_add(1, Ordering::Relaxed);
    }
    // Models are looked up whenever they are: what is told to happen happens to checks.
    let weather = if path.ends_with("check") {
        let mut weather = relay.weather.lock().unwrap();
        let now = weather.clone();
        match &mut *weather {
            Weather::Busy | Weather::Says(1, ..) => *weather = Weather::Fine,
            Weather::Says(left, ..) => *left -= 1,
            _ => {}
        }
        now
    } else {
        Weather::Fine
    };
    let json = [(header::CONTENT_TYPE, "application/json")];
    match weather {
        Weather::Fine => {}
        Weather::Slow(pause) => sleep(pause).await,
        Weather::Says(_, status, body) => {
            return (StatusCode::from_u16(status).unwrap(), json, body).into_response();
        }
        Weather::Busy => {
            let retry = [(header::RETRY_AFTER, "1")];
            return (StatusCode::TOO_MANY_REQUESTS, retry).into_response();
        }
        Weather::Moved => {
            let to = [(header::LOCATION, format!("http://{}{uri}", relay.to))];
            return (StatusCode::TEMPORARY_REDIRECT, to).into_response();
        }
        Weather::Endless => return (json, "x".repeat(1 << 20)).into_response(),
    }
    let url = format!("http://{}{uri}", relay.to);
    let client = reqwest::Client::new();
    let request = if body.is_empty() {
        client.get(url)
    } else {
        client.post(url).body(body)
    };
    match request.send().await {
        Ok(answer) => {
            let status = answer.status();
            (status, json, answer.bytes().await.unwrap_or_default()).into_response()
        }
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}

pub(super) const MODEL: &str = "model
  schema 1.1
type user
type doc
  relations
    define owner: [user]
    define viewer: [user] or owner
";

pub(super) fn model() -> Value {
    models::written(&crate::permission::dsl::parse(MODEL).expect("well formed"))
}

pub(super) fn tuple(user: &str, object: &str) -> Value {
    json!({ "user": user, "relation": "viewer", "object": object })
}

/// A server with a store where Anne sees `doc:1`, a relay before it, and a way through the relay.
pub(super) struct Scene {
    pub(super) model: String,
    pub(super) relay: Arc<Relay>,
    pub(super) remote: Remote,
    pub(super) server: OpenFga,
    pub(super) store: String,
}

impl Scene {
    pub(super) async fn set(change: impl FnOnce(&mut ServerConfig)) -> Self {
        let server = OpenFga::start().await;
        let store = server.store().await;
        let id = server.model(&store, &model()).await;
        server
            .write(&store, &id, &[tuple("user:anne", "doc:1")])
            .await;
        let (relay, url) = Relay::start(&server).await;
        let remote = remote_at(&url, &store, Some(&id), change);
        Self {
            model: id,
            relay,
            remote,
            server,
            store,
        }
    }

    pub(super) async fn ask(&self, user: &str, within: Duration) -> Result<Answer, Error> {
        self.ask_about(user, "doc:1", Consistency::MinimizeLatency, within)
            .await
    }

    pub(super) async fn ask_about(
        &self,
        user: &str,
        object: &str,
        consistency: Consistency,
        within: Duration,
    ) -> Result<Answer, Error> {
        let ask = Ask::new(user, "viewer", object);
        self.remote
            .ask(&ask, consistency, Instant::now() + within)
            .await
    }
}

pub(super) const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn unavailable(answer: &Result<Answer, Error>) -> bool {
    let reason = answer.as_ref().map_err(Error::reason);
    reason == Err(Reason::PermissionUnavailable)
}

pub(super) fn kept(config: &mut ServerConfig) {
    config.cache.memory = "1MiB".parse().unwrap();
}

pub(super) async fn until(holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "it did not come about");
        sleep(Duration::from_millis(10)).await;
    }
}
