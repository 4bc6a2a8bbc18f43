//! What a logout token ends, and everything that is none.

use serde_json::json;

use super::{
    super::{
        Config,
        tests::{
            defaults, directory, dpop, metrics,
            mint::{EC, ISSUER, Mint, NOW, claims_with, encode, key_set},
            revocation, soon, want,
        },
    },
    *,
};
use crate::clock::Clock;

/// A verifier whose issuer `told` sends logout tokens to the client `web`; `deaf` sends none.
fn verifier(clock: &Clock) -> Verifier {
    let folder = directory(&key_set(&[&EC]));
    let issuer = |name: &str| json!({"issuer": name, "audiences": ["https://api.example"], "jwks_file": "keys.json"});
    let mut told = issuer(ISSUER);
    told["logout_audiences"] = json!(["web"]);
    let issuers = json!({"told": told, "deaf": issuer("https://deaf.example/")});
    let config = json!({"defaults": defaults(), "issuers": issuers, "token_cache": "1MiB",
                        "revocation": revocation(), "dpop": dpop()});
    let config: Config = serde_json::from_value(config).expect("config");
    Verifier::new(&config, folder.path(), clock.clone(), metrics().1, None).expect("good")
}

/// A logout token of `ann`'s session `s1` with one claim changed, or with `null` left out.
fn logout(jti: &str, name: &str, value: Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "web", "iat": NOW, "exp": NOW + 120, "jti": jti,
        "sub": "ann", "sid": "s1", "events": {EVENT: {}},
    });
    match value {
        Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn signed(claims: &Value) -> String {
    EC.with_header(
        &json!({"typ": "logout+jwt", "alg": "ES256", "kid": "ec"}),
        claims,
    )
}

async fn log_out(verifier: &Verifier, token: &str) -> Result<(), LogoutError> {
    verifier.log_out(token, soon()).await
}

/// Whether a token with this claim changed is let in.
async fn is_in(verifier: &Verifier, name: &str, value: Value) -> bool {
    let token = EC.token(&claims_with(name, value));
    let want = want(&["told", "deaf"], &[]);
    match verifier.verify_token(&token, &want, soon()).await {
        Ok(_) => true,
        Err(Error::Revoked) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_session_that_has_ended_gives_no_access_any_more_and_others_do() {
    let verifier = verifier(&Clock::fixed(NOW));
    assert!(is_in(&verifier, "sid", json!("s1")).await);
    log_out(&verifier, &signed(&logout("1", "", Value::Null)))
        .await
        .expect("ended");
    assert!(!is_in(&verifier, "sid", json!("s1")).await);
    assert!(is_in(&verifier, "sid", json!("s2")).await);
    assert!(is_in(&verifier, "sid", Value::Null).await);
}

#[tokio::test]
async fn without_a_session_everything_that_the_subject_had_ends_and_nothing_later() {
    let clock = Clock::fixed(NOW);
    let verifier = verifier(&clock);
    // Clients of old issuers say no type.
    let token = EC.token(&logout("1", "sid", Value::Null));
    log_out(&verifier, &token).await.expect("ended");
    assert!(!is_in(&verifier, "iat", json!(NOW)).await);
    assert!(is_in(&verifier, "sub", json!("bob")).await);
    clock.set(NOW + 5);
    assert!(is_in(&verifier, "iat", json!(NOW + 1)).await);
    assert_eq!(log_out(&verifier, &token).await, Err(LogoutError::Replayed));
    assert!(is_in(&verifier, "iat", json!(NOW + 2)).await);
}

#[tokio::test]
async fn what_is_no_logout_token_of_ours_ends_nothing() {
    let verifier = verifier(&Clock::fixed(NOW));
    let claims = |text| LogoutError::Claims(text);
    let token = LogoutError::Token;
    let cases = [
        ("iss", json!("https://deaf.example/"), token(Error::Issuer)),
        ("iss", json!("https://other.example/"), token(Error::Issuer)),
        ("aud", json!("other"), token(Error::Audience)),
        ("aud", json!("https://api.example"), token(Error::Audience)),
        ("aud", Value::Null, token(Error::Audience)),
        ("iat", Value::Null, claims("`iat` is missing")),
        (
            "iat",
            json!("now"),
            token(Error::Malformed("a date is not a number")),
        ),
        ("iat", json!(NOW - 700), token(Error::Expired)),
        ("iat", json!(NOW + 60), token(Error::NotYetValid)),
        ("exp", json!(NOW - 60), token(Error::Expired)),
        ("jti", Value::Null, claims("`jti` is missing")),
        ("jti", json!(""), claims("`jti` is not a non-empty string")),
        (
            "events",
            Value::Null,
            claims("`events` does not name a back-channel logout"),
        ),
        (
            "events",
            json!({EVENT: true}),
            claims("`events` does not name a back-channel logout"),
        ),
        (
            "events",
            json!({"x": {}}),
            claims("`events` does not name a back-channel logout"),
        ),
        (
            "events",
            json!([EVENT]),
            claims("`events` does not name a back-channel logout"),
        ),
        ("nonce", json!("n"), claims("a logout token has no `nonce`")),
        ("sid", json!(7), claims("`sid` is not a non-empty string")),
        ("sub", json!(""), claims("`sub` is not a non-empty string")),
    ];
    for (name, value, error) in cases {
        let sent = signed(&logout("1", name, value.clone()));
        assert_eq!(
            log_out(&verifier, &sent).await,
            Err(error),
            "{name}: {value}"
        );
    }
    let mut nobody = logout("1", "sid", Value::Null);
    nobody.as_object_mut().expect("an object").remove("sub");
    let refused = log_out(&verifier, &signed(&nobody)).await;
    assert_eq!(refused, Err(claims("names neither `sub` nor `sid`")));
    let stranger = Mint::new(jsonwebtoken::Algorithm::ES256, "ec");
    let whole = logout("1", "", Value::Null);
    assert_eq!(
        log_out(&verifier, &stranger.token(&whole)).await,
        Err(token(Error::Forged))
    );
    let typed =
        |name: &str| EC.with_header(&json!({"typ": name, "alg": "ES256", "kid": "ec"}), &whole);
    for other in ["at+jwt", "dpop+jwt"] {
        let refused = log_out(&verifier, &typed(other)).await;
        assert_eq!(
            refused,
            Err(token(Error::Malformed("the token is of another type")))
        );
    }
    let none = json!({"typ": "logout+jwt", "alg": "none"});
    let unsigned = format!(
        "{}.{}.",
        encode(none.to_string()),
        encode(whole.to_string())
    );
    assert!(log_out(&verifier, &unsigned).await.is_err());
    assert!(log_out(&verifier, "").await.is_err());
    assert!(is_in(&verifier, "sid", json!("s1")).await);
    log_out(&verifier, &typed("logout+jwt"))
        .await
        .expect("good after all");
}

#[tokio::test]
async fn a_logout_token_gives_no_access() {
    let verifier = verifier(&Clock::fixed(NOW));
    let mut claims = logout("1", "", Value::Null);
    claims["aud"] = json!("https://api.example");
    for token in [signed(&claims), EC.token(&claims)] {
        let verdict = verifier
            .verify_token(&token, &want(&["told"], &[]), soon())
            .await;
        let reason = verdict.expect_err("refused").reason();
        assert_eq!(reason, Reason::TokenMalformed);
    }
}
