//! The door for proxies that ask by a plain HTTP request: Envoy's HTTP `ext_authz` service, nginx's
//! `auth_request`, Traefik's `ForwardAuth`.
//!
//! ```text
//! request -> what was asked, in one proxy's words -> Door::decide -> Reply -> as that proxy reads it
//!            (asked)                                                         (answer)
//! ```
//!
//! # What a reader would get wrong
//!
//! Proxies pass on what the client sent, so any header here may be the client's own. Method, path
//! and host are therefore taken from exactly one proxy's way of telling them, each told exactly
//! once; what is missing, doubled or told in two ways is refused (`bad_path`), never guessed.
//!
//! And a status means something else to each of the three: to nginx 400, 413 and 503 are failures of
//! its own, to Envoy every 5xx is "could not decide". The true status is in `x-subzero-status`.
//!
//! # Cost
//!
//! That of a check, and of one HTTP/1.1 exchange on the API's thread.

mod answer;
mod asked;

use std::{convert::Infallible, panic::AssertUnwindSafe};

use axum::{
    Router,
    body::{Body as HttpBody, to_bytes},
    extract::{Request, State},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

use self::asked::Asked;
use crate::{
    check::Body,
    ext_authz::{Door, body_state},
    reply::Reply,
};

/// Who asks, and how the caller's address is told. Defaults: `config/default.yaml`.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Whose way of telling is understood.
    pub from: Asker,
    /// Proxies in front of the one that asks which add to `x-forwarded-for`, and are trusted to.
    pub trusted_hops: usize,
}

/// The `forward_auth.from` setting.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Asker {
    /// Whichever of the three can be recognised, as long as it is one alone.
    Any,
    /// Envoy's HTTP service: the request is the original one, its path behind `/forward-auth`.
    Envoy,
    /// nginx: `X-Original-Method`, `X-Original-URI`, and the original `Host`.
    Nginx,
    /// Nobody.
    Off,
    /// Traefik, and Caddy: `X-Forwarded-Method`, `X-Forwarded-Uri`, `X-Forwarded-Host`.
    Traefik,
}

/// A proxy that was recognised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Proxy {
    Envoy,
    Nginx,
    Traefik,
}

/// Answers `/forward-auth`, and all below it, through `door`.
pub fn router(door: Door, config: Config) -> Router {
    let ask = any(answer);
    Router::new()
        .route(PREFIX, ask.clone())
        // Envoy appends the original path, which is `/` or longer.
        .route("/forward-auth/", ask.clone())
        .route("/forward-auth/{*path}", ask)
        .with_state(Desk { door, config })
}

/// Where it is asked; what follows is Envoy's.
const PREFIX: &str = "/forward-auth";

#[derive(Clone, Debug)]
struct Desk {
    door: Door,
    config: Config,
}

async fn answer(State(desk): State<Desk>, request: Request) -> Response {
    if desk.config.from == Asker::Off {
        return off();
    }
    // AssertUnwindSafe: nothing of ours is half-changed, since a check changes nothing shared.
    let answer = AssertUnwindSafe(desk.answer(request)).catch_unwind().await;
    // A refusal that all three take for one.
    answer.unwrap_or_else(|_| answer::answer(Proxy::Nginx, Reply::broken()))
}

impl Desk {
    async fn answer(&self, request: Request) -> Response {
        let mut arrival = self.door.arrive();
        let (head, body) = request.into_parts();
        let limits = self.door.limits();
        let body = timeout(limits.deadline, read(body, limits.max_body_bytes)).await;
        let asked = Asked::new(&head, self.config);
        let patience = asked.patience.unwrap_or(limits.deadline);
        let proxy = asked.proxy;
        let Ok((check, decision)) = self
            .door
            .decide(&mut arrival, Some(patience), |deadline, limits| {
                Ok::<_, Infallible>(asked.into_check(deadline, |headers| match body {
                    Ok(Some(bytes)) => body_state(bytes, headers, 0, limits.max_body_bytes),
                    // Over the limit, broken off or too slow: there is more than was read.
                    Ok(None) | Err(_) => Body::Partial(Bytes::new()),
                }))
            })
            .await;
        answer::answer(proxy, Reply::new(&check, &decision))
    }
}

/// The whole body; `None` when it is longer than `most` or does not end well.
async fn read(body: HttpBody, most: usize) -> Option<Bytes> {
    to_bytes(body, most).await.ok()
}

/// Not a 2xx, so no proxy lets the request pass.
fn off() -> Response {
    let status = StatusCode::NOT_FOUND;
    let problem = json!({
        "type": "about:blank",
        "title": status.canonical_reason(),
        "status": status.as_u16(),
        "detail": "forward_auth.from is off; set it to envoy, nginx or traefik",
    });
    let kind = [(CONTENT_TYPE, "application/problem+json")];
    (status, kind, problem.to_string()).into_response()
}
