//! The table: tokens, permissions, paths, hosts and headers, through Envoy as shipped.

use serde_json::json;

use crate::{
    cases::{Case, deny, pass, refuse, run},
    support::{
        client::Request,
        keys::{Algorithm, Key, Token},
    },
    world::{AUDIENCE, Keys, PARTNER, World, token},
};

fn me() -> Request {
    Request::get("/me")
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens() {
    let world = World::start().await;
    let keys = &world.keys;
    let cases = [
        good_tokens(keys),
        bad_tokens(keys),
        hostile_tokens(keys),
        scopes(keys),
    ];
    run(&world, cases.into_iter().flatten().collect(), 35).await;
}

fn good_tokens(keys: &Keys) -> Vec<Case> {
    let good = |name: &str, token: String| pass(name, me().bearer(&token), "/me").subject("alice");
    vec![
        good("RS256", token("alice").sign(&keys.rs256)),
        good("ES256", token("alice").sign(&keys.es256)),
        good("EdDSA", token("alice").sign(&keys.eddsa)),
        good(
            "audience in a list",
            token("alice")
                .claim("aud", json!(["other", AUDIENCE]))
                .sign(&keys.rs256),
        ),
        good(
            "expired within the leeway",
            token("alice").expires_in(-5).sign(&keys.rs256),
        ),
        good(
            "exp as a fraction",
            token("alice")
                .claim("exp", json!(9_999_999_999.5))
                .sign(&keys.rs256),
        ),
        pass(
            "scheme in small letters",
            me().header("authorization", &format!("bearer {}", keys.token("alice"))),
            "/me",
        )
        .subject("alice"),
        pass(
            "subject is made a safe header",
            me().bearer(&keys.token("auth0|a\u{e9} b")),
            "/me",
        )
        .subject("auth0|a%C3%A9%20b"),
    ]
}

fn bad_tokens(keys: &Keys) -> Vec<Case> {
    let bad = |name: &str, token: Token, reason| {
        deny(name, me().bearer(&token.sign(&keys.rs256)), 401, reason)
    };
    vec![
        deny("no token", me(), 401, "token_missing"),
        deny(
            "another scheme",
            me().header("authorization", "Basic YTpi"),
            401,
            "token_missing",
        ),
        deny(
            "empty credential",
            me().header("authorization", "Bearer "),
            401,
            "token_malformed",
        ),
        deny(
            "not a token",
            me().bearer("nonsense"),
            401,
            "token_malformed",
        ),
        bad("expired", token("alice").expires_in(-120), "token_expired"),
        bad(
            "not yet valid",
            token("alice").claim("nbf", json!(9_999_999_999_u64)),
            "token_not_yet_valid",
        ),
        bad(
            "another audience",
            token("alice").claim("aud", json!("other")),
            "token_audience",
        ),
        bad(
            "no audience",
            token("alice").without("aud"),
            "token_audience",
        ),
        bad(
            "unknown issuer",
            token("alice").claim("iss", json!("https://evil.example/")),
            "token_issuer",
        ),
        bad(
            "issuer of another route",
            Token::new(PARTNER, "partner", "alice"),
            "token_issuer",
        ),
        bad(
            "issuer without its slash",
            token("alice").claim("iss", json!("https://issuer.example")),
            "token_issuer",
        ),
        bad(
            "exp as text",
            token("alice").claim("exp", json!("9999999999")),
            "token_malformed",
        ),
        bad(
            "nbf as text",
            token("alice").claim("nbf", json!("1")),
            "token_malformed",
        ),
        bad("no exp", token("alice").without("exp"), "token_malformed"),
        bad(
            "no subject",
            token("alice").without("sub"),
            "token_malformed",
        ),
        bad("empty subject", token(""), "token_malformed"),
        bad(
            "unknown critical header",
            token("alice")
                .header("crit", json!(["x"]))
                .header("x", json!(1)),
            "token_malformed",
        ),
        pass(
            "partner's own route",
            Request::get("/partner").bearer(&Token::new(PARTNER, "partner", "p").sign(&keys.es256)),
            "/partner",
        )
        .subject("p"),
    ]
}

fn hostile_tokens(keys: &Keys) -> Vec<Case> {
    let sent = |name: &str, token: &str, reason| deny(name, me().bearer(token), 401, reason);
    let rogue = Key::generate(Algorithm::Rs256, "rs");
    let unknown = Key::generate(Algorithm::Rs256, "never-published");
    let good = keys.token("alice");
    let (head, rest) = good.split_once('.').expect("a token");
    let (_, signature) = rest.split_once('.').expect("a token");
    let other = keys.token("root");
    let other_payload = other.split('.').nth(1).expect("a payload");
    let header = |name: &str, value| token("alice").header(name, value).sign(&keys.rs256);
    vec![
        sent(
            "forged with a known key id",
            &token("alice").sign(&rogue),
            "token_signature",
        ),
        sent(
            "unknown key id",
            &token("alice").sign(&unknown),
            "token_signature",
        ),
        sent(
            "another's payload",
            &format!("{head}.{other_payload}.{signature}"),
            "token_signature",
        ),
        sent(
            "no signature",
            &format!("{head}.{}.", rest.split('.').next().expect("a payload")),
            "token_signature",
        ),
        sent("alg none", &token("alice").unsigned(), "token_algorithm"),
        sent(
            "alg nOnE",
            &token("alice").header("alg", json!("nOnE")).unsigned(),
            "token_algorithm",
        ),
        sent(
            "HS256 with the public key",
            &token("alice").sign_hs256(&keys.rs256.public_der()),
            "token_algorithm",
        ),
        sent(
            "algorithm that is not configured",
            &header("alg", json!("RS512")),
            "token_algorithm",
        ),
        sent(
            "jku",
            &header("jku", json!("https://evil.example/keys")),
            "token_malformed",
        ),
        sent("jwk", &header("jwk", rogue.jwk()), "token_malformed"),
        sent(
            "x5u",
            &header("x5u", json!("https://evil.example/cert")),
            "token_malformed",
        ),
        sent(
            "over 16 KiB",
            &token("alice")
                .claim("pad", json!("x".repeat(17_000)))
                .sign(&keys.rs256),
            "token_malformed",
        ),
        deny(
            "two credentials",
            me().bearer(&good).bearer(&good),
            401,
            "token_malformed",
        ),
        deny(
            "two credentials in one header",
            me().header("authorization", &format!("Bearer {good}, Bearer {good}")),
            401,
            "token_malformed",
        ),
        deny(
            "blank inside",
            me().header("authorization", &format!("Bearer {head} {rest}")),
            401,
            "token_malformed",
        ),
    ]
}

fn scopes(keys: &Keys) -> Vec<Case> {
    let reports = |scope: &str| {
        Request::get("/reports").bearer(&token("alice").scope(scope).sign(&keys.rs256))
    };
    let listed = token("alice")
        .claim("permissions", json!(["reports:list", "reports:read"]))
        .sign(&keys.rs256);
    vec![
        pass(
            "all scopes",
            reports("x reports:read reports:list"),
            "/reports",
        )
        .subject("alice"),
        pass(
            "scopes as a list",
            Request::get("/reports").bearer(&listed),
            "/reports",
        )
        .subject("alice"),
        deny(
            "one scope too few",
            reports("reports:read"),
            403,
            "token_scope",
        ),
        deny(
            "scope that only begins alike",
            reports("reports:read reports:listing"),
            403,
            "token_scope",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions() {
    let world = World::start().await;
    let alice = world.keys.token("alice");
    let doc = |id: &str| Request::get(&format!("/docs/{id}")).bearer(&alice);
    let sees = |name: &str, id: &str| pass(name, doc(id), &format!("/docs/{id}")).subject("alice");
    let approve = |id: &str, scope: &str| {
        let bearer = token("alice").scope(scope).sign(&world.keys.rs256);
        Request::new("POST", &format!("/docs/{id}/approve")).bearer(&bearer)
    };
    let search = |query: &str| Request::get(&format!("/search{query}")).bearer(&alice);
    let agent = |agent: &str| {
        Request::get("/agent")
            .bearer(&alice)
            .header("user-agent", agent)
    };
    let nested =
        |org| Request::get("/nested").bearer(&token("x").claim("org", org).sign(&world.keys.rs256));
    let cases = vec![
        sees("direct", "direct"),
        sees("computed from owner", "own"),
        sees("through nested groups", "by-group"),
        sees("through two folders and a group", "in-folder"),
        sees("everyone's", "everyone"),
        sees("encoded in the path", "caf%C3%A9"),
        deny(
            "blocked although a viewer",
            doc("blocked"),
            403,
            "permission_denied",
        ),
        deny("no relation", doc("secret"), 403, "permission_denied"),
        deny(
            "another subject",
            Request::get("/docs/own").bearer(&world.keys.token("bob")),
            403,
            "permission_denied",
        ),
        deny(
            "subject that is a wildcard",
            Request::get("/docs/own").bearer(&world.keys.token("*")),
            403,
            "missing_input",
        ),
        deny(
            "subject that is a set",
            Request::get("/docs/own").bearer(&world.keys.token("x#member")),
            403,
            "missing_input",
        ),
        deny("object with a colon", doc("a%3Ab"), 403, "missing_input"),
        deny("object that is a wildcard", doc("*"), 403, "missing_input"),
        deny(
            "object with a relation",
            doc("own%23viewer"),
            403,
            "missing_input",
        ),
        deny("object with a blank", doc("o%20wn"), 403, "missing_input"),
        deny(
            "token before permission",
            Request::get("/docs/own"),
            401,
            "token_missing",
        ),
        pass(
            "both operands",
            approve("approve", "docs:approve"),
            "/docs/approve/approve",
        )
        .subject("alice"),
        deny(
            "one operand",
            approve("direct-not-reviewed", "docs:approve"),
            403,
            "permission_denied",
        ),
        deny(
            "scope before permission",
            approve("approve", "other"),
            403,
            "token_scope",
        ),
        pass(
            "from the query",
            search("?x=1&doc=own"),
            "/search?x=1&doc=own",
        )
        .subject("alice"),
        deny("query absent", search(""), 403, "missing_input"),
        deny("query empty", search("?doc="), 403, "missing_input"),
        deny(
            "query repeated",
            search("?doc=own&doc=secret"),
            403,
            "missing_input",
        ),
        deny(
            "query repeated in another spelling",
            search("?doc=own&%64oc=secret"),
            403,
            "missing_input",
        ),
        deny(
            "query with a relation",
            search("?doc=own%23x"),
            403,
            "missing_input",
        ),
        pass("from a header", agent("tester"), "/agent").subject("alice"),
        deny(
            "header says somebody else",
            agent("other"),
            403,
            "permission_denied",
        ),
        deny(
            "header repeated",
            agent("tester").header("user-agent", "tester"),
            403,
            "permission_denied",
        ),
        pass(
            "from a nested claim",
            nested(json!({"user": "alice"})),
            "/nested",
        )
        .subject("x"),
        deny("claim absent", nested(json!({})), 403, "missing_input"),
        deny(
            "claim that is no text",
            nested(json!({"user": ["alice"]})),
            403,
            "missing_input",
        ),
    ];
    run(&world, cases, 30).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_hosts_and_methods() {
    let world = World::start().await;
    let get = Request::get;
    let bad = |path: &str| deny(path, get(path), 400, "bad_path");
    let host = |name: &str| get("/x").header("host", name);
    let admin =
        Request::get("/open/admin/x").bearer(&token("root").scope("admin").sign(&world.keys.rs256));
    let mut cases = vec![
        pass("public", get("/healthz"), "/healthz"),
        pass(
            "query is not part of the path",
            get("/healthz?a=/../b"),
            "/healthz?a=/../b",
        ),
        deny(
            "another method",
            Request::new("POST", "/healthz"),
            403,
            "no_route",
        ),
        refuse(
            "method in small letters",
            Request::new("get", "/healthz"),
            400,
        ),
        deny(
            "method override is not heard",
            Request::new("POST", "/healthz").header("x-http-method-override", "GET"),
            403,
            "no_route",
        ),
        deny("trailing slash", get("/healthz/"), 403, "no_route"),
        deny("other case", get("/Healthz"), 403, "no_route"),
        deny("nothing matches", get("/nowhere"), 403, "no_route"),
        deny("the root", get("/"), 403, "no_route"),
        pass("catch-all", get("/open/a/b"), "/open/a/b"),
        pass(
            "catch-all with a harmless escape",
            get("/open/a%20b"),
            "/open/a%20b",
        ),
        pass("matrix parameter", get("/open/a;v=1"), "/open/a;v=1"),
        deny(
            "protected below the catch-all",
            get("/open/admin/x"),
            401,
            "token_missing",
        ),
        pass(
            "protected below the catch-all, with a token",
            admin,
            "/open/admin/x",
        )
        .subject("root"),
        pass("host", host("internal.example"), "/x"),
        pass(
            "host in capitals with a port",
            host("INTERNAL.example:8443"),
            "/x",
        ),
        pass("host with a trailing dot", host("internal.example."), "/x"),
        deny(
            "host that only ends alike",
            host("notinternal.example"),
            403,
            "no_route",
        ),
        deny(
            "host forwarded by the client",
            get("/x").header("x-forwarded-host", "internal.example"),
            403,
            "no_route",
        ),
        deny(
            "path rewritten by the client",
            get("/nowhere").header("x-envoy-original-path", "/healthz"),
            403,
            "no_route",
        ),
        refuse("fragment", get("/healthz#x"), 400),
        refuse("no leading slash", get("healthz"), 400),
    ];
    cases.extend(
        [
            "//healthz",
            "/./healthz",
            "/x/../healthz",
            "/%68ealthz",
            "/healthz%2f",
            "/healthz%2F..%2fadmin",
            "/open/%5cadmin",
            "/open/a\\b",
            "/open/%00",
            "/open/%0d%0a",
            "/open/%zz",
            "/open/%",
            "/open/%252fadmin",
            "/open/%2525",
            "/..",
            "/open/../../x",
            "//open/admin/x",
            "/open//admin/x",
            "/open/x/../admin/x",
            "/open/%61dmin/x",
            "/open/./admin/x",
            "/open/%ff",
        ]
        .map(bad),
    );
    run(&world, cases, 40).await;
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
        metrics.sum(
            "subzero_shadow_total",
            &[("route", "shadow"), ("agreement", agreement)],
        )
    };
    assert_eq!((shadow("agree"), shadow("disagree")), (1.0, 2.0));
}
