//! What comes of proofs where a nonce is asked for.

use serde_json::{Value, json};

use super::{
    super::super::{Config, Verifier, tests::metrics},
    *,
};
use crate::clock::Clock;

/// A verifier that asks for nonces of a minute, and its clock.
fn strict() -> (Verifier, Clock) {
    let directory = directory(&key_set(&[&EC]));
    let config = json!({
        "defaults": defaults(), "token_cache": "1MiB", "revocation": revocation(),
        "dpop": {"max_age": "1m", "max_memory": "1MiB", "nonce_life": "1m"},
        "issuers": {"file": {
            "issuer": ISSUER, "audiences": ["https://api.example"],
            "jwks_file": "keys.json", "algorithms": ["ES256"],
        }},
    });
    let config: Config = serde_json::from_value(config).expect("config");
    let clock = Clock::fixed(NOW);
    let verifier = Verifier::new(&config, directory.path(), clock.clone(), metrics().1, None);
    (verifier.expect("good configuration"), clock)
}

/// What comes of a proof with this `nonce`, made now; else the nonce to use.
async fn show_with(verifier: &Verifier, now: u64, nonce: Value) -> Result<(), Error> {
    let holder = Mint::new(jsonwebtoken::Algorithm::ES256, "");
    let token = bound_to(&holder);
    let mut claims = proof_claims(&token, "nonce", nonce);
    claims["iat"] = json!(now);
    let (scheme, proof) = (format!("DPoP {token}"), proof(&holder, &claims));
    let request = request(&[("authorization", &scheme), ("dpop", &proof)]);
    let (peer, want) = (Source::default(), bound(None));
    let shown = verifier.verify(&request, &peer, &want, soon()).await;
    shown.map(drop)
}

async fn given(verifier: &Verifier, now: u64, nonce: Value) -> String {
    match show_with(verifier, now, nonce).await {
        Err(Error::Nonce(nonce)) => nonce,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_proof_needs_a_nonce_of_ours_which_is_good_for_a_while() {
    let (verifier, clock) = strict();
    let nonce = given(&verifier, NOW, Value::Null).await;
    assert_eq!(nonce.len(), 22, "128 bits");
    let mut other = nonce.clone();
    other.replace_range(..1, if nonce.starts_with('A') { "B" } else { "A" });
    for bad in [
        json!(""),
        json!("invented"),
        json!(other),
        json!(1),
        json!([&nonce]),
    ] {
        assert_eq!(given(&verifier, NOW, bad).await, nonce);
    }
    // Each with a key and a proof of its own: a nonce is for everybody.
    for _ in 0..2 {
        assert_eq!(show_with(&verifier, NOW, json!(nonce)).await, Ok(()));
    }
    for (later, is_good) in [(59, true), (60, true), (130, false)] {
        clock.set(NOW + later);
        let shown = show_with(&verifier, NOW + later, json!(nonce)).await;
        assert_eq!(shown.is_ok(), is_good, "{later} s later: {shown:?}");
    }
    let next = given(&verifier, NOW + 130, json!(nonce)).await;
    assert_ne!(next, nonce);
    // On a replica whose clock is behind.
    clock.set(NOW + 70);
    assert_eq!(show_with(&verifier, NOW + 70, json!(next)).await, Ok(()));
    let (stranger, _) = strict();
    assert_eq!(
        given(&stranger, NOW, json!(nonce)).await.len(),
        22,
        "of a process that shares nothing"
    );
}

#[tokio::test]
async fn a_proof_that_is_bad_otherwise_gets_no_nonce_and_one_that_lacks_it_is_not_used_up() {
    let (verifier, _) = strict();
    let holder = Mint::new(jsonwebtoken::Algorithm::ES256, "");
    let token = bound_to(&holder);
    let elsewhere = proof_claims(&token, "htm", json!("POST"));
    let shown = prove(&verifier, &token, &proof(&holder, &elsewhere)).await;
    assert_eq!(shown, Some(Reason::TokenSignature));
    let lacking = proof(&holder, &proof_claims(&token, "nonce", Value::Null));
    for _ in 0..2 {
        let shown = prove(&verifier, &token, &lacking).await;
        assert_eq!(shown, Some(Reason::ProofNonce));
    }
    let nonce = given(&verifier, NOW, Value::Null).await;
    let good = proof(&holder, &proof_claims(&token, "nonce", json!(nonce)));
    assert_eq!(prove(&verifier, &token, &good).await, None);
    let again = prove(&verifier, &token, &good).await;
    assert_eq!(
        again,
        Some(Reason::TokenSignature),
        "a nonce is no second chance"
    );
}
