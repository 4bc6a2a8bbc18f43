//! What Envoy makes of our answers: gRPC callers, access logs, certificates, bare TCP, failure modes.

use std::time::Duration;

use serde_json::json;

use crate::{
    support::{
        client::{self, Request},
        envoy, grpc,
        tls::Authority,
        upstream::Upstream,
    },
    world::{Keys, World, chat, data, subzero, token},
};

const CALL: &str = "/test.Service/Call";

#[tokio::test(flavor = "multi_thread")]
async fn grpc_callers_get_a_grpc_status() {
    let world = World::start().await;
    let call = async |kind: &str, headers: &[(&str, &str)]| {
        grpc::call(world.envoy.address, CALL, kind, headers, b"hi").await
    };
    let bearer = format!("Bearer {}", world.keys.token("alice"));

    let passed = call("application/grpc", &[("authorization", &bearer)]).await;
    assert_eq!(
        crate::support::wire::find(&passed.trailers, "grpc-status"),
        Some("0")
    );

    let denied = call("application/grpc", &[]).await;
    assert_eq!(denied.status, 200, "gRPC's status is in its own header");
    assert_eq!(denied.header("content-type"), Some("application/grpc"));
    assert_eq!(denied.header("grpc-status"), Some("16"));
    assert_eq!(denied.reason(), "token_missing");
    let message = denied.header("grpc-message").expect("a message");
    assert!(
        message.starts_with("A bearer token") || message.starts_with("A%20bearer"),
        "{message}"
    );
    assert!(denied.body.is_empty());

    // The filter before ours makes a gRPC call of it, and gRPC-web of the answer.
    let denied = call("application/grpc-web+proto", &[]).await;
    assert_eq!(denied.header("grpc-status"), Some("16"));
    assert_eq!(denied.reason(), "token_missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_web_callers_get_one_without_the_filter_too() {
    let filter = "                  - name: envoy.filters.http.grpc_web\n                    typed_config:\n                      \"@type\": type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb\n";
    let world = World::with(&data("subzero.yaml"), |envoy| envoy.with(filter, "")).await;
    for kind in [
        "application/grpc-web+proto",
        "application/grpc-web-text+proto",
    ] {
        let denied = grpc::call(world.envoy.address, CALL, kind, &[], b"hi").await;
        assert_eq!(denied.status, 401, "{kind}");
        assert_eq!(denied.header("grpc-status"), Some("16"), "{kind}");
        assert!(denied.header("grpc-message").is_some(), "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_access_log_tells_decision_route_reason_and_findings() {
    let mut world = World::start().await;
    let alice = token("alice").scope("chat").sign(&world.keys.rs256);
    let flagged = world
        .send(chat("write to anne.smith@example.com").bearer(&alice))
        .await;
    assert_eq!(flagged.status, 200);
    let decision = flagged.echoed("x-subzero-decision").remove(0);
    let line = world.envoy.logged("subzero_decision", &decision).await;
    assert_eq!(line["subzero_route"], "chat");
    assert_eq!(line["subzero_reason"], "ok");
    assert_eq!(line["subzero_findings"], "personal_data=1");

    let denied = world
        .send(Request::get("/docs/secret").bearer(&alice))
        .await;
    let decision = denied
        .header("x-subzero-decision")
        .expect("a decision")
        .to_owned();
    assert_eq!(denied.json()["decision"], decision);
    let line = world.envoy.logged("subzero_decision", &decision).await;
    assert_eq!(line["subzero_reason"], "permission_denied");
    assert_eq!(line["details"], "ext_authz_denied");

    // Our own log has one line for it, without the token; it is written a moment later.
    let mut log = world.subzero.process.stdout();
    for _ in 0..100 {
        if log.contains(&decision) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        log = world.subzero.process.stdout();
    }
    let lines: Vec<&str> = log
        .lines()
        .filter(|line| line.contains(&decision))
        .collect();
    assert_eq!(lines.len(), 1, "{log}");
    let logged: serde_json::Value = serde_json::from_str(lines[0]).expect("JSON");
    assert_eq!(logged["reason"], "permission_denied");
    assert_eq!(logged["path"], "/docs/secret");
    assert_eq!(logged["source"], "127.0.0.1");
    assert!(!log.contains(&alice[..40]), "no token in the log");
    assert!(!log.contains("anne.smith"), "no prompt in the log");
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_and_problems_are_those_of_the_standards() {
    let world = World::start().await;
    let alice = world.keys.token("alice");
    let missing = world.send(Request::get("/me")).await;
    assert_eq!(missing.header("www-authenticate"), Some("Bearer"));
    let expired = token("alice").expires_in(-500).sign(&world.keys.rs256);
    let expired = world.send(Request::get("/me").bearer(&expired)).await;
    let challenge = expired.header("www-authenticate").expect("a challenge");
    assert!(
        challenge.starts_with("Bearer error=\"invalid_token\", error_description="),
        "{challenge}"
    );
    let scope = world.send(Request::get("/reports").bearer(&alice)).await;
    let challenge = scope.header("www-authenticate");
    assert_eq!(
        challenge,
        Some("Bearer error=\"insufficient_scope\", scope=\"reports:read reports:list\"")
    );
    let problem = scope.json();
    assert_eq!(problem["title"], "Forbidden");
    assert_eq!(problem["type"], "about:blank");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| detail.ends_with('.'))
    );
}

const TCP_ROUTES: &str = "
permission: { store_file: store.fga.yaml }
routes:
  - name: db
    match: { tcp: true }
    permission: { user: 'user:{source.principal}', relation: caller, object: 'service:agent' }
";

#[tokio::test(flavor = "multi_thread")]
async fn bare_tcp_is_denied_unless_a_route_allows_it() {
    let keys = Keys::generate();
    let service = Upstream::start().await;
    let exchange = async |config: &str| {
        let subzero = subzero(config, &keys).start().await;
        let envoy = envoy::Setup::new("tcp.yaml", service.address, &subzero.socket)
            .start()
            .await;
        let answer = client::send_tcp(
            envoy.address,
            b"GET /tcp HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        )
        .await;
        let metrics = subzero.metrics().await;
        (answer.unwrap_or_default().len(), metrics)
    };
    let (length, metrics) = exchange("routes: [{ name: all, match: {}, public: true }]").await;
    assert_eq!(length, 0, "closed without a byte");
    assert!(
        metrics.count(
            "subzero_checks_total",
            &[("reason", "no_route"), ("verdict", "deny")]
        ) >= 1
    );

    // The echo service keeps the connection, so the read ends by time-out; what counts is what came.
    let allowed = "routes: [{ name: all, match: { tcp: true }, public: true }]";
    let subzero = subzero(allowed, &keys).start().await;
    let envoy = envoy::Setup::new("tcp.yaml", service.address, &subzero.socket)
        .start()
        .await;
    let response = Request::get("/tcp").send(envoy.address).await;
    assert_eq!(response.json()["path"], "/tcp");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_is_who_asks() {
    let keys = Keys::generate();
    let service = Upstream::start().await;
    let authority = Authority::new();
    let config = TCP_ROUTES.replace("match: { tcp: true }", "match: { path: /cert }");
    let subzero = subzero(&config, &keys).start().await;
    let setup = envoy::Setup::new("sidecar.yaml", service.address, &subzero.socket);
    let envoy = authority.guard(setup).start().await;
    let request = Request::get("/cert").header("x-forwarded-client-cert", "URI=tester");
    let ask = async |identity| {
        request
            .send_tls(envoy.address, &authority, identity)
            .await
            .expect("an answer")
    };

    let tester = authority.caller("tester", &["tester"]);
    let passed = ask(Some(&tester)).await;
    assert_eq!(
        (passed.status, passed.echoed("x-subzero-subject")),
        (200, vec!["tester".to_owned()])
    );
    let other = authority.caller("other", &["spiffe://td/ns/a"]);
    assert_eq!(ask(Some(&other)).await.reason(), "permission_denied");
    let nobody = ask(None).await;
    assert_eq!(
        (nobody.status, nobody.reason()),
        (403, "missing_input"),
        "a header is no certificate"
    );
}

/// Whether the issuer's keys being away denies, errs or allows.
fn keys_away(on_unavailable: &str) -> String {
    format!(
        "identity:
  issuers: {{ away: {{ issuer: 'https://issuer.example/', jwks_uri: 'http://127.0.0.1:1/keys', allow_private_addresses: true, audiences: any }} }}
routes:
  - {{ name: me, match: {{ path: /me }}, identity: {{ issuers: [away] }}, on_unavailable: {{ identity: {on_unavailable} }} }}
  - {{ name: denied, match: {{ path: /denied }}, identity: {{ issuers: [away] }} }}
"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn could_not_decide_is_not_denied() {
    const STRICT: &str = "failure_mode_allow: false";
    for (setting, lenient_envoy, expected, reason) in [
        ("deny", false, 503, "keys_unavailable"),
        ("deny", true, 503, "keys_unavailable"),
        ("error", false, 503, "keys_unavailable"),
        ("error", true, 200, ""),
        ("allow", false, 200, ""),
    ] {
        let world = World::with(&keys_away(setting), |envoy| {
            if lenient_envoy {
                envoy.with(STRICT, "failure_mode_allow: true")
            } else {
                envoy
            }
        })
        .await;
        let asked = world
            .send(Request::get("/me").bearer(&world.keys.token("alice")))
            .await;
        let case = format!("on_unavailable {setting}, failure_mode_allow {lenient_envoy}");
        assert_eq!((asked.status, asked.reason()), (expected, reason), "{case}");
        // A denial stays one, whatever the failure mode.
        let denied = world.send(Request::get("/denied")).await;
        assert_eq!(
            (denied.status, denied.reason()),
            (401, "token_missing"),
            "{case}"
        );
        let verdict = if setting == "allow" { "allow" } else { setting };
        let metrics = world.subzero.metrics().await;
        let labels = [
            ("route", "me"),
            ("reason", "keys_unavailable"),
            ("verdict", verdict),
        ];
        assert_eq!(metrics.count("subzero_checks_total", &labels), 1, "{case}");
        let stat = if setting == "error" {
            "error"
        } else {
            "denied"
        };
        assert!(
            world
                .envoy
                .stat(&format!("http.ingress.ext_authz.{stat}"))
                .await
                >= 1,
            "{case}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_answers_503_when_subzero_is_gone_and_recovers_at_once() {
    let mut world = World::start().await;
    assert_eq!(world.send(Request::get("/healthz")).await.status, 200);
    world.subzero.process.kill();
    let gone = world.send(Request::get("/healthz")).await;
    assert_eq!((gone.status, gone.reason()), (503, ""));
    let successor = subzero(&data("subzero.yaml"), &world.keys)
        .socket(&world.subzero.socket)
        .start()
        .await;
    assert_eq!(world.send(Request::get("/healthz")).await.status, 200);
    drop(successor);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_takes_too_long_is_denied_not_passed() {
    let provider = crate::support::oidc::Oidc::start().await;
    let config = format!(
        "limits: {{ deadline: 200ms }}
identity:
  issuers: {{ slow: {{ issuer: '{}', allow_private_addresses: true, audiences: any }} }}
routes: [{{ name: me, match: {{ path: /me }}, identity: {{ issuers: [slow] }} }}]
",
        provider.issuer
    );
    let good = provider.token("alice", "docs").await;
    provider.jwks_mode("slow").await;
    let world = World::with(&config, |envoy| envoy).await;
    let asked = tokio::time::timeout(
        Duration::from_secs(2),
        world.send(Request::get("/me").bearer(&good)),
    )
    .await;
    let asked = asked.expect("an answer well before the keys");
    assert_eq!(asked.status, 503, "{:?}", asked.text());
    assert!(
        ["keys_unavailable", "deadline"].contains(&asked.reason()),
        "{}",
        asked.reason()
    );
    assert_eq!(json!(asked.reason()), asked.json()["reason"]);
}
