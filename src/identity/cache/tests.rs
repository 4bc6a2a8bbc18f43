//! What is remembered is what would be found out again.

use proptest::prelude::*;
use serde_json::json;

use super::{
    super::{
        Config, Error, Metrics, Requirement, Verifier,
        keys::Keys,
        tests::mint::{EC, ISSUER, Mint, NOW, SECRET, claims, claims_with, key_set},
    },
    *,
};
use crate::{clock::Clock, upstream};
use std::{
    path::Path,
    sync::LazyLock,
    time::{Duration, Instant},
};

/// A verifier over key file and secret in `base`, and its clock.
fn verifier(
    issuers: &Value,
    base: &Path,
    clock: &Clock,
    cache: &str,
    previous: Option<&Verifier>,
) -> Verifier {
    let defaults = json!({
        "algorithms": ["ES256"], "allow_private_addresses": false, "fetch_timeout": "2s",
        "introspection_keep": "1m", "introspection_keep_inactive": "5s",
        "introspection_max_in_flight": 4, "leeway": "30s", "max_stale": "24h", "refresh": "10m",
        "unknown_kid_burst": 0, "unknown_kid_interval": "5s",
    });
    let config = json!({"defaults": defaults, "issuers": issuers, "token_cache": cache,
                        "revocation": {"max_memory": "1MiB", "max_token_life": "1h"},
                        "dpop": {"max_age": "1m", "max_memory": "1MiB"}});
    let config: Config = serde_json::from_value(config).expect("config");
    let registry = prometheus::Registry::new();
    let upstream = upstream::Metrics::register(&registry).expect("register");
    let metrics = Metrics::register(&registry, upstream, crate::coalesce::Metrics::unseen())
        .expect("register");
    Verifier::new(&config, base, clock.clone(), metrics, previous).expect("a good configuration")
}

fn directory() -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("directory");
    let write = |name: &str, text: &str| {
        std::fs::write(directory.path().join(name), text).expect("write");
    };
    write("keys.json", &key_set(&[&EC]).to_string());
    write("other.json", &key_set(&[&OTHER]).to_string());
    write("secret", SECRET);
    write("secret2", &SECRET.replace('0', "1"));
    directory
}

/// A second key with another name.
static OTHER: LazyLock<Mint> = LazyLock::new(|| Mint::new(jsonwebtoken::Algorithm::ES256, "other"));

fn issuer(changes: &Value) -> Value {
    let mut issuer = json!({"issuer": ISSUER, "audiences": ["other"], "jwks_file": "keys.json"});
    let members = issuer.as_object_mut().expect("an object");
    members.extend(changes.as_object().expect("an object").clone());
    issuer
}

fn want(issuers: &[&str], scopes: &[&str]) -> Requirement {
    serde_json::from_value(json!({"issuers": issuers, "scopes": scopes})).expect("requirement")
}

fn verify(verifier: &Verifier, token: &str, want: &Requirement) -> Result<Identity, Error> {
    let deadline = Instant::now() + Duration::from_secs(5);
    futures_util::FutureExt::now_or_never(verifier.verify_token(token, want, deadline))
        .expect("keys are there, so nothing waits")
}

fn hits(verifier: &Verifier) -> u64 {
    verifier.metrics.cache_hits.get()
}

fn publish(verifier: &Verifier, name: &str, keys: &[&Mint]) {
    let set = key_set(keys).to_string();
    let issuer = &verifier.issuers[name];
    let keys = Keys::from_jwks(set.as_bytes(), &issuer.settings.algorithms).expect("keys");
    issuer.publish(keys);
}

/// One issuer `a`, its clock, and a token of it that has been seen.
fn warm() -> (tempfile::TempDir, Clock, Verifier, String) {
    let (directory, clock) = (directory(), Clock::fixed(NOW));
    let issuers = json!({"a": issuer(&json!({}))});
    let verifier = verifier(&issuers, directory.path(), &clock, "1MiB", None);
    let token = EC.token(&claims());
    verify(&verifier, &token, &want(&["a"], &[])).expect("good");
    assert_eq!(hits(&verifier), 0);
    (directory, clock, verifier, token)
}

#[test]
fn a_token_proven_before_is_known_and_is_the_same_caller() {
    let (_directory, _, verifier, token) = warm();
    let ann = verify(&verifier, &token, &want(&["a"], &[])).expect("known");
    assert_eq!(hits(&verifier), 1);
    assert_eq!(verifier.metrics.cache_misses.get(), 1);
    assert_eq!((ann.subject(), ann.issuer()), ("ann", "a"));
    assert_eq!(ann.expires_at(), Some(NOW + 600));
    assert_eq!(ann.claim("scope").as_deref(), Some("chat files:read"));
    let debug = format!("{verifier:?}");
    assert!(!debug.contains("ann") && !debug.contains(&token), "{debug}");
}

#[test]
fn a_known_token_expires_to_the_second_and_waits_for_its_start() {
    let (_directory, clock, verifier, token) = warm();
    let me = want(&["a"], &[]);
    clock.set(NOW + 600 + 29);
    assert!(verify(&verifier, &token, &me).is_ok(), "within the leeway");
    assert_eq!(hits(&verifier), 1);
    clock.set(NOW + 600 + 30);
    assert_eq!(verify(&verifier, &token, &me).err(), Some(Error::Expired));
    assert_eq!(verifier.cache.as_ref().expect("on").size(), 0, "forgotten");
    clock.set(NOW);
    verify(&verifier, &token, &me).expect("proven again");
    clock.set(NOW - 10 - 31);
    let early = verify(&verifier, &token, &me).err();
    assert_eq!(early, Some(Error::NotYetValid), "a clock set back");
    assert_eq!(hits(&verifier), 1);
}

#[test]
fn a_withdrawn_key_vouches_for_nothing_any_more() {
    let (_directory, _, verifier, token) = warm();
    let me = want(&["a"], &[]);
    publish(&verifier, "a", &[&EC, &OTHER]);
    assert!(verify(&verifier, &token, &me).is_ok());
    assert_eq!(hits(&verifier), 0, "proven again with the new set");
    assert!(verify(&verifier, &token, &me).is_ok());
    assert_eq!(hits(&verifier), 1);
    publish(&verifier, "a", &[&OTHER]);
    assert_eq!(
        verify(&verifier, &token, &me).err(),
        Some(Error::UnknownKey)
    );
    publish(&verifier, "a", &[&EC, &OTHER]);
    assert!(verify(&verifier, &token, &me).is_ok());
    assert_eq!(hits(&verifier), 2, "the very set that proved it is back");
}

#[test]
fn every_route_s_own_scopes_and_issuers_count_for_a_known_token() {
    let (_directory, _, verifier, token) = warm();
    let ask = |issuers: &[&str], scopes: &[&str]| {
        let asked = verify(&verifier, &token, &want(issuers, scopes));
        asked.map(|ann| ann.subject().to_owned())
    };
    assert_eq!(ask(&["a"], &["chat", "files:read"]), Ok("ann".to_owned()));
    assert_eq!(ask(&["a"], &["admin"]), Err(Error::Scope));
    assert_eq!(ask(&["a"], &["chat", "admin"]), Err(Error::Scope));
    assert_eq!(hits(&verifier), 3);
    assert_eq!(ask(&[], &[]), Err(Error::Issuer));
    assert_eq!(ask(&["b"], &[]), Err(Error::Issuer));
    assert_eq!(hits(&verifier), 3);
}

#[test]
fn refusals_are_not_kept() {
    let (_directory, _, verifier, token) = warm();
    let cache = verifier.cache.as_ref().expect("on");
    let before = cache.entries.len();
    let me = want(&["a"], &[]);
    let forged = OTHER.with_header(&EC.header(), &claims());
    for token in [
        EC.token(&claims_with("exp", json!(NOW - 100))),
        EC.token(&claims_with("aud", json!("elsewhere"))),
        format!("{token}x"),
        "a.b.c".to_owned(),
        "x".repeat(MAX_TOKEN + 1),
        forged,
    ] {
        assert!(verify(&verifier, &token, &me).is_err(), "{token}");
    }
    let scoped = EC.token(&claims_with("jti", json!("2")));
    let refused = verify(&verifier, &scoped, &want(&["a"], &["admin"])).err();
    assert_eq!(refused, Some(Error::Scope));
    assert_eq!((cache.entries.len(), before), (1, 1));
    assert_eq!(hits(&verifier), 0);
}

#[test]
fn the_memory_is_bounded_whatever_is_sent() {
    let cache = Cache::new(1 << 20);
    let issuer = Version::next();
    let (lifetime, set) = parts();
    let mut largest = 0;
    for number in 0..100_000_u32 {
        let claims = claims_with("jti", json!(number.to_string()));
        let Value::Object(claims) = claims else {
            unreachable!("an object")
        };
        let identity = Identity::new(claims.into(), "a".into(), NOW).expect("a sub");
        let token = digest(&number.to_string()).expect("short");
        cache.insert(
            Key { issuer, token },
            Proof::new(identity, set, lifetime, 0),
        );
        largest = largest.max(cache.size());
    }
    assert!(largest <= 1 << 20, "{largest}");
    assert!(cache.entries.len() > 300, "{}", cache.entries.len());
}

/// A lifetime and a key set as a proof has them.
fn parts() -> (Lifetime, Grounds) {
    let (_directory, _, verifier, token) = warm();
    let cache = verifier.cache.as_ref().expect("on");
    let key = Key {
        issuer: verifier.issuers["a"].version,
        token: digest(&token).expect("short"),
    };
    let proof = cache.get(&key).expect("warm");
    (proof.lifetime, proof.grounds)
}

#[test]
fn a_reload_keeps_what_unchanged_issuers_proved_and_nothing_else() {
    let (directory, clock, warm, token) = warm();
    let same = json!({"a": issuer(&json!({}))});
    let reload =
        |issuers: &Value, cache| verifier(issuers, directory.path(), &clock, cache, Some(&warm));
    let known = |verifier: &Verifier| {
        drop(verify(verifier, &token, &want(&["a"], &[])));
        hits(verifier) == 1
    };
    assert!(known(&reload(&same, "1MiB")));
    assert!(!known(&reload(&same, "2MiB")), "another cache");
    assert!(!known(&reload(&same, "0")));
    for changes in [
        json!({"audiences": "any"}),
        json!({"audiences": ["other", "more"]}),
        json!({"algorithms": ["ES256", "RS256"]}),
        json!({"leeway": "31s"}),
        json!({"max_stale": "25h"}),
        json!({"jwks_file": "other.json"}),
        json!({"issuer": "https://else.example/"}),
    ] {
        let changed = json!({"a": issuer(&changes)});
        assert!(!known(&reload(&changed, "1MiB")), "{changes}");
    }
    let moved = json!({"b": issuer(&json!({}))});
    let moved = reload(&moved, "1MiB");
    assert!(verify(&moved, &token, &want(&["b"], &[])).is_ok());
    assert_eq!(hits(&moved), 0, "another issuer of the same settings");
}

/// One thing that happens to a verifier.
#[derive(Clone, Debug)]
enum Event {
    Publish { issuer: usize, set: usize },
    Reload(usize),
    Time(u64),
    Token { token: usize, want: usize },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        12 => (0..64_usize, 0..64_usize).prop_map(|(token, want)| Event::Token { token, want }),
        1 => (0..2_usize, 0..3_usize).prop_map(|(issuer, set)| Event::Publish { issuer, set }),
        1 => (0..64_usize).prop_map(Event::Reload),
        1 => (0..900_u64).prop_map(|seconds| Event::Time(NOW - 100 + seconds)),
    ]
}

/// Claims that some configurations accept.
fn any_claims() -> impl Strategy<Value = Value> {
    let aud = prop_oneof![
        Just(json!("other")),
        Just(json!(["x", "y"])),
        Just(json!(7))
    ];
    let scope = prop_oneof![
        Just(json!("chat")),
        Just(json!("chat admin")),
        Just(Value::Null)
    ];
    let iss = prop_oneof![4 => Just(ISSUER), 1 => Just("hs"), 1 => Just("nobody")];
    let sub = prop_oneof![4 => Just(json!("ann")), 1 => Just(json!("bob")), 1 => Just(json!(""))];
    (iss, sub, aud, scope, 0..600_u64, 0..100_u64).prop_map(|(iss, sub, aud, scope, exp, nbf)| {
        json!({"iss": iss, "sub": sub, "aud": aud, "scope": scope,
                   "exp": NOW + exp, "nbf": NOW - 50 + nbf})
    })
}

/// Two issuers of one `iss`, and one with a secret.
fn any_issuers() -> impl Strategy<Value = Value> {
    let audiences = || {
        prop_oneof![
            Just(json!("any")),
            Just(json!(["other"])),
            Just(json!(["x"]))
        ]
    };
    let leeway = prop_oneof![Just("1s"), Just("30s"), Just("5m")];
    let secret = prop_oneof![Just("secret"), Just("secret2")];
    (audiences(), audiences(), leeway, secret).prop_map(|(first, second, leeway, secret)| {
        json!({
            "a": issuer(&json!({"audiences": first, "leeway": leeway})),
            "b": issuer(&json!({"audiences": second})),
            "hs": {"issuer": "hs", "audiences": "any", "secret_file": secret,
                   "algorithms": ["HS256"]},
        })
    })
}

fn any_token() -> impl Strategy<Value = String> {
    let hs = LazyLock::new(|| Mint::new(jsonwebtoken::Algorithm::HS256, "hs"));
    (any_claims(), 0..8_u8).prop_map(move |(claims, signer)| match signer {
        0 => OTHER.token(&claims),
        1 => OTHER.with_header(&EC.header(), &claims),
        _ if claims["iss"] == "hs" => hs.token(&claims),
        _ => EC.token(&claims),
    })
}

fn any_want() -> impl Strategy<Value = Requirement> {
    let issuers = proptest::sample::subsequence(vec!["a", "b", "hs"], 1..=3).prop_shuffle();
    let scopes = prop_oneof![Just(vec![]), Just(vec!["chat"]), Just(vec!["admin"])];
    (issuers, scopes).prop_map(|(issuers, scopes)| want(&issuers, &scopes))
}

/// All of a verdict that anybody can see.
fn seen(verdict: Result<Identity, Error>) -> Result<(String, String, Option<u64>, String), Error> {
    verdict.map(|identity| {
        let claims: Vec<_> = identity.claims().iter().collect();
        let claims = format!("{claims:?}");
        let (issuer, subject) = (identity.issuer().to_owned(), identity.subject().to_owned());
        (issuer, subject, identity.expires_at(), claims)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happens between two sights of a token, a verifier that remembers says what one
    /// says that proves every token anew: equal keys mean equal verdicts.
    #[test]
    fn remembering_changes_no_verdict(
        configurations in prop::collection::vec(any_issuers(), 1..4),
        tokens in prop::collection::vec(any_token(), 1..5),
        wants in prop::collection::vec(any_want(), 1..5),
        events in prop::collection::vec(event(), 1..80),
    ) {
        let (directory, clock) = (directory(), Clock::fixed(NOW));
        let with = |cache, at: usize, previous: Option<&Verifier>| {
            let issuers = &configurations[at % configurations.len()];
            verifier(issuers, directory.path(), &clock, cache, previous)
        };
        let mut both = ["1MiB", "0"].map(|cache| (cache, with(cache, 0, None)));
        for event in events {
            match event {
                Event::Publish { issuer, set } => for (_, verifier) in &both {
                    let sets: [&[&Mint]; 3] = [&[&EC], &[&OTHER], &[&OTHER, &EC]];
                    publish(verifier, ["a", "b"][issuer], sets[set]);
                },
                Event::Reload(at) => for (cache, verifier) in &mut both {
                    *verifier = with(cache, at, Some(verifier));
                },
                Event::Time(now) => clock.set(now),
                Event::Token { token, want } => {
                    let token = &tokens[token % tokens.len()];
                    let want = &wants[want % wants.len()];
                    let [cached, plain] = [0, 1].map(|at| seen(verify(&both[at].1, token, want)));
                    prop_assert_eq!(cached, plain);
                }
            }
        }
    }

    /// Every byte of a token counts, and so does the issuer's configuration.
    #[test]
    fn another_input_is_another_key(token in "[A-Za-z0-9._-]{1,400}", other in "[A-Za-z0-9._-]{1,400}",
                                    at in any::<prop::sample::Index>()) {
        let issuer = Version::next();
        let key = |issuer, token: &str| Key { issuer, token: digest(token).expect("short") };
        let own = key(issuer, &token);
        prop_assert_eq!(own, key(issuer, &token));
        prop_assert_eq!(own == key(issuer, &other), token == other);
        prop_assert_ne!(own, key(Version::next(), &token));
        let at = at.index(token.len());
        let mut changed = token.clone().into_bytes();
        changed[at] ^= 1;
        let changed = String::from_utf8(changed).expect("ASCII");
        prop_assert_ne!(own, key(issuer, &changed));
        prop_assert_ne!(own, key(issuer, &token[..at]));
        prop_assert_ne!(own, key(issuer, &format!("{token}x")));
    }
}
