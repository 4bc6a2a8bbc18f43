//! `POST /auth/authenticate`: the token proves who somebody is, and nothing else does.

use serde_json::{Value, json};

use crate::{
    support::{
        client::{Request, Response},
        keys::{Algorithm, Key},
        oidc::{self, Oidc},
    },
    world::{self, AUDIENCE, ISSUER, Keys, token},
};

const NO: &str =
    r#"{"authenticated":false,"user_id":null,"expires_in":0,"scopes":[],"risk_score":null}"#;

fn static_config() -> String {
    format!(
        "identity: {{ issuers: {{ main: {{ issuer: '{ISSUER}', jwks_file: keys.json, audiences: ['{AUDIENCE}'] }} }} }}\n"
    )
}

/// That nobody was let in, for `reason`.
fn no(reason: &str) -> Value {
    let mut answer: Value = serde_json::from_str(NO).expect("JSON");
    answer["reason"] = json!(reason);
    answer
}

async fn ask(subzero: &crate::support::subzero::Subzero, body: &Value) -> Response {
    Request::post("/auth/authenticate", body)
        .header("host", "localhost")
        .send(subzero.http)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_lets_its_subject_in_and_nobody_else() {
    let keys = Keys::generate();
    let subzero = world::subzero(&static_config(), &keys).start().await;
    let good = token("alice").scope("chat docs").expires_in(600);
    let good = good.sign(&keys.rs256);
    let all = json!({
        "token": good, "user_id": "alice", "scopes": ["chat"],
        "source_ip": "192.0.2.7", "user_agent": "curl/8", "device_fingerprint": "ja4",
    });
    for body in [all, json!({"token": good})] {
        let answer = ask(&subzero, &body).await;
        let mut said = answer.json();
        let expires_in = said["expires_in"].take().as_u64().unwrap_or_default();
        assert!((590..=600).contains(&expires_in), "{expires_in}");
        let yes = json!({
            "authenticated": true, "user_id": "alice", "expires_in": null,
            "scopes": ["chat", "docs"], "risk_score": 0.0, "reason": "ok",
        });
        assert_eq!((answer.status, said), (200, yes));
    }
    for (body, reason) in [
        (
            json!({"token": good, "user_id": "bob"}),
            "permission_denied",
        ),
        (json!({"token": good, "user_id": ""}), "permission_denied"),
        (json!({"token": good, "scopes": ["admin"]}), "token_scope"),
        (json!({"token": ""}), "token_malformed"),
        (
            json!({"token": "nonsense", "user_id": "alice"}),
            "token_malformed",
        ),
        (
            json!({"token": token("alice").expires_in(-100).sign(&keys.rs256)}),
            "token_expired",
        ),
        (
            json!({"token": token("alice").unsigned()}),
            "token_algorithm",
        ),
        (json!({"token": format!("{good}x")}), "token_malformed"),
    ] {
        let answer = ask(&subzero, &body).await;
        assert_eq!((answer.status, answer.json()), (200, no(reason)), "{body}");
    }
    let revoked =
        Request::post("/auth/revoke", &json!({"sub": "alice"})).header("host", "localhost");
    assert_eq!(revoked.send(subzero.http).await.status, 204);
    let answer = ask(&subzero, &json!({"token": good})).await;
    assert_eq!(answer.json(), no("token_revoked"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_decided_is_no_answer_and_bad_questions_are_named() {
    let keys = Keys::generate();
    let unreachable = "identity: { issuers: { away: { issuer: 'http://127.0.0.1:9', allow_private_addresses: true, audiences: any } } }\n";
    let subzero = world::subzero(unreachable, &keys).start().await;
    let away = token("alice").claim("iss", json!("http://127.0.0.1:9"));
    let answer = ask(&subzero, &json!({"token": away.sign(&keys.rs256)})).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["authenticated"], Value::Null);
    for (body, detail) in [
        (json!({}), "missing field `token`"),
        (json!({"token": 1}), "token: "),
        (json!({"token": "x", "source_ip": "nowhere"}), "source_ip: "),
        (
            json!({"token": "x", "password": "y"}),
            "password: unknown field",
        ),
    ] {
        let answer = ask(&subzero, &body).await;
        let problem = answer.json();
        let said = problem["detail"].as_str().unwrap_or_default();
        assert_eq!(answer.status, 400, "{problem}");
        assert!(said.contains(detail), "{said}");
    }
}

/// A provider at which `web` proves itself by a secret in a header, `robot` by a key.
async fn provider(robot: &Key) -> Oidc {
    let setup = oidc::Setup {
        basic: vec!["web".to_owned()],
        signing: vec![("robot".to_owned(), robot.jwk())],
        ..oidc::Setup::default()
    };
    setup.start().await
}

fn exchanging(provider: &Oidc, client: &str) -> String {
    format!(
        "identity:
  issuers:
    provider:
      issuer: '{}'
      allow_private_addresses: true
      audiences: ['{AUDIENCE}']
      exchange: {client}
",
        provider.issuer
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_is_exchanged_at_the_certified_provider_once() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let robot = Key::generate(algorithm, "robot-key");
        let provider = provider(&robot).await;
        let clients = [
            "{ client_id: alice, client_secret_file: secret, secret_by: post, audience: 'https://api.example' }",
            "{ client_id: web, client_secret_file: web, audience: 'https://api.example', scopes: [chat] }",
            "{ client_id: robot, private_key_file: robot.pem, key_id: robot-key, audience: 'https://api.example', scopes: [chat, docs] }",
        ];
        for (client, scopes) in clients
            .into_iter()
            .zip([None, Some("chat"), Some("chat docs")])
        {
            let subzero = world::subzero(&exchanging(&provider, client), &Keys::generate())
                .file("secret", "alice-secret\n")
                .file("web", "web-secret\n")
                .file("robot.pem", robot.private_pem())
                .start()
                .await;
            let bob = provider.token("bob", "docs").await;
            let before = provider.count("token").await;
            let question = json!({"token": bob, "user_id": "bob"});
            let all = futures_util::future::join_all((0..5).map(|_| ask(&subzero, &question)));
            for answer in all.await {
                let said = answer.json();
                assert_eq!(
                    (answer.status, &said["reason"]),
                    (200, &json!("ok")),
                    "{said}"
                );
                let given = said["access_token"].as_str().expect("a token");
                assert_ne!(given, bob);
                let claims = oidc::claims(given);
                assert_eq!(
                    (&claims["sub"], &claims["aud"]),
                    (&json!("bob"), &json!(AUDIENCE))
                );
                assert_eq!(claims["scope"].as_str(), scopes, "{client}");
            }
            assert_eq!(
                provider.count("token").await - before,
                1,
                "asked once: {client}"
            );
            let metrics = subzero.metrics().await;
            let labels = [("upstream", "token:provider"), ("outcome", "ok")];
            // Discovery, and the exchange.
            assert_eq!(metrics.count("subzero_upstream_requests_total", &labels), 2);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_is_exchanged_before_it_is_verified_and_a_provider_s_no_is_an_answer() {
    let robot = Key::generate(Algorithm::Es256, "robot-key");
    let mut provider = provider(&robot).await;
    let client = "{ client_id: robot, private_key_file: robot.pem, audience: elsewhere }";
    let subzero = world::subzero(&exchanging(&provider, client), &Keys::generate())
        .file("robot.pem", robot.private_pem())
        .start()
        .await;
    let bob = provider.token("bob", "docs").await;
    let before = provider.count("token").await;
    for (body, reason) in [
        (json!({"token": format!("{bob}x")}), "token_malformed"),
        (
            json!({"token": bob, "user_id": "alice"}),
            "permission_denied",
        ),
        (json!({"token": bob, "scopes": ["admin"]}), "token_scope"),
    ] {
        assert_eq!(ask(&subzero, &body).await.json(), no(reason), "{body}");
    }
    assert_eq!(provider.count("token").await, before);
    let refused = ask(&subzero, &json!({"token": bob})).await;
    assert_eq!(
        (refused.status, refused.json()),
        (200, no("permission_denied"))
    );
    assert_eq!(provider.count("token").await, before + 1);
    provider.process.kill();
    let unavailable = ask(&subzero, &json!({"token": bob})).await;
    assert_eq!(unavailable.status, 503, "{}", unavailable.text());
    assert!(
        !subzero.process.stdout().contains(&bob),
        "no token is logged"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_source_of_ours_works_with_the_certified_provider() {
    let robot = Key::generate(Algorithm::Rs256, "robot-key");
    let provider = provider(&robot).await;
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("robot.pem"), robot.private_pem()).expect("written");
    let client = json!({"client_id": "robot", "private_key_file": "robot.pem",
                        "audience": AUDIENCE, "scopes": ["docs"]});
    let client = serde_json::from_value(client).expect("a client");
    let metrics = subzero::upstream::Metrics::register(&prometheus::Registry::new());
    let source = subzero::identity::TokenSource::new(
        &client,
        &provider.issuer,
        folder.path(),
        subzero::upstream::Reach::Anywhere,
        std::time::Duration::from_secs(10),
        subzero::clock::Clock::System,
        metrics.expect("registered").series("token:test"),
    );
    let source = source.expect("a good client");
    let all = futures_util::future::join_all((0..20).map(|_| source.token())).await;
    let claims = oidc::claims(all[0].as_ref().expect("given").token.expose());
    assert_eq!(claims["scope"], "docs");
    assert_eq!(provider.count("token").await, 1);
}
