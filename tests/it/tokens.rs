//! The tables of tokens: good, bad and hostile ones, and scopes, through Envoy as shipped; and
//! tokens in other places than usual, through Envoy that is told to pass them on.

use serde_json::json;

use crate::{
    cases::{Case, deny, pass, run},
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

const PLACES: &str = "identity:
  issuers:
    main: { issuer: 'https://issuer.example/', jwks_file: keys.json, audiences: ['https://api.example'] }
routes:
  - { name: header, match: { path: /header }, identity: { issuers: [main], token: { header: X-Token } } }
  - name: header-gone
    match: { path: /header/gone }
    identity: { issuers: [main], token: { header: X-Token }, strip: true }
  - { name: cookie, match: { path: /cookie }, identity: { issuers: [main], token: { cookie: session } } }
  - { name: query, match: { path: /query }, identity: { issuers: [main], token: { query: access_token } } }
  - name: query-gone
    match: { path: /query/gone }
    identity: { issuers: [main], token: { query: access_token }, strip: true }
  - { name: gone, match: { path: /gone }, identity: { issuers: [main], strip: true } }
  - { name: shadow, match: { path: /shadow }, identity: { issuers: [main], strip: true }, mode: shadow }
";

#[tokio::test(flavor = "multi_thread")]
async fn tokens_in_other_places() {
    let authorization = "- exact: authorization";
    let more = "- { exact: authorization }
                          - { exact: cookie }
                          - { exact: x-token }";
    let world = World::with(PLACES, |envoy| envoy.with(authorization, more)).await;
    let token = world.keys.token("alice");
    let cases = [headers(&token), cookies(&token), queries(&token)];
    run(&world, cases.into_iter().flatten().collect(), 20).await;
}

fn headers(token: &str) -> Vec<Case> {
    let bearer = format!("Bearer {token}");
    let get = Request::get;
    let alice = |case: Case| case.subject("alice");
    vec![
        alice(pass(
            "in a header",
            get("/header").header("x-token", token),
            "/header",
        )),
        alice(pass(
            "taken out of it",
            get("/header/gone").header("X-Token", token),
            "/header/gone",
        ))
        .without(&["x-token"]),
        alice(pass(
            "bearer taken out",
            get("/gone").bearer(token),
            "/gone",
        ))
        .without(&["authorization"]),
        pass(
            "shadow takes out too",
            get("/shadow").bearer("nonsense"),
            "/shadow",
        )
        .without(&["authorization"]),
        deny(
            "only as bearer",
            get("/header").bearer(token),
            401,
            "token_missing",
        ),
        deny(
            "with the scheme",
            get("/header").header("x-token", &bearer),
            401,
            "token_malformed",
        ),
        deny(
            "header twice",
            get("/header")
                .header("x-token", token)
                .header("x-token", token),
            401,
            "token_malformed",
        ),
    ]
}

fn cookies(token: &str) -> Vec<Case> {
    let with = |value: &str| Request::get("/cookie").header("cookie", value);
    let good = format!("session={token}");
    vec![
        pass("in a cookie", with(&format!("a=1; {good}; b=2")), "/cookie").subject("alice"),
        pass(
            "cookies in two headers",
            with("a=1").header("cookie", &good),
            "/cookie",
        )
        .subject("alice"),
        deny(
            "no cookie",
            Request::get("/cookie").bearer(token),
            401,
            "token_missing",
        ),
        deny(
            "another cookie",
            with(&format!("my{good}")),
            401,
            "token_missing",
        ),
        deny(
            "cookie twice",
            with(&format!("{good}; {good}")),
            401,
            "token_malformed",
        ),
        deny(
            "cookie in two headers",
            with(&good).header("cookie", &good),
            401,
            "token_malformed",
        ),
    ]
}

fn queries(token: &str) -> Vec<Case> {
    let get = |query: &str| Request::get(&format!("/query?{query}"));
    let gone = |query: &str| Request::get(&format!("/query/gone?{query}"));
    let good = format!("access_token={token}");
    vec![
        pass(
            "in the query",
            get(&format!("a=1&{good}")),
            &format!("/query?a=1&{good}"),
        )
        .subject("alice"),
        pass("taken out of the query", gone(&good), "/query/gone").subject("alice"),
        pass(
            "the rest of the query stays as it is spelt",
            gone(&format!("b=%20x+y&{good}&a=%7e&a=2&c")),
            "/query/gone?a=%7e&a=2&b=%20x+y&c=",
        )
        .subject("alice"),
        deny("no parameter", get("a=1"), 401, "token_missing"),
        deny(
            "parameter twice",
            get(&format!("{good}&{good}")),
            401,
            "token_malformed",
        ),
        deny(
            "parameter twice, once in disguise",
            gone(&format!("{good}&access%5Ftoken=x")),
            401,
            "token_malformed",
        ),
        deny(
            "parameter in disguise",
            gone(&good.replacen('a', "%61", 1)),
            401,
            "token_malformed",
        ),
    ]
}
