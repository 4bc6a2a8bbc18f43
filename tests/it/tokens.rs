//! The table of tokens: good, bad and hostile ones, and scopes, through Envoy as shipped.

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
