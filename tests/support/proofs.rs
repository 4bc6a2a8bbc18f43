//! Proofs that a key's holder shows a token (RFC 9449), the wrong ones included.

use aws_lc_rs::digest::{SHA256, digest};
use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::keys::{Key, Token};

/// A proof by `key` for a request, and for `token` if there is one yet.
pub(crate) fn proof(key: &Key, method: &str, url: &str, token: Option<&str>) -> String {
    unsigned(key, method, url, token).sign(key)
}

/// The same, yet to be changed and signed.
pub(crate) fn unsigned(key: &Key, method: &str, url: &str, token: Option<&str>) -> Token {
    let mut jwk = key.jwk();
    let members = jwk.as_object_mut().expect("an object");
    for name in ["kid", "use", "alg"] {
        members.remove(name);
    }
    let id = uuid::Uuid::now_v7().to_string();
    let proof = Token::new("", "", "")
        .without("iss")
        .without("aud")
        .without("sub")
        .without("exp")
        .header("typ", json!("dpop+jwt"))
        .header("jwk", jwk)
        .claim("jti", json!(id))
        .claim("htm", json!(method))
        .claim("htu", json!(url));
    match token {
        Some(token) => proof.claim("ath", json!(sha256(token.as_bytes()))),
        None => proof,
    }
}

/// The claim `cnf` of a token that is bound to `holder`, an ES256 key.
pub(crate) fn confirmation(holder: &Key) -> Value {
    let jwk = holder.jwk();
    let member = |name: &str| jwk[name].as_str().expect("a text");
    let (x, y) = (member("x"), member("y"));
    let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    json!({ "jkt": sha256(canonical.as_bytes()) })
}

/// As RFC 7638 and its kin write it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, bytes))
}
