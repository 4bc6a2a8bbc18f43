//! Tokens that only their issuer can judge, and sessions that it ends: a certified provider's
//! introspection endpoint and its logout tokens, through Envoy.

use crate::{
    support::{client::Request, oidc::Oidc},
    world::World,
};

async fn world(provider: &Oidc) -> World {
    let config = format!(
        "identity:
  issuers:
    provider:
      issuer: '{}'
      allow_private_addresses: true
      audiences: ['{}']
      introspection: {{ client_id: bob, client_secret_file: bob.secret, secret_by: post }}
      logout_audiences: [alice]
routes:
  - {{ name: me, match: {{ path: /me }}, identity: {{ issuers: [provider] }} }}
  - {{ name: chat, match: {{ path: /chat }}, identity: {{ issuers: [provider], scopes: [chat] }} }}
",
        provider.issuer, provider.audience
    );
    let mut world = World::with_files(&config, &[("bob.secret", "bob-secret")]).await;
    world
        .subzero
        .until_metrics("fetch the key set", |metrics| {
            metrics.count("subzero_upstream_requests_total", &[("outcome", "ok")]) >= 1
        })
        .await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn opaque_tokens_are_worth_what_their_issuer_says() {
    let provider = Oidc::start().await;
    let world = world(&provider).await;
    let opaque = provider.token("carol", "docs").await;
    assert!(!opaque.contains('.'), "{opaque}");
    let get = async |path: &str, token: &str| world.send(Request::get(path).bearer(token)).await;
    for _ in 0..5 {
        let passed = get("/me", &opaque).await;
        assert_eq!(passed.status, 200, "{}", passed.text());
        assert_eq!(passed.echoed("x-subzero-subject"), ["carol"]);
        assert_eq!(get("/chat", &opaque).await.reason(), "token_scope");
    }
    assert_eq!(provider.count("introspection").await, 1);
    for _ in 0..5 {
        let invented = get("/me", "invented").await;
        assert_eq!((invented.status, invented.reason()), (401, "token_revoked"));
    }
    assert_eq!(provider.count("introspection").await, 2);
    let own = provider.token("alice", "docs").await;
    assert_eq!(get("/me", &own).await.status, 200);
    assert_eq!(
        provider.count("introspection").await,
        2,
        "JWTs are not asked about"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_of_the_provider_ends_what_its_subject_was_given() {
    let provider = Oidc::start().await;
    let world = world(&provider).await;
    let to = format!("http://{}/auth/backchannel-logout", world.subzero.http);
    let me = async |token: &str| world.send(Request::get("/me").bearer(token)).await;
    let [alice, bob] = [
        provider.token("alice", "docs").await,
        provider.token("bob", "docs").await,
    ];
    assert_eq!((me(&alice).await.status, me(&bob).await.status), (200, 200));

    // Of a session that none of these tokens belongs to.
    assert_eq!(
        provider.log_out("alice", "alice", Some("s1"), &to).await,
        200
    );
    assert_eq!(me(&alice).await.status, 200);

    assert_eq!(provider.log_out("alice", "alice", None, &to).await, 200);
    assert_eq!(me(&alice).await.reason(), "token_revoked");
    assert_eq!(me(&bob).await.status, 200);

    // For a client that is not ours.
    assert_eq!(provider.log_out("bob", "bob", None, &to).await, 400);
    assert_eq!(me(&bob).await.status, 200);
}

/// How an issuer sends it.
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_logout_token_is_refused_with_what_is_wrong() {
    let world = World::start().await;
    let send = async |kind: &str, body: &str| {
        let request = Request::new("POST", "/auth/backchannel-logout").header("content-type", kind);
        request.body(body.to_owned()).send(world.subzero.http).await
    };
    let large = format!("logout_token={}", "a".repeat(70_000));
    for (kind, body, status) in [
        ("application/json", "{}", 415),
        (FORM, "", 400),
        (FORM, "token=x", 400),
        (FORM, "logout_token=a&logout_token=a", 400),
        (FORM, "logout_token=%zz", 400),
        (FORM, &large, 413),
        (
            FORM,
            &format!("logout_token={}", world.keys.token("alice")),
            400,
        ),
    ] {
        let answer = send(kind, body).await;
        assert_eq!(answer.status, status, "{body:.80}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.json()["status"], status);
    }
}
