//! Tokens in other places than `Authorization`, through Envoy that is told to send those places.

use crate::{
    cases::{Case, deny, pass, run},
    support::client::Request,
    world::World,
};

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
async fn places() {
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
