//! What verifying a token costs beside its signature: the measurement behind `src/identity`.
//!
//! `cargo bench --bench jwt`. Every round measures all variants in turn, so a busy machine slows all
//! of them; read the ratios. *Raw* is aws-lc's check of the same signature with a parsed key: no
//! verifier that uses aws-lc can be quicker than ratio 1. The tables are printed and written to
//! `benches/results/jwt.md` and into the README.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

#[path = "support/results.rs"]
mod results;

use aws_lc_rs::{
    encoding::AsDer,
    rsa::KeySize,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ParsedPublicKey, RsaKeyPair,
        VerificationAlgorithm,
    },
};
use base64_simd::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto, jwk::Jwk};
use serde_json::{Value, json};
use subzero::{
    app,
    clock::Clock,
    dispatch::{self, Dispatcher, Effort, Lane, Work},
    identity::{Batch, Requirement, Verifier},
};

const ISSUER: &str = "https://issuer.example/";
/// Many and short: what two neighbours take is compared, and a shared machine changes its speed every
/// few milliseconds.
const ROUNDS: usize = 151;
const ROUND: Duration = Duration::from_millis(2);
const BATCH: usize = 10_000;
const BATCH_ROUNDS: usize = 5;

fn main() {
    let folder = tempfile::tempdir().expect("a folder");
    let mints = mints();
    let [cached, uncached] = verifiers(folder.path(), &mints);
    let want = uncached.any_of(None).expect("issuers");
    let mut table = format!(
        "Medians of {ROUNDS} rounds of {ROUND:?} and of the rates in them, on one thread, claims of 393 bytes:\n\n\
        | algorithm | bare check | whole token | rate |\n|---|---|---|---|\n"
    );
    for mint in &mints {
        let token = mint.token(0);
        let (signed, signature) = token.rsplit_once('.').expect("parts");
        let signature = URL_SAFE_NO_PAD.decode_to_vec(signature).expect("base64");
        let raw = || {
            let checked = mint.public.verify_sig(signed.as_bytes(), &signature);
            checked.expect("a good signature");
        };
        let whole = || {
            black_box(uncached.verify_now(black_box(&token), &want)).expect("a good token");
        };
        let [raw, whole] = rounds([&raw, &whole]);
        let rates = raw.iter().zip(&whole).map(|(raw, whole)| raw / whole);
        let rate = median(rates.collect());
        let [raw, whole] = [raw, whole].map(median);
        let name = mint.name;
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| {name} | {raw:.2} µs | {whole:.2} µs | {rate:.2} |"
        );
    }
    table += &known(&cached, &want, &mints[0]);
    let uncached = Arc::new(uncached);
    table += "\n| 10,000 RS256 tokens | one core, a token | two, a token | times as fast |\n|---|---|---|---|\n";
    table += &batch(&uncached, &mints[0]);
    table += &dispatched(&uncached, &mints[0]);
    let text = results::begin("Tokens", "cargo bench --bench jwt") + &table;
    println!("\n{text}");
    results::keep("jwt.md", &text);
    results::show("README.md", "jwt.rs", &table);
}

/// Tokens proven before: one again and again, and a thousand in turn.
fn known(verifier: &Verifier, want: &Requirement, mint: &Mint) -> String {
    let tokens: Vec<String> = (0..1000).map(|number| mint.token(number)).collect();
    let verify = |token: &str| {
        black_box(verifier.verify_now(black_box(token), want)).expect("a good token");
    };
    for token in &tokens {
        verify(token);
    }
    let next = std::cell::Cell::new(0);
    let one = || verify(&tokens[0]);
    let many = || {
        let at = next.get();
        next.set((at + 1) % tokens.len());
        verify(&tokens[at]);
    };
    let [one, many] = medians([&one, &many]);
    format!(
        "| RS256, seen before | | {one:.2} µs | |\n| RS256, one of 1000 seen before, in turn | | {many:.2} µs | |\n"
    )
}

/// Different tokens at once, on one thread and on two.
fn batch(verifier: &Arc<Verifier>, mint: &Mint) -> String {
    let tokens: Vec<String> = (0..BATCH).map(|number| mint.token(number)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..BATCH_ROUNDS {
        let deadline = Instant::now() + Duration::from_mins(1);
        let preparing = Batch::prepare(Arc::clone(verifier), tokens.clone(), None, deadline);
        let batch = runtime.block_on(preparing).expect("a batch");
        let good = |range: std::ops::Range<usize>| {
            assert!(batch.run(range).iter().all(Result::is_ok));
        };
        let started = Instant::now();
        good(0..BATCH);
        times[0].push(started.elapsed().as_secs_f64() * 1e6);
        let started = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| good(0..BATCH / 2));
            good(BATCH / 2..BATCH);
        });
        times[1].push(started.elapsed().as_secs_f64() * 1e6);
    }
    one_and_two("two bare threads", times)
}

fn one_and_two(name: &str, times: [Vec<f64>; 2]) -> String {
    let [one, two] = times.map(median);
    let each = |time: f64| time / f64::from(u32::try_from(BATCH).expect("small"));
    let (faster, one, two) = (one / two, each(one), each(two));
    format!("| {name} | {one:.2} µs | {two:.2} µs | {faster:.2} |\n")
}

/// Different tokens at once, where the dispatcher runs them: with one core to count on, and with two.
fn dispatched(verifier: &Arc<Verifier>, mint: &Mint) -> String {
    let tokens: Vec<String> = (0..BATCH).map(|number| mint.token(number)).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let dispatchers = [1.0, 2.0].map(dispatcher);
    let mut times = [const { Vec::new() }; 2];
    // The first rounds teach what a token costs.
    for round in 0..2 + BATCH_ROUNDS {
        for (dispatcher, times) in dispatchers.iter().zip(&mut times) {
            let deadline = Instant::now() + Duration::from_mins(1);
            let preparing = Batch::prepare(Arc::clone(verifier), tokens.clone(), None, deadline);
            let batch = Arc::new(runtime.block_on(preparing).expect("a batch"));
            let started = Instant::now();
            let done = runtime.block_on(dispatcher.run(batch, Lane::Batch, None));
            let took = started.elapsed().as_secs_f64() * 1e6;
            let outputs = done.expect("a verdict of each").outputs;
            assert!(outputs.iter().all(Result::is_ok));
            if round >= 2 {
                times.push(took);
            }
        }
    }
    one_and_two("through the dispatcher", times)
}

/// One as it is by default, with so many cores to count on.
fn dispatcher(cores: f64) -> Dispatcher {
    let defaults: Value = serde_saphyr::from_str(subzero::config::DEFAULTS).expect("YAML");
    let mut config: dispatch::Config =
        serde_json::from_value(defaults["dispatch"].clone()).expect("a section");
    config.cores = cores;
    let metrics = dispatch::Metrics::register(&prometheus::Registry::new()).expect("a registry");
    let dispatcher = Dispatcher::new(&config, metrics).expect("threads");
    dispatcher.measure_handoff(Effort::Brief);
    dispatcher
}

/// What each takes, in microseconds: medians over rounds in which they alternate.
fn medians<const N: usize>(variants: [&dyn Fn(); N]) -> [f64; N] {
    rounds(variants).map(median)
}

/// What each takes in each round, in microseconds.
fn rounds<const N: usize>(variants: [&dyn Fn(); N]) -> [Vec<f64>; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..ROUNDS {
        for (variant, times) in variants.iter().zip(&mut times) {
            let (started, mut count) = (Instant::now(), 0_u32);
            while started.elapsed() < ROUND {
                for _ in 0..16 {
                    variant();
                }
                count += 16;
            }
            times.push(started.elapsed().as_secs_f64() * 1e6 / f64::from(count));
        }
    }
    times
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A key, and how its signatures are checked without anything around it.
struct Mint {
    algorithm: Algorithm,
    key: EncodingKey,
    name: &'static str,
    public: ParsedPublicKey,
}

impl Mint {
    /// A token with the claims of a usual access token.
    fn token(&self, number: usize) -> String {
        let now = Clock::System.now();
        let header = json!({"alg": self.algorithm, "typ": "at+jwt", "kid": self.name});
        let claims = json!({
            "iss": ISSUER,
            "sub": format!("auth0|6512bd43d9caa6e02c99{number:08}"),
            "aud": ["https://api.example", "https://tenant.eu.example/userinfo"],
            "iat": now,
            "exp": now + 86_400,
            "azp": "4DkvZ2pYcXc8nGQh0Tt6",
            "scope": "openid profile email chat files:read files:write",
            "jti": format!("0196d6f2-3c1e-7bd1-9a42-{number:012}"),
            "org_id": "org_9ybsU1dN2dKfDkBi",
            "permissions": ["read:documents", "write:documents"],
        });
        let encode = |part: Value| URL_SAFE_NO_PAD.encode_to_string(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = crypto::sign(signed.as_bytes(), &self.key, self.algorithm).expect("signs");
        format!("{signed}.{signature}")
    }

    fn jwk(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public half");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        jwk["kid"] = json!(self.name);
        jwk["use"] = json!("sig");
        jwk
    }
}

fn mints() -> Vec<Mint> {
    use Algorithm::{ES256, ES384, PS256, RS256, RS512};
    vec![
        rsa(
            "RS256",
            RS256,
            KeySize::Rsa2048,
            &signature::RSA_PKCS1_2048_8192_SHA256,
        ),
        rsa(
            "RS512",
            RS512,
            KeySize::Rsa2048,
            &signature::RSA_PKCS1_2048_8192_SHA512,
        ),
        rsa(
            "PS256",
            PS256,
            KeySize::Rsa2048,
            &signature::RSA_PSS_2048_8192_SHA256,
        ),
        rsa(
            "RS256, 4096 bits",
            RS256,
            KeySize::Rsa4096,
            &signature::RSA_PKCS1_2048_8192_SHA256,
        ),
        ec(
            "ES256",
            ES256,
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &signature::ECDSA_P256_SHA256_FIXED,
        ),
        ec(
            "ES384",
            ES384,
            &ECDSA_P384_SHA384_FIXED_SIGNING,
            &signature::ECDSA_P384_SHA384_FIXED,
        ),
        ed("EdDSA"),
    ]
}

fn rsa(
    name: &'static str,
    algorithm: Algorithm,
    size: KeySize,
    by: &'static dyn VerificationAlgorithm,
) -> Mint {
    let pair = RsaKeyPair::generate(size).expect("a key");
    let der = pair.as_der().expect("DER");
    // PKCS #8 is a 26-byte envelope around the PKCS #1 that `jsonwebtoken` takes.
    let key = EncodingKey::from_rsa_der(&der.as_ref()[26..]);
    mint(name, algorithm, key, by, pair.public_key().as_ref())
}

fn ec(
    name: &'static str,
    algorithm: Algorithm,
    signing: &'static EcdsaSigningAlgorithm,
    by: &'static dyn VerificationAlgorithm,
) -> Mint {
    let pair = EcdsaKeyPair::generate(signing).expect("a key");
    let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().expect("DER").as_ref());
    mint(name, algorithm, key, by, pair.public_key().as_ref())
}

fn ed(name: &'static str) -> Mint {
    let pair = Ed25519KeyPair::generate().expect("a key");
    let key = EncodingKey::from_ed_der(pair.to_pkcs8v1().expect("DER").as_ref());
    let public = pair.public_key().as_ref();
    mint(name, Algorithm::EdDSA, key, &signature::ED25519, public)
}

fn mint(
    name: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
    by: &'static dyn VerificationAlgorithm,
    public: &[u8],
) -> Mint {
    Mint {
        algorithm,
        key,
        name,
        public: ParsedPublicKey::new(by, public).expect("a public key"),
    }
}

/// With the default cache, and without one.
fn verifiers(folder: &Path, mints: &[Mint]) -> [Verifier; 2] {
    let keys: Vec<Value> = mints.iter().map(Mint::jwk).collect();
    fs::write(folder.join("keys.json"), json!({"keys": keys}).to_string()).expect("writes");
    ["16MiB", "0"].map(|cache| {
        let config = format!(
            "identity:
  token_cache: {cache}
  issuers:
    main:
      issuer: '{ISSUER}'
      jwks_file: keys.json
      audiences: [https://api.example]
      algorithms: [RS256, RS512, PS256, ES256, ES384, EdDSA]
"
        );
        let file = folder.join(format!("{cache}.yaml"));
        fs::write(&file, config).expect("writes");
        app::verifier(&file).expect("a good configuration")
    })
}
