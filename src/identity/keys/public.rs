//! One public key of a key set, parsed for every algorithm it may check.

use aws_lc_rs::signature::{
    self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{
    Algorithm,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse, RSAKeyParameters},
};

/// A key and what it may check.
pub(in crate::identity) struct PublicKey {
    pub(in crate::identity) kid: Option<String>,
    verifiers: Vec<(Algorithm, ParsedPublicKey)>,
}

impl PublicKey {
    /// Parses `jwk` for those of `algorithms` that go with it. `None` for keys that are no
    /// signature keys, are weak, or are not understood: symmetric ones above all.
    pub(in crate::identity) fn parse(jwk: &Jwk, algorithms: &[Algorithm]) -> Option<Self> {
        if !may_verify(jwk) {
            return None;
        }
        let only = match jwk.common.key_algorithm {
            Some(named) => Some(Algorithm::try_from(named).ok()?),
            None => None,
        };
        let parse = parser(&jwk.algorithm)?;
        let verifiers = algorithms
            .iter()
            .filter(|algorithm| only.is_none_or(|only| only == **algorithm))
            .filter_map(|algorithm| Some((*algorithm, parse(*algorithm)?)))
            .collect();
        Some(Self {
            kid: jwk.common.key_id.clone(),
            verifiers,
        })
    }

    /// The parsed key for `algorithm`, if this key goes with it.
    pub(in crate::identity) fn verifier(&self, algorithm: Algorithm) -> Option<&ParsedPublicKey> {
        let (_, key) = self.verifiers.iter().find(|(of, _)| *of == algorithm)?;
        Some(key)
    }

    /// Whether this key can check anything for this issuer. A key that cannot is still kept, so
    /// that a token which names it is told what is wrong.
    pub(super) fn is_usable(&self) -> bool {
        !self.verifiers.is_empty()
    }
}

fn may_verify(jwk: &Jwk) -> bool {
    let for_signatures = match &jwk.common.public_key_use {
        None | Some(PublicKeyUse::Signature) => true,
        Some(PublicKeyUse::Encryption | PublicKeyUse::Other(_)) => false,
    };
    let operations = jwk.common.key_operations.as_ref();
    for_signatures && operations.is_none_or(|listed| listed.contains(&KeyOperations::Verify))
}

type Parser = Box<dyn Fn(Algorithm) -> Option<ParsedPublicKey>>;

/// How to parse this key for an algorithm. `None` if it is no public key that we know.
fn parser(parameters: &AlgorithmParameters) -> Option<Parser> {
    match parameters {
        AlgorithmParameters::EllipticCurve(key) => {
            let (of, length, verifier): (_, _, &'static dyn VerificationAlgorithm) = match key.curve
            {
                EllipticCurve::P256 => (Algorithm::ES256, 32, &signature::ECDSA_P256_SHA256_FIXED),
                EllipticCurve::P384 => (Algorithm::ES384, 48, &signature::ECDSA_P384_SHA384_FIXED),
                _ => return None,
            };
            let mut point = vec![UNCOMPRESSED];
            for coordinate in [&key.x, &key.y] {
                let coordinate = decode(coordinate)?;
                if coordinate.len() != length {
                    return None;
                }
                point.extend(coordinate);
            }
            let key = ParsedPublicKey::new(verifier, point).ok()?;
            Some(Box::new(move |wanted| (wanted == of).then(|| key.clone())))
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            let point = decode(&key.x).filter(|point| point.len() == 32)?;
            let key = ParsedPublicKey::new(&signature::ED25519, point).ok()?;
            let of = Algorithm::EdDSA;
            Some(Box::new(move |wanted| (wanted == of).then(|| key.clone())))
        }
        AlgorithmParameters::RSA(key) => {
            let key = rsa_components(key)?;
            Some(Box::new(move |wanted| {
                key.to_parsed_public_key(rsa_parameters(wanted)?).ok()
            }))
        }
        _ => None,
    }
}

/// Modulus and exponent, if they make a key that is neither weak nor absurd.
fn rsa_components(key: &RSAKeyParameters) -> Option<RsaPublicKeyComponents<Vec<u8>>> {
    let number = |text: &str| {
        let bytes = decode(text)?;
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Some(bytes[zeros..].to_vec())
    };
    let (n, e) = (number(&key.n)?, number(&key.e)?);
    let first = n.first()?;
    let bits = n.len() * 8 - first.leading_zeros() as usize;
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    let sound = RSA_BITS.contains(&bits) && odd(&n) && odd(&e) && e != [1] && e.len() <= 4;
    (sound && !is_factorable(&n)).then_some(RsaPublicKeyComponents { n, e })
}

/// Whether `modulus` has the shape that certain chips gave theirs (CVE-2017-15361, "ROCA"), by which
/// it can be factored: modulo each of these primes it is a power of 65537. Others have it once in
/// some hundred million.
fn is_factorable(modulus: &[u8]) -> bool {
    const PRIMES: [u32; 17] = [
        11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
    ];
    PRIMES.iter().all(|prime| {
        let digit = |rest: u32, byte: &u8| (rest << 8 | u32::from(*byte)) % prime;
        let rest = modulus.iter().fold(0, digit);
        let powers = std::iter::successors(Some(1), |power| Some(power * 65_537 % prime));
        powers.take(*prime as usize).any(|power| power == rest)
    })
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::PS256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::RS256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        _ => None,
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode_to_vec(text).ok()
}

/// Shorter is weak; longer only makes each check dearer.
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// How an elliptic-curve point written as both coordinates begins.
const UNCOMPRESSED: u8 = 4;
