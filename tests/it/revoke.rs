//! `POST /auth/revoke`: what it takes back is refused through Envoy from the next check on.

use serde_json::{Value, json};

use crate::{
    support::{
        client::{Request, Response},
        oidc::Oidc,
    },
    world::{AUDIENCE, ISSUER, World, token},
};

async fn revoke(world: &World, body: Value) -> Response {
    Request::post("/auth/revoke", &body)
        .header("host", "localhost")
        .send(world.subzero.http)
        .await
}

async fn me(world: &World, token: &str) -> String {
    let answer = world.send(Request::get("/me").bearer(token)).await;
    match answer.status {
        200 => "passed".to_owned(),
        _ => answer.reason().to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_is_refused_at_once_known_or_not() {
    let world = World::start().await;
    let key = &world.keys.rs256;
    let now = subzero::clock::Clock::System.now();
    let with = |name: &str, value: Value| token("alice").claim(name, value).sign(key);
    let cases = [
        (with("jti", json!("t1")), json!({"jti": "t1"})),
        (with("sid", json!("s1")), json!({"sid": "s1"})),
        (token("bob").sign(key), json!({"sub": "bob"})),
        (
            token("carol").sign(key),
            json!({"sub": "carol", "issuer": "main"}),
        ),
        (
            with("jti", json!("t2")),
            json!({"jti": "t2", "sub": "alice", "issuer": ISSUER}),
        ),
        (
            token("dora").claim("iat", json!(now - 100)).sign(key),
            json!({"sub": "dora", "before": now - 50}),
        ),
    ];
    let good = token("erin").sign(key);
    for (token, body) in &cases {
        // Twice: the second time it is known.
        for _ in 0..2 {
            assert_eq!(me(&world, token).await, "passed", "{body}");
        }
        let answer = revoke(&world, body.clone()).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{body}");
        for _ in 0..2 {
            assert_eq!(me(&world, token).await, "token_revoked", "{body}");
        }
        assert_eq!(me(&world, &good).await, "passed", "others are left alone");
    }
    // One that has never been seen before, and one that was issued since.
    let unseen = token("alice")
        .claim("jti", json!("t1"))
        .claim("x", json!(1));
    assert_eq!(me(&world, &unseen.sign(key)).await, "token_revoked");
    let renewed = token("bob").claim("iat", json!(now + 5)).sign(key);
    assert_eq!(me(&world, &renewed).await, "passed");

    let denied = world.send(Request::get("/me").bearer(&cases[0].0)).await;
    assert_eq!(denied.status, 401);
    let kept = world
        .subzero
        .metrics()
        .await
        .count("subzero_revocations", &[]);
    assert_eq!(kept, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_issued_before_a_time_is_taken_back_by_issuer_and_for_all() {
    let world = World::start().await;
    let key = &world.keys.rs256;
    let now = subzero::clock::Clock::System.now();
    let issued = |at: u64| token("alice").claim("iat", json!(at)).sign(key);
    let (old, new) = (issued(now - 100), issued(now));
    let partner = json!({"before": now - 10, "issuer": "partner"});
    assert_eq!(revoke(&world, partner).await.status, 204);
    assert_eq!(me(&world, &old).await, "passed", "another issuer's");
    assert_eq!(
        revoke(&world, json!({"before": now - 10})).await.status,
        204
    );
    assert_eq!(me(&world, &old).await, "token_revoked");
    assert_eq!(me(&world, &new).await, "passed");
    let unknown = token("alice").without("iat").sign(key);
    assert_eq!(
        me(&world, &unknown).await,
        "token_revoked",
        "nobody knows its age"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_forgets_no_revocation_and_batches_know_them() {
    let mut world = World::start().await;
    let good = world.keys.token("alice");
    assert_eq!(me(&world, &good).await, "passed");
    assert_eq!(revoke(&world, json!({"sub": "alice"})).await.status, 204);
    let config = crate::world::data("subzero.yaml") + "limits: { deadline: 399ms }\n";
    world.subzero.reload(&config);
    let reloaded = |metrics: &crate::support::metrics::Metrics| {
        metrics.count("subzero_config_reloads_total", &[("outcome", "ok")]) >= 1
    };
    world.subzero.until_metrics("reload", reloaded).await;
    assert_eq!(me(&world, &good).await, "token_revoked");
    let batch =
        Request::post("/auth/verify/batch", &json!({"tokens": [good]})).header("host", "localhost");
    let answer = batch.send(world.subzero.http).await.json();
    assert_eq!(answer["results"][0]["reason"], "token_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_certified_provider_is_taken_back_by_its_jti() {
    let provider = Oidc::start().await;
    let config = format!(
        "identity: {{ issuers: {{ provider: {{ issuer: '{}', allow_private_addresses: true, audiences: ['{AUDIENCE}'] }} }} }}
routes: [{{ name: me, match: {{ path: /me }}, identity: {{ issuers: [provider] }} }}]
",
        provider.issuer
    );
    let world = World::with(&config, |envoy| envoy).await;
    let [first, second] = [
        provider.token("alice", "docs").await,
        provider.token("alice", "docs").await,
    ];
    assert_eq!(me(&world, &first).await, "passed");
    let jti = &crate::support::oidc::claims(&first)["jti"];
    assert_eq!(revoke(&world, json!({"jti": jti})).await.status, 204);
    assert_eq!(me(&world, &first).await, "token_revoked");
    assert_eq!(me(&world, &second).await, "passed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_list_says_so_and_forgets_nothing() {
    let config = crate::world::data("subzero.yaml").replace(
        "identity:\n",
        "identity:\n  revocation: { max_memory: 300 }\n",
    );
    let world = World::with(&config, |envoy| envoy).await;
    let with = |jti: &str| {
        token("alice")
            .claim("jti", json!(jti))
            .sign(&world.keys.rs256)
    };
    assert_eq!(revoke(&world, json!({"jti": "0"})).await.status, 204);
    let mut refused = None;
    for number in 1..10 {
        let answer = revoke(&world, json!({"jti": number.to_string()})).await;
        if answer.status != 204 {
            refused = Some((number.to_string(), answer));
            break;
        }
    }
    let (jti, answer) = refused.expect("300 bytes are full");
    assert_eq!(answer.status, 507);
    let detail = answer.json()["detail"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    assert!(
        detail.contains("`identity.revocation.max_memory`"),
        "{detail}"
    );
    assert_eq!(me(&world, &with("0")).await, "token_revoked");
    assert_eq!(
        me(&world, &with(&jti)).await,
        "passed",
        "and it was not promised"
    );
    let now = subzero::clock::Clock::System.now();
    assert_eq!(revoke(&world, json!({"before": now + 1})).await.status, 204);
    assert_eq!(me(&world, &with(&jti)).await, "token_revoked");
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_that_choose_no_token_are_refused_by_name() {
    let world = World::start().await;
    for (body, detail) in [
        (json!({}), "give `jti`, `sub`, `sid` or `before`"),
        (
            json!({"issuer": "main"}),
            "give `jti`, `sub`, `sid` or `before`",
        ),
        (json!({"jti": ""}), "`jti` is empty or too long"),
        (
            json!({"jti": "1", "issuer": "nobody"}),
            "`issuer` is no issuer",
        ),
        (
            json!({"before": 9_999_999_999_u64}),
            "`before` lies in the future",
        ),
        (json!({"before": "now"}), "before: invalid type"),
        (json!({"before": -1}), "before: invalid value"),
        (json!({"jit": "1"}), "jit: unknown field"),
    ] {
        let answer = revoke(&world, body).await;
        let problem = answer.json();
        let said = problem["detail"].as_str().unwrap_or_default();
        assert_eq!(answer.status, 400, "{problem}");
        assert!(said.contains(detail), "{said}");
    }
    let kept = world
        .subzero
        .metrics()
        .await
        .count("subzero_revocations", &[]);
    assert_eq!(kept, 0);
}
