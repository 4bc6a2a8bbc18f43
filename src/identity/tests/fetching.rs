//! Keys over the network and from files: rotation, outage, floods, reloads.

pub(in crate::identity) mod provider;

use std::{path::Path, sync::Arc, time::Duration};

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use self::provider::Provider;
use super::{
    super::*,
    defaults, directory, metrics,
    mint::{EC, Mint, NOW, RSA, claims_with, key_set},
    outcome, soon,
};
use crate::verdict::Reason;

/// A verifier at work, stopped when dropped.
struct Running {
    task: JoinHandle<()>,
    verifier: Arc<Verifier>,
}

impl Running {
    /// Starts a verifier whose one issuer, called `file`, is `issuer`.
    fn start(issuer: &Value, previous: Option<&Verifier>) -> Self {
        let config = json!({"defaults": defaults(), "issuers": {"file": issuer}, "token_cache": "1MiB", "revocation": super::revocation(), "dpop": super::dpop()});
        let config: Config = serde_json::from_value(config).expect("config");
        let (_, metrics) = metrics();
        let verifier = Verifier::new(
            &config,
            Path::new("/"),
            Clock::fixed(NOW),
            metrics,
            previous,
        );
        let verifier = Arc::new(verifier.expect("good configuration"));
        let worker = Arc::clone(&verifier);
        let task = tokio::spawn(async move {
            worker.run().await;
        });
        Self { task, verifier }
    }

    /// The reason that `mint`'s token is refused for, if it is.
    async fn refused(&self, issuer: &str, mint: &Mint) -> Option<Reason> {
        let token = mint.token(&claims_with("iss", json!(issuer)));
        outcome(&self.verifier, &token).await.err()
    }

    fn detail(&self) -> (bool, String) {
        let [issuer] = &self.verifier.readiness()[..] else {
            panic!("one issuer")
        };
        (issuer.ready, issuer.detail.clone())
    }

    /// Waits until the issuer's detail holds `text`.
    async fn until(&self, text: &str) {
        for _ in 0..500 {
            if self.detail().1.contains(text) {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("`{text}` never came: {:?}", self.detail());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An issuer that is discovered at `provider`.
fn discovered(provider: &Provider, more: &Value) -> Value {
    let mut issuer = json!({
        "issuer": provider.issuer(),
        "audiences": ["https://api.example"],
        "allow_private_addresses": true,
    });
    let members = issuer.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    issuer
}

#[tokio::test]
async fn keys_are_discovered_and_the_first_tokens_wait_for_them() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let running = Running::start(&discovered(&provider, &json!({})), None);
    assert_eq!(running.refused(&provider.issuer(), &EC).await, None);
    assert!(running.detail().0, "{:?}", running.detail());
    assert_eq!(provider.discoveries(), 1);
    assert_eq!(provider.key_fetches(), 1);
}

#[tokio::test]
async fn a_document_about_another_issuer_is_not_believed() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let name = format!("{}/", provider.issuer());
    let issuer = discovered(&provider, &json!({"issuer": name}));
    let running = Running::start(&issuer, None);
    let refused = running.refused(&name, &EC).await;
    assert_eq!(refused, Some(Reason::KeysUnavailable));
    running
        .until("parse: read document: the document is about")
        .await;
    assert_eq!(provider.key_fetches(), 0);
}

#[tokio::test]
async fn a_rotated_key_is_fetched_once_and_the_old_one_is_forgotten() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let running = Running::start(&discovered(&provider, &json!({})), None);
    let name = provider.issuer();
    assert_eq!(running.refused(&name, &EC).await, None);

    let next = Mint::new(Algorithm::ES256, "next");
    provider.serve(&key_set(&[&next]));
    let both = tokio::join!(running.refused(&name, &next), running.refused(&name, &next));
    assert_eq!(both, (None, None));
    assert_eq!(provider.key_fetches(), 2, "those who wait share a fetch");
    assert_eq!(provider.discoveries(), 1, "the address is remembered");
    assert_eq!(
        running.refused(&name, &EC).await,
        Some(Reason::TokenSignature)
    );
}

#[tokio::test]
async fn a_flood_of_unknown_keys_costs_its_budget_and_locks_nobody_out() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let issuer = json!({"unknown_kid_burst": 3, "unknown_kid_interval": "1h"});
    let running = Running::start(&discovered(&provider, &issuer), None);
    let name = provider.issuer();
    assert_eq!(running.refused(&name, &EC).await, None);

    let claims = claims_with("iss", json!(name));
    for count in 0..200 {
        let header = json!({"alg": "ES256", "kid": format!("invented-{count}")});
        let token = EC.with_header(&header, &claims);
        let refused = outcome(&running.verifier, &token).await.err();
        assert_eq!(refused, Some(Reason::TokenSignature));
        assert_eq!(running.refused(&name, &EC).await, None, "{count}");
    }
    assert_eq!(provider.key_fetches(), 1 + 3);
}

#[tokio::test]
async fn a_client_with_a_withdrawn_key_does_not_spend_the_budget_of_a_new_one() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let limits = json!({"unknown_kid_burst": 2, "unknown_kid_interval": "1h", "refresh": "10m"});
    let running = Running::start(&discovered(&provider, &limits), None);
    let name = provider.issuer();
    assert_eq!(running.refused(&name, &EC).await, None);
    let [second, third] = ["second", "third"].map(|kid| Mint::new(Algorithm::ES256, kid));
    for next in [&second, &third] {
        provider.serve(&key_set(&[next]));
        assert_eq!(running.refused(&name, next).await, None, "{}", next.kid);
        for _ in 0..20 {
            let old = running.refused(&name, &EC).await;
            assert_eq!(old, Some(Reason::TokenSignature));
        }
    }
    assert_eq!(provider.key_fetches(), 1 + 2);
}

#[tokio::test]
async fn fetches_caused_by_tokens_do_not_put_off_the_planned_ones() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let limits = json!({"refresh": "200ms", "unknown_kid_interval": "1ms"});
    let running = Running::start(&discovered(&provider, &limits), None);
    let stranger = Mint::new(Algorithm::ES256, "stranger");
    let started = Instant::now();
    while provider.discoveries() < 3 {
        let refused = running.refused(&provider.issuer(), &stranger).await;
        assert_eq!(refused, Some(Reason::TokenSignature));
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "put off for ever"
        );
    }
    assert!(provider.key_fetches() > provider.discoveries());
}

#[tokio::test]
async fn a_token_without_a_key_id_never_causes_a_fetch() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let running = Running::start(&discovered(&provider, &json!({})), None);
    assert_eq!(running.refused(&provider.issuer(), &EC).await, None);
    let stranger = Mint::new(Algorithm::ES256, "");
    let claims = claims_with("iss", json!(provider.issuer()));
    for algorithm in ["ES256", "RS256"] {
        let token = stranger.with_header(&json!({"alg": algorithm}), &claims);
        let refused = outcome(&running.verifier, &token).await.err();
        assert_eq!(refused, Some(Reason::TokenSignature));
    }
    assert_eq!(provider.key_fetches(), 1);
}

#[tokio::test]
async fn the_last_good_keys_serve_until_they_are_too_old() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let limits = json!({"refresh": "100ms", "max_stale": "3s"});
    let running = Running::start(&discovered(&provider, &limits), None);
    let name = provider.issuer();
    let known = EC.token(&claims_with("iss", json!(name)));
    assert!(outcome(&running.verifier, &known).await.is_ok());

    provider.fail(500, "");
    running.until("http: answered 500").await;
    assert_eq!(running.refused(&name, &EC).await, None);
    for (garbage, complaint) in [
        ("{", "parse: read document: not a JSON Web Key Set"),
        (r#"{"keys": []}"#, "none of its 0 keys"),
    ] {
        provider.fail(200, garbage);
        running.until(complaint).await;
        assert_eq!(running.refused(&name, &EC).await, None, "{garbage}");
    }
    provider.fail(200, &"x".repeat(513 * 1024));
    running.until("longer than 524288 bytes").await;

    running.until("too old to be used").await;
    assert!(!running.detail().0);
    let refused = running.refused(&name, &EC).await;
    assert_eq!(refused, Some(Reason::KeysUnavailable));
    let known = outcome(&running.verifier, &known).await.err();
    assert_eq!(known, Some(Reason::KeysUnavailable), "seen before");

    provider.serve(&key_set(&[&EC]));
    running.until("age: 0 s").await;
    assert_eq!(running.refused(&name, &EC).await, None);
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_used_once_it_is_up() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    provider.fail(503, "");
    let running = Running::start(&discovered(&provider, &json!({})), None);
    let refused = running.refused(&provider.issuer(), &EC).await;
    assert_eq!(refused, Some(Reason::KeysUnavailable));
    assert!(!running.detail().0);
    provider.serve(&key_set(&[&EC]));
    running.until("keys: 1").await;
    assert_eq!(running.refused(&provider.issuer(), &EC).await, None);
}

#[tokio::test]
async fn a_reload_keeps_the_keys_of_unchanged_issuers() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let issuer = discovered(&provider, &json!({}));
    let name = provider.issuer();
    let before = Running::start(&issuer, None);
    assert_eq!(before.refused(&name, &EC).await, None);

    provider.fail(500, "");
    let same = Running::start(&issuer, Some(&before.verifier));
    drop(before);
    assert_eq!(same.refused(&name, &EC).await, None);
    assert_eq!(provider.key_fetches(), 1, "nothing is fetched again");

    let changed = discovered(&provider, &json!({"leeway": "1s"}));
    let changed = Running::start(&changed, Some(&same.verifier));
    let refused = changed.refused(&name, &EC).await;
    assert_eq!(
        refused,
        Some(Reason::KeysUnavailable),
        "new settings, new keys"
    );
}

#[tokio::test]
async fn a_verifier_that_is_dropped_stops_fetching() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let issuer = discovered(&provider, &json!({"refresh": "20ms"}));
    let running = Running::start(&issuer, None);
    assert_eq!(running.refused(&provider.issuer(), &EC).await, None);
    sleep(Duration::from_millis(200)).await;
    assert!(provider.key_fetches() > 3, "it was at work");
    drop(running);
    sleep(Duration::from_millis(50)).await;
    let fetches = provider.key_fetches();
    sleep(Duration::from_millis(100)).await;
    assert_eq!(provider.key_fetches(), fetches);
}

#[tokio::test]
async fn inside_addresses_are_refused_unless_allowed() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let port = provider.port();
    for host in ["127.0.0.1", "localhost", "[::1]"] {
        let issuer = json!({
            "issuer": "inside",
            "audiences": "any",
            "jwks_uri": format!("https://{host}:{port}/keys"),
        });
        let running = Running::start(&issuer, None);
        running.until("has no public address").await;
    }
    assert_eq!(provider.key_fetches(), 0);
}

#[tokio::test]
async fn a_key_file_is_read_again_when_it_changes_and_a_broken_one_is_not_used() {
    let directory = directory(&key_set(&[&EC]));
    let path = directory.path().join("keys.json");
    let issuer = json!({"issuer": "file", "audiences": "any", "jwks_file": path});
    let running = Running::start(&issuer, None);
    assert_eq!(running.refused("file", &EC).await, None);

    std::fs::write(&path, "{\"keys\":").expect("write");
    running.until("file: ").await;
    assert_eq!(running.refused("file", &EC).await, None);

    // An operator's usual way: write beside it, then rename over it.
    let beside = directory.path().join("new");
    std::fs::write(&beside, key_set(&[&RSA]).to_string()).expect("write");
    std::fs::rename(&beside, &path).expect("rename");
    assert_eq!(
        running.refused("file", &RSA).await,
        None,
        "an unknown key has the file looked at at once"
    );
    assert_eq!(
        running.refused("file", &EC).await,
        Some(Reason::TokenSignature)
    );
}

#[tokio::test]
async fn ages_and_fetches_are_counted() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let issuer = discovered(&provider, &json!({}));
    let config = json!({"defaults": defaults(), "issuers": {"auth0": issuer}, "token_cache": "1MiB", "revocation": super::revocation(), "dpop": super::dpop()});
    let config: Config = serde_json::from_value(config).expect("config");
    let (registry, metrics) = metrics();
    let clock = Clock::fixed(NOW);
    let verifier = Verifier::new(&config, Path::new("/"), clock, metrics.clone(), None);
    let verifier = Arc::new(verifier.expect("good configuration"));
    let worker = Arc::clone(&verifier);
    let task = tokio::spawn(async move { worker.run().await });
    let token = EC.token(&claims_with("iss", json!(provider.issuer())));
    let want = super::want(&["auth0"], &[]);
    verifier
        .verify_token(&token, &want, soon())
        .await
        .expect("identified");
    metrics.refresh(&verifier);
    let text = prometheus::TextEncoder::new()
        .encode_to_string(&registry.gather())
        .expect("text");
    for line in [
        r#"subzero_keys_age_seconds{issuer="auth0"} 0"#,
        r#"subzero_upstream_requests_total{outcome="ok",upstream="keys:auth0"} 2"#,
        r#"subzero_upstream_requests_total{outcome="tls",upstream="keys:auth0"} 0"#,
        r#"subzero_upstream_duration_seconds_count{upstream="keys:auth0"} 2"#,
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    task.abort();

    let none: Config = serde_json::from_value(
        json!({"defaults": defaults(), "issuers": {}, "token_cache": "1MiB", "revocation": super::revocation(), "dpop": super::dpop()}),
    )
    .expect("config");
    let empty = Verifier::new(
        &none,
        Path::new("/"),
        Clock::default(),
        metrics.clone(),
        None,
    );
    metrics.refresh(&empty.expect("good configuration"));
    let left = registry
        .gather()
        .iter()
        .any(|family| family.name() == "subzero_keys_age_seconds");
    assert!(!left, "an issuer that is gone has no age");
}
