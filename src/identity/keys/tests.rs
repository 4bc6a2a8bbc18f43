//! Key sets with bad company in them.

use serde_json::json;

use super::*;
use crate::identity::{
    tests::mint::{EC, Mint, RSA, claims, encode},
    token::Headers,
};

/// How a `SubjectPublicKeyInfo` of an Ed25519 key begins.
const ED25519_DER: [u8; 12] = [0x30, 42, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 33, 0];

const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

fn keys(keys: &[Value]) -> Result<Keys, String> {
    let set = json!({"keys": keys}).to_string();
    Keys::from_jwks(set.as_bytes(), &ALGORITHMS)
}

fn found(keys: &Keys, token: &str) -> Signature {
    keys.check(&Token::parse(token, &Headers::default()).expect("a token"))
}

/// `key` with some of its members replaced; null removes.
fn with(key: &Mint, changes: &Value) -> Value {
    let mut jwk = key.jwk();
    let members = jwk.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        members.remove(name);
        if !value.is_null() {
            members.insert(name.clone(), value.clone());
        }
    }
    jwk
}

/// Keys that are not for checking signatures, or not of a kind that is known.
fn foreign() -> Vec<(&'static str, Value)> {
    vec![
        ("nothing", json!(null)),
        ("text", json!("key")),
        ("empty", json!({})),
        (
            "unknown kind",
            json!({"kty": "AKP", "kid": "a", "pub": "AAAA"}),
        ),
        (
            "symmetric",
            json!({"kty": "oct", "kid": "a", "alg": "HS256", "k": encode([7; 64])}),
        ),
        ("for encryption", with(&EC, &json!({"use": "enc"}))),
        ("for something else", with(&EC, &json!({"use": "other"}))),
        (
            "for signing only",
            with(&EC, &json!({"use": null, "key_ops": ["sign"]})),
        ),
        ("unknown algorithm", with(&RSA, &json!({"alg": "RSA-OAEP"}))),
        (
            "algorithm of another kind",
            with(&RSA, &json!({"alg": "ES256"})),
        ),
        ("symmetric algorithm", with(&RSA, &json!({"alg": "HS256"}))),
        ("kid is a number", with(&EC, &json!({"kid": 1}))),
    ]
}

/// Keys whose numbers are missing, weak or absurd.
fn weak() -> Vec<(&'static str, Value)> {
    let x = EC.jwk()["x"].clone();
    let odd = |bytes: usize| encode(vec![0xff; bytes]);
    vec![
        ("no modulus", with(&RSA, &json!({"n": null}))),
        ("1024 bits", with(&RSA, &json!({"n": odd(128)}))),
        (
            "2047 bits",
            with(
                &RSA,
                &json!({"n": encode([&[0x7f], &[0xff; 255][..]].concat())}),
            ),
        ),
        (
            "zeros do not make it longer",
            with(
                &RSA,
                &json!({"n": encode([&[0; 128], &[0xff; 128][..]].concat())}),
            ),
        ),
        ("16384 bits", with(&RSA, &json!({"n": odd(2048)}))),
        (
            "even modulus",
            with(&RSA, &json!({"n": encode([0xfe; 256])})),
        ),
        ("exponent 1", with(&RSA, &json!({"e": "AQ"}))),
        ("even exponent", with(&RSA, &json!({"e": "AQAA"}))),
        ("long exponent", with(&RSA, &json!({"e": odd(8)}))),
        ("no exponent", with(&RSA, &json!({"e": ""}))),
        ("point off the curve", with(&EC, &json!({"y": x}))),
        (
            "point at zero",
            with(&EC, &json!({"x": encode([0; 32]), "y": encode([0; 32])})),
        ),
        (
            "short coordinate",
            with(&EC, &json!({"y": encode([1; 31])})),
        ),
        ("another curve", with(&EC, &json!({"crv": "P-384"}))),
        ("unknown curve", with(&EC, &json!({"crv": "secp256k1"}))),
        (
            "short Ed25519",
            json!({"kty": "OKP", "crv": "Ed25519", "x": encode([1; 31])}),
        ),
        (
            "Ed25519 wrapped in DER",
            json!({"kty": "OKP", "crv": "Ed25519", "x": encode([&ED25519_DER[..], &[1; 32]].concat())}),
        ),
        (
            "X25519",
            json!({"kty": "OKP", "crv": "X25519", "x": encode([1; 32])}),
        ),
    ]
}

#[test]
fn one_bad_key_never_spoils_its_set_and_is_never_used() {
    for (what, key) in [foreign(), weak()].concat() {
        let alone = keys(std::slice::from_ref(&key));
        assert!(alone.is_err(), "{what}: {alone:?}");
        let good = [RSA.jwk(), EC.jwk()];
        let set = keys(&[key, good[0].clone(), good[1].clone()]).expect(what);
        assert_eq!(set.count(), 2, "{what}");
        for mint in [&*RSA, &*EC] {
            // By its kid, so that the bad namesake stands in front of the good key.
            assert_eq!(
                found(&set, &mint.token(&claims())),
                Signature::Good,
                "{what}"
            );
        }
    }
}

#[test]
fn what_is_no_key_set_is_refused_without_being_quoted() {
    let huge = format!("{{\"keys\":[{}\"\"]}}", "\"secret\",".repeat(60_000));
    for text in [
        "",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":["secret"]}"#,
        "secret",
        &huge,
    ] {
        let refused = Keys::from_jwks(text.as_bytes(), &ALGORITHMS).expect_err("refused");
        assert!(!refused.contains("secret"), "{refused}");
    }
}

#[test]
fn keys_without_a_name_are_tried_but_only_so_many() {
    let nameless = |mint: &Mint| with(mint, &json!({"kid": null}));
    let strangers: Vec<Mint> = (0..9).map(|_| Mint::new(Algorithm::ES256, "s")).collect();
    let set = |before: usize| {
        let mut set: Vec<Value> = strangers[..before].iter().map(nameless).collect();
        set.push(nameless(&EC));
        keys(&set).expect("keys")
    };
    let named = EC.token(&claims());
    let unnamed = EC.with_header(&json!({"alg": "ES256"}), &claims());
    assert_eq!(found(&set(7), &named), Signature::Good);
    assert_eq!(found(&set(7), &unnamed), Signature::Good);
    assert_eq!(
        found(&set(8), &unnamed),
        Signature::Bad,
        "the ninth is not tried"
    );
    assert_eq!(found(&set(8), &named), Signature::UnknownKey);
}

#[test]
fn a_name_may_be_shared_by_keys_of_different_kinds() {
    let set = keys(&[
        with(&RSA, &json!({"kid": "one"})),
        with(&EC, &json!({"kid": "one"})),
    ]);
    let set = set.expect("keys");
    for mint in [&*RSA, &*EC] {
        let header = json!({"alg": mint.algorithm, "kid": "one"});
        assert_eq!(
            found(&set, &mint.with_header(&header, &claims())),
            Signature::Good
        );
    }
}

#[test]
fn a_key_serves_only_the_algorithms_it_and_the_issuer_name() {
    let any = with(&RSA, &json!({"alg": null}));
    let set = |key: &Value, algorithms: &[Algorithm]| {
        let text = json!({"keys": [key]}).to_string();
        Keys::from_jwks(text.as_bytes(), algorithms)
    };
    let token = RSA.token(&claims());
    let good = set(&any, &[Algorithm::PS256, Algorithm::RS256]).expect("keys");
    assert_eq!(found(&good, &token), Signature::Good);
    let other = set(&any, &[Algorithm::PS256]).expect("keys");
    assert_eq!(found(&other, &token), Signature::OtherAlgorithm);
    assert!(set(&any, &[Algorithm::ES256]).is_err());
    assert!(
        set(&RSA.jwk(), &[Algorithm::PS256]).is_err(),
        "the key says RS256"
    );
    assert!(
        set(&any, &[Algorithm::HS256]).is_err(),
        "a public key is no secret"
    );
}

/// Examples A.1 to A.3 of RFC 7515: keys, tokens and signatures that others made.
#[test]
fn the_standards_own_examples_verify() {
    const PAYLOAD: &str = "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let secret =
        "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let secret = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(secret);
    let shared = Keys::from_secret(&secret.expect("secret"), &[Algorithm::HS256]);
    let rsa = json!({
        "kty": "RSA",
        "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ",
        "e": "AQAB",
    });
    let ec = json!({
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let public = keys(&[rsa, ec]).expect("keys");
    for (keys, header, signature) in [
        (
            &shared,
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9",
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        ),
        (
            &public,
            "eyJhbGciOiJSUzI1NiJ9",
            "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            &public,
            "eyJhbGciOiJFUzI1NiJ9",
            "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
    ] {
        let token = format!("{header}.{PAYLOAD}.{signature}");
        assert_eq!(found(keys, &token), Signature::Good, "{header}");
    }
}
