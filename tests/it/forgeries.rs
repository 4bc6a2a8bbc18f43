//! The table of what clients forge, and of what routes let pass on purpose, through Envoy as
//! shipped.

use crate::{
    cases::{deny, pass, run},
    support::client::{self, Request},
    world::World,
};

fn me() -> Request {
    Request::get("/me")
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_clients_forge() {
    let world = World::start().await;
    let get = || Request::get("/healthz");
    let mine = || me().bearer(&world.keys.token("alice"));
    let cases = vec![
        pass(
            "our headers on a public route",
            get()
                .header("x-subzero-subject", "root")
                .header("x-subzero-risk", "0"),
            "/healthz",
        )
        .without(&["x-subzero-subject", "x-subzero-risk"]),
        pass(
            "a name of ours that we never set",
            get().header("x-subzero-admin", "true"),
            "/healthz",
        )
        .without(&["x-subzero-admin"]),
        pass(
            "underscores",
            get()
                .header("x_subzero_subject", "root")
                .header("x-subzero_findings", "x"),
            "/healthz",
        )
        .without(&["x_subzero_subject", "x-subzero_findings"]),
        pass(
            "overwritten, not appended",
            mine()
                .header("x-subzero-subject", "root")
                .header("x-subzero-decision", "1"),
            "/me",
        )
        .subject("alice"),
        pass(
            "repeated",
            mine()
                .header("x-subzero-subject", "root")
                .header("X-Subzero-Subject", "root2"),
            "/me",
        )
        .subject("alice"),
        pass(
            "Envoy's own words",
            get()
                .header("x-envoy-auth-partial-body", "false")
                .header("x-envoy-auth-failure-mode-allowed", "true"),
            "/healthz",
        )
        .without(&[
            "x-envoy-auth-partial-body",
            "x-envoy-auth-failure-mode-allowed",
        ]),
        pass(
            "named in connection",
            mine().header("connection", "close, x-subzero-subject"),
            "/me",
        )
        .subject("alice"),
        pass(
            "bytes that are no text in a header",
            get().header("x-other", "caf\u{e9}"),
            "/healthz",
        ),
        deny(
            "an address by header",
            me().header("x-forwarded-for", "127.0.0.1")
                .header("x-real-ip", "10.0.0.1"),
            401,
            "token_missing",
        ),
        deny(
            "client certificate by header",
            me().header("x-forwarded-client-cert", "Subject=root"),
            401,
            "token_missing",
        ),
        deny(
            "a verified token by header",
            me().header("x-jwt-payload", "eyJzdWIiOiJyb290In0"),
            401,
            "token_missing",
        ),
    ];
    run(&world, cases, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_mode_and_preflights() {
    let world = World::start().await;
    let preflight = |path: &str, method: &str| {
        let request = Request::new("OPTIONS", path).header("origin", "https://app.example");
        request.header("access-control-request-method", method)
    };
    let cases = vec![
        pass(
            "shadow lets a denial pass",
            Request::get("/shadow/secret").bearer(&world.keys.token("alice")),
            "/shadow/secret",
        )
        .subject("alice"),
        pass(
            "shadow lets a missing token pass",
            Request::get("/shadow/own"),
            "/shadow/own",
        ),
        pass(
            "shadow and allowed",
            Request::get("/shadow/own").bearer(&world.keys.token("alice")),
            "/shadow/own",
        )
        .subject("alice"),
        pass(
            "preflight where a route opts in",
            preflight("/cors", "POST"),
            "/cors",
        ),
        deny(
            "preflight for another method",
            preflight("/cors", "DELETE"),
            403,
            "no_route",
        ),
        deny(
            "preflight where no route opts in",
            preflight("/me", "GET"),
            401,
            "token_missing",
        ),
        deny(
            "OPTIONS that is no preflight",
            Request::new("OPTIONS", "/cors"),
            403,
            "no_route",
        ),
        deny(
            "the request after the preflight",
            Request::new("POST", "/cors").header("origin", "https://app.example"),
            401,
            "token_missing",
        ),
    ];
    run(&world, cases, 8).await;
    let metrics = world.subzero.metrics().await;
    let shadow = |agreement| {
        metrics.count(
            "subzero_shadow_total",
            &[("route", "shadow"), ("agreement", agreement)],
        )
    };
    assert_eq!((shadow("agree"), shadow("disagree")), (1, 2));
}

/// Bytes that are not UTF-8 once made Envoy's question unreadable, and a check that could not be
/// asked let the request pass.
#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_not_text_neither_pass_nor_break_anything() {
    let world = World::start().await;
    let send = async |path: &str, more: &str| {
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: service.example\r\nconnection: close\r\n{more}user-agent: "
        );
        let request = [head.as_bytes(), b"te\xffst\xfe", b"\r\n\r\n"].concat();
        let answer = client::send_tcp(world.envoy.address, &request).await;
        String::from_utf8_lossy(&answer.expect("an answer")).into_owned()
    };
    let public = send("/healthz", "").await;
    assert!(public.starts_with("HTTP/1.1 200"), "{public}");
    let bearer = format!("authorization: Bearer {}\r\n", world.keys.token("alice"));
    let read_by_a_rule = send("/agent", &bearer).await;
    assert!(
        read_by_a_rule.starts_with("HTTP/1.1 403"),
        "{read_by_a_rule}"
    );
    assert!(read_by_a_rule.contains("missing_input"), "{read_by_a_rule}");
}
