//! How a client proves itself to an issuer's endpoint: by a secret, or by signing (RFC 7523).

use std::fmt;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64_simd::URL_SAFE_NO_PAD;
use reqwest::Url;
use rustls_pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::json;
use uuid::Uuid;

use super::super::config::SecretBy;
use crate::{clock::UnixSeconds, units::Secret, upstream::Form};

/// A client's proof.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::identity) enum Credential {
    /// Signs a short-lived assertion about itself.
    Key(std::sync::Arc<SigningKey>),
    /// Sends what only it and the issuer know.
    Secret(Secret, SecretBy),
}

/// A private key that signs assertions.
pub(in crate::identity) struct SigningKey {
    id: Option<String>,
    pair: Pair,
    /// What it was made from, to tell whether a reload brings another one.
    pem: Secret,
}

enum Pair {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl Credential {
    /// `form` with the proof that the client `id` sends it to `url`. `None` if the key cannot sign.
    pub(super) fn sign(&self, form: Form, id: &str, url: &Url, now: UnixSeconds) -> Option<Form> {
        Some(match self {
            Self::Key(key) => form
                .field("client_id", id)
                .field("client_assertion_type", ASSERTION_TYPE)
                .field("client_assertion", &key.assertion(id, url, now)?),
            Self::Secret(secret, SecretBy::Basic) => form.basic(id, secret.expose()),
            Self::Secret(secret, SecretBy::Post) => form
                .field("client_id", id)
                .field("client_secret", secret.expose()),
        })
    }
}

impl SigningKey {
    /// The key in `pem`: PKCS #8, or the older forms of RSA and elliptic-curve keys.
    pub(in crate::identity) fn from_pem(pem: Secret, id: Option<String>) -> Result<Self, String> {
        let der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes())
            .map_err(|_| "holds no private key in PEM; export it as `BEGIN PRIVATE KEY`")?;
        let pair = parse(&der)
            .ok_or("holds a key that is not understood; use RSA of 2048 bits or more, or P-256")?;
        Ok(Self { id, pair, pem })
    }

    /// Says that `id` asks `url`, once and now.
    fn assertion(&self, id: &str, url: &Url, now: UnixSeconds) -> Option<String> {
        let algorithm = match &self.pair {
            Pair::Es256(_) => "ES256",
            Pair::Rs256(_) => "RS256",
        };
        let mut header = json!({"alg": algorithm, "typ": "JWT"});
        if let Some(id) = &self.id {
            header["kid"] = json!(id);
        }
        let claims = json!({
            "iss": id,
            "sub": id,
            "aud": url.as_str(),
            "jti": Uuid::now_v7().to_string(),
            "iat": now,
            "exp": now + ASSERTION_LIFE,
        });
        let encode = |part: &[u8]| URL_SAFE_NO_PAD.encode_to_string(part);
        let [header, claims] = [header, claims].map(|part| encode(part.to_string().as_bytes()));
        let message = format!("{header}.{claims}");
        let signature = self.pair.sign(message.as_bytes())?;
        Some(format!("{message}.{}", encode(&signature)))
    }
}

impl Pair {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => {
                let signature = pair.sign(&random, message).ok()?;
                Some(signature.as_ref().to_vec())
            }
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .ok()?;
                Some(signature)
            }
        }
    }
}

fn parse(der: &PrivateKeyDer<'_>) -> Option<Pair> {
    let ec = &ECDSA_P256_SHA256_FIXED_SIGNING;
    match der {
        PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der())
            .ok()
            .map(Pair::Rs256),
        PrivateKeyDer::Pkcs8(key) => {
            let key = key.secret_pkcs8_der();
            let rsa = RsaKeyPair::from_pkcs8(key).ok().map(Pair::Rs256);
            rsa.or_else(|| EcdsaKeyPair::from_pkcs8(ec, key).ok().map(Pair::Es256))
        }
        PrivateKeyDer::Sec1(key) => EcdsaKeyPair::from_private_key_der(ec, key.secret_sec1_der())
            .ok()
            .map(Pair::Es256),
        _ => None,
    }
}

impl PartialEq for SigningKey {
    fn eq(&self, other: &Self) -> bool {
        self.pem == other.pem && self.id == other.id
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?})", self.id)
    }
}

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion is good, in seconds: the way there, and clocks that differ.
const ASSERTION_LIFE: u64 = 60;
