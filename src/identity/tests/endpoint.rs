//! A small token endpoint on loopback that remembers what it was asked.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{get, post},
};
use base64_simd::STANDARD;
use prometheus::Registry;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::super::{config::ClientConfig, endpoint::Way};
use crate::upstream::{self, Fetcher, Limits, Reach};

pub(in crate::identity) struct Endpoint {
    pub(in crate::identity) issuer: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    answer: Mutex<(u16, String)>,
    asked: Mutex<Vec<Asked>>,
    issuer: String,
}

/// One question: its fields, and who asked by a header.
#[derive(Clone, Debug, Default)]
pub(in crate::identity) struct Asked {
    pub(in crate::identity) basic: Option<String>,
    pub(in crate::identity) fields: BTreeMap<String, String>,
}

impl Endpoint {
    pub(in crate::identity) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("bind");
        let issuer = format!("http://{}", listener.local_addr().expect("address"));
        let shared = Arc::new(Shared {
            answer: Mutex::new((200, token("t", 600))),
            asked: Mutex::default(),
            issuer: issuer.clone(),
        });
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/token", post(answer))
            .route("/introspect", post(answer))
            .with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move {
            axum::serve(listener, routes).await.expect("serve");
        });
        Self {
            issuer,
            shared,
            task,
        }
    }

    pub(in crate::identity) fn answer(&self, status: u16, body: &str) {
        *self.shared.answer.lock().expect("unpoisoned") = (status, body.to_owned());
    }

    pub(in crate::identity) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().expect("unpoisoned").clone()
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A good answer.
pub(in crate::identity) fn token(token: &str, expires_in: u64) -> String {
    json!({"access_token": token, "token_type": "bearer", "expires_in": expires_in}).to_string()
}

/// The client `c` with a secret in a file of `directory`, and `more`.
pub(in crate::identity) fn client(directory: &std::path::Path, more: &Value) -> ClientConfig {
    std::fs::write(directory.join("client"), "hunter2\n").expect("written");
    let mut client = json!({"client_id": "c", "client_secret_file": "client"});
    let members = client.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    serde_json::from_value(client).expect("a client")
}

/// Anywhere, for five seconds.
pub(in crate::identity) fn way() -> Way {
    let metrics = upstream::Metrics::register(&Registry::new()).expect("register");
    Way {
        fetcher: Fetcher::new(Reach::Anywhere),
        limits: Limits {
            bytes: super::super::token_endpoint::MAX_ANSWER,
            time: Duration::from_secs(5),
        },
        series: metrics.series("token:test"),
    }
}

async fn discovery(State(shared): State<Arc<Shared>>) -> String {
    let issuer = &shared.issuer;
    let at = |path: &str| format!("{issuer}/{path}");
    json!({
        "issuer": issuer,
        "token_endpoint": at("token"),
        "introspection_endpoint": at("introspect"),
        "jwks_uri": at("keys"),
    })
    .to_string()
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let url = reqwest::Url::parse(&format!("x:?{}", String::from_utf8_lossy(&body)));
    let fields = url.expect("a query").query_pairs().into_owned().collect();
    let basic = headers.get("authorization").map(|value| {
        let value = value.to_str().expect("text").trim_start_matches("Basic ");
        String::from_utf8(STANDARD.decode_to_vec(value).expect("base64")).expect("text")
    });
    let asked = Asked { basic, fields };
    shared.asked.lock().expect("unpoisoned").push(asked);
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (status, body) = shared.answer.lock().expect("unpoisoned").clone();
    (StatusCode::from_u16(status).expect("a status"), body)
}
