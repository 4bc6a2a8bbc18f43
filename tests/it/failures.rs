//! The failure table, row by row: real servers broken in each of its ways, and what is decided then.

mod introspection;
mod permission;
mod pool;
mod redis;

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;

use crate::{
    support::{
        client::{Request, Response},
        door::{Answer, Door},
        faults::{Fault, Proxy},
        keys::{Algorithm, Key, Token},
        oidc::Oidc,
        subzero::Subzero,
    },
    world::{self, AUDIENCE, Keys},
};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Three that differ in what they do about an identity that could not be decided.
const ROUTES: &str = "routes:
  - { name: deny, match: { path: /deny }, identity: { issuers: [provider] }, on_unavailable: { identity: deny } }
  - { name: error, match: { path: /error }, identity: { issuers: [provider] }, on_unavailable: { identity: error } }
  - { name: allow, match: { path: /allow }, identity: { issuers: [provider] }, on_unavailable: { identity: allow } }
";

/// An issuer whose keys come through `keys`, before [`ROUTES`].
fn config(provider: &Oidc, keys: &Proxy, exchange: &str) -> String {
    format!(
        "limits: {{ deadline: 3s }}
upstream: {{ breaker: {{ min_calls: 5, open_for: 500ms }} }}
identity:
  issuers:
    provider:
      issuer: '{}'
      jwks_uri: 'http://{}/jwks'
      allow_private_addresses: true
      fetch_timeout: 400ms
      audiences: ['{AUDIENCE}']
      {exchange}
{ROUTES}",
        provider.issuer, keys.address
    )
}

async fn ask(door: &Door, path: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    door.ask(path, &[("authorization", &bearer)], b"").await
}

/// What each route makes of what it could not decide.
async fn assert_undecided(door: &Door, token: &str, place: &str, reason: &str, fault: Fault) {
    for (route, expected) in [
        ("deny", Answer::Denied(503, reason.to_owned())),
        ("error", Answer::Error(503, reason.to_owned())),
        ("allow", Answer::Allowed),
    ] {
        let path = format!("/{route}{place}");
        assert_eq!(ask(door, &path, token).await, expected, "{fault:?} {path}");
    }
}

/// Asks until the breaker of `upstream` is closed again.
async fn until_closed(subzero: &Subzero, upstream: &str, mut ask: impl AsyncFnMut()) {
    let began = Instant::now();
    while standing(subzero, upstream).await.0 != 0 {
        assert!(began.elapsed() < PATIENCE, "never closed");
        ask().await;
        sleep(Duration::from_millis(100)).await;
    }
}

/// The count of fetches that ended like this.
async fn ended(subzero: &Subzero, outcome: &str) -> u64 {
    calls(subzero, "keys:provider", outcome).await
}

/// The count of calls to `upstream` that ended like this.
async fn calls(subzero: &Subzero, upstream: &str, outcome: &str) -> u64 {
    let labels = [("upstream", upstream), ("outcome", outcome)];
    let metrics = subzero.metrics().await;
    metrics.count("subzero_upstream_requests_total", &labels)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_keys_each_fault_is_decided_as_the_route_says() {
    let provider = Oidc::start().await;
    let token = provider.token("alice", "docs").await;
    for (fault, outcomes) in [
        (Fault::Refuse, &["connect"][..]),
        (Fault::Reset, &["connect", "http"]),
        (Fault::ResetAfter(40), &["connect", "http"]),
        (Fault::Garbage, &["http", "parse"]),
        (Fault::Slow(Duration::from_secs(2)), &["timeout"]),
        (Fault::BlackHole, &["timeout"]),
    ] {
        let proxy = Proxy::start(provider.address).await;
        proxy.set(fault);
        let subzero = world::subzero(&config(&provider, &proxy, ""), &Keys::generate());
        let subzero = subzero.start().await;
        let door = Door::dial(subzero.grpc).await;
        let unavailable = || (503, "keys_unavailable".to_owned());
        let (status, reason) = unavailable();
        assert_eq!(
            ask(&door, "/deny", &token).await,
            Answer::Denied(status, reason),
            "{fault:?}"
        );
        let (status, reason) = unavailable();
        assert_eq!(
            ask(&door, "/error", &token).await,
            Answer::Error(status, reason),
            "{fault:?}"
        );
        assert_eq!(
            ask(&door, "/allow", &token).await,
            Answer::Allowed,
            "{fault:?}"
        );
        let mut seen = 0;
        for outcome in outcomes {
            seen += ended(&subzero, outcome).await;
        }
        assert!(seen > 0, "{fault:?} is seen as one of {outcomes:?}");
        assert_eq!(ended(&subzero, "ok").await, 0);
        let ready = Request::get("/readyz").send(subzero.admin).await.json();
        assert_eq!(ready["status"], "degraded", "{fault:?}: {ready}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_keys_no_fault_is_felt_and_unknown_keys_are_no_way_in() {
    let provider = Oidc::start().await;
    let proxy = Proxy::start(provider.address).await;
    let subzero = world::subzero(&config(&provider, &proxy, ""), &Keys::generate());
    let mut subzero = subzero.start().await;
    subzero
        .until_metrics("fetch the key set", |metrics| {
            metrics.count("subzero_upstream_requests_total", &[("outcome", "ok")]) >= 1
        })
        .await;
    let door = Door::dial(subzero.grpc).await;
    let stranger = Key::generate(Algorithm::Es256, "stranger");
    for fault in [
        Fault::Refuse,
        Fault::Reset,
        Fault::Garbage,
        Fault::BlackHole,
    ] {
        proxy.set(fault);
        // One that is not known yet, so that nothing is recalled.
        let token = provider.token("bob", "docs").await;
        let began = Instant::now();
        assert_eq!(
            ask(&door, "/deny", &token).await,
            Answer::Allowed,
            "{fault:?}"
        );
        assert!(began.elapsed() < Duration::from_secs(1), "nobody waits");
        let forged = Token::new(&provider.issuer, AUDIENCE, "alice").sign(&stranger);
        for path in ["/deny", "/error", "/allow"] {
            assert_eq!(
                ask(&door, path, &forged).await,
                Answer::Denied(503, "keys_unavailable".to_owned()),
                "{fault:?} {path}"
            );
        }
    }
    proxy.set(Fault::None);
    let forged = || Token::new(&provider.issuer, AUDIENCE, "alice").sign(&stranger);
    let refused = Answer::Denied(401, "token_signature".to_owned());
    let began = Instant::now();
    while ask(&door, "/deny", &forged()).await != refused {
        assert!(began.elapsed() < PATIENCE, "its keys are not fetched again");
        sleep(Duration::from_millis(50)).await;
    }
    for path in ["/error", "/allow"] {
        assert_eq!(ask(&door, path, &forged()).await, refused, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flapping_issuer_serves_from_its_first_good_moment_on() {
    let provider = Oidc::start().await;
    let token = provider.token("alice", "docs").await;
    let proxy = Proxy::start(provider.address).await;
    proxy.set(Fault::Reset);
    // Tries come to be as far apart as planned fetches are. One of two meets it at a good moment.
    let config = config(&provider, &proxy, "refresh: 2s");
    let subzero = world::subzero(&config, &Keys::generate());
    let subzero = subzero.start().await;
    let door = Door::dial(subzero.grpc).await;
    let unavailable = Answer::Denied(503, "keys_unavailable".to_owned());
    assert_eq!(ask(&door, "/deny", &token).await, unavailable);
    proxy.set(Fault::Flapping(Duration::from_millis(300)));
    let began = Instant::now();
    while ask(&door, "/deny", &token).await != Answer::Allowed {
        assert!(began.elapsed() < PATIENCE, "never recovered");
        sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..20 {
        assert_eq!(ask(&door, "/deny", &token).await, Answer::Allowed);
        sleep(Duration::from_millis(50)).await;
    }
}

async fn sign_in(subzero: &Subzero, token: &str) -> Response {
    Request::post("/auth/authenticate", &json!({ "token": token }))
        .header("host", "localhost")
        .send(subzero.http)
        .await
}

/// Where the breaker of `upstream` stands, in metrics and to whoever asks whether we are ready.
async fn standing(subzero: &Subzero, upstream: &str) -> (u64, serde_json::Value) {
    let labels = [("upstream", upstream)];
    let gauge = subzero
        .metrics()
        .await
        .count("subzero_breaker_state", &labels);
    let page = Request::get("/readyz").send(subzero.admin).await.json();
    (gauge, page["breakers"][upstream].clone())
}

/// An exchange at `proxy`, with this secret.
fn exchanging(proxy: &Proxy) -> String {
    format!(
        "exchange: {{ client_id: alice, client_secret_file: secret, secret_by: post, audience: '{AUDIENCE}', token_endpoint: 'http://{}/token' }}",
        proxy.address
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_fails_is_an_answer_of_503_and_then_left_alone() {
    let provider = Oidc::start().await;
    let direct = Proxy::start(provider.address).await;
    let proxy = Proxy::start(provider.address).await;
    let config = config(&provider, &direct, &exchanging(&proxy));
    let subzero = world::subzero(&config, &Keys::generate()).file("secret", "alice-secret\n");
    let subzero = subzero.start().await;
    let token = async || provider.token("bob", "docs").await;
    assert_eq!(sign_in(&subzero, &token().await).await.status, 200);
    assert_eq!(
        standing(&subzero, "token:provider").await,
        (0, json!("closed"))
    );
    for fault in [
        Fault::Refuse,
        Fault::Reset,
        Fault::ResetAfter(40),
        Fault::Garbage,
        Fault::BlackHole,
        Fault::Slow(Duration::from_secs(2)),
    ] {
        proxy.set(fault);
        let answer = sign_in(&subzero, &token().await).await;
        let said = (answer.status, answer.json()["reason"].clone());
        assert_eq!(said, (503, json!("keys_unavailable")), "{fault:?}");
    }
    assert_eq!(
        standing(&subzero, "token:provider").await,
        (2, json!("open"))
    );
    let left_alone = async || {
        let labels = [("upstream", "token:provider"), ("outcome", "open")];
        let metrics = subzero.metrics().await;
        metrics.count("subzero_upstream_requests_total", &labels)
    };
    let began = Instant::now();
    while left_alone().await == 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "always asked");
        assert_eq!(sign_in(&subzero, &token().await).await.status, 503);
    }

    proxy.set(Fault::None);
    let began = Instant::now();
    while standing(&subzero, "token:provider").await.0 != 0 {
        assert!(began.elapsed() < Duration::from_secs(20), "never closed");
        sleep(Duration::from_millis(100)).await;
        let _answer = sign_in(&subzero, &token().await).await;
    }
    assert_eq!(sign_in(&subzero, &token().await).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_at_the_token_endpoint_decide_nothing() {
    let provider = Oidc::start().await;
    let proxy = Proxy::start(provider.address).await;
    let config = config(&provider, &proxy, &exchanging(&proxy));
    let subzero = world::subzero(&config, &Keys::generate()).file("secret", "wrong\n");
    let subzero = subzero.start().await;
    for _ in 0..10 {
        let token = provider.token("bob", "docs").await;
        let answer = sign_in(&subzero, &token).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    assert_eq!(
        standing(&subzero, "token:provider").await,
        (0, json!("closed")),
        "a no is an answer"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_is_served() {
    let subzero = world::subzero("routes: []\n", &Keys::generate())
        .start()
        .await;
    let page = Request::get("/failure-table").send(subzero.admin).await;
    let rows = page.json();
    let rows = rows.as_array().expect("a list");
    assert!(rows.len() > 10);
    for row in rows {
        for key in ["dependency", "failure", "verdict", "reason", "seen_in"] {
            assert!(row.get(key).is_some(), "`{key}` of {row}");
        }
    }
}
