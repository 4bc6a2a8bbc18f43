//! Hostile tokens: nothing panics, and what is accepted is what any strict reader reads.

use serde_json::{Map, Value};

use super::*;
use crate::fuzz;

const TOKENS: [&str; 4] = [
    "{\"alg\":\"RS256\",\"kid\":\"a\",\"typ\":\"at+jwt\"}\n{\"iss\":\"https://a.example\",\"aud\":[\"b\"],\"exp\":1}",
    "{\"alg\":\"EdDSA\"}\n{\"iss\":\"i\",\"cnf\":{\"jkt\":\"a\"},\"a\":[{\"b\":null,\"\\u0062\":1.5e2}]}",
    "{\"alg\":\"none\",\"crit\":[\"b64\"],\"jku\":\"https://a.example\"}\n[]",
    "{\"alg\":\"ES256\",\"x5c\":[],\"typ\":\"logout+jwt\"}\n{\"events\":{}}",
];

const WORDS: [&str; 24] = [
    "\n",
    ".",
    "=",
    "-",
    "_",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\u0061",
    "\\ud800",
    "\"alg\":",
    "\"kid\":",
    "\"crit\":",
    "\"typ\":",
    "\"iss\":",
    "null",
    "1e999",
    "-0",
    "\u{feff}",
    "é",
];

#[test]
fn fuzz_tokens() {
    let headers = Headers::default();
    fuzz::run("tokens", &TOKENS, &WORDS, |bytes| {
        if let Ok(text) = str::from_utf8(bytes) {
            read_all(text, &headers);
        }
        let mut lines = bytes.splitn(2, |byte| *byte == b'\n');
        let mut part = || lines.next().unwrap_or_default();
        let (header, payload) = (part(), part());
        let encoded = |part: &[u8]| URL_SAFE_NO_PAD.encode_to_string(part);
        let text = format!("{}.{}.YQ", encoded(header), encoded(payload));
        let claims = read_all(&text, &headers);
        let theirs = serde_json::from_slice::<Map<String, Value>>(payload).ok();
        assert!(claims.is_none() || claims.map(|claims| claims.to_map()) == theirs);
    });
}

/// Reads `text` in every way; the claims if it is an access token.
fn read_all(text: &str, headers: &Headers) -> Option<Claims> {
    let _ = Token::parse_logout(text);
    let peeked = peek(text, headers);
    let token = Token::parse(text, headers).ok()?;
    let (algorithm, kid) = peeked.expect("what is read whole is read in part");
    assert_eq!((algorithm, &kid), (token.algorithm, &token.kid));
    assert!(!is_opaque(text) && text.starts_with(token.signed));
    let _ = token.issuer();
    Some(token.claims)
}
