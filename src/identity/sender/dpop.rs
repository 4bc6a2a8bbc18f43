//! A `DPoP` proof (RFC 9449): a small JWT, signed for one request by the key that it carries.
//!
//! What a reader would get wrong: the key proves nothing by itself, since anybody can make one. It
//! counts because the token names its thumbprint. So this is the one place where a key comes from
//! what a client sends, and it goes nowhere else.
//!
//! `htu` is compared by host and path: the client's scheme and port need not be those that reach the
//! proxy. Paths are compared in their one normal form, as routes are.

use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, jwk::Jwk};
use serde_json::{Map, Value};

use super::{
    super::{
        claims::{Claims, date},
        credential::is_token,
        error::Error,
        keys::PublicKey,
        once::Once,
        token::{decode, json::Unique, read},
    },
    Shown,
    nonce::Nonces,
};
use crate::{
    check::{HttpRequest, RequestPath, normal_host},
    clock::UnixSeconds,
};

/// A proof taken apart. Nothing in it is proven yet.
pub(super) struct Proof<'a> {
    algorithm: Algorithm,
    claims: Claims,
    key: PublicKey,
    signature: Vec<u8>,
    signed: &'a str,
    thumbprint: String,
}

impl<'a> Proof<'a> {
    /// The one proof of `request`.
    pub(super) fn of(request: &'a HttpRequest) -> Result<Self, Error> {
        let mut values = request.headers.all("dpop");
        let missing = Error::Unproven("no proof came with a token that is bound to a key");
        let value = values.next().ok_or(missing)?;
        if values.next().is_some() {
            return Err(Error::Malformed("several proofs"));
        }
        // A comma is no character of a proof, so joined ones end here too.
        let text = str::from_utf8(value).ok();
        let text = text.filter(|text| text.len() <= MAX_PROOF && is_token(value));
        Self::parse(text.ok_or(Error::Malformed("the proof is not one token"))?)
    }

    fn parse(text: &'a str) -> Result<Self, Error> {
        let parts = || Error::Malformed("the proof is not three parts");
        let (signed, signature) = text.rsplit_once('.').ok_or_else(parts)?;
        let (header, payload) = signed.split_once('.').ok_or_else(parts)?;
        if payload.contains('.') {
            return Err(parts());
        }
        let no_object = || Error::Malformed("a part of the proof is not a JSON object");
        let Some(Unique(Value::Object(mut header))) = read(&decode(header)?) else {
            return Err(no_object());
        };
        let claims = Claims::read(decode(payload)?).ok_or_else(no_object)?;
        if header.get("typ") != Some(&Value::from("dpop+jwt")) {
            return Err(Error::Malformed("the proof's `typ` is not `dpop+jwt`"));
        }
        if REFUSED.iter().any(|name| header.contains_key(*name)) {
            return Err(Error::Malformed("the proof's header has what it must not"));
        }
        let named = header.get("alg").and_then(Value::as_str);
        let algorithm = named
            .filter(|name| ALGORITHMS.split(' ').any(|known| known == *name))
            .and_then(|name| name.parse().ok())
            .ok_or(Error::Algorithm("the proof's algorithm is not accepted"))?;
        let Some(Value::Object(jwk)) = header.remove("jwk") else {
            return Err(Error::Malformed("the proof has no key"));
        };
        if PRIVATE.iter().any(|name| jwk.contains_key(*name)) {
            return Err(Error::Malformed("the proof's key is not a public one"));
        }
        let unusable = || Error::Malformed("the proof's key cannot be used");
        let thumbprint = thumbprint(&jwk).ok_or_else(unusable)?;
        let jwk: Jwk = serde_json::from_value(Value::Object(jwk)).map_err(|_| unusable())?;
        let key = PublicKey::parse(&jwk, &[algorithm]).ok_or_else(unusable)?;
        Ok(Self {
            algorithm,
            claims,
            key,
            signature: decode(signature)?,
            signed,
            thumbprint,
        })
    }

    /// Whether this is a proof for this request and token, by the key with `thumbprint`.
    pub(super) fn check(
        &self,
        thumbprint: &str,
        shown: &Shown<'_>,
        max_age: Duration,
        now: UnixSeconds,
    ) -> Result<(), Error> {
        let not = |text| Err(Error::Unproven(text));
        if self.thumbprint != thumbprint {
            return not("the proof is by another key than the token's");
        }
        let verifier = self.key.verifier(self.algorithm);
        let verifier =
            verifier.ok_or(Error::Algorithm("the proof's key is for other algorithms"))?;
        let message = self.signed.as_bytes();
        if verifier.verify_sig(message, &self.signature).is_err() {
            return not("the proof's signature does not match its key");
        }
        let text = |name: &str| self.claims.text(name);
        if text("htm") != Some(&shown.request.method) {
            return not("the proof is for another method");
        }
        if !text("htu").is_some_and(|url| is_target(url, shown.request)) {
            return not("the proof is for another address");
        }
        let token = digest(&SHA256, shown.credential.token.as_bytes());
        if text("ath") != Some(&URL_SAFE_NO_PAD.encode_to_string(token)) {
            return not("the proof is for another token");
        }
        if text("jti").is_none_or(str::is_empty) {
            return Err(Error::Malformed(
                "the proof's `jti` is not a non-empty string",
            ));
        }
        let issued = date(&self.claims, "iat")?;
        let issued = issued.ok_or(Error::Malformed("the proof's `iat` is missing"))?;
        #[expect(clippy::cast_precision_loss, reason = "seconds are exact in f64")]
        let apart = (now as f64 - issued).abs();
        if apart > max_age.as_secs_f64() {
            return not("the proof is too old, or from the future");
        }
        Ok(())
    }

    /// Whether it has a nonce of ours that is still good. One that has none is told the one to use.
    pub(super) fn check_nonce(&self, nonces: &Nonces<'_>) -> Result<(), Error> {
        let nonce = self.claims.text("nonce");
        match nonce {
            Some(nonce) if nonces.are_good(nonce) => Ok(()),
            _ => Err(Error::Nonce(nonces.current())),
        }
    }

    /// Notes that it has been shown, which it may be once.
    pub(super) async fn use_up(
        &self,
        thumbprint: &str,
        once: &Once,
        max_age: Duration,
        deadline: Instant,
    ) -> Result<(), Error> {
        let id = self.claims.text("jti");
        // From the latest that our clock may be behind to the earliest that it may be ahead.
        let life = max_age.saturating_mul(2) + Duration::from_secs(1);
        let fields = ["dpop", thumbprint, id.unwrap_or_default()];
        once.first(&fields, life, deadline)
            .await?
            .then_some(())
            .ok_or(Error::Unproven("the proof has been shown before"))
    }
}

/// Whether `url`, apart from its query and fragment, is where `request` went.
fn is_target(url: &str, request: &HttpRequest) -> bool {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let is_web = ["http", "https"]
        .iter()
        .any(|web| scheme.eq_ignore_ascii_case(web));
    let (authority, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (Ok(told), Ok(asked)) = (RequestPath::parse(path), &request.path) else {
        return false;
    };
    let host = normal_host(authority);
    is_web && !host.is_empty() && host == request.host && told.normal() == asked.normal()
}

/// RFC 7638: the digest of the members that make the key, in one spelling. `None` for keys of a kind
/// that is not known, and where a member has other characters than base64url.
pub(super) fn thumbprint(jwk: &Map<String, Value>) -> Option<String> {
    let kind = jwk.get("kty")?.as_str()?;
    let members: &[&str] = match kind {
        "EC" => &["crv", "kty", "x", "y"],
        "OKP" => &["crv", "kty", "x"],
        "RSA" => &["e", "kty", "n"],
        _ => return None,
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut canonical = String::new();
    for name in members {
        let value = jwk.get(*name)?.as_str()?;
        if !value.bytes().all(is_plain) {
            return None;
        }
        let start = if canonical.is_empty() { '{' } else { ',' };
        canonical.extend([&format!("{start}\"{name}\":\""), value, "\""]);
    }
    canonical.push('}');
    Some(URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, canonical.as_bytes())))
}

/// What a proof may be signed with: anything but a shared secret.
pub const ALGORITHMS: &str = "ES256 ES384 EdDSA PS256 PS384 PS512 RS256 RS384 RS512";

/// What no proof's header may have: other keys, and what changes how it is to be read.
const REFUSED: [&str; 6] = ["b64", "crit", "jku", "x5c", "x5u", "zip"];

/// Members that only private and symmetric keys have.
const PRIVATE: [&str; 8] = ["d", "dp", "dq", "k", "oth", "p", "q", "qi"];

/// The longest proof, in bytes: an RSA key of 8192 bits and its signature fit.
const MAX_PROOF: usize = 8 << 10;
