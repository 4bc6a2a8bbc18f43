//! Tokens that must not pass, each with its reason.

use serde_json::{Value, json};

use super::{
    super::*,
    VERIFIER, file_verifier,
    mint::{EC, ISSUER, Mint, NOW, RSA, claims, claims_with, encode, key_set},
    outcome, soon, want,
};
use crate::verdict::Reason::{
    self, TokenAlgorithm, TokenAudience, TokenExpired, TokenIssuer, TokenMalformed,
    TokenNotYetValid, TokenSignature,
};

async fn assert_all(cases: &[(&str, String, Reason)]) {
    for (what, token, reason) in cases {
        let refused = outcome(&VERIFIER, token).await;
        assert_eq!(refused.err(), Some(*reason), "{what}");
    }
}

fn header_with(name: &str, value: Value) -> Value {
    let mut header = RSA.header();
    header[name] = value;
    header
}

#[tokio::test]
async fn what_is_no_token_is_malformed() {
    let good = RSA.token(&claims());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else {
        unreachable!("three parts")
    };
    let case = |what, token| (what, token, TokenMalformed);
    assert_all(&[
        case("empty", String::new()),
        case("dots", "...".to_owned()),
        case("two parts", format!("{header}.{payload}")),
        case("four parts", format!("{good}.{signature}")),
        case("encrypted", format!("{header}.a.b.{payload}.{signature}")),
        case("padding", format!("{header}.{payload}.{signature}==")),
        case("plain base64", good.replace(['-', '_'], "+")),
        case(
            "stray bits",
            format!("{}.{payload}.{signature}", header.to_owned() + "A"),
        ),
        case("too long", "a".repeat(16 * 1024 + 1)),
    ])
    .await;
}

#[tokio::test]
async fn json_that_can_be_read_in_two_ways_is_malformed() {
    let text = claims().to_string();
    let names = RSA.header().to_string();
    let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
    let case = |what, token| (what, token, TokenMalformed);
    assert_all(&[
        case("header is a list", RSA.raw("[]", &text)),
        case("header is cut", RSA.raw("{\"alg\":\"RS256\"", &text)),
        case("header without alg", RSA.raw("{}", &text)),
        case("alg is a number", RSA.raw("{\"alg\":1}", &text)),
        case(
            "alg twice",
            RSA.raw(&twice(&names, "\"alg\":\"none\""), &text),
        ),
        case(
            "unknown parameter twice",
            RSA.raw(&twice(&names, "\"x\":1,\"x\":1"), &text),
        ),
        case("payload is text", RSA.raw(&names, "\"claims\"")),
        case("payload goes on", RSA.raw(&names, &format!("{text}{{}}"))),
        case(
            "payload is deep",
            RSA.raw(&names, &format!("{}{}", "[".repeat(5000), "]".repeat(5000))),
        ),
        case(
            "claim twice",
            RSA.raw(&names, &twice(&text, "\"sub\":\"root\"")),
        ),
        case(
            "claim twice, escaped",
            RSA.raw(&names, &twice(&text, "\"s\\u0075b\":\"root\"")),
        ),
        case(
            "not UTF-8",
            RSA.sign(&format!("{}.{}", encode(&names), encode(b"{\"\xff\":1}"))),
        ),
    ])
    .await;
}

#[tokio::test]
async fn a_token_made_for_another_purpose_is_malformed() {
    for media_type in ["logout+jwt", "application/DPoP+JWT", "secevent+jwt"] {
        let token = RSA.with_header(&header_with("typ", json!(media_type)), &claims());
        assert_all(&[(media_type, token, TokenMalformed)]).await;
    }
    for media_type in ["at+jwt", "application/at+jwt", "jwt", "JOSE"] {
        let token = RSA.with_header(&header_with("typ", json!(media_type)), &claims());
        assert!(outcome(&VERIFIER, &token).await.is_ok(), "{media_type}");
    }
}

#[tokio::test]
async fn a_header_that_brings_its_own_key_is_malformed() {
    let values = [
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("zip", json!("DEF")),
        ("jku", json!("https://evil.example/keys")),
        ("x5u", json!("https://evil.example/cert")),
        ("jwk", RSA.jwk()),
        ("x5c", json!(["MII"])),
        ("kid", json!(7)),
        ("kid", Value::Null),
    ];
    for (name, value) in values {
        let token = RSA.with_header(&header_with(name, value), &claims());
        assert_all(&[(name, token, TokenMalformed)]).await;
    }
}

#[tokio::test]
async fn the_token_does_not_choose_the_algorithm() {
    let unsigned = |alg: &str| {
        let header = json!({"alg": alg}).to_string();
        format!("{}.{}.", encode(header), encode(claims().to_string()))
    };
    let hmac = Mint::new(jsonwebtoken::Algorithm::HS256, "rsa");
    let named = |kid: &str, alg: &str| json!({"alg": alg, "kid": kid});
    let case = |what, token| (what, token, TokenAlgorithm);
    assert_all(&[
        case("none", unsigned("none")),
        case("None", unsigned("None")),
        case("nOnE", unsigned("nOnE")),
        case("empty", unsigned("")),
        case("unknown", unsigned("RS257")),
        case("rs256", unsigned("rs256")),
        case("HMAC with a public key", hmac.token(&claims())),
        case(
            "not configured",
            RSA.with_header(&named("rsa", "RS512"), &claims()),
        ),
        case(
            "not configured",
            RSA.with_header(&named("rsa", "PS256"), &claims()),
        ),
        case(
            "RSA by an EC key",
            RSA.with_header(&named("ec", "RS256"), &claims()),
        ),
        case(
            "EC by an RSA key",
            EC.with_header(&named("rsa", "ES256"), &claims()),
        ),
    ])
    .await;
}

#[tokio::test]
async fn only_the_issuers_own_signature_counts() {
    let stranger = Mint::new(jsonwebtoken::Algorithm::ES256, "ec");
    let good = EC.token(&claims());
    let (signed, signature) = good.rsplit_once('.').expect("parts");
    let other = EC.token(&claims_with("sub", json!("root")));
    let (other, _) = other.rsplit_once('.').expect("parts");
    let case = |what, token| (what, token, TokenSignature);
    let nameless = json!({"alg": "ES256"});
    assert_all(&[
        case(
            "a stranger's key under a known name",
            stranger.token(&claims()),
        ),
        case(
            "a stranger's key without a name",
            stranger.with_header(&nameless, &claims()),
        ),
        case("no signature", format!("{signed}.")),
        case("all zeros", format!("{signed}.{}", encode([0; 64]))),
        case("another token's signature", format!("{other}.{signature}")),
        case("a longer signature", format!("{signed}.{signature}AAAA")),
        case(
            "DER",
            format!("{signed}.{}", encode(b"\x30\x06\x02\x01\x01\x02\x01\x01")),
        ),
        case(
            "expired as well",
            stranger.token(&claims_with("exp", json!(1))),
        ),
    ])
    .await;
    assert!(
        outcome(&VERIFIER, &EC.with_header(&nameless, &claims()))
            .await
            .is_ok()
    );
}

/// An otherwise good token with one claim changed, or with `null` left out.
fn with(name: &str, value: Value) -> String {
    RSA.token(&claims_with(name, value))
}

#[tokio::test]
async fn the_issuer_is_compared_exactly() {
    assert_all(&[
        ("no iss", with("iss", Value::Null), TokenIssuer),
        (
            "another iss",
            with("iss", json!("https://issuer.example")),
            TokenIssuer,
        ),
        (
            "iss in capitals",
            with("iss", json!(ISSUER.to_uppercase())),
            TokenIssuer,
        ),
        (
            "iss is a list",
            with("iss", json!([ISSUER])),
            TokenMalformed,
        ),
    ])
    .await;
}

#[tokio::test]
async fn dates_are_numbers_and_hold_now() {
    assert_all(&[
        ("no exp", with("exp", Value::Null), TokenMalformed),
        (
            "exp is text",
            with("exp", json!((NOW + 600).to_string())),
            TokenMalformed,
        ),
        ("exp is true", with("exp", json!(true)), TokenMalformed),
        ("nbf is text", with("nbf", json!("0")), TokenMalformed),
        ("iat is a list", with("iat", json!([])), TokenMalformed),
        ("just expired", with("exp", json!(NOW - 30)), TokenExpired),
        ("expired long ago", with("exp", json!(-1)), TokenExpired),
        (
            "expired, in part",
            with("exp", json!(29.9 - 60.0)),
            TokenExpired,
        ),
        ("not before", with("nbf", json!(NOW + 31)), TokenNotYetValid),
        (
            "from the future",
            with("iat", json!(NOW + 31)),
            TokenNotYetValid,
        ),
    ])
    .await;
    let infinite = claims()
        .to_string()
        .replace(&(NOW + 600).to_string(), "1e999");
    let token = RSA.raw(&RSA.header().to_string(), &infinite);
    assert_all(&[("infinite exp", token, TokenMalformed)]).await;
}

#[tokio::test]
async fn audience_and_subject_are_judged_after_the_dates() {
    let late = |name: &str, value: Value| {
        let mut claims = claims_with("exp", json!(NOW - 31));
        claims[name] = value;
        RSA.token(&claims)
    };
    assert_all(&[
        (
            "expired before audience",
            late("aud", json!("x")),
            TokenExpired,
        ),
        ("no aud", with("aud", Value::Null), TokenAudience),
        (
            "another aud",
            with("aud", json!("https://api.example/")),
            TokenAudience,
        ),
        ("empty aud", with("aud", json!([])), TokenAudience),
        ("aud is a number", with("aud", json!(1)), TokenMalformed),
        (
            "aud holds a number",
            with("aud", json!(["https://api.example", 1])),
            TokenMalformed,
        ),
        ("no sub", with("sub", Value::Null), TokenMalformed),
        ("empty sub", with("sub", json!("")), TokenMalformed),
        ("sub is a number", with("sub", json!(7)), TokenMalformed),
    ])
    .await;
}

#[tokio::test]
async fn the_leeway_and_optional_claims_are_granted() {
    for (name, value) in [
        ("exp", json!(NOW - 29)),
        ("exp", json!(9_999_999_999_999_u64)),
        ("exp", json!(1_800_000_000.5)),
        ("nbf", json!(NOW + 30)),
        ("aud", json!("https://api.example")),
        ("nbf", Value::Null),
        ("iat", Value::Null),
    ] {
        let token = with(name, value.clone());
        assert!(outcome(&VERIFIER, &token).await.is_ok(), "{name}: {value}");
    }
}

#[tokio::test]
async fn a_missing_scope_is_named_last() {
    let scoped = async |claims: &Value| {
        VERIFIER
            .verify_token(&RSA.token(claims), &want(&["file"], &["admin"]), soon())
            .await
            .expect_err("refused")
    };
    assert_eq!(scoped(&claims()).await, Error::Scope);
    assert_eq!(
        scoped(&claims_with("aud", json!("x"))).await,
        Error::Audience
    );
}

#[tokio::test]
async fn no_character_of_a_token_can_be_changed() {
    // HMAC, because it is quick enough to try thousands.
    let mint = Mint::new(jsonwebtoken::Algorithm::HS256, "any");
    let good = mint.token(&claims_with("iss", json!("hs")));
    assert!(outcome(&VERIFIER, &good).await.is_ok());
    for at in 0..good.len() {
        let old = good.as_bytes()[at];
        for new in ['A', 'B', 'g', '_', '.'] {
            if new as u8 != old {
                let mut changed = good.clone();
                changed.replace_range(at..=at, new.encode_utf8(&mut [0; 4]));
                assert!(outcome(&VERIFIER, &changed).await.is_err(), "{at}: {new}");
            }
        }
    }
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_sent_makes_the_parsers_panic(
        text in "\\PC{0,60}",
        parts in proptest::array::uniform3("[ -~]{0,40}"),
        cut in 0..400_usize,
    ) {
        let [header, payload, signature] = parts.each_ref().map(encode);
        let good = EC.header().to_string();
        let key_set = RSA.jwk().to_string();
        for token in [&text, &format!("{header}.{payload}.{signature}"), &format!("{}.{payload}.", encode(&good))] {
            assert!(Token::parse(token, &Headers::default()).is_err() || payload.starts_with('e'));
        }
        let short = &key_set[..cut.min(key_set.len())];
        for set in [&text, &format!("{{\"keys\":[{text}]}}"), &format!("{{\"keys\":[{short}]}}")] {
            let _either = keys::Keys::from_jwks(set.as_bytes(), &[jsonwebtoken::Algorithm::RS256]);
        }
    }
}

#[tokio::test]
async fn a_header_that_is_known_is_judged_as_one_that_is_not() {
    let known = file_verifier(&key_set(&[&RSA, &EC]), &json!(["RS256"]));
    let fresh = || file_verifier(&key_set(&[&RSA, &EC]), &json!(["RS256"]));
    outcome(&known, &RSA.token(&claims())).await.expect("good");
    let header = RSA.header().to_string();
    for token in [
        RSA.token(&claims_with("sub", json!("bob"))),
        RSA.token(&claims_with("exp", json!(NOW - 100))),
        RSA.raw(&header, "[]"),
        EC.with_header(&RSA.header(), &claims()),
        RSA.token(&claims()).replacen('.', "..", 1),
        format!("{}x", RSA.token(&claims())),
        RSA.with_header(
            &json!({"alg": "RS256", "kid": "rsa", "crit": ["x"]}),
            &claims(),
        ),
        EC.token(&claims()),
    ] {
        let verdicts = [
            outcome(&known, &token).await.err(),
            outcome(&fresh(), &token).await.err(),
        ];
        assert_eq!(verdicts[0], verdicts[1], "{token}");
    }
}
