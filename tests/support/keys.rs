//! Signing keys, key sets and tokens of every kind, the broken ones included.
//!
//! Tokens are put together here rather than by a JWT library, because most tests are about tokens that
//! a library would refuse to make.

use std::fmt;

use aws_lc_rs::{
    encoding::AsDer as _,
    hmac,
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
        RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use subzero::clock::Clock;

/// The algorithms that are on by default.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Algorithm {
    EdDsa,
    Es256,
    Rs256,
}

impl Algorithm {
    /// Its name in a token's header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }
}

/// A key pair with its id.
pub(crate) struct Key {
    kid: String,
    pair: Pair,
}

enum Pair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(Box<RsaKeyPair>),
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

impl Key {
    /// A new pair.
    pub(crate) fn generate(algorithm: Algorithm, kid: &str) -> Self {
        let pair = match algorithm {
            Algorithm::EdDsa => Pair::EdDsa(Ed25519KeyPair::generate().expect("generate a key")),
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
                Pair::Es256(pair.expect("generate a key"))
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::generate(KeySize::Rsa2048);
                Pair::Rs256(Box::new(pair.expect("generate a key")))
            }
        };
        Self {
            kid: kid.to_owned(),
            pair,
        }
    }

    /// Its algorithm.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::EdDsa(_) => Algorithm::EdDsa,
            Pair::Es256(_) => Algorithm::Es256,
            Pair::Rs256(_) => Algorithm::Rs256,
        }
    }

    /// The public half as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = match &self.pair {
            Pair::EdDsa(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": b64(pair.public_key().as_ref())})
            }
            Pair::Es256(pair) => {
                // 0x04, then both coordinates.
                let (x, y) = pair.public_key().as_ref()[1..].split_at(32);
                json!({"kty": "EC", "crv": "P-256", "x": b64(x), "y": b64(y)})
            }
            Pair::Rs256(pair) => {
                let [n, e] = rsa_integers(pair.public_key().as_ref());
                json!({"kty": "RSA", "n": b64(&n), "e": b64(&e)})
            }
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk["alg"] = json!(self.algorithm().name());
        jwk
    }

    /// The public half in DER: what an attacker signs HS256 with.
    pub(crate) fn public_der(&self) -> Vec<u8> {
        match &self.pair {
            Pair::EdDsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Es256(pair) => pair
                .public_key()
                .as_der()
                .expect("encode a public key")
                .as_ref()
                .to_vec(),
            Pair::Rs256(pair) => pair
                .public_key()
                .as_der()
                .expect("encode a public key")
                .as_ref()
                .to_vec(),
        }
    }

    /// The private half in PEM, as PKCS #8.
    pub(crate) fn private_pem(&self) -> String {
        let why = "encode a private key";
        let der = match &self.pair {
            Pair::EdDsa(pair) => pair.to_pkcs8v1().expect(why).as_ref().to_vec(),
            Pair::Es256(pair) => pair.to_pkcs8v1().expect(why).as_ref().to_vec(),
            Pair::Rs256(pair) => pair.as_der().expect(why).as_ref().to_vec(),
        };
        let text = STANDARD.encode_to_string(der);
        let lines: Vec<&str> = (0..text.len())
            .step_by(64)
            .map(|at| &text[at..text.len().min(at + 64)])
            .collect();
        let lines = lines.join("\n");
        format!("-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----\n")
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Es256(pair) => pair.sign(&random, message).expect("sign").as_ref().to_vec(),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .expect("sign");
                signature
            }
        }
    }
}

/// A key set with the public halves of these keys.
pub(crate) fn jwks(keys: &[&Key]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}

/// A token to be made. It starts as a good one: see [`Token::new`].
#[derive(Clone, Debug)]
pub(crate) struct Token {
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl Token {
    /// A good one, from `issuer` to `audience` about `subject`, good for an hour.
    pub(crate) fn new(issuer: &str, audience: &str, subject: &str) -> Self {
        let token = Self {
            header: Map::new(),
            claims: Map::new(),
        };
        token
            .header("typ", json!("JWT"))
            .claim("iss", json!(issuer))
            .claim("aud", json!(audience))
            .claim("sub", json!(subject))
            .claim("iat", json!(now()))
            .expires_in(3600)
    }

    /// Sets a claim; `null` stays in as `null`.
    pub(crate) fn claim(mut self, name: &str, value: Value) -> Self {
        self.claims.insert(name.to_owned(), value);
        self
    }

    /// Takes a claim out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets a field of the header. `alg` and `kid` set here win over the key's own.
    pub(crate) fn header(mut self, name: &str, value: Value) -> Self {
        self.header.insert(name.to_owned(), value);
        self
    }

    /// Sets `scope`, separated by spaces.
    pub(crate) fn scope(self, scopes: &str) -> Self {
        self.claim("scope", json!(scopes))
    }

    /// Sets `exp`; negative lies in the past.
    pub(crate) fn expires_in(self, seconds: i64) -> Self {
        self.claim("exp", json!(now() + seconds))
    }

    /// Signs it with `key`.
    pub(crate) fn sign(&self, key: &Key) -> String {
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!(key.algorithm().name()));
        header.insert("kid".to_owned(), json!(key.kid));
        let message = self.message(header);
        let signature = key.sign(message.as_bytes());
        format!("{message}.{}", b64(&signature))
    }

    /// Signs it with HS256, the attack included where `secret` is a public key.
    pub(crate) fn sign_hs256(&self, secret: &[u8]) -> String {
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!("HS256"));
        let message = self.message(header);
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        format!(
            "{message}.{}",
            b64(hmac::sign(&key, message.as_bytes()).as_ref())
        )
    }

    /// Leaves the signature empty and says `alg: none`, unless the header was set otherwise.
    pub(crate) fn unsigned(&self) -> String {
        let mut header = Map::new();
        header.insert("alg".to_owned(), json!("none"));
        format!("{}.", self.message(header))
    }

    fn message(&self, mut header: Map<String, Value>) -> String {
        header.extend(self.header.clone());
        let part =
            |map: &Map<String, Value>| b64(Value::Object(map.clone()).to_string().as_bytes());
        format!("{}.{}", part(&header), part(&self.claims))
    }
}

fn now() -> i64 {
    i64::try_from(Clock::System.now()).expect("before the year 292 billion")
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode_to_string(bytes)
}

/// Modulus and exponent out of a DER `RSAPublicKey`: a sequence of two integers.
fn rsa_integers(der: &[u8]) -> [Vec<u8>; 2] {
    let (sequence, _) = der_value(der);
    let (modulus, rest) = der_value(sequence);
    let (exponent, _) = der_value(rest);
    // A leading zero only keeps the number positive.
    [modulus, exponent].map(|integer| integer[usize::from(integer[0] == 0)..].to_vec())
}

/// The content of the first value in `der`, and what follows it.
fn der_value(der: &[u8]) -> (&[u8], &[u8]) {
    let short = usize::from(der[1]);
    let (length, start) = if short < 0x80 {
        (short, 2)
    } else {
        let end = 2 + (short & 0x7f);
        (
            der[2..end]
                .iter()
                .fold(0, |length, byte| length << 8 | usize::from(*byte)),
            end,
        )
    };
    der[start..].split_at(length)
}
