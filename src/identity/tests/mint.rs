//! An issuer in a test's hands: keys made on the spot, and tokens as honest or hostile as wanted.

use std::sync::LazyLock;

use aws_lc_rs::{
    encoding::AsDer,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, RsaKeyPair,
    },
};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};

/// The second at which the tests' clock stands.
pub(in crate::identity) const NOW: u64 = 1_800_000_000;

pub(in crate::identity) const ISSUER: &str = "https://issuer.example/";

pub(in crate::identity) const SECRET: &str =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A private key and its name.
pub(in crate::identity) struct Mint {
    pub(in crate::identity) algorithm: Algorithm,
    key: EncodingKey,
    pub(in crate::identity) kid: &'static str,
}

impl Mint {
    /// A new key for `algorithm`.
    pub(in crate::identity) fn new(algorithm: Algorithm, kid: &'static str) -> Self {
        let key = match algorithm {
            Algorithm::ES256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDSA => {
                let key = Ed25519KeyPair::generate().expect("key");
                EncodingKey::from_ed_der(key.to_pkcs8v1().expect("der").as_ref())
            }
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => {
                EncodingKey::from_secret(SECRET.as_bytes())
            }
            _ => rsa(KeySize::Rsa2048),
        };
        Self {
            algorithm,
            key,
            kid,
        }
    }

    /// The public half.
    pub(in crate::identity) fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("jwk");
        let mut jwk = serde_json::to_value(jwk).expect("json");
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// An honest token with these claims.
    pub(in crate::identity) fn token(&self, claims: &Value) -> String {
        self.with_header(&self.header(), claims)
    }

    /// The header of honest tokens.
    pub(in crate::identity) fn header(&self) -> Value {
        json!({"typ": "JWT", "alg": self.algorithm, "kid": self.kid})
    }

    /// A rightly signed token with any header.
    pub(in crate::identity) fn with_header(&self, header: &Value, claims: &Value) -> String {
        self.raw(&header.to_string(), &claims.to_string())
    }

    /// A rightly signed token with any text as header and payload.
    pub(in crate::identity) fn raw(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        self.sign(&signed)
    }

    /// Signs anything.
    pub(in crate::identity) fn sign(&self, signed: &str) -> String {
        let signature = crypto::sign(signed.as_bytes(), &self.key, self.algorithm).expect("sign");
        format!("{signed}.{signature}")
    }
}

/// A key that signs RS256, made once: making one takes a while.
pub(in crate::identity) static RSA: LazyLock<Mint> =
    LazyLock::new(|| Mint::new(Algorithm::RS256, "rsa"));

/// A key that signs ES256.
pub(in crate::identity) static EC: LazyLock<Mint> =
    LazyLock::new(|| Mint::new(Algorithm::ES256, "ec"));

/// A key set of these keys.
pub(in crate::identity) fn key_set(keys: &[&Mint]) -> Value {
    json!({"keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>()})
}

/// Claims that are accepted at [`NOW`].
pub(in crate::identity) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "ann",
        "aud": ["https://api.example", "other"],
        "iat": NOW - 10,
        "nbf": NOW - 10,
        "exp": NOW + 600,
        "scope": "chat files:read",
    })
}

/// [`claims`] with one changed, or with `null` left out.
pub(in crate::identity) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().expect("an object");
    match value {
        Value::Null => drop(members.remove(name)),
        value => drop(members.insert(name.to_owned(), value)),
    }
    claims
}

pub(in crate::identity) fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode_to_string(text)
}

fn ec(algorithm: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm) -> EncodingKey {
    let key = EcdsaKeyPair::generate(algorithm).expect("key");
    EncodingKey::from_ec_der(key.to_pkcs8v1().expect("der").as_ref())
}

fn rsa(size: KeySize) -> EncodingKey {
    let key = RsaKeyPair::generate(size).expect("key");
    let wrapped = key.as_der().expect("der");
    // PKCS #8 is a 26-byte envelope around the PKCS #1 that `jsonwebtoken` takes.
    EncodingKey::from_rsa_der(&wrapped.as_ref()[26..])
}
