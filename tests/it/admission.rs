//! Admission: what is in flight is bounded, and the lowest lane goes first. Real calls held open, no
//! timing: a stream is in flight for as long as its client has not read it.

use std::time::Duration;

use serde_json::json;
use subzero::proto::v1::{
    HashRequest, ValidateBatchRequest, ValidateStreamResponse, hashing_client::HashingClient,
    prompts_client::PromptsClient,
};
use tonic::{Code, Streaming, transport::Channel};

use crate::{
    support::{
        client::{Request, Response},
        subzero::Subzero,
    },
    world::{Keys, data, subzero},
};

async fn start(max: usize) -> Subzero {
    let config = format!(
        "{}admission: {{ min: 1, max: {max} }}\n",
        data("subzero.yaml")
    );
    subzero(&config, &Keys::generate()).start().await
}

/// A batch that is in flight until what comes back is dropped: it answers more than any buffer holds.
async fn held(running: &Subzero) -> Streaming<ValidateStreamResponse> {
    let channel = Channel::from_shared(format!("http://{}", running.grpc)).expect("an address");
    let mut prompts = PromptsClient::new(channel.connect().await.expect("connects"));
    let many = ValidateBatchRequest {
        prompts: vec!["mail anne@example.com now".to_owned(); 50_000],
    };
    let answer = prompts.validate_stream(many).await.expect("an answer");
    let mut stream = answer.into_inner();
    let first = stream.message().await.expect("a message");
    assert!(first.is_some(), "it has begun");
    stream
}

async fn ask(running: &Subzero, path: &str, body: serde_json::Value) -> Response {
    let request = Request::post(path, &body).header("host", "localhost");
    request.send(running.http).await
}

async fn check(running: &Subzero) -> Response {
    let request = Request::get("/forward-auth")
        .header("x-original-method", "GET")
        .header("x-original-uri", "/healthz");
    request.send(running.http).await
}

async fn shed(running: &Subzero, lane: &str) -> u64 {
    let metrics = running.metrics().await;
    metrics.count("subzero_shed_total", &[("lane", lane)])
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_turned_away_while_single_questions_and_checks_go_on() {
    let running = start(2).await;
    let stream = held(&running).await;
    let refused = ask(&running, "/hash", json!({"items": ["abc"]})).await;
    assert_eq!((refused.status, refused.reason()), (429, "overloaded"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let channel = Channel::from_shared(format!("http://{}", running.grpc)).expect("an address");
    let mut hashing = HashingClient::new(channel.connect().await.expect("connects"));
    let items = vec!["abc".to_owned()];
    let status = hashing.hash(HashRequest { items }).await;
    assert_eq!(status.expect_err("refused").code(), Code::ResourceExhausted);
    assert_eq!(shed(&running, "batch").await, 2);

    let single = ask(&running, "/ai/validate-prompt", json!({"prompt": "hello"})).await;
    assert_eq!(single.status, 200, "{}", single.text());
    assert_eq!(check(&running).await.status, 200);
    assert_eq!(
        shed(&running, "high").await + shed(&running, "critical").await,
        0
    );
    drop(stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_without_room_is_refused_as_overloaded_and_the_next_one_passes() {
    let mut running = start(1).await;
    let stream = held(&running).await;
    let refused = check(&running).await;
    assert_eq!((refused.status, refused.reason()), (403, "overloaded"));
    assert_eq!(refused.header("x-subzero-status"), Some("503"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(shed(&running, "critical").await, 1);
    drop(stream);
    let http = running.http;
    let passes = async || {
        let request = Request::get("/forward-auth")
            .header("x-original-method", "GET")
            .header("x-original-uri", "/healthz");
        request.send(http).await.status == 200
    };
    let patience = Duration::from_secs(20);
    running
        .process
        .until("let checks in again", patience, passes)
        .await;
    let metrics = running.metrics().await;
    assert_eq!(metrics.count("subzero_admission_limit", &[]), 1);
    let labels = [
        ("route", "health"),
        ("verdict", "deny"),
        ("reason", "overloaded"),
    ];
    assert!(
        metrics.count("subzero_checks_total", &labels) >= 1,
        "it is recorded"
    );
}
