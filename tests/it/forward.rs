//! Forward-auth: Envoy's HTTP service and nginx's `auth_request`, the real ones with the example
//! configurations as they stand, and the same tables through both.

mod envoy;
mod nginx;
mod traefik;

use std::{fs, net::SocketAddr, time::Duration};

use crate::{
    cases::{Case, deny, pass},
    support::{
        client::{Request, Response},
        keys::Token,
        subzero::Subzero,
        upstream::{Received, Upstream},
    },
    world::{AUDIENCE, Exchange, Keys, data, subzero, token},
};

/// A service, and Subzero beside it; what stands before both is the test's.
struct Behind {
    subzero: Subzero,
    service: Upstream,
    keys: Keys,
}

impl Behind {
    /// With the tests' configuration, `forward_auth.from` and some more routes.
    async fn start(from: &str) -> Self {
        let keys = Keys::generate();
        let config = data("subzero.yaml").replace("  issuers:\n", ISSUERS);
        let config = format!("forward_auth: {{ from: {from} }}\n{config}{ROUTES}");
        Self {
            subzero: subzero(&config, &keys).start().await,
            service: Upstream::start().await,
            keys,
        }
    }
}

/// One more, whose keys cannot be had.
const ISSUERS: &str = "  issuers:
    away: { issuer: 'https://away.example/', jwks_uri: 'http://127.0.0.1:1/keys', allow_private_addresses: true, audiences: any }
";

/// A token of the issuer whose keys cannot be had.
fn away(keys: &Keys) -> String {
    Token::new("https://away.example/", AUDIENCE, "alice").sign(&keys.rs256)
}

const ROUTES: &str = "
  - { name: in-query, match: { path: /in-query }, identity: { issuers: [main], token: { query: token } } }
  - { name: kept-back, match: { path: /kept-back }, identity: { issuers: [main], strip: true } }
  - name: away
    match: { path: /away, methods: [GET] }
    identity: { issuers: [away] }
  - name: away-error
    match: { path: /away-error, methods: [GET] }
    identity: { issuers: [away] }
    on_unavailable: { identity: error }
";

/// A proxy before the two.
struct Front<'a> {
    address: SocketAddr,
    behind: &'a Behind,
}

impl Exchange for Front<'_> {
    async fn exchange(&self, mark: &str, request: Request) -> (Response, Vec<Received>) {
        let response = request.header("x-case", mark).send(self.address).await;
        (response, self.behind.service.received_with("x-case", mark))
    }
}

/// Who may what, through any proxy.
fn rules(keys: &Keys) -> Vec<Case> {
    let get = |path: &str| Request::get(path).bearer(&keys.token("alice"));
    let expired = token("alice").expires_in(-3_600).sign(&keys.rs256);
    let approver = token("alice").scope("docs:approve").sign(&keys.rs256);
    vec![
        pass("public", Request::get("/healthz"), "/healthz"),
        pass("a good token", get("/me"), "/me").subject("alice"),
        pass("permitted", get("/docs/own"), "/docs/own").subject("alice"),
        pass(
            "a query is passed on",
            get("/search?doc=own&x=%20"),
            "/search?doc=own&x=%20",
        )
        .subject("alice"),
        pass(
            "another method",
            Request::new("POST", "/docs/approve/approve").bearer(&approver),
            "/docs/approve/approve",
        )
        .subject("alice"),
        pass(
            "a token in the query",
            Request::get(&format!("/in-query?token={}", keys.token("alice"))),
            &format!("/in-query?token={}", keys.token("alice")),
        )
        .subject("alice"),
        pass(
            "shadow mode",
            Request::get("/shadow/secret"),
            "/shadow/secret",
        ),
        pass(
            "another host",
            Request::get("/anything").header("host", "internal.example"),
            "/anything",
        ),
        deny("no token", Request::get("/me"), 401, "token_missing"),
        deny(
            "no token in the query",
            Request::get("/in-query?tok=x"),
            401,
            "token_missing",
        ),
        deny(
            "nonsense",
            Request::get("/me").bearer("nonsense"),
            401,
            "token_malformed",
        ),
        deny(
            "expired",
            Request::get("/me").bearer(&expired),
            401,
            "token_expired",
        ),
        deny("no scope", get("/reports"), 403, "token_scope"),
        deny(
            "not permitted",
            get("/docs/secret"),
            403,
            "permission_denied",
        ),
        deny(
            "a value twice",
            get("/search?doc=own&doc=x"),
            403,
            "missing_input",
        ),
        deny("no route", get("/nowhere"), 403, "no_route"),
        deny(
            "a method without a route",
            Request::new("DELETE", "/healthz"),
            403,
            "no_route",
        ),
        deny("slash escaped", get("/docs/a%2fb"), 400, "bad_path"),
        deny("escaped twice", get("/docs/%252e%252e"), 400, "bad_path"),
        deny("dots", get("/docs/../healthz"), 400, "bad_path"),
        deny("slashes", get("//healthz"), 400, "bad_path"),
        deny(
            "dots through a public folder",
            get("/open/../me"),
            400,
            "bad_path",
        ),
        deny("letters escaped", get("/open/%61dmin/x"), 400, "bad_path"),
    ]
}

/// What a client sends to pass for another request, or for somebody else.
fn forgeries(keys: &Keys) -> Vec<Case> {
    let me = || Request::get("/me").bearer(&keys.token("alice"));
    let forged = |name: &str, headers: &[(&str, &str)]| {
        let mut request = Request::get("/me");
        for (header, value) in headers {
            request = request.header(header, value);
        }
        deny(name, request, 401, "token_missing")
    };
    vec![
        forged(
            "nginx's headers",
            &[("x-original-uri", "/healthz"), ("x-original-method", "GET")],
        ),
        forged(
            "nginx's, twice",
            &[
                ("x-original-uri", "/healthz"),
                ("X-Original-URI", "/healthz"),
            ],
        ),
        forged(
            "nginx's, with underscores",
            &[("x_original_uri", "/healthz")],
        ),
        forged(
            "Traefik's headers",
            &[
                ("x-forwarded-uri", "/healthz"),
                ("x-forwarded-method", "GET"),
                ("x-forwarded-host", "internal.example"),
            ],
        ),
        forged(
            "a host by header",
            &[("x-forwarded-host", "internal.example")],
        ),
        forged("Envoy's path", &[("x-envoy-original-path", "/healthz")]),
        forged(
            "rewriting",
            &[
                ("x-rewrite-url", "/healthz"),
                ("x-original-url", "/healthz"),
            ],
        ),
        forged(
            "a subject",
            &[("x-subzero-subject", "alice"), ("x-subzero-reason", "ok")],
        ),
        pass(
            "a subject on a public route",
            Request::get("/healthz")
                .header("x-subzero-subject", "root")
                .header("x-subzero-findings", "none")
                .header("x-subzero-risk", "0")
                .header("x-subzero-reason", "ok"),
            "/healthz",
        )
        .without(&["x-subzero-subject", "x-subzero-risk", "x-subzero-reason"]),
        pass(
            "a subject with underscores",
            Request::get("/healthz").header("x_subzero_subject", "root"),
            "/healthz",
        )
        .without(&["x_subzero_subject"]),
        pass(
            "a subject beside a token",
            me().header("x-subzero-subject", "root")
                .header("X-Subzero-Subject", "root2"),
            "/me",
        )
        .subject("alice"),
        pass(
            "a subject named in connection",
            me().header("connection", "close, x-subzero-subject"),
            "/me",
        )
        .subject("alice"),
    ]
}

/// The log, once it has this in it: it is written a little later than answers are.
async fn logged(subzero: &mut Subzero, text: &str) -> String {
    let path = subzero.dir().join("subzero.out");
    let read = move || fs::read_to_string(&path).unwrap_or_default();
    let has = async || read().contains(text);
    let what = format!("log `{text}`");
    subzero
        .process
        .until(&what, Duration::from_secs(5), has)
        .await;
    read()
}

/// `subzero_checks_total` of a route and reason.
async fn count(subzero: &Subzero, route: &str, reason: &str) -> u64 {
    let metrics = subzero.metrics().await;
    ["allow", "deny", "error"]
        .into_iter()
        .map(|verdict| {
            let labels = [("route", route), ("verdict", verdict), ("reason", reason)];
            metrics.count("subzero_checks_total", &labels)
        })
        .sum()
}
