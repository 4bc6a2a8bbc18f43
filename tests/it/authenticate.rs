//! `POST /auth/authenticate`: the token proves who somebody is, and nothing else does.

use serde_json::{Value, json};

use crate::{
    support::client::{Request, Response},
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
            "scopes": ["chat", "docs"], "risk_score": null, "reason": "ok",
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
    let revoked = Request::post("/auth/revoke", &json!({"sub": "alice"}));
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
