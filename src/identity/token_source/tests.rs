//! A token is at hand as long as one can be had, and the endpoint is not pestered.

use futures_util::future::join_all;
use serde_json::json;

use super::{
    super::tests::endpoint::{Endpoint, client, token, way},
    *,
};

const NOW: u64 = 1_800_000_000;

fn source(server: &Endpoint, clock: &Clock) -> TokenSource {
    let folder = tempfile::tempdir().expect("one");
    let config = client(folder.path(), &json!({"audience": "https://fga"}));
    TokenSource::new(
        &config,
        &server.issuer,
        folder.path(),
        Reach::Anywhere,
        Duration::from_secs(5),
        clock.clone(),
        way().series,
    )
    .expect("a good client")
}

async fn ask(source: &TokenSource) -> Result<String, String> {
    let token = source.token().await;
    token
        .map(|token| token.token.expose().to_owned())
        .map_err(|error| error.to_string())
}

/// Waits until the endpoint has been asked `times` times and the source has the answer.
async fn until_asked(server: &Endpoint, source: &TokenSource, times: usize, token: &str) {
    for _ in 0..200 {
        if server.asked().len() == times && ask(source).await.as_deref() == Ok(token) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("asked {} times", server.asked().len());
}

#[tokio::test]
async fn many_who_need_a_token_cause_one_question() {
    let (server, clock) = (Endpoint::start().await, Clock::fixed(NOW));
    let source = source(&server, &clock);
    let all = join_all((0..50).map(|_| ask(&source))).await;
    assert!(all.iter().all(|token| token.as_deref() == Ok("t")));
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].fields["grant_type"], "client_credentials");
    assert_eq!(asked[0].fields["audience"], "https://fga");
}

#[tokio::test]
async fn it_is_renewed_before_its_end_while_the_old_one_is_handed_out() {
    let (server, clock) = (Endpoint::start().await, Clock::fixed(NOW));
    let source = source(&server, &clock);
    assert_eq!(ask(&source).await.as_deref(), Ok("t"));
    server.answer(200, &token("u", 600));
    clock.set(NOW + 600 * 70 / 100 - 1);
    assert_eq!(ask(&source).await.as_deref(), Ok("t"));
    assert_eq!(server.asked().len(), 1, "not before 70 % of its life");
    clock.set(NOW + 600 * 90 / 100);
    let all = join_all((0..20).map(|_| ask(&source))).await;
    assert!(
        all.iter().all(|token| token.as_deref() == Ok("t")),
        "nobody waits"
    );
    until_asked(&server, &source, 2, "u").await;
}

#[tokio::test]
async fn a_failure_leaves_the_old_token_and_the_endpoint_alone_for_a_moment() {
    let (server, clock) = (Endpoint::start().await, Clock::fixed(NOW));
    let source = source(&server, &clock);
    assert_eq!(ask(&source).await.as_deref(), Ok("t"));
    server.answer(500, "");
    clock.set(NOW + 599);
    assert_eq!(ask(&source).await.as_deref(), Ok("t"));
    until_asked(&server, &source, 2, "t").await;
    // Until the failure is known; more questions would come at once without a pause.
    while source.inner.failed().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    for _ in 0..20 {
        assert_eq!(ask(&source).await.as_deref(), Ok("t"));
    }
    clock.set(NOW + 600);
    for _ in 0..20 {
        let refused = ask(&source).await.expect_err("it has ended");
        assert!(refused.contains("answered 500"), "{refused}");
    }
    assert_eq!(server.asked().len(), 2);
    server.answer(200, &token("u", 600));
    tokio::time::sleep(PAUSE).await;
    assert_eq!(ask(&source).await.as_deref(), Ok("u"));
}
