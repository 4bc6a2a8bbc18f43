//! A token taken apart. Nothing in it is proven yet.
//!
//! The encodings are read strictly, because a lenient reader and the issuer's may understand
//! different tokens: base64url without padding and without stray bits, JSON without duplicate
//! keys at any depth, and none of the header parameters that would let a token choose its own key.

mod header;
mod json;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use self::{header::Header, json::Unique};
use super::{credential::MAX_TOKEN, error::Error};

/// A token's parts. Its claims are not to be believed before the signature is checked.
pub(super) struct Token<'a> {
    pub(super) algorithm: Algorithm,
    pub(super) claims: Map<String, Value>,
    pub(super) kid: Option<String>,
    pub(super) signature: Vec<u8>,
    /// What was signed: header and payload as sent.
    pub(super) signed: &'a str,
}

impl<'a> Token<'a> {
    /// Takes `text` apart.
    pub(super) fn parse(text: &'a str) -> Result<Self, Error> {
        if text.len() > MAX_TOKEN {
            return Err(Error::Malformed("the token is longer than 16 KiB"));
        }
        let three = || Error::Malformed("not three parts");
        let (signed, signature) = text.rsplit_once('.').ok_or_else(three)?;
        let (header, payload) = signed.split_once('.').ok_or_else(three)?;
        if payload.contains('.') {
            return Err(three());
        }
        let header: Header = serde_json::from_slice(&decode(header)?)
            .map_err(|_| Error::Malformed("the header is not an acceptable JSON object"))?;
        let Ok(Unique(Value::Object(claims))) = serde_json::from_slice(&decode(payload)?) else {
            return Err(Error::Malformed("the payload is not a JSON object"));
        };
        let signature = decode(signature)?;
        header.refuse_foreign_type()?;
        Ok(Self {
            algorithm: header.algorithm()?,
            claims,
            kid: header.kid,
            signature,
            signed,
        })
    }

    /// The unproven `iss`: good for choosing whose keys to try, for nothing else.
    pub(super) fn issuer(&self) -> Result<&str, Error> {
        match self.claims.get("iss") {
            Some(Value::String(issuer)) => Ok(issuer),
            Some(_) => Err(Error::Malformed("`iss` is not a string")),
            None => Err(Error::Issuer),
        }
    }
}

/// The algorithm and the key's name that the header of `text` tells, if it tells them acceptably.
pub(super) fn peek(text: &str) -> Option<(Algorithm, Option<String>)> {
    let (header, _) = text.split_once('.')?;
    let header: Header = serde_json::from_slice(&decode(header).ok()?).ok()?;
    Some((header.algorithm().ok()?, header.kid))
}

fn decode(part: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| Error::Malformed("a part is not base64url"))
}
