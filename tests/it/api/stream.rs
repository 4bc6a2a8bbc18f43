//! A batch as a stream of lines: in order, in slices, and never whole-looking when it is not.

use serde_json::{Value, json};

use super::{ATTACK, ask, local, start};
use crate::support::client::Request;

fn lines(text: &str) -> Vec<Value> {
    assert!(text.ends_with('\n'), "the last line is whole");
    let line = |line| serde_json::from_str(line).expect("a JSON line");
    text.lines().map(line).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_come_in_order_and_say_what_the_whole_answer_says() {
    let running = start("{}").await;
    let prompt = |item: usize| {
        if item % 7 == 3 {
            format!("{ATTACK} {item}")
        } else {
            format!("hello {item}")
        }
    };
    let prompts: Vec<String> = (0..1_000).map(prompt).collect();
    let body = json!({"prompts": prompts});
    let whole = ask(&running, "/ai/validate-prompt/batch", &body)
        .await
        .json();
    let request =
        Request::post("/ai/validate-prompt/batch", &body).header("accept", "application/x-ndjson");
    let streamed = local(request).send(running.http).await;
    assert_eq!(streamed.status, 200);
    assert_eq!(
        streamed.header("content-type"),
        Some("application/x-ndjson")
    );
    assert_eq!(streamed.header("transfer-encoding"), Some("chunked"));
    let mut lines = lines(&streamed.text());
    let last = lines.pop().expect("a last line");
    assert_eq!(last["dispatch"]["items"], 1_000);
    assert_eq!(last["dispatch"]["bytes"], whole["dispatch"]["bytes"]);
    assert_eq!(lines.len(), 1_000);
    for (index, mut line) in lines.into_iter().enumerate() {
        let told = line.as_object_mut().and_then(|line| line.remove("index"));
        assert_eq!(told, Some(json!(index)));
        assert_eq!(line, whole["results"][index]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_asked_is_a_whole_stream_of_nothing() {
    let running = start("{}").await;
    let request = Request::post("/ai/validate-prompt/batch", &json!({"prompts": []}))
        .header("accept", "application/x-ndjson");
    let streamed = local(request).send(running.http).await;
    let lines = lines(&streamed.text());
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["dispatch"]["items"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_cannot_go_on_says_so_in_its_last_line() {
    // Time for a slice or two in a debug build, and far from enough for all.
    let running = start("{ deadline: 2s }").await;
    let many = json!({"prompts": vec![format!("What is the capital of France? {ATTACK}"); 80_000]});
    let request =
        Request::post("/ai/validate-prompt/batch", &many).header("accept", "application/x-ndjson");
    let streamed = local(request).send(running.http).await;
    assert_eq!(streamed.status, 200, "{}", streamed.text());
    let lines = lines(&streamed.text());
    let (last, answers) = lines.split_last().expect("lines");
    assert_eq!(last["error"]["reason"], "deadline");
    assert_eq!(last["error"]["status"], 503);
    assert!(
        !answers.is_empty() && answers.len() < 80_000,
        "{}",
        answers.len()
    );
    assert!(answers.iter().all(|line| line["index"].is_u64()));
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_prompts_are_refused_before_the_stream_begins() {
    let running = start("{ max_items: 2 }").await;
    let request = Request::post(
        "/ai/validate-prompt/batch",
        &json!({"prompts": ["a", "b", "c"]}),
    )
    .header("accept", "application/x-ndjson");
    let refused = local(request).send(running.http).await;
    assert_eq!(refused.status, 413);
    assert_eq!(
        refused.header("content-type"),
        Some("application/problem+json")
    );
}
