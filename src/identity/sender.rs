//! Whether a token is shown by the one it was given to: tokens that are bound to a key.
//!
//! A token says by `cnf` which key it is bound to: that of a `DPoP` proof (`jkt`, RFC 9449) or of the
//! client's certificate (`x5t#S256`, RFC 8705). What a reader would get wrong: binding is the token's
//! word, not the route's. A bound token without its proof is refused everywhere, because a stolen
//! one would otherwise be good wherever nobody asks (RFC 9449, 7.2; RFC 8705, 3); so is one that is
//! bound in a way that is not understood, and a bound one shown where no proof can be, such as in a
//! batch. A route's `sender` says in addition that tokens *must* be bound.
//!
//! Proofs are of one request, so nothing here is kept: a token that is known is asked for its proof
//! each time.
//!
//! # Cost
//!
//! Nothing for a token that is not bound. `DPoP`: parsing the key and its signature check (ES256 50 µs)
//! and two digests. A certificate: its digest, 3 µs.

mod dpop;
mod nonce;

use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use base64_simd::URL_SAFE_NO_PAD;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::dpop::ALGORITHMS as PROOF_ALGORITHMS;
use self::nonce::Nonces;
use super::{
    claims::Claims,
    credential::{Credential, Scheme},
    error::Error,
    once::Once,
};
use crate::{
    check::{HttpRequest, Source},
    clock::UnixSeconds,
};

/// How a route wants tokens to be bound to whoever shows them.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sender {
    /// By either.
    Any,
    /// To the key of a `DPoP` proof (RFC 9449).
    Dpop,
    /// To the client's certificate (RFC 8705).
    Mtls,
}

impl Sender {
    /// Whether a `DPoP` proof would do.
    #[must_use]
    pub fn takes_dpop(self) -> bool {
        matches!(self, Self::Any | Self::Dpop)
    }
}

/// What is asked of proofs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    /// How far a proof's date may be from ours.
    pub(super) max_age: Duration,
    /// How long a nonce is good, and up to as long again; `None` asks for none.
    pub(super) nonce_life: Option<Duration>,
}

/// What came along with a token.
pub(super) struct Shown<'a> {
    pub(super) credential: Credential<'a>,
    pub(super) peer: &'a Source,
    pub(super) request: &'a HttpRequest,
}

/// How a token is bound, by its own word.
#[derive(Debug, Default, PartialEq)]
struct Binding<'a> {
    certificate: Option<&'a str>,
    key: Option<&'a str>,
}

impl<'a> Binding<'a> {
    fn of(claims: &'a Claims) -> Result<Self, Error> {
        let Some(confirmation) = claims.get("cnf") else {
            return Ok(Self::default());
        };
        let member = |name: &str| match confirmation.member(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.as_str())),
            Some(_) => Err(Error::Malformed("`cnf` is not as it should be")),
        };
        let binding = Self {
            certificate: member("x5t#S256")?,
            key: member("jkt")?,
        };
        if binding == Self::default() {
            return Err(Error::Malformed(
                "the token is bound in a way that is not understood",
            ));
        }
        Ok(binding)
    }

    fn suits(&self, want: Option<Sender>) -> bool {
        match want {
            None => true,
            Some(Sender::Any) => *self != Self::default(),
            Some(Sender::Dpop) => self.key.is_some(),
            Some(Sender::Mtls) => self.certificate.is_some(),
        }
    }
}

/// Checks that the token with these `claims` is shown by whoever it is bound to.
pub(super) async fn check(
    claims: &Claims,
    want: Option<Sender>,
    shown: &Shown<'_>,
    (once, rules, now): (&Once, Rules, UnixSeconds),
    deadline: Instant,
) -> Result<(), Error> {
    let binding = Binding::of(claims)?;
    if !binding.suits(want) {
        return Err(Error::Unbound);
    }
    if let Some(certificate) = binding.certificate {
        check_certificate(certificate, shown.peer)?;
    }
    match (binding.key, shown.credential.scheme) {
        (Some(_), Scheme::Bearer) => Err(Error::Unproven(
            "a token that is bound to a key was sent as a bearer token",
        )),
        (Some(key), Scheme::Bare | Scheme::Dpop) => {
            let proof = dpop::Proof::of(shown.request)?;
            proof.check(key, shown, rules.max_age, now)?;
            if let Some(life) = rules.nonce_life {
                proof.check_nonce(&Nonces::new(once, life, now))?;
            }
            // Last, so that only proofs that would do take room.
            Box::pin(proof.use_up(key, once, rules.max_age, deadline)).await
        }
        // The scheme promises a proof, and there is no key to prove.
        (None, Scheme::Dpop) => Err(Error::Unbound),
        (None, Scheme::Bare | Scheme::Bearer) => Ok(()),
    }
}

/// The same where there is no request that could hold a proof.
pub(super) fn check_unbound(claims: &Claims, want: Option<Sender>) -> Result<(), Error> {
    let binding = Binding::of(claims)?;
    if !binding.suits(want) {
        return Err(Error::Unbound);
    }
    match binding.key.or(binding.certificate) {
        None => Ok(()),
        Some(_) => Err(Error::Unproven(
            "a bound token without the request around it",
        )),
    }
}

fn check_certificate(thumbprint: &str, peer: &Source) -> Result<(), Error> {
    let missing = Error::Unproven("no client certificate came with a token that is bound to one");
    let pem = peer.certificate.as_deref().ok_or(missing)?;
    let pem = percent_decoded(pem).filter(|pem| pem.len() <= MAX_CERTIFICATE);
    let unreadable = || Error::Unproven("the client certificate cannot be read");
    let der = pem.and_then(|pem| CertificateDer::from_pem_slice(&pem).ok());
    let der = der.ok_or_else(unreadable)?;
    let same = URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, &der)) == thumbprint;
    same.then_some(())
        .ok_or(Error::Unproven("the token is bound to another certificate"))
}

/// Envoy escapes the whole PEM text as a URL does.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => byte,
        });
    }
    Some(decoded)
}

/// The longest certificate that is read, in bytes of PEM; Envoy's own limit for a chain is larger.
const MAX_CERTIFICATE: usize = 32 << 10;

#[cfg(test)]
mod tests;
