//! The whole step, from configuration to identity.

pub(super) mod mint;

mod configuration;
pub(super) mod endpoint;
pub(super) mod fetching;
mod hostile;
mod requests;
mod vectors;

use std::{path::Path, sync::LazyLock, time::Duration};

use jsonwebtoken::Algorithm;
use prometheus::Registry;
use serde_json::{Value, json};

use self::mint::{EC, Mint, NOW, RSA, SECRET, claims, key_set};
use super::*;
use crate::{
    check::{Body, Headers, RequestPath},
    problem::Problem,
    upstream,
    verdict::Reason,
};

/// `default.yaml` in small: what these tests mean by "by default".
pub(super) fn defaults() -> Value {
    json!({
        "algorithms": ["RS256", "ES256", "EdDSA"],
        "allow_private_addresses": false,
        "fetch_timeout": "2s",
        "introspection_keep": "1m", "introspection_keep_inactive": "5s",
        "introspection_max_in_flight": 4, "leeway": "30s",
        "max_stale": "24h",
        "refresh": "10m",
        "unknown_kid_burst": 5,
        "unknown_kid_interval": "5s",
    })
}

pub(super) fn revocation() -> Value {
    json!({"max_memory": "1MiB", "max_token_life": "1h"})
}

pub(super) fn dpop() -> Value {
    json!({"max_age": "1m", "max_memory": "1MiB"})
}

/// A configuration directory with key files for the issuer `file` and the secret of `hs`.
pub(super) fn directory(keys: &Value) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("directory");
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).expect("write");
    };
    write("keys.json", &keys.to_string());
    write("secret", SECRET);
    directory
}

pub(super) fn metrics() -> (Registry, Metrics) {
    let registry = Registry::new();
    let upstream = upstream::Metrics::register(&registry).expect("register");
    let metrics = Metrics::register(&registry, upstream, crate::coalesce::Metrics::unseen())
        .expect("register");
    (registry, metrics)
}

pub(super) fn verifier(issuers: &Value, base: &Path) -> Result<Verifier, Vec<Problem>> {
    let config = json!({"defaults": defaults(), "issuers": issuers, "token_cache": "1MiB", "revocation": revocation(), "dpop": dpop()});
    let config: Config = serde_json::from_value(config).expect("config");
    Verifier::new(&config, base, Clock::fixed(NOW), metrics().1, None)
}

/// A verifier over [`RSA`] and [`EC`], whose issuer `file` wants an audience.
pub(super) fn file_verifier(keys: &Value, algorithms: &Value) -> Verifier {
    let directory = directory(keys);
    let issuers = json!({
        "file": {
            "issuer": mint::ISSUER,
            "audiences": ["https://api.example"],
            "jwks_file": "keys.json",
            "algorithms": algorithms,
        },
        "hs": {
            "issuer": "hs",
            "audiences": "any",
            "secret_file": "secret",
            "algorithms": ["HS256", "HS384", "HS512"],
        },
    });
    verifier(&issuers, directory.path()).expect("good configuration")
}

static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| {
    let keys = key_set(&[&RSA, &EC]);
    file_verifier(&keys, &json!(["RS256", "ES256"]))
});

pub(super) fn want(issuers: &[&str], scopes: &[&str]) -> Requirement {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Requirement {
        issuers: owned(issuers),
        scopes: owned(scopes),
        sender: None,
        strip: false,
        token: None,
    }
}

pub(super) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

async fn outcome(verifier: &Verifier, token: &str) -> Result<Identity, Reason> {
    let want = want(&["file", "hs"], &[]);
    verifier
        .verify_token(token, &want, soon())
        .await
        .map_err(|error| error.reason())
}

/// The door's server moves a check between threads if it likes.
fn assert_send(_: &impl Send) {}

#[tokio::test]
async fn a_good_token_in_a_request_makes_an_identity() {
    let mut headers = Headers::default();
    let token = RSA.token(&claims());
    headers.push("authorization", format!("Bearer {token}").into_bytes());
    let request = HttpRequest {
        method: "GET".to_owned(),
        host: "api.example".to_owned(),
        path: RequestPath::parse("/"),
        headers,
        body: Body::Absent,
    };
    let want = want(&["hs", "file"], &["chat"]);
    let nobody = Source::default();
    let verifying = VERIFIER.verify(&request, &nobody, &want, soon());
    assert_send(&verifying);
    let ann = verifying.await.expect("identified");
    assert_eq!((ann.subject(), ann.issuer()), ("ann", "file"));
    assert_eq!(ann.expires_at(), Some(NOW + 600));
    assert_eq!(ann.claim("scope").as_deref(), Some("chat files:read"));
}

#[tokio::test]
async fn every_algorithm_is_verified_with_its_own_key() {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let mut mints: Vec<Mint> = [ES256, ES384, EdDSA, PS384, RS256]
        .map(|algorithm| Mint::new(algorithm, ""))
        .into();
    for (mint, kid) in mints.iter_mut().zip(["a", "b", "c", "d", "e"]) {
        mint.kid = kid;
    }
    let mut set = key_set(&mints.iter().collect::<Vec<_>>());
    // One RSA key may serve all RSA algorithms when it names none.
    set["keys"][4].as_object_mut().expect("a key").remove("alg");
    let all = [
        ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512,
    ];
    let verifier = file_verifier(&set, &json!(all));
    for mint in &mints {
        let result = outcome(&verifier, &mint.token(&claims())).await;
        assert_eq!(
            result.map(|ann| ann.issuer().to_owned()),
            Ok("file".to_owned())
        );
    }
    let mut rsa = mints.pop().expect("the RSA key");
    for algorithm in [RS384, RS512, PS256, PS384, PS512] {
        rsa.algorithm = algorithm;
        assert!(
            outcome(&verifier, &rsa.token(&claims())).await.is_ok(),
            "{algorithm:?}"
        );
    }
}

#[tokio::test]
async fn a_shared_secret_verifies_its_issuer_only() {
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let mint = Mint::new(algorithm, "any");
        let own = mint::claims_with("iss", json!("hs"));
        assert!(
            outcome(&VERIFIER, &mint.token(&own)).await.is_ok(),
            "{algorithm:?}"
        );
        let foreign = outcome(&VERIFIER, &mint.token(&claims())).await;
        assert_eq!(foreign.expect_err("refused"), Reason::TokenAlgorithm);
        let (signed, _) = mint
            .token(&own)
            .rsplit_once('.')
            .map(|(a, b)| (a.to_owned(), b.len()))
            .expect("parts");
        let forged = outcome(&VERIFIER, &format!("{signed}.{}", mint::encode([0; 32]))).await;
        assert_eq!(forged.expect_err("refused"), Reason::TokenSignature);
    }
}

#[tokio::test]
async fn scopes_come_from_any_of_their_claims_and_all_are_needed() {
    let cases = [
        ("scope", json!("a b"), true),
        ("scp", json!(["a", "b"]), true),
        ("scp", json!("b a"), true),
        ("permissions", json!(["b", "a"]), true),
        ("scope", json!("a"), false),
        ("scope", json!("ab"), false),
        ("scope", json!("A B"), false),
        ("scp", json!({"a": true, "b": true}), false),
        ("scp", json!([["a"], "b"]), false),
        ("roles", json!(["a", "b"]), false),
    ];
    for (name, value, good) in cases {
        let mut claims = mint::claims_with("scope", Value::Null);
        claims[name] = value.clone();
        let token = RSA.token(&claims);
        let result = VERIFIER
            .verify_token(&token, &want(&["file"], &["a", "b"]), soon())
            .await;
        let expected = if good { None } else { Some(Error::Scope) };
        assert_eq!(result.err(), expected, "{name}: {value}");
    }
}

#[tokio::test]
async fn issuers_with_one_name_are_tried_in_turn() {
    let directory = directory(&key_set(&[&RSA]));
    let with = |audience: &str| json!({"issuer": mint::ISSUER, "audiences": [audience], "jwks_file": "keys.json"});
    let issuers = json!({"first": with("elsewhere"), "second": with("other")});
    let verifier = verifier(&issuers, directory.path()).expect("configuration");
    let token = RSA.token(&claims());
    let by = async |issuers: &[&str]| {
        let result = verifier
            .verify_token(&token, &want(issuers, &[]), soon())
            .await;
        result.map(|ann| ann.issuer().to_owned())
    };
    assert_eq!(by(&["first", "second"]).await, Ok("second".to_owned()));
    assert_eq!(by(&["first"]).await, Err(Error::Audience));
    assert_eq!(by(&["unheard-of"]).await, Err(Error::Issuer));
    assert_eq!(by(&[]).await, Err(Error::Issuer));
}
