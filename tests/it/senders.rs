//! Tokens that are bound to their sender, through Envoy: keys proven by `DPoP` at a certified provider,
//! and client certificates.

use base64_simd::STANDARD;
use serde_json::{Value, json};

use crate::{
    replicas::{replica, sharing, until_redis},
    support::{
        client::{Request, Response},
        envoy,
        keys::{Algorithm, Key},
        oidc::Oidc,
        proofs::{confirmation, proof, sha256, unsigned},
        redis::Redis,
        subzero::Subzero,
        tls::Authority,
        upstream::Upstream,
    },
    world::{self, AUDIENCE, ISSUER, Keys, World, token},
};

/// A proof by `key` for `GET /me` of the service, with this nonce if there is one.
fn nonced(key: &Key, token: &str, nonce: Option<&str>) -> String {
    let url = "https://service.example/me";
    let proof = unsigned(key, "GET", url, Some(token));
    match nonce {
        Some(nonce) => proof.claim("nonce", json!(nonce)).sign(key),
        None => proof.sign(key),
    }
}

/// A token that is bound to `holder`.
pub(crate) fn bound_to(holder: &Key, keys: &Keys) -> String {
    let confirmation = confirmation(holder);
    token("alice").claim("cnf", confirmation).sign(&keys.rs256)
}

/// What a replica, asked as by Envoy, says of `GET /me` with this token and proof.
async fn show(replica: &Subzero, token: &str, proof: &str) -> Response {
    let request = Request::get("/forward-auth/me")
        .header("host", "service.example")
        .header("authorization", &format!("DPoP {token}"))
        .header("dpop", proof);
    request.send(replica.http).await
}

/// Two replicas on one Redis, with this in `identity.dpop`.
async fn replicas(redis: &Redis, dpop: &str, keys: &Keys) -> [Subzero; 2] {
    let config = sharing(&format!("url: '{}'", redis.url()));
    let config = config.replace("identity:\n", &format!("identity:\n  dpop: {{ {dpop} }}\n"));
    let config = format!("forward_auth: {{ from: envoy }}\n{config}");
    let start = async || {
        let replica = replica(&config, keys).start().await;
        until_redis(&replica, true).await;
        replica
    };
    [start().await, start().await]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proof_is_taken_once_by_all_replicas_together() {
    let (mut redis, keys) = (Redis::start().await, Keys::generate());
    let replicas = replicas(&redis, "max_age: 1m", &keys).await;
    let holder = Key::generate(Algorithm::Es256, "");
    let token = bound_to(&holder, &keys);
    for round in 0..10 {
        // One after the other, and both at once: whoever is first.
        let proof = nonced(&holder, &token, None);
        let [one, other] = [&replicas[round % 2], &replicas[(round + 1) % 2]];
        assert_eq!(show(one, &token, &proof).await.status, 200);
        for replica in [other, one] {
            let again = show(replica, &token, &proof).await;
            assert_eq!((again.status, again.reason()), (401, "token_signature"));
        }
        let proof = nonced(&holder, &token, None);
        let (here, there) = tokio::join!(show(one, &token, &proof), show(other, &token, &proof));
        let mut statuses = [here.status, there.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 401], "round {round}");
    }
    redis.kill();
    for replica in &replicas {
        until_redis(replica, false).await;
        let proof = nonced(&holder, &token, None);
        let undecided = show(replica, &token, &proof).await;
        assert_eq!(undecided.reason(), "keys_unavailable", "who has seen it?");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_of_one_replica_is_good_at_the_other() {
    let (redis, keys) = (Redis::start().await, Keys::generate());
    let [one, other] = replicas(&redis, "nonce_life: 5m", &keys).await;
    let holder = Key::generate(Algorithm::Es256, "");
    let token = bound_to(&holder, &keys);
    let refused = show(&one, &token, &nonced(&holder, &token, None)).await;
    assert_eq!((refused.status, refused.reason()), (401, "proof_nonce"));
    let challenge = refused.header("www-authenticate").unwrap_or_default();
    let expected = "DPoP error=\"use_dpop_nonce\"";
    assert!(challenge.starts_with(expected), "{challenge}");
    let nonce = refused.header("dpop-nonce").expect("the one to use");
    for replica in [&other, &one] {
        let proof = nonced(&holder, &token, Some(nonce));
        let passed = show(replica, &token, &proof).await;
        assert_eq!(passed.status, 200, "{}", passed.text());
        assert_eq!(passed.header("dpop-nonce"), None);
    }
    let invented = nonced(&holder, &token, Some("AAAAAAAAAAAAAAAAAAAAAA"));
    let refused = show(&other, &token, &invented).await;
    assert_eq!(refused.header("dpop-nonce"), Some(nonce));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_provider_bound_to_a_key_is_good_with_its_proofs_alone() {
    let provider = Oidc::start().await;
    let config = format!(
        "identity: {{ issuers: {{ provider: {{ issuer: '{}', allow_private_addresses: true, audiences: ['{}'] }} }} }}
routes:
  - {{ name: me, match: {{ path: /me }}, identity: {{ issuers: [provider] }} }}
  - {{ name: bound, match: {{ path: /bound }}, identity: {{ issuers: [provider], sender: dpop }} }}
",
        provider.issuer, provider.audience
    );
    let world = World::with(&config, |envoy| envoy).await;
    let key = Key::generate(Algorithm::Es256, "");
    let asking = proof(&key, "POST", &format!("{}/token", provider.issuer), None);
    let with_proof = |request: Request| request.header("dpop", &asking);
    let bound = provider.token_with("alice", "docs", with_proof).await;
    let free = provider.token("alice", "docs").await;
    let send = async |path: &str, scheme: &str, token: &str, proof: Option<&str>| {
        let request = Request::get(path).header("authorization", &format!("{scheme} {token}"));
        let request = match proof {
            Some(proof) => request.header("dpop", proof),
            None => request,
        };
        world.send(request).await
    };
    let url = |path: &str| format!("https://service.example{path}");
    for path in ["/me", "/bound", "/me"] {
        let proof = proof(&key, "GET", &url(path), Some(&bound));
        let passed = send(path, "DPoP", &bound, Some(&proof)).await;
        assert_eq!(passed.status, 200, "{}", passed.text());
        let again = send(path, "DPoP", &bound, Some(&proof)).await;
        assert_eq!((again.status, again.reason()), (401, "token_signature"));
        let challenge = again.header("www-authenticate").unwrap_or_default();
        let expected = "DPoP error=\"invalid_token\"";
        assert!(challenge.starts_with(expected), "{challenge}");
        assert!(
            challenge.ends_with("algs=\"ES256 ES384 EdDSA PS256 PS384 PS512 RS256 RS384 RS512\"")
        );
        for scheme in ["Bearer", "DPoP"] {
            let stolen = send(path, scheme, &bound, None).await;
            assert_eq!(stolen.reason(), "token_signature");
        }
    }
    assert_eq!(send("/me", "Bearer", &free, None).await.status, 200);
    assert_eq!(
        send("/bound", "Bearer", &free, None).await.reason(),
        "token_malformed"
    );
    let nothing = world.send(Request::get("/bound")).await;
    let challenge = nothing.header("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with("DPoP algs="), "{challenge}");
    let nothing = world.send(Request::get("/me")).await;
    assert_eq!(nothing.header("www-authenticate"), Some("Bearer"));
    let mut batch = Request::post("/auth/verify/batch", &json!({"tokens": [bound, free]}));
    batch = batch.header("host", "localhost");
    let batch = batch.send(world.subzero.http).await.json();
    let valid: Vec<&Value> = [0, 1].map(|at| &batch["results"][at]["valid"]).into();
    assert_eq!(valid, [false, true], "a batch has no proofs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_bound_to_a_certificate_comes_over_its_connection() {
    let keys = Keys::generate();
    let service = Upstream::start().await;
    let authority = Authority::new();
    let config = format!(
        "identity: {{ issuers: {{ main: {{ issuer: '{ISSUER}', jwks_file: keys.json, audiences: ['{AUDIENCE}'] }} }} }}
routes:
  - {{ name: me, match: {{ path: /me }}, identity: {{ issuers: [main] }} }}
  - {{ name: bound, match: {{ path: /bound }}, identity: {{ issuers: [main], sender: mtls }} }}
"
    );
    let subzero = world::subzero(&config, &keys).start().await;
    let setup = envoy::Setup::new("sidecar.yaml", service.address, &subzero.socket);
    let envoy = authority.guard(setup).start().await;
    let [own, other] = ["own", "other"].map(|name| authority.caller(name, &[]));
    let text: String = own
        .pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let thumbprint = sha256(&STANDARD.decode_to_vec(text).expect("PEM"));
    let bound = token("alice").claim("cnf", json!({"x5t#S256": thumbprint}));
    let (bound, free) = (bound.sign(&keys.rs256), keys.token("alice"));
    for (path, token, caller, reason) in [
        ("/me", &bound, Some(&own), ""),
        ("/bound", &bound, Some(&own), ""),
        ("/me", &bound, Some(&other), "token_signature"),
        ("/me", &bound, None, "token_signature"),
        ("/me", &free, None, ""),
        ("/me", &free, Some(&other), ""),
        ("/bound", &free, Some(&own), "token_malformed"),
    ] {
        let request = Request::get(path).bearer(token);
        let answer = request.send_tls(envoy.address, &authority, caller).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.reason(), reason, "{path}");
        assert_eq!(answer.status, if reason.is_empty() { 200 } else { 401 });
    }
}
