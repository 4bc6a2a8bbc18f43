mod index;

use std::{collections::HashMap, fs, time::Instant};

use super::*;
use crate::{
    check::{Body, Headers, Removes, RequestPath, Source},
    permission,
};

/// A policy from YAML as a user writes it, over a small store.
fn policy(routes: &str) -> Result<Policy, Vec<Problem>> {
    let folder = tempfile::tempdir().expect("folder");
    fs::write(folder.path().join("store.fga.yaml"), STORE).expect("store");
    let config = permission::Config {
        store_file: Some("store.fga.yaml".into()),
        openfga: None,
    };
    let authorizer = Authorizer::load(&config, folder.path()).expect("store loads");
    let routes: Vec<RouteConfig> = serde_saphyr::from_str(routes).expect("routes");
    let defaults: Defaults = serde_saphyr::from_str(DEFAULTS).expect("defaults");
    let identity: identity::Config = serde_saphyr::from_str(IDENTITY).expect("identity");
    Policy::new(&routes, &defaults, &identity, &authorizer)
}

const STORE: &str = "
name: test
model: |
  model
    schema 1.1
  type user
  type document
    relations
      define viewer: [user]
tuples: []
";

const DEFAULTS: &str =
    "{ mode: enforce, on_unavailable: { identity: deny }, allow_cors_preflight: false }";

const IDENTITY: &str = "
defaults: { algorithms: [RS256], leeway: 30s, refresh: 10m, fetch_timeout: 2s, max_stale: 24h,
  unknown_kid_burst: 3, unknown_kid_interval: 10s, allow_private_addresses: false,
  introspection_keep: 1m, introspection_keep_inactive: 5s, introspection_max_in_flight: 64 }
issuers:
  main: { issuer: https://issuer.example, audiences: [api] }
  one: { issuer: https://one.example, audiences: [api], introspection: { client_id: c } }
  two: { issuer: https://two.example, audiences: [api], introspection: { client_id: c } }
token_cache: 1MiB
dpop: { max_age: 1m, max_memory: 1MiB }
revocation: { max_memory: 1MiB, max_token_life: 1h }
";

fn get(target: &str) -> Check {
    request("GET", "api.example", target, &[])
}

fn request(method: &str, host: &str, target: &str, headers: &[(&str, &str)]) -> Check {
    let mut own = Headers::default();
    for (name, value) in headers {
        own.push(name, value.as_bytes());
    }
    let http = HttpRequest {
        method: method.to_owned(),
        host: host.to_owned(),
        path: RequestPath::parse(target),
        headers: own,
        body: Body::Absent,
    };
    Check {
        http: Some(http),
        ..tcp()
    }
}

fn tcp() -> Check {
    Check {
        http: None,
        source: Source::default(),
        context: HashMap::new(),
        metadata: HashMap::new(),
        removes: Removes::ALL,
        shows_ours: false,
        deadline: Instant::now(),
    }
}

/// The name of the route that answers, or the reason why none does.
fn chosen(policy: &Policy, check: &Check) -> String {
    match policy.route(check) {
        Ok((route, matched)) if matched.preflight => format!("{} (preflight)", route.name),
        Ok((route, _)) => route.name.clone(),
        Err(reason) => reason.to_string(),
    }
}

#[test]
fn the_first_route_that_matches_wins_and_nothing_matching_denies() {
    let policy = policy(
        "
- { name: one, match: { path: '/a/{x}', methods: [GET] }, public: true }
- { name: two, match: { path: '/a/b' }, public: true }
- { name: host, match: { host: '*.other.example' }, public: true }
- { name: header, match: { path: /h, headers: { X-Tenant: acme, x-any: '*' } }, public: true }
",
    )
    .expect("policy");
    assert_eq!(chosen(&policy, &get("/a/b")), "one");
    assert_eq!(chosen(&policy, &request("POST", "", "/a/b", &[])), "two");
    assert_eq!(
        chosen(&policy, &request("get", "", "/a/c", &[])),
        "no_route"
    );
    assert_eq!(chosen(&policy, &get("/c")), "no_route");
    assert_eq!(
        chosen(&policy, &request("GET", "x.other.example", "/c", &[])),
        "host"
    );
    let with = |headers: &[(&str, &str)]| chosen(&policy, &request("GET", "", "/h", headers));
    assert_eq!(with(&[("x-tenant", "acme"), ("x-any", "1")]), "header");
    assert_eq!(with(&[("x-tenant", "acme")]), "no_route");
    assert_eq!(
        with(&[("x-tenant", "acme"), ("x-tenant", "evil"), ("x-any", "1")]),
        "no_route"
    );
    assert_eq!(
        with(&[("x-tenant", "acme,evil"), ("x-any", "1")]),
        "no_route"
    );
}

#[test]
fn two_spellings_that_lead_to_different_routes_are_refused() {
    let policy = policy(
        "
- { name: admin, match: { path: '/admin/{*rest}' }, permission: { user: 'user:{source.principal}', relation: viewer, object: 'document:{path.rest}' } }
- { name: open, match: { path: '/{*rest}' }, public: true }
",
    )
    .expect("policy");
    assert_eq!(chosen(&policy, &get("/admin/x")), "admin");
    for evasion in ["//admin/x", "/%61dmin/x", "/open/../admin/x", "/./admin/x"] {
        assert_eq!(chosen(&policy, &get(evasion)), "bad_path", "{evasion}");
    }
    assert_eq!(
        chosen(&policy, &get("/a%20b")),
        "open",
        "both spellings agree"
    );
    assert_eq!(
        chosen(&policy, &get("/x/../y")),
        "bad_path",
        "the tail differs"
    );
    assert_eq!(
        chosen(&policy, &get("/x//y")),
        "bad_path",
        "the tail differs"
    );
}

#[test]
fn two_spellings_that_capture_different_values_are_refused() {
    let policy = policy(
        "
- { name: tenant, match: { path: '/t/{tenant}/{*rest}' }, public: true }
- { name: any, match: { host: any.example }, public: true }
",
    )
    .expect("policy");
    for evasion in [
        "/t/a/../b/x",
        "/t/a/%2e%2e/b/x",
        "/t/./b/x",
        "/t//b/x",
        "/t/b/x/./y",
    ] {
        assert_eq!(chosen(&policy, &get(evasion)), "bad_path", "{evasion}");
    }
    assert_eq!(
        chosen(&policy, &get("/t/caf%C3%A9/x%20y")),
        "tenant",
        "encoded alike"
    );
    let captures = |target| match policy.route(&get(target)) {
        Ok((_, matched)) => matched.captures.value("tenant").map(str::to_owned),
        Err(_) => None,
    };
    assert_eq!(captures("/t/caf%C3%A9/x").as_deref(), Some("caf\u{e9}"));
}

#[test]
fn preflights_pass_only_where_a_route_says_so() {
    let policy = policy(
        "
- { name: cors, match: { path: /cors, methods: [POST], headers: { x-a: '1' } }, public: true, allow_cors_preflight: true }
- { name: plain, match: { path: /plain, methods: [POST] }, public: true }
",
    )
    .expect("policy");
    let preflight = [
        ("origin", "https://app"),
        ("access-control-request-method", "POST"),
    ];
    assert_eq!(
        chosen(&policy, &request("OPTIONS", "", "/cors", &preflight)),
        "cors (preflight)"
    );
    assert_eq!(
        chosen(&policy, &request("OPTIONS", "", "/plain", &preflight)),
        "no_route"
    );
    assert_eq!(
        chosen(&policy, &request("OPTIONS", "", "/cors", &preflight[..1])),
        "no_route"
    );
    assert_eq!(
        chosen(&policy, &request("POST", "", "/cors", &preflight)),
        "no_route",
        "no x-a"
    );
    let delete = [
        ("origin", "https://app"),
        ("access-control-request-method", "DELETE"),
    ];
    assert_eq!(
        chosen(&policy, &request("OPTIONS", "", "/cors", &delete)),
        "no_route"
    );
}

#[test]
fn bare_tcp_is_denied_unless_a_route_allows_it() {
    let without = policy("[{ name: all, match: {}, public: true }]").expect("policy");
    assert_eq!(chosen(&without, &tcp()), "no_route");
    let with =
        policy("[{ name: db, match: { tcp: true, context: { listener: db } }, public: true }]");
    let with = with.expect("policy");
    assert_eq!(chosen(&with, &tcp()), "no_route");
    let check = Check {
        context: [("listener".into(), "db".into())].into(),
        ..tcp()
    };
    assert_eq!(chosen(&with, &check), "db");
    assert_eq!(chosen(&with, &get("/")), "no_route");
}

#[test]
fn mistakes_are_found_at_load() {
    let permission =
        "permission: { user: 'user:{token.sub}', relation: viewer, object: 'document:{path.id}' }";
    for (route, key) in [
        ("match: {}".to_owned(), ""),
        ("match: {}, public: true, identity: { issuers: [main], scopes: [] }".to_owned(), "identity"),
        ("match: { path: docs }, public: true".to_owned(), "match.path"),
        ("match: { host: 'A:1' }, public: true".to_owned(), "match.host"),
        ("match: { methods: [get] }, public: true".to_owned(), "match.methods[0]"),
        ("match: { tcp: true, path: /x }, public: true".to_owned(), "match.path"),
        ("match: {}, identity: { issuers: [other], scopes: [] }".to_owned(), "identity.issuers[0]"),
        ("match: {}, identity: { issuers: [], scopes: [] }".to_owned(), "identity.issuers"),
        ("match: {}, identity: { issuers: [one, main, two] }".to_owned(), "identity.issuers"),
        (format!("match: {{ path: /x }}, identity: {{ issuers: [main], scopes: [] }}, {permission}"), "permission.object"),
        (format!("match: {{ path: '/{{id}}' }}, {permission}"), "permission.user"),
        (
            format!(
                "match: {{ path: '/{{id}}' }}, identity: {{ issuers: [main], scopes: [] }}, \
                 on_unavailable: {{ identity: allow }}, {permission}"
            ),
            "on_unavailable.identity",
        ),
        (
            "match: {}, permission: { user: 'user:{source.principal}', relation: owner, object: 'document:1' }".to_owned(),
            "permission.relation",
        ),
    ] {
        let problems = policy(&format!("[{{ name: r, {route} }}]")).expect_err(&route);
        let expected = format!("routes[0]{}{key}", if key.is_empty() { "" } else { "." });
        assert!(problems.iter().any(|problem| problem.key == expected), "{route}: {problems:?}");
    }
}

#[test]
fn the_strictest_enforced_route_says_what_is_familiar_everywhere() {
    let route = |name: &str, more: &str| {
        let identity = "identity: { issuers: [main] }";
        format!("- {{ name: {name}, match: {{ path: /{name} }}, {identity}, {more} }}\n")
    };
    let none = policy(&route("a", "mode: enforce")).expect("good");
    assert!(!none.uses_risk());
    let mut routes = route("a", "risk: { deny_above: 0.9 }")
        + &route(
            "b",
            "risk: { deny_above: 0.8, step_up_above: 0.7, max_age: 5m }",
        );
    let two = policy(&routes).expect("good");
    assert!(two.uses_risk());
    assert!((two.risk_passes_up_to() - 0.7).abs() < f32::EPSILON);
    routes += &route("c", "risk: { deny_above: 0.1 }, mode: shadow");
    let tried = policy(&routes).expect("good");
    assert!((tried.risk_passes_up_to() - 0.7).abs() < f32::EPSILON);
}

#[test]
fn risk_needs_somebody_with_a_token_or_a_certificate() {
    let peer =
        "permission: { user: 'user:{source.principal}', relation: viewer, object: 'document:a' }";
    let deny = "risk: { deny_above: 0.9 }";
    let step_up = "risk: { step_up_above: 0.9, max_age: 5m }";
    for (more, refused) in [
        (format!("{peer}, {deny}"), None),
        (
            format!("{peer}, {step_up}"),
            Some("routes[0].risk.step_up_above"),
        ),
        (format!("public: true, {deny}"), Some("routes[0].risk")),
        (format!("screening: {{}}, {deny}"), Some("routes[0].risk")),
    ] {
        let made = policy(&format!("- {{ name: a, match: {{}}, {more} }}"));
        let key = made.err().map(|problems| problems[0].key.clone());
        assert_eq!(key.as_deref(), refused, "{more}");
    }
}
