//! A small issuer on loopback: a discovery document, a key set, and a switch for every ill.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{Router, extract::State, http::StatusCode, routing::get};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

pub(in crate::identity) struct Provider {
    at: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    answer: Mutex<(StatusCode, String)>,
    at: SocketAddr,
    discoveries: AtomicUsize,
    key_fetches: AtomicUsize,
}

impl Provider {
    pub(in crate::identity) async fn start(keys: &Value) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
            .await
            .expect("bind");
        let at = listener.local_addr().expect("address");
        let shared = Arc::new(Shared {
            answer: Mutex::new((StatusCode::OK, keys.to_string())),
            at,
            discoveries: AtomicUsize::new(0),
            key_fetches: AtomicUsize::new(0),
        });
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys_now))
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("serve");
        });
        Self { at, shared, task }
    }

    pub(in crate::identity) fn issuer(&self) -> String {
        format!("http://{}", self.at)
    }

    pub(in crate::identity) fn port(&self) -> u16 {
        self.at.port()
    }

    /// Answers with these keys from now on.
    pub(in crate::identity) fn serve(&self, keys: &Value) {
        self.fail(200, &keys.to_string());
    }

    /// Answers requests for keys like this from now on.
    pub(in crate::identity) fn fail(&self, status: u16, body: &str) {
        let status = StatusCode::from_u16(status).expect("status");
        *self.shared.answer.lock().expect("lock") = (status, body.to_owned());
    }

    pub(in crate::identity) fn discoveries(&self) -> usize {
        self.shared.discoveries.load(Ordering::Relaxed)
    }

    pub(in crate::identity) fn key_fetches(&self) -> usize {
        self.shared.key_fetches.load(Ordering::Relaxed)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn discovery(State(shared): State<Arc<Shared>>) -> String {
    shared.discoveries.fetch_add(1, Ordering::Relaxed);
    let issuer = format!("http://{}", shared.at);
    json!({"issuer": issuer, "jwks_uri": format!("{issuer}/keys")}).to_string()
}

async fn keys_now(State(shared): State<Arc<Shared>>) -> (StatusCode, String) {
    shared.key_fetches.fetch_add(1, Ordering::Relaxed);
    shared.answer.lock().expect("lock").clone()
}
