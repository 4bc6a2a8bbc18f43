//! Keys of a real, certified OIDC provider: discovery, rotation, outage.

use std::time::Duration;

use tokio::time::sleep;

use crate::{
    support::{client::Request, oidc::Oidc},
    world::World,
};

fn config(provider: &Oidc) -> String {
    format!(
        "identity:
  issuers:
    provider:
      issuer: '{}'
      allow_private_addresses: true
      audiences: ['{}']
routes:
  - {{ name: me, match: {{ path: /me }}, identity: {{ issuers: [provider] }} }}
  - {{ name: chat, match: {{ path: /chat }}, identity: {{ issuers: [provider], scopes: [chat] }} }}
",
        provider.issuer, provider.audience
    )
}

async fn world(provider: &Oidc) -> World {
    let mut world = World::with(&config(provider), |envoy| envoy).await;
    let fetched = |metrics: &crate::support::metrics::Metrics| {
        metrics.count("subzero_upstream_requests_total", &[("outcome", "ok")]) >= 1
    };
    world
        .subzero
        .until_metrics("fetch the key set", fetched)
        .await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_a_certified_provider_are_verified_through_discovery() {
    let provider = Oidc::start().await;
    let world = world(&provider).await;
    let token = provider.token("alice", "docs").await;
    let passed = world.send(Request::get("/me").bearer(&token)).await;
    assert_eq!(
        (passed.status, passed.echoed("x-subzero-subject")),
        (200, vec!["alice".to_owned()])
    );
    assert_eq!(
        world
            .send(Request::get("/chat").bearer(&token))
            .await
            .reason(),
        "token_scope"
    );
    let chat = provider.token("alice", "chat docs").await;
    assert_eq!(
        world.send(Request::get("/chat").bearer(&chat)).await.status,
        200
    );
    assert_eq!(provider.count("discovery").await, 1);
    assert_eq!(
        provider.count("jwks").await,
        1,
        "one fetch serves every token"
    );
    let metrics = world.subzero.metrics().await;
    let waited = [("operation", "jwt"), ("strategy", "async")];
    let decisions = "subzero_dispatch_decisions_total";
    assert_eq!(metrics.count(decisions, &waited), 2, "discovery and keys");
    let seconds = metrics.sum("subzero_dispatch_actual_seconds_sum", &waited);
    assert!(seconds > 0.0, "they took time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_costs_one_fetch_and_no_valid_token() {
    let provider = Oidc::start().await;
    let world = world(&provider).await;
    let old = provider.token("alice", "docs").await;
    let me = async |token: &str| world.send(Request::get("/me").bearer(token)).await;
    assert_eq!(me(&old).await.status, 200);

    provider.rotate(true).await;
    let new = provider.token("alice", "docs").await;
    assert_eq!(
        me(&new).await.status,
        200,
        "the unknown key is fetched at once"
    );
    assert_eq!(me(&old).await.status, 200, "the old key is still published");
    assert_eq!(provider.count("jwks").await, 2);

    provider.rotate(false).await;
    let newest = provider.token("alice", "docs").await;
    assert_eq!(me(&newest).await.status, 200);
    assert_eq!(
        me(&old).await.reason(),
        "token_signature",
        "withdrawn keys are not accepted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_issuer_refuses_no_token_with_a_known_key() {
    let mut provider = Oidc::start().await;
    let world = world(&provider).await;
    let token = provider.token("alice", "docs").await;
    provider.process.kill();
    sleep(Duration::from_millis(100)).await;
    for _ in 0..20 {
        assert_eq!(
            world.send(Request::get("/me").bearer(&token)).await.status,
            200
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starting_while_the_issuer_is_down_denies_its_tokens_only() {
    let mut provider = Oidc::start().await;
    let token = provider.token("alice", "docs").await;
    provider.process.kill();
    let config = config(&provider) + "  - { name: open, match: { path: /open }, public: true }\n";
    let world = World::with(&config, |envoy| envoy).await;
    assert_eq!(world.send(Request::get("/open")).await.status, 200);
    let denied = world.send(Request::get("/me").bearer(&token)).await;
    assert_eq!((denied.status, denied.reason()), (503, "keys_unavailable"));
    let page = Request::get("/readyz").send(world.subzero.admin).await;
    assert_eq!(page.status, 200, "others are still served");
    assert_eq!(page.json()["status"], "degraded");
    assert_eq!(page.json()["issuers"][0]["ready"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_keys_cannot_drive_fetches_beyond_the_budget() {
    let provider = Oidc::start().await;
    let world = world(&provider).await;
    let good = provider.token("alice", "docs").await;
    let before = provider.count("jwks").await;
    for attempt in 0..50 {
        let key = crate::support::keys::Key::generate(
            crate::support::keys::Algorithm::Es256,
            &format!("k{attempt}"),
        );
        let forged =
            crate::support::keys::Token::new(&provider.issuer, &provider.audience, "alice")
                .sign(&key);
        assert_eq!(
            world
                .send(Request::get("/me").bearer(&forged))
                .await
                .reason(),
            "token_signature"
        );
    }
    assert_eq!(
        world.send(Request::get("/me").bearer(&good)).await.status,
        200,
        "good tokens pass meanwhile"
    );
    let caused = provider.count("jwks").await - before;
    assert!(
        (1..=10).contains(&caused),
        "{caused} fetches for 50 unknown keys; the budget is 5 and one every 5 s"
    );
}
