//! A token in a batch is judged as it is alone.

use std::{path::Path, sync::Arc, time::Duration};

use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    super::{
        Config, Verifier,
        tests::{
            fetching::provider::Provider,
            mint::{self, EC, Mint, NOW, RSA, claims, claims_with, key_set},
            *,
        },
    },
    *,
};
use crate::{
    clock::Clock,
    dispatch::{Dispatcher, Lane},
};

/// Verdicts as anybody sees them.
fn seen(verdict: &Result<Identity, Error>) -> Result<String, Error> {
    verdict
        .as_ref()
        .map(|identity| format!("{} of {}", identity.subject(), identity.issuer()))
        .map_err(Clone::clone)
}

async fn judged(verifier: &Arc<Verifier>, tokens: &[String]) -> Vec<Result<String, Error>> {
    let deadline = soon();
    let batch = Batch::prepare(Arc::clone(verifier), tokens.to_vec(), None, deadline)
        .await
        .expect("a batch");
    let done = Dispatcher::in_place()
        .run(Arc::new(batch), Lane::Batch, Some(deadline))
        .await
        .expect("in time");
    done.outputs.iter().map(seen).collect()
}

/// Tokens of every kind.
fn any_token() -> impl Strategy<Value = String> {
    let stranger = Mint::new(Algorithm::ES256, "stranger");
    let claim = prop_oneof![
        Just(("sub", json!("bob"))),
        Just(("aud", json!("elsewhere"))),
        Just(("exp", json!(NOW - 100))),
        Just(("exp", json!("soon"))),
        Just(("nbf", json!(NOW + 100))),
        Just(("iss", json!("nobody"))),
        Just(("scope", json!("admin"))),
        Just(("jti", json!("1"))),
        Just(("sub", Value::Null)),
    ];
    (claim, 0..8_u8).prop_map(move |((name, value), how)| {
        let claims = claims_with(name, value);
        match how {
            0 => stranger.token(&claims),
            1 => stranger.with_header(&EC.header(), &claims),
            2 => EC.token(&claims).replacen('.', "", 1),
            3 => format!("{}x", RSA.token(&claims)),
            4 => EC.with_header(&json!({"alg": "none"}), &claims),
            5 => RSA.token(&claims),
            6 => EC.with_header(&json!({"alg": "RS256", "kid": "ec"}), &claims),
            _ => EC.token(&claims),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_batch_says_of_each_token_what_is_said_of_it_alone(
        tokens in prop::collection::vec(any_token(), 0..24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let directory = directory(&key_set(&[&RSA, &EC]));
            let issuer = json!({"issuer": mint::ISSUER, "audiences": ["other"],
                                "jwks_file": "keys.json", "unknown_kid_burst": 0});
            let issuers = json!({"file": issuer});
            let [one, many] = [(); 2].map(|()| {
                Arc::new(verifier(&issuers, directory.path()).expect("good configuration"))
            });
            let want = want(&["file"], &[]);
            let mut alone = Vec::new();
            for token in &tokens {
                alone.push(seen(&one.verify_token(token, &want, soon()).await));
            }
            prop_assert_eq!(&judged(&many, &tokens).await, &alone);
            prop_assert_eq!(judged(&many, &tokens).await, alone, "and so of known ones");
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_batch_feeds_the_cache_and_uses_it() {
    let verifier = Arc::new(file_verifier(&key_set(&[&RSA, &EC]), &json!(["RS256"])));
    let tokens = [RSA.token(&claims())];
    for hits in [0, 1] {
        let ann = Ok("ann of file".to_owned());
        assert_eq!(judged(&verifier, &tokens).await, [ann]);
        assert_eq!(verifier.metrics.cache_hits.get(), hits);
    }
}

#[tokio::test]
async fn every_family_of_algorithms_has_a_cost_of_its_own() {
    let verifier = Arc::new(file_verifier(&key_set(&[&RSA, &EC]), &json!(["RS256"])));
    let hs = Mint::new(Algorithm::HS256, "hs");
    let mut tokens = [&hs, &RSA, &EC].map(|mint| mint.token(&claims())).to_vec();
    tokens.push("nonsense".to_owned());
    let lengths: Vec<usize> = tokens.iter().map(String::len).collect();
    let batch = Batch::prepare(verifier, tokens, None, soon()).await;
    let batch = batch.expect("a batch");
    let weights: Vec<Weight> = (0..4).map(|item| batch.weight(item)).collect();
    let classes: Vec<u8> = weights.iter().map(|weight| weight.class).collect();
    assert_eq!(classes, [0, 1, 3, UNREADABLE]);
    assert!(
        classes
            .iter()
            .all(|class| usize::from(*class) < Weight::CLASSES)
    );
    let bytes: Vec<usize> = weights.iter().map(|weight| weight.bytes).collect();
    assert_eq!(bytes, lengths);
}

#[tokio::test]
async fn what_is_too_much_or_unheard_of_is_refused() {
    let verifier = Arc::new(file_verifier(&key_set(&[&RSA, &EC]), &json!(["RS256"])));
    let prepare = async |tokens: usize, issuers: &[&str]| {
        let issuers: Vec<String> = issuers.iter().map(|name| (*name).to_owned()).collect();
        let tokens = vec![String::new(); tokens];
        let batch = Batch::prepare(Arc::clone(&verifier), tokens, Some(&issuers), soon()).await;
        batch.map(|batch| batch.len())
    };
    assert_eq!(
        prepare(Batch::MAX_TOKENS, &["file", "hs"]).await,
        Ok(Batch::MAX_TOKENS)
    );
    let one_more = Batch::MAX_TOKENS + 1;
    assert_eq!(
        prepare(one_more, &["file"]).await,
        Err(Refused::TooMany(one_more))
    );
    let unknown = Refused::UnknownIssuer("nobody".to_owned());
    assert_eq!(prepare(0, &["file", "nobody"]).await, Err(unknown));
}

/// A verifier whose one issuer `file` is discovered at `provider`, at work.
fn running(provider: &Provider, more: &Value) -> (Arc<Verifier>, JoinHandle<()>) {
    let mut issuer = json!({"issuer": provider.issuer(), "audiences": "any",
                            "allow_private_addresses": true});
    let members = issuer.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    let config = json!({"defaults": defaults(), "issuers": {"file": issuer},
                        "token_cache": "1MiB", "revocation": revocation(), "dpop": dpop()});
    let config: Config = serde_json::from_value(config).expect("config");
    let clock = Clock::fixed(NOW);
    let verifier = Verifier::new(&config, Path::new("/"), clock, metrics().1, None);
    let verifier = Arc::new(verifier.expect("good configuration"));
    let worker = Arc::clone(&verifier);
    let task = tokio::spawn(async move { match worker.run().await {} });
    (verifier, task)
}

#[tokio::test]
async fn missing_keys_are_fetched_once_for_all_tokens_of_a_batch() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let (verifier, task) = running(&provider, &json!({}));
    let claims = claims_with("iss", json!(provider.issuer()));
    let next = Mint::new(Algorithm::ES256, "next");
    let tokens = |mints: [&Mint; 3]| mints.map(|mint| mint.token(&claims));
    let ann = Ok("ann of file".to_owned());

    let first = judged(&verifier, &tokens([&EC, &EC, &next])).await;
    assert_eq!(first, [ann.clone(), ann.clone(), Err(Error::UnknownKey)]);
    assert_eq!(
        provider.key_fetches(),
        2,
        "the first set, and one for the unknown key"
    );

    provider.serve(&key_set(&[&EC, &next]));
    let second = judged(&verifier, &tokens([&next, &EC, &next])).await;
    assert_eq!(second, [ann.clone(), ann.clone(), ann]);
    assert_eq!(provider.key_fetches(), 3);
    task.abort();
}

#[tokio::test]
async fn a_flood_of_unknown_keys_in_a_batch_costs_one_fetch() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let (verifier, task) = running(&provider, &json!({"unknown_kid_interval": "1h"}));
    let claims = claims_with("iss", json!(provider.issuer()));
    let foreign = claims_with("iss", json!("https://elsewhere.example/"));
    let invented = |count: u32, claims: &Value| {
        EC.with_header(
            &json!({"alg": "ES256", "kid": format!("invented-{count}")}),
            claims,
        )
    };
    assert_eq!(judged(&verifier, &[EC.token(&claims)]).await.len(), 1);
    let strangers: Vec<String> = (0..200).map(|count| invented(count, &foreign)).collect();
    let refused = judged(&verifier, &strangers).await;
    assert!(refused.iter().all(|verdict| *verdict == Err(Error::Issuer)));
    assert_eq!(provider.key_fetches(), 1, "tokens of others fetch nothing");
    let flood: Vec<String> = (0..200).map(|count| invented(count, &claims)).collect();
    let refused = judged(&verifier, &flood).await;
    assert!(
        refused
            .iter()
            .all(|verdict| *verdict == Err(Error::UnknownKey))
    );
    assert_eq!(provider.key_fetches(), 2);
    task.abort();
}

#[tokio::test]
async fn keys_that_do_not_come_in_time_leave_the_batch_undecided() {
    let provider = Provider::start(&key_set(&[&EC])).await;
    let (verifier, task) = running(&provider, &json!({}));
    task.abort();
    let token = EC.token(&claims_with("iss", json!(provider.issuer())));
    let deadline = Instant::now() + Duration::from_millis(50);
    let batch = Batch::prepare(verifier, vec![token], None, deadline).await;
    let verdicts = batch.expect("a batch").run(0..1);
    let unavailable = Error::KeysUnavailable("file".to_owned());
    assert_eq!(seen(&verdicts[0]), Err(unavailable));
}
