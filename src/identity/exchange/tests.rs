//! Equal questions are asked once, different ones never share an answer.

use std::path::Path;

use serde_json::json;

use super::{
    super::tests::{
        endpoint::{Endpoint, client, token, way},
        mint::{NOW, claims},
    },
    *,
};
use crate::clock::Clock;

fn exchange(server: &Endpoint, base: &Path, clock: &Clock) -> Exchange {
    let config = client(base, &json!({"audience": "https://other"}));
    let client = config.resolve(base, true, &server.issuer);
    let endpoint = TokenEndpoint::new(client.expect("a good client"), clock.clone(), way());
    Exchange::new(endpoint, &coalesce::Metrics::unseen())
}

/// Somebody whose token ends in `seconds`.
fn somebody(seconds: u64) -> Identity {
    let claims = claims().as_object().expect("an object").clone();
    Identity::new(claims.into(), "a".into(), NOW + seconds).expect("a sub")
}

#[tokio::test]
async fn equal_questions_at_one_time_are_asked_once_and_others_apart() {
    let (server, folder) = (Endpoint::start().await, tempfile::tempdir().expect("one"));
    let exchange = exchange(&server, folder.path(), &Clock::fixed(NOW));
    let ann = somebody(600);
    let ask = async |token: &str| {
        let given = exchange.exchange(&ann, token).await.expect("given");
        given.token.expose().to_owned()
    };
    let (a, b, _) = tokio::join!(ask("one"), ask("one"), ask("two"));
    assert_eq!((a.as_str(), b.as_str()), ("t", "t"));
    let mut subjects: Vec<String> = server
        .asked()
        .into_iter()
        .map(|asked| {
            assert_eq!(asked.fields["grant_type"], EXCHANGE);
            assert_eq!(asked.fields["subject_token_type"], ACCESS_TOKEN);
            assert_eq!(asked.fields["audience"], "https://other");
            asked.fields["subject_token"].clone()
        })
        .collect();
    subjects.sort_unstable();
    assert_eq!(subjects, ["one", "two"]);
    server.answer(200, &token("u", 600));
    assert_eq!(ask("one").await, "t", "kept");
    assert_eq!(ask("three").await, "u");
    assert!(!format!("{exchange:?}").contains("hunter2"));
}

#[tokio::test]
async fn an_answer_is_kept_until_the_first_of_both_tokens_ends() {
    let (server, folder) = (Endpoint::start().await, tempfile::tempdir().expect("one"));
    for (subject_life, given_life, kept) in [(600, 100, 100), (50, 100, 50)] {
        let clock = Clock::fixed(NOW);
        let exchange = exchange(&server, folder.path(), &clock);
        server.answer(200, &token("first", given_life));
        let ask = async || {
            let given = exchange.exchange(&somebody(subject_life), "one").await;
            let given = given.expect("given");
            (given.token.expose().to_owned(), given.expires_at)
        };
        assert_eq!(ask().await, ("first".to_owned(), NOW + kept));
        server.answer(200, &token("second", given_life));
        clock.set(NOW + kept - 1);
        assert_eq!(ask().await.0, "first");
        clock.set(NOW + kept);
        assert_eq!(ask().await.0, "second");
    }
}

#[tokio::test]
async fn refusals_are_not_kept() {
    let (server, folder) = (Endpoint::start().await, tempfile::tempdir().expect("one"));
    let exchange = exchange(&server, folder.path(), &Clock::fixed(NOW));
    server.answer(400, r#"{"error":"invalid_target"}"#);
    let refused = exchange.exchange(&somebody(600), "one").await;
    assert!(matches!(refused, Err(Error::Refused(code)) if code == "invalid_target"));
    server.answer(200, &token("t", 600));
    assert!(exchange.exchange(&somebody(600), "one").await.is_ok());
}
