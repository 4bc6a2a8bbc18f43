//! A token taken apart. Nothing in it is proven yet.
//!
//! The encodings are read strictly, because a lenient reader and the issuer's may understand
//! different tokens: base64url without padding and without stray bits, JSON without duplicate
//! keys at any depth, and none of the header parameters that would let a token choose its own key.

#[cfg(test)]
mod fuzz;
mod header;
mod headers;
pub(super) mod json;

use std::sync::Arc;

use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde::de::DeserializeOwned;

use self::header::{Header, Purpose};
pub(super) use self::headers::Headers;
use super::{
    claims::{Claim, Claims},
    credential::MAX_TOKEN,
    error::Error,
};

/// A token's parts. Its claims are not to be believed before the signature is checked.
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) claims: Claims,
    /// The header as sent.
    header: &'a str,
    /// Whether the header was known.
    pub(super) is_known: bool,
    pub(super) kid: Option<Arc<str>>,
    pub(super) signature: Vec<u8>,
    /// What was signed: header and payload as sent.
    pub(super) signed: &'a str,
}

impl<'a> Token<'a> {
    /// Takes `text` apart; `headers` are those that need not be taken apart again.
    pub(super) fn parse(text: &'a str, headers: &Headers) -> Result<Self, Error> {
        Self::take_apart(text, |header| match headers.find(header) {
            Some(known) => Ok((known, true)),
            None => Ok((read_header(header)?.meaning(Purpose::Access)?, false)),
        })
    }

    /// The same for a logout token, which no access token is and which is none.
    pub(super) fn parse_logout(text: &'a str) -> Result<Self, Error> {
        let read = |header: &str| Ok((read_header(header)?.meaning(Purpose::Logout)?, false));
        Self::take_apart(text, read)
    }

    /// The same for a payload of any kind: test vectors sign texts that are no claims.
    #[cfg(test)]
    pub(super) fn parse_any(text: &'a str) -> Result<Self, Error> {
        let [signed, header, payload, signature] = split(text)?;
        decode(payload)?;
        let (algorithm, kid) = read_header(header)?.meaning(Purpose::Access)?;
        Ok(Self {
            algorithm,
            claims: Claims::default(),
            header,
            is_known: false,
            kid,
            signature: decode(signature)?,
            signed,
        })
    }

    fn take_apart(
        text: &'a str,
        read_header: impl FnOnce(&str) -> Result<(Meaning, bool), Error>,
    ) -> Result<Self, Error> {
        let [signed, header, payload, signature] = split(text)?;
        let ((algorithm, kid), is_known) = read_header(header)?;
        let claims = Claims::read(decode(payload)?)
            .ok_or(Error::Malformed("the payload is not a JSON object"))?;
        let signature = decode(signature)?;
        Ok(Self {
            algorithm,
            claims,
            header,
            is_known,
            kid,
            signature,
            signed,
        })
    }

    /// To be called once the token is proven: the next one with this header costs less.
    pub(super) fn teach(&self, headers: &Headers) {
        headers.learn(self.header, self.algorithm, self.kid.as_ref());
    }

    /// The unproven `iss`: good for choosing whose keys to try, for nothing else.
    pub(super) fn issuer(&self) -> Result<&str, Error> {
        match self.claims.get("iss") {
            Some(Claim::Text(issuer)) => Ok(issuer),
            Some(_) => Err(Error::Malformed("`iss` is not a string")),
            None => Err(Error::Issuer),
        }
    }
}

/// What is signed, its header, its payload, and the signature.
fn split(text: &str) -> Result<[&str; 4], Error> {
    if text.len() > MAX_TOKEN {
        return Err(Error::Malformed("the token is longer than 16 KiB"));
    }
    let mut dots = memchr::memchr_iter(b'.', text.as_bytes());
    let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
        return Err(Error::Malformed("not three parts"));
    };
    let (signed, signature) = (&text[..second], &text[second + 1..]);
    Ok([signed, &text[..first], &text[first + 1..second], signature])
}

/// Whether `text` is no JWT that could be looked into: only its issuer can tell what it means. An
/// encrypted one is opaque too.
pub(super) fn is_opaque(text: &str) -> bool {
    let mut parts = text.split('.');
    let header = parts.next().and_then(|part| decode(part).ok());
    let is_jwt = parts.count() == 2
        && header.is_some_and(|header| header.trim_ascii_start().starts_with(b"{"));
    !is_jwt
}

/// The algorithm and the key's name that the header of `text` tells, if it tells them acceptably.
pub(super) fn peek(text: &str, headers: &Headers) -> Option<Meaning> {
    let (header, _) = text.split_once('.')?;
    let known = headers.find(header);
    known.or_else(|| read_header(header).ok()?.meaning(Purpose::Access).ok())
}

/// What a header says: the algorithm to be compared, and the name of the key.
pub(super) type Meaning = (Algorithm, Option<Arc<str>>);

fn read_header(text: &str) -> Result<Header, Error> {
    let not_acceptable = Error::Malformed("the header is not an acceptable JSON object");
    read(&decode(text)?).ok_or(not_acceptable)
}

/// Reads JSON. Looking once whether all of it is text is quicker than string by string (0.65 against
/// 0.9 µs for usual claims).
pub(super) fn read<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::from_str(str::from_utf8(json).ok()?).ok()
}

pub(super) fn decode(part: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD
        .decode_to_vec(part)
        .map_err(|_| Error::Malformed("a part is not base64url"))
}
