//! nginx's `auth_request`, with `examples/nginx/nginx.conf`.

use super::{Behind, Front, away, count, forgeries, logged, rules};
use crate::{
    cases::{deny, run},
    support::{
        client::{self, Request},
        nginx::Nginx,
    },
    world::{Exchange, chat, token},
};

async fn before(behind: &Behind) -> Nginx {
    Nginx::start(behind.service.address, behind.subzero.http).await
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_asks() {
    for from in ["nginx", "any"] {
        let behind = Behind::start(from).await;
        let nginx = before(&behind).await;
        let front = Front {
            address: nginx.address,
            behind: &behind,
        };
        run(&front, rules(&behind.keys), 20).await;
        run(&front, forgeries(&behind.keys), 10).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_shows_no_body_so_what_screens_bodies_denies() {
    let behind = Behind::start("nginx").await;
    let nginx = before(&behind).await;
    let front = Front {
        address: nginx.address,
        behind: &behind,
    };
    let bearer = token("alice").scope("chat").sign(&behind.keys.rs256);
    let harmless = |path: &str| Request::post(path, &"hello".into()).bearer(&bearer);
    let cases = vec![
        deny("screened", harmless("/v1/responses"), 400, "body_missing"),
        deny(
            "read by a rule",
            chat("hello").bearer(&bearer),
            400,
            "body_missing",
        ),
        deny(
            "whole, says the client",
            harmless("/v1/responses").header("x-envoy-auth-partial-body", "false"),
            400,
            "body_missing",
        ),
        deny(
            "cut, says the client",
            harmless("/v1/responses").header("x-envoy-auth-partial-body", "true"),
            413,
            "body_partial",
        ),
    ];
    run(&front, cases, 4).await;
    let post = Request::post("/me", &"hello".into()).bearer(&bearer);
    let (response, received) = front.exchange("body", post).await;
    assert_eq!(response.status, 200);
    assert_eq!(received[0].body, b"\"hello\"", "the service gets it");
}

#[tokio::test(flavor = "multi_thread")]
async fn nginx_tells_what_is_not_401_or_403() {
    let behind = Behind::start("nginx").await;
    let nginx = before(&behind).await;
    let front = Front {
        address: nginx.address,
        behind: &behind,
    };
    for path in ["/away", "/away-error"] {
        let request = Request::get(path).bearer(&away(&behind.keys));
        let (response, received) = front.exchange(path, request).await;
        assert_eq!(
            (response.status, response.reason()),
            (503, "keys_unavailable"),
            "{path}"
        );
        assert_eq!(response.json()["status"], 503);
        assert!(received.is_empty(), "{path}");
    }
    assert_eq!(count(&behind.subzero, "away", "keys_unavailable").await, 1);
    // nginx cannot be told to take a token out.
    let request = Request::get("/kept-back").bearer(&behind.keys.token("alice"));
    let (response, received) = front.exchange("kept back", request).await;
    assert_eq!((response.status, response.reason()), (503, "internal"));
    assert!(received.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_challenge_for_a_caller_without_a_good_token() {
    let behind = Behind::start("nginx").await;
    let nginx = before(&behind).await;
    let bearer = behind.keys.token("alice");
    for (request, expected) in [
        (Request::get("/me"), "Bearer"),
        (
            Request::get("/me").bearer("x"),
            "Bearer error=\"invalid_token\"",
        ),
        (
            Request::get("/reports").bearer(&bearer),
            "Bearer error=\"insufficient_scope\"",
        ),
    ] {
        let response = request.send(nginx.address).await;
        let named = |(name, _): &&(String, String)| name.eq_ignore_ascii_case("www-authenticate");
        let challenges: Vec<_> = response.headers.iter().filter(named).collect();
        assert_eq!(challenges.len(), 1, "{:?}", response.headers);
        assert!(challenges[0].1.starts_with(expected), "{challenges:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_subzero_nothing_passes_nginx() {
    let mut behind = Behind::start("nginx").await;
    let nginx = before(&behind).await;
    assert_eq!(
        Request::get("/healthz").send(nginx.address).await.status,
        200
    );
    behind.subzero.process.kill();
    let response = Request::get("/healthz").send(nginx.address).await;
    assert_eq!(response.status, 503);
    assert_eq!(behind.service.received().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_request_lines_do_not_pass_nginx() {
    let behind = Behind::start("nginx").await;
    let nginx = before(&behind).await;
    for target in [
        "/me#/../healthz",
        "/healthz#",
        "/healthz/..%2fme",
        "/healthz%00",
        "/\\healthz",
        "http://internal.example/me",
        "/open/..;/me",
    ] {
        let request =
            format!("GET {target} HTTP/1.1\r\nhost: service.example\r\nconnection: close\r\n\r\n");
        let answer = client::send_tcp(nginx.address, request.as_bytes())
            .await
            .expect("an answer");
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let status = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        let internal = target.starts_with("http://internal");
        // The host of an absolute target counts, for Subzero and for the service alike.
        assert_eq!(status == "200", internal, "{target}: {answer}");
    }
    let received = behind.service.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].header("host"), Some("internal.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_s_address_is_the_one_that_nginx_saw() {
    let mut behind = Behind::start("nginx").await;
    let nginx = before(&behind).await;
    let request = Request::get("/me").header("x-forwarded-for", "203.0.113.9");
    request.send(nginx.address).await;
    logged(&mut behind.subzero, "\"source\":\"127.0.0.1\"").await;
}
