//! gRPC answers what JSON answers, and refuses what JSON refuses.

mod measures;

use std::fmt::Debug;

use serde_json::{Value, json};
use subzero::proto::{
    Kind, Struct,
    v1::{
        CheckBatchRequest, ContextualTuple, Dispatch, HashRequest, MatchRequest, PermissionAnswer,
        PermissionQuestion, PromptAnswer, PromptQuestion, ValidateBatchRequest,
        hashing_client::HashingClient, patterns_client::PatternsClient,
        permissions_client::PermissionsClient, prompt_question::Content,
        prompts_client::PromptsClient, validate_stream_response::Event,
    },
};
use tonic::{Code, Response, Status, transport::Channel};

use super::{ATTACK, answer, ask, start};
use crate::support::subzero::Subzero;

async fn channel(running: &Subzero) -> Channel {
    let channel = Channel::from_shared(format!("http://{}", running.grpc)).expect("an address");
    channel.connect().await.expect("connects")
}

fn good<T>(answer: Result<Response<T>, Status>) -> T {
    answer.expect("an answer").into_inner()
}

fn dispatch(told: Option<Dispatch>) -> Value {
    let told = told.expect("is told");
    assert!(
        ["inline", "vector", "pool"].contains(&&*told.strategy),
        "{told:?}"
    );
    assert!(told.actual_us > 0.0);
    json!({"operation": told.operation, "items": told.items, "bytes": told.bytes})
}

fn permission(told: PermissionAnswer) -> Value {
    let mut json = json!({"allowed": told.allowed, "reason": told.reason, "source": told.source});
    if let Some(error) = told.error {
        json["error"] = error.into();
    }
    json
}

fn prompt(told: PromptAnswer) -> Value {
    let violations: Vec<Value> = told
        .violations
        .into_iter()
        .map(|told| {
            let span = told.span.expect("a place");
            let mut json = json!({
                "threat_type": told.threat_type, "rule": told.rule, "risk_level": told.risk_level,
                "description": told.description, "span": [span.start, span.end],
                "trusted": told.trusted, "owasp": told.owasp, "score": told.score,
            });
            if !told.pointer.is_empty() {
                json["pointer"] = told.pointer.into();
            }
            json
        })
        .collect();
    let mut json = json!({
        "is_safe": told.is_safe, "reason": told.reason, "risk_score": told.risk_score,
        "violations": violations, "sanitized_prompt": told.sanitized_prompt,
    });
    if let Some(error) = told.error {
        json["error"] = error.into();
    }
    json
}

fn question(user: &str, relation: &str) -> (PermissionQuestion, Value) {
    let (user, relation, object) = (
        user.to_owned(),
        relation.to_owned(),
        "document:own".to_owned(),
    );
    let json = json!({"user": user, "relation": relation, "object": object});
    let asked = PermissionQuestion {
        user,
        relation,
        object,
        ..PermissionQuestion::default()
    };
    (asked, json)
}

#[tokio::test(flavor = "multi_thread")]
async fn hashes_and_matches_are_the_same() {
    let running = start("{}").await;
    let channel = channel(&running).await;
    let items = vec!["abc".to_owned(), "é".to_owned()];
    let json = answer(&running, "/hash", &json!({"items": items})).await;
    let told = good(
        HashingClient::new(channel.clone())
            .hash(HashRequest { items })
            .await,
    );
    assert_eq!(
        json,
        json!({"digests": told.digests, "dispatch": dispatch(told.dispatch)})
    );

    for regex in [false, true] {
        let (patterns, texts) = (
            vec!["ab".to_owned(), "B".to_owned()],
            vec!["abAB".to_owned(), String::new()],
        );
        let body =
            json!({"patterns": patterns, "texts": texts, "regex": regex, "ignore_case": true});
        let json = answer(&running, "/patterns/match", &body).await;
        let asked = MatchRequest {
            patterns,
            texts,
            regex,
            ignore_case: true,
        };
        let told = good(PatternsClient::new(channel.clone()).r#match(asked).await);
        let results: Vec<Value> = told
            .results
            .into_iter()
            .map(|text| {
                let one = |m: subzero::proto::v1::PatternMatch| {
                    json!({"pattern": m.pattern, "start": m.start, "end": m.end})
                };
                text.matches.into_iter().map(one).collect()
            })
            .collect();
        assert_eq!(
            json,
            json!({"results": results, "dispatch": dispatch(told.dispatch)})
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn permissions_are_the_same() {
    let running = start("{}").await;
    let mut client = PermissionsClient::new(channel(&running).await);
    let (alice, alice_json) = question("user:alice", "can_view");
    let (unknown, unknown_json) = question("user:alice", "flies");
    let (mut bob, mut bob_json) = question("user:bob", "can_view");
    bob.contextual_tuples = vec![ContextualTuple {
        user: "user:bob".to_owned(),
        relation: "viewer".to_owned(),
        object: "document:own".to_owned(),
        condition: None,
    }];
    let number = subzero::proto::Value {
        kind: Some(Kind::NumberValue(5.0)),
    };
    bob.context = Some(Struct {
        fields: [("n".to_owned(), number)].into(),
    });
    bob_json["contextual_tuples"] =
        json!([{"user": "user:bob", "relation": "viewer", "object": "document:own"}]);
    bob_json["context"] = json!({"n": 5});
    for (asked, body) in [(&alice, &alice_json), (&bob, &bob_json)] {
        let json = answer(&running, "/authz/check", body).await;
        assert_eq!(json["allowed"], true);
        assert_eq!(json, permission(good(client.check(asked.clone()).await)));
    }
    let body = json!({"checks": [alice_json, unknown_json, bob_json]});
    let json = answer(&running, "/authz/check/batch", &body).await;
    let checks = vec![alice, unknown, bob];
    let told = good(client.check_batch(CheckBatchRequest { checks }).await);
    let results: Vec<Value> = told.results.into_iter().map(permission).collect();
    assert_eq!(
        json,
        json!({"results": results, "dispatch": dispatch(told.dispatch)})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn screening_is_the_same_in_one_answer_in_many_and_in_a_stream() {
    let running = start("{}").await;
    let mut client = PromptsClient::new(channel(&running).await);
    let one = |content| PromptQuestion {
        content: Some(content),
        ..PromptQuestion::default()
    };
    let json = answer(&running, "/ai/validate-prompt", &json!({"prompt": ATTACK})).await;
    let told = good(
        client
            .validate(one(Content::Prompt(ATTACK.to_owned())))
            .await,
    );
    assert_eq!(json, prompt(told));
    let body = json!({"messages": [{"role": "user", "content": ATTACK}]});
    let json = answer(&running, "/ai/validate-prompt", &json!({"body": body})).await;
    let told = good(client.validate(one(Content::Body(body.to_string()))).await);
    assert_eq!(json, prompt(told));

    let long = "x ".repeat(200_000);
    let prompts: Vec<String> = ["hello", ATTACK, &long, "anne@example.com"]
        .map(str::to_owned)
        .into();
    let path = "/ai/validate-prompt/batch";
    let json = answer(&running, path, &json!({"prompts": prompts})).await;
    let asked = ValidateBatchRequest { prompts };
    let told = good(client.validate_batch(asked.clone()).await);
    let results: Vec<Value> = told.results.into_iter().map(prompt).collect();
    assert_eq!(
        json,
        json!({"results": results, "dispatch": dispatch(told.dispatch)})
    );
    let mut stream = good(client.validate_stream(asked).await);
    let (mut streamed, mut end) = (Vec::new(), None);
    while let Some(message) = stream.message().await.expect("a message") {
        assert_eq!(end, None, "nothing comes after the end");
        match message.event.expect("an event") {
            Event::Result(told) => streamed.push(prompt(told)),
            Event::Dispatch(told) => end = Some(dispatch(Some(told))),
        }
    }
    assert_eq!(
        json,
        json!({"results": streamed, "dispatch": end.expect("an end")})
    );
}

fn refused<T: Debug>(answer: Result<Response<T>, Status>) -> (Code, String, Option<String>) {
    let status = answer.expect_err("a refusal");
    let reason = status.metadata().get("x-subzero-reason");
    let reason = reason.map(|reason| reason.to_str().expect("text").to_owned());
    (status.code(), status.message().to_owned(), reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_are_the_same() {
    let running = start("{ max_items: 2, max_body: 2KiB }").await;
    let channel = channel(&running).await;
    let detail = async |path: &str, body: Value, status: u16| {
        let response = ask(&running, path, &body).await;
        assert_eq!(response.status, status, "{}", response.text());
        response.json()["detail"]
            .as_str()
            .expect("a detail")
            .to_owned()
    };
    let mut hashing = HashingClient::new(channel.clone());
    let items = vec![String::new(); 3];
    let json = detail("/hash", json!({"items": items}), 413).await;
    let told = refused(hashing.hash(HashRequest { items }).await);
    assert_eq!(told, (Code::ResourceExhausted, json, None));
    let items = vec!["x".repeat(3_000)];
    let (code, told, _) = refused(hashing.hash(HashRequest { items }).await);
    assert!(
        code == Code::ResourceExhausted && told.contains("api.max_body"),
        "{told}"
    );

    let (asked, body) = question("user:alice", "flies");
    let json = detail("/authz/check", body, 400).await;
    let told = refused(PermissionsClient::new(channel.clone()).check(asked).await);
    assert_eq!(told, (Code::InvalidArgument, json, None));

    let mut prompts = PromptsClient::new(channel);
    let json = detail("/ai/validate-prompt", json!({}), 400).await;
    let told = refused(prompts.validate(PromptQuestion::default()).await);
    assert_eq!(told, (Code::InvalidArgument, json, None));
    let many = ValidateBatchRequest {
        prompts: vec![String::new(); 3],
    };
    assert_eq!(
        refused(prompts.validate_stream(many).await).0,
        Code::ResourceExhausted
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_ends_a_stream_with_its_status() {
    let running = start("{ deadline: 500ms }").await;
    let mut prompts = PromptsClient::new(channel(&running).await);
    let many = ValidateBatchRequest {
        prompts: vec![format!("Please. {ATTACK}"); 80_000],
    };
    let mut stream = good(prompts.validate_stream(many).await);
    let mut answers = 0;
    let status = loop {
        match stream.message().await {
            Ok(Some(_)) => answers += 1,
            Ok(None) => panic!("it looks whole after {answers}"),
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(
        status.metadata().get("x-subzero-reason").expect("told"),
        "deadline"
    );
}
