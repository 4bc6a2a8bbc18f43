//! Project Wycheproof's JSON web signatures and keys (`tests/data/wycheproof`): every one gets the answer that
//! it should.
//!
//! What they sign is no claims, so they meet the header's reader and the keys, which are what they are
//! about, and not the checks of claims.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm::{
    self, ES256, ES384, EdDSA, HS256, HS384, HS512, PS256, PS384, PS512, RS256, RS384, RS512,
};
use serde_json::{Value, json};

use super::super::{
    keys::{Keys, Signature},
    token::Token,
};

const PUBLIC: [Algorithm; 9] = [
    ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512,
];

/// What we answer otherwise than asked, and why.
const OTHERWISE: [(&str, &str); 3] = [
    (
        "InvalidCharacterInserted",
        "base64url is read strictly: called valid for lenient readers",
    ),
    ("Figure27", "P-521 is not among the algorithms"),
    (
        "rejectsDuplicateKid",
        "RFC 7517 lets keys share a name: both are tried",
    ),
];

/// The keys of a group, and which algorithms its issuer would be configured for. `None` where the
/// configuration would refuse them.
fn keys(group: &Value) -> Option<(Vec<Algorithm>, Keys)> {
    let key = group.get("public").unwrap_or(&group["private"]);
    if key["kty"] != "oct" {
        let set = if key.get("keys").is_some() {
            key.clone()
        } else {
            json!({ "keys": [key] })
        };
        let keys = Keys::from_jwks(set.to_string().as_bytes(), &PUBLIC).ok()?;
        return Some((PUBLIC.to_vec(), keys));
    }
    let algorithms = match key["alg"].as_str()? {
        "HS256" => [HS256],
        "HS384" => [HS384],
        "HS512" => [HS512],
        _ => return None,
    };
    let secret = URL_SAFE_NO_PAD.decode(key["k"].as_str()?).ok()?;
    let least = match algorithms {
        [HS256] => 32,
        [HS384] => 48,
        _ => 64,
    };
    let keys = Keys::from_secret(&secret, &algorithms);
    (secret.len() >= least).then_some((algorithms.to_vec(), keys))
}

fn is_accepted(group: &Value, jws: &Value) -> bool {
    let (Some((algorithms, keys)), Some(jws)) = (keys(group), jws.as_str()) else {
        return false;
    };
    Token::parse_any(jws).is_ok_and(|token| {
        algorithms.contains(&token.algorithm) && keys.check(&token) == Signature::Good
    })
}

fn assert_all(file: &str, least: usize) {
    let file: Value = serde_json::from_str(file).expect("JSON");
    let mut judged = 0;
    for group in file["testGroups"].as_array().expect("groups") {
        for test in group["tests"].as_array().expect("tests") {
            let comment = test["comment"].as_str().expect("a comment");
            let otherwise = OTHERWISE.iter().any(|(what, _)| comment.starts_with(what));
            let wanted = (test["result"] == "valid") != otherwise;
            let (kind, number) = (&group["comment"], &test["tcId"]);
            assert_eq!(
                is_accepted(group, &test["jws"]),
                wanted,
                "{kind} {number}: {comment}"
            );
            judged += 1;
        }
    }
    assert!(judged >= least, "{judged}");
}

#[test]
fn every_signature_gets_the_answer_that_it_should() {
    let file = include_str!("../../../tests/data/wycheproof/json_web_signature_test.json");
    assert_all(file, 401);
}

#[test]
fn every_key_gets_the_answer_that_it_should() {
    let file = include_str!("../../../tests/data/wycheproof/json_web_key_test.json");
    assert_all(file, 26);
}
