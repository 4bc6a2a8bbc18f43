//! Project Wycheproof's JSON web signatures and keys (`tests/data/wycheproof`): every one gets the answer that
//! it should.
//!
//! What they sign is no claims, so they meet the header's reader and the keys, which are what they are
//! about, and not the checks of claims.

use base64_simd::URL_SAFE_NO_PAD;
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
const OTHERWISE: [(&str, &str); 5] = [
    (
        "base64 InvalidCharacterInserted",
        "base64url is read strictly: called valid for lenient readers",
    ),
    ("Figure20", "its key says PS256, and it is signed by PS384"),
    ("Figure27", "P-521 is not among the algorithms"),
    (
        "jws_keyset acceptsValid",
        "secrets do not come in key sets, which are public",
    ),
    (
        "invalidBase64Padding",
        "the padding is not in the file: they are as `ValidMac`",
    ),
];

/// The keys of a group, and which algorithms its issuer would be configured for. `None` where the
/// configuration would refuse them.
fn keys(group: &Value) -> Option<(Vec<Algorithm>, Keys)> {
    let key = group.get("public").unwrap_or(&group["private"]);
    let key = match key["keys"].as_array().map(Vec::as_slice) {
        Some([only]) => only,
        _ => key,
    };
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
    let secret = URL_SAFE_NO_PAD.decode_to_vec(key["k"].as_str()?).ok()?;
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
    let (mut judged, mut wrong) = (0, Vec::new());
    for group in file["testGroups"].as_array().expect("groups") {
        for test in group["tests"].as_array().expect("tests") {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let what = format!("{} {}", text(&group["comment"]), text(&test["comment"]));
            let otherwise = OTHERWISE.iter().any(|(part, _)| what.contains(part));
            let wanted = (test["result"] == "valid") != otherwise;
            if is_accepted(group, &test["jws"]) != wanted {
                wrong.push(format!("{}: {what}", test["tcId"]));
            }
            judged += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
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
