//! Who may show a bound token, and how every other way is refused.

mod nonces;

use aws_lc_rs::{
    encoding::AsDer,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64_simd::STANDARD;
use serde_json::json;

use super::{
    super::{
        Identity, Requirement, Verifier,
        tests::{
            defaults, directory, file_verifier,
            mint::{EC, ISSUER, Mint, NOW, RSA, claims_with, encode, key_set},
            revocation, soon, want,
        },
    },
    *,
};
use crate::{
    check::{Body, Headers, RequestPath},
    verdict::Reason,
};

fn verifier() -> Verifier {
    file_verifier(&key_set(&[&EC]), &json!(["ES256"]))
}

/// What a proof of `holder` for `token` and `GET https://api.example/orders` says, with one claim
/// changed, or with `null` left out.
fn proof_claims(token: &str, name: &str, value: Value) -> Value {
    let ath = URL_SAFE_NO_PAD.encode_to_string(digest(&SHA256, token.as_bytes()));
    let mut claims = json!({"jti": "1", "htm": "GET", "htu": "https://api.example/orders",
                            "iat": NOW, "ath": ath});
    match value {
        Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
        value => claims[name] = value,
    }
    claims
}

/// The key as a proof carries it: what makes it, and nothing else.
fn bare(holder: &Mint) -> Value {
    let mut jwk = holder.jwk();
    let members = jwk.as_object_mut().expect("an object");
    for name in ["kid", "use", "alg", "key_ops"] {
        members.remove(name);
    }
    jwk
}

fn header(holder: &Mint) -> Value {
    json!({"typ": "dpop+jwt", "alg": holder.algorithm, "jwk": bare(holder)})
}

fn proof(holder: &Mint, claims: &Value) -> String {
    holder.with_header(&header(holder), claims)
}

fn jkt(holder: &Mint) -> String {
    let jwk = bare(holder);
    let member = |name: &str| jwk[name].as_str().unwrap_or_default();
    let canonical = match member("kty") {
        "RSA" => format!(
            r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#,
            member("e"),
            member("n")
        ),
        _ => format!(
            r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#,
            member("x"),
            member("y")
        ),
    };
    encode(digest(&SHA256, canonical.as_bytes()))
}

/// A token that is bound to the key of `holder`.
fn bound_to(holder: &Mint) -> String {
    EC.token(&claims_with("cnf", json!({"jkt": jkt(holder)})))
}

fn request(headers: &[(&str, &str)]) -> HttpRequest {
    let mut own = Headers::default();
    for (name, value) in headers {
        own.push(name, value.as_bytes());
    }
    HttpRequest {
        method: "GET".to_owned(),
        host: "api.example".to_owned(),
        path: RequestPath::parse("/orders?page=2"),
        headers: own,
        body: Body::Absent,
    }
}

fn bound(sender: Option<Sender>) -> Requirement {
    Requirement {
        sender,
        ..want(&["file"], &[])
    }
}

async fn show(
    verifier: &Verifier,
    headers: &[(&str, &str)],
    certificate: Option<&str>,
    sender: Option<Sender>,
) -> Result<Identity, Reason> {
    let peer = Source {
        certificate: certificate.map(str::to_owned),
        ..Source::default()
    };
    let (request, want) = (request(headers), bound(sender));
    let verdict = verifier.verify(&request, &peer, &want, soon()).await;
    verdict.map_err(|error| error.reason())
}

/// With `Authorization: DPoP` and this proof.
async fn prove(verifier: &Verifier, token: &str, proof: &str) -> Option<Reason> {
    let scheme = format!("DPoP {token}");
    let headers = [("authorization", &*scheme), ("dpop", proof)];
    show(verifier, &headers, None, None).await.err()
}

#[tokio::test]
async fn the_holder_of_the_key_is_let_in_once_a_proof_known_or_not() {
    let verifier = verifier();
    let holder = Mint::new(jsonwebtoken::Algorithm::ES256, "");
    let token = bound_to(&holder);
    for number in 0..3 {
        let claims = proof_claims(&token, "jti", json!(number.to_string()));
        let proof = proof(&holder, &claims);
        assert_eq!(prove(&verifier, &token, &proof).await, None);
        let again = prove(&verifier, &token, &proof).await;
        assert_eq!(again, Some(Reason::TokenSignature), "shown before");
    }
    let rsa = bound_to(&RSA);
    let proof = proof(&RSA, &proof_claims(&rsa, "", Value::Null));
    assert_eq!(prove(&verifier, &rsa, &proof).await, None);
}

#[tokio::test]
async fn the_thumbprint_is_that_of_rfc_7638() {
    let jwk = json!({"kty": "RSA", "alg": "RS256", "kid": "2011-04-29", "e": "AQAB", "n": concat!(
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJEC",
        "PebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Qvz",
        "qY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6We",
        "Zu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw")});
    let thumbprint = dpop::thumbprint(jwk.as_object().expect("an object"));
    assert_eq!(
        thumbprint.as_deref(),
        Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
    );
}

#[tokio::test]
async fn a_proof_for_something_else_is_no_proof() {
    let verifier = verifier();
    let holder = Mint::new(jsonwebtoken::Algorithm::ES256, "");
    let token = bound_to(&holder);
    let (malformed, unproven) = (Some(Reason::TokenMalformed), Some(Reason::TokenSignature));
    for (name, value, refused) in [
        ("htm", json!("POST"), unproven),
        ("htm", json!("get"), unproven),
        ("htm", Value::Null, unproven),
        ("htu", json!("https://api.example/other"), unproven),
        ("htu", json!("https://evil.example/orders"), unproven),
        (
            "htu",
            json!("https://api.example@evil.example/orders"),
            unproven,
        ),
        ("htu", json!("https://api.example.evil/orders"), unproven),
        ("htu", json!("ftp://api.example/orders"), unproven),
        ("htu", json!("/orders"), unproven),
        (
            "htu",
            json!("https://api.example/orders/../admin"),
            unproven,
        ),
        ("htu", Value::Null, unproven),
        ("htu", json!(["https://api.example/orders"]), unproven),
        ("ath", json!(encode(digest(&SHA256, b"other"))), unproven),
        ("ath", Value::Null, unproven),
        ("iat", json!(NOW - 61), unproven),
        ("iat", json!(NOW + 61), unproven),
        ("iat", Value::Null, malformed),
        ("iat", json!(NOW.to_string()), malformed),
        ("jti", Value::Null, malformed),
        ("jti", json!(""), malformed),
        (
            "htu",
            json!("HTTPS://API.example:8443/x/../%6frders?a=1#b"),
            None,
        ),
        (
            "htu",
            json!("http://api.example/orders"),
            Some(Reason::TokenSignature),
        ),
    ] {
        // Each one's `jti` is the same: the last one shows that those refused took no place.
        let proof = proof(&holder, &proof_claims(&token, name, value.clone()));
        let verdict = prove(&verifier, &token, &proof).await;
        assert_eq!(verdict, refused, "{name}: {value}");
    }
}

#[tokio::test]
async fn a_proof_s_header_carries_one_public_key_and_nothing_to_follow() {
    let verifier = verifier();
    let holder = Mint::new(jsonwebtoken::Algorithm::ES256, "");
    let token = bound_to(&holder);
    let claims = proof_claims(&token, "", Value::Null);
    let (malformed, algorithm) = (Reason::TokenMalformed, Reason::TokenAlgorithm);
    let mut private = bare(&holder);
    private["d"] = json!("AAAA");
    let secret = json!({"kty": "oct", "k": "AAAA"});
    for (name, value, reason) in [
        ("typ", json!("JWT"), malformed),
        ("typ", json!("DPOP+JWT"), malformed),
        ("typ", Value::Null, malformed),
        ("alg", json!("none"), algorithm),
        ("alg", json!("HS256"), algorithm),
        ("alg", json!("ES512"), algorithm),
        ("alg", Value::Null, algorithm),
        ("alg", json!("ES384"), algorithm),
        ("jwk", Value::Null, malformed),
        ("jwk", private, malformed),
        ("jwk", secret, malformed),
        ("jwk", bare(&EC), Reason::TokenSignature),
        ("crit", json!(["exp"]), malformed),
        ("jku", json!("https://evil.example"), malformed),
        ("x5c", json!([]), malformed),
    ] {
        let mut header = header(&holder);
        header[name] = value.clone();
        let proof = holder.with_header(&header, &claims);
        let verdict = prove(&verifier, &token, &proof).await;
        assert_eq!(verdict, Some(reason), "{name}: {value}");
    }
    let good = proof(&holder, &claims);
    let (signed, _) = good.rsplit_once('.').expect("parts");
    for (text, reason) in [
        (
            format!("{signed}.{}", encode([1; 64])),
            Reason::TokenSignature,
        ),
        (format!("{signed}."), Reason::TokenSignature),
        (signed.to_owned(), malformed),
        (format!("{good},{good}"), malformed),
        (String::new(), malformed),
        (format!("{good}{}", "a".repeat(9_000)), malformed),
    ] {
        assert_eq!(
            prove(&verifier, &token, &text).await,
            Some(reason),
            "{text:.60}"
        );
    }
    let scheme = format!("DPoP {token}");
    let twice = [
        ("authorization", &*scheme),
        ("dpop", &good),
        ("dpop", &good),
    ];
    assert_eq!(
        show(&verifier, &twice, None, None).await.err(),
        Some(malformed)
    );
    let stranger = proof(&EC, &claims);
    assert_eq!(
        prove(&verifier, &token, &stranger).await,
        Some(Reason::TokenSignature)
    );
    assert_eq!(
        prove(&verifier, &token, &good).await,
        None,
        "good after all"
    );
}

#[tokio::test]
async fn a_bound_token_is_good_nowhere_without_its_proof() {
    let verifier = verifier();
    let holder = Mint::new(jsonwebtoken::Algorithm::ES256, "");
    let token = bound_to(&holder);
    let good = proof(&holder, &proof_claims(&token, "", Value::Null));
    let [bearer, dpop] = ["Bearer", "DPoP"].map(|scheme| format!("{scheme} {token}"));
    for headers in [
        &[("authorization", &*bearer)][..],
        &[("authorization", &*dpop)],
        &[("authorization", &*bearer), ("dpop", &*good)],
    ] {
        let verdict = show(&verifier, headers, None, None).await;
        assert_eq!(verdict.err(), Some(Reason::TokenSignature));
    }
    let alone = verifier.verify_token(&token, &bound(None), soon()).await;
    assert!(matches!(alone, Err(Error::Unproven(_))));
    let now = verifier.verify_now(&token, &bound(None));
    assert!(
        matches!(now, Err(Error::Unproven(_))),
        "a batch has no proofs"
    );
    for cnf in [
        json!({"jwk": {}}),
        json!({}),
        json!("x"),
        json!({"jkt": 1}),
        json!({"jkt": ""}),
    ] {
        let strange = EC.token(&claims_with("cnf", cnf.clone()));
        let refused = verifier.verify_token(&strange, &bound(None), soon()).await;
        let reason = refused.expect_err("refused").reason();
        assert_eq!(reason, Reason::TokenMalformed, "{cnf}");
    }
}

/// A certificate's bytes need not be a certificate: they are digested and nothing else.
fn certificate() -> (String, String) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
    let der = pair.public_key().as_der().expect("der").as_ref().to_vec();
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode_to_string(&der)
    );
    let escaped: String = pem
        .bytes()
        .map(|byte| match byte {
            b' ' | b'+' | b'/' | b'=' | b'\n' => format!("%{byte:02X}"),
            byte => char::from(byte).to_string(),
        })
        .collect();
    (escaped, encode(digest(&SHA256, &der)))
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_comes_with_it() {
    let verifier = verifier();
    let (own, thumbprint) = certificate();
    let (other, _) = certificate();
    let token = EC.token(&claims_with("cnf", json!({"x5t#S256": thumbprint})));
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer)];
    for (certificate, reason) in [
        (Some(&*own), None),
        (Some(&other), Some(Reason::TokenSignature)),
        (Some("not%20PEM"), Some(Reason::TokenSignature)),
        (Some("%"), Some(Reason::TokenSignature)),
        (None, Some(Reason::TokenSignature)),
    ] {
        for sender in [None, Some(Sender::Any), Some(Sender::Mtls)] {
            let verdict = show(&verifier, &headers, certificate, sender).await;
            assert_eq!(verdict.err(), reason, "{sender:?}");
        }
    }
    let verdict = show(&verifier, &headers, Some(&own), Some(Sender::Dpop)).await;
    assert_eq!(
        verdict.err(),
        Some(Reason::TokenMalformed),
        "bound otherwise"
    );
}

#[tokio::test]
async fn a_route_may_want_tokens_to_be_bound() {
    let verifier = verifier();
    let free = EC.token(&claims_with("cnf", Value::Null));
    for scheme in ["Bearer", "DPoP"] {
        for sender in [
            None,
            Some(Sender::Any),
            Some(Sender::Dpop),
            Some(Sender::Mtls),
        ] {
            let value = format!("{scheme} {free}");
            let verdict = show(&verifier, &[("authorization", &value)], None, sender).await;
            let taken = scheme == "Bearer" && sender.is_none();
            let refused = (!taken).then_some(Reason::TokenMalformed);
            assert_eq!(verdict.err(), refused, "{scheme} {sender:?}");
        }
    }
    let holder = Mint::new(jsonwebtoken::Algorithm::ES256, "");
    let token = bound_to(&holder);
    for (number, sender) in [Sender::Any, Sender::Dpop].into_iter().enumerate() {
        let proof = proof(
            &holder,
            &proof_claims(&token, "jti", json!(format!("n{number}"))),
        );
        let value = format!("DPoP {token}");
        let headers = [("authorization", &*value), ("dpop", &proof)];
        show(&verifier, &headers, None, Some(sender))
            .await
            .expect("proven");
    }
}
