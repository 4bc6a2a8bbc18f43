//! An issuer's public keys, parsed once, and the signature check.
//!
//! A key is bound to its algorithms when the set is read: what a token says cannot make a public
//! key serve as an HMAC secret or an RSA key check an elliptic-curve signature. A key that cannot
//! be used is left out and the others stay.
//!
//! # Cost
//!
//! A check is the signature's own cost (RS256 12 µs, ES256 35 µs, `EdDSA` 25 µs, HS256 0.4 µs) and a
//! walk over the few keys of the set; nothing is parsed or allocated.

mod public;

use std::fmt;

use aws_lc_rs::{
    digest::{self, SHA256_OUTPUT_LEN},
    hmac,
};
use jsonwebtoken::{Algorithm, jwk::Jwk};
use serde::Deserialize;
use serde_json::Value;

pub(super) use self::public::PublicKey;
use super::token::Token;

/// What the keys say about a token's signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Signature {
    /// A key that fits matches.
    Good,
    /// Keys that fit were tried and none matches.
    Bad,
    /// The key that `kid` names is for other algorithms.
    OtherAlgorithm,
    /// `kid` names no key of this set.
    UnknownKey,
}

/// Tells key sets of one issuer apart: a digest of what was published. Sets that say the same in
/// other words count as different, which costs a signature check a token and no more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct KeySetId([u8; SHA256_OUTPUT_LEN]);

/// Keys that may check an issuer's tokens.
pub(super) enum Keys {
    /// Public keys of a key set.
    Public(KeySetId, Vec<PublicKey>),
    /// One shared secret, a key for each of the issuer's algorithms.
    Shared(Vec<(Algorithm, hmac::Key)>),
}

impl KeySetId {
    const ONLY: Self = Self([0; SHA256_OUTPUT_LEN]);

    fn of(published: &[u8]) -> Self {
        let mut id = Self::ONLY;
        let digest = digest::digest(&digest::SHA256, published);
        id.0.copy_from_slice(digest.as_ref());
        id
    }
}

impl Keys {
    /// Reads a JSON Web Key Set; `algorithms` are the issuer's.
    pub(super) fn from_jwks(bytes: &[u8], algorithms: &[Algorithm]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct KeySet {
            keys: Vec<Value>,
        }
        if bytes.len() > MAX_KEY_SET {
            return Err(format!("the key set is longer than {MAX_KEY_SET} bytes"));
        }
        // The position is told, the text is not: a file given by mistake may hold secrets.
        let set: KeySet = serde_json::from_slice(bytes).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("not a JSON Web Key Set (line {line}, column {column})")
        })?;
        let count = set.keys.len();
        let keys: Vec<PublicKey> = set
            .keys
            .into_iter()
            .filter_map(|key| serde_json::from_value::<Jwk>(key).ok())
            .filter_map(|key| PublicKey::parse(&key, algorithms))
            .take(MAX_KEYS)
            .collect();
        if !keys.iter().any(PublicKey::is_usable) {
            return Err(format!(
                "none of its {count} keys can be used with the issuer's `algorithms`"
            ));
        }
        Ok(Self::Public(KeySetId::of(bytes), keys))
    }

    /// A shared secret for HS* `algorithms`; others get no key.
    pub(super) fn from_secret(secret: &[u8], algorithms: &[Algorithm]) -> Self {
        let key = |algorithm: &Algorithm| {
            let hash = match algorithm {
                Algorithm::HS256 => hmac::HMAC_SHA256,
                Algorithm::HS384 => hmac::HMAC_SHA384,
                Algorithm::HS512 => hmac::HMAC_SHA512,
                _ => return None,
            };
            Some((*algorithm, hmac::Key::new(hash, secret)))
        };
        Self::Shared(algorithms.iter().filter_map(key).collect())
    }

    /// Which set of its issuer's this is. A shared secret is the only one its issuer ever has:
    /// another secret is another configuration.
    pub(super) fn id(&self) -> &KeySetId {
        match self {
            Self::Public(id, _) => id,
            Self::Shared(_) => &KeySetId::ONLY,
        }
    }

    /// Whether a token that names the key `kid` finds it. A shared secret has no name to miss.
    pub(super) fn has_named(&self, kid: &str) -> bool {
        match self {
            Self::Public(_, keys) => keys.iter().any(|key| key.kid.as_deref() == Some(kid)),
            Self::Shared(_) => true,
        }
    }

    /// The names of all keys that have one.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        let keys = match self {
            Self::Public(_, keys) => &keys[..],
            Self::Shared(_) => &[],
        };
        keys.iter().filter_map(|key| key.kid.as_deref())
    }

    /// How many keys there are, for people.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Public(_, keys) => keys.iter().filter(|key| key.is_usable()).count(),
            Self::Shared(_) => 1,
        }
    }

    /// Checks the signature of `token`, whose algorithm is one of the issuer's.
    pub(super) fn check(&self, token: &Token<'_>) -> Signature {
        match self {
            Self::Public(_, keys) => check_public(keys, token),
            Self::Shared(keys) => {
                let matches = keys.iter().any(|(algorithm, key)| {
                    *algorithm == token.algorithm
                        && hmac::verify(key, token.signed.as_bytes(), &token.signature).is_ok()
                });
                if matches {
                    Signature::Good
                } else {
                    Signature::Bad
                }
            }
        }
    }
}

fn check_public(keys: &[PublicKey], token: &Token<'_>) -> Signature {
    let message = token.signed.as_bytes();
    let named =
        |key: &&PublicKey| token.kid.is_some() && key.kid.as_deref() == token.kid.as_deref();
    let known = keys.iter().any(|key| named(&key));
    // Without a name to go by, keys are tried: the named ones too when the token names none, else
    // only those that have no name themselves.
    let candidates = keys
        .iter()
        .filter(|key| {
            if known {
                named(key)
            } else {
                token.kid.is_none() || key.kid.is_none()
            }
        })
        .filter_map(|key| key.verifier(token.algorithm))
        .take(MAX_TRIES);
    let mut tried = 0;
    for verifier in candidates {
        if verifier.verify_sig(message, &token.signature).is_ok() {
            return Signature::Good;
        }
        tried += 1;
    }
    match (known, tried) {
        (true, 0) => Signature::OtherAlgorithm,
        (false, _) if token.kid.is_some() => Signature::UnknownKey,
        _ => Signature::Bad,
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Public(..) => "public",
            Self::Shared(_) => "shared",
        };
        write!(f, "Keys({kind}, {})", self.count())
    }
}

/// The longest key set that is read, in bytes.
pub(super) const MAX_KEY_SET: usize = 512 << 10;

/// The most keys that are kept of one set; issuers publish two to five.
const MAX_KEYS: usize = 256;

/// The most keys that are tried for a token that names none: an attacker's token must not cost
/// more than a few signature checks.
const MAX_TRIES: usize = 8;

#[cfg(test)]
mod tests;
