//! Who may call: keys on both doors, their scopes, and keys that change while running.

use std::{fs, process::Command, time::Duration};

use serde_json::json;
use subzero::proto::v1::{
    HashRequest, RevokeRequest, hashing_client::HashingClient, tokens_client::TokensClient,
};
use tonic::{Code, transport::Channel};

use super::local;
use crate::{
    support::{client::Request, subzero::Subzero},
    world::{Keys, data, subzero},
};

/// `subzero key`: the key and the line about it.
pub(super) fn mint(name: &str, scopes: &str) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_subzero"))
        .args(["key", name, "--scopes", scopes])
        .output()
        .expect("runs");
    assert!(output.status.success());
    let told = String::from_utf8(output.stderr).expect("text");
    let key = told.trim().rsplit(' ').next().expect("a key").to_owned();
    let line = String::from_utf8(output.stdout).expect("text");
    assert!(key.starts_with("sz_") && !line.contains(&key), "{line}");
    (key, line)
}

async fn hash(running: &Subzero, key: Option<&str>) -> u16 {
    let mut request = local(Request::post("/hash", &json!({"items": []})));
    if let Some(key) = key {
        request = request.bearer(key);
    }
    let response = request.send(running.http).await;
    if response.status == 401 {
        assert_eq!(response.header("www-authenticate"), Some("Bearer"));
    }
    response.status
}

async fn hash_by_grpc(running: &Subzero, key: Option<&str>) -> Code {
    let channel = Channel::from_shared(format!("http://{}", running.grpc)).expect("an address");
    let mut client = HashingClient::new(channel.connect().await.expect("connects"));
    let mut request = tonic::Request::new(HashRequest { items: Vec::new() });
    if let Some(key) = key {
        let bearer = format!("Bearer {key}").parse().expect("a value");
        request.metadata_mut().insert("authorization", bearer);
    }
    match client.hash(request).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}

async fn revoke_by_grpc(running: &Subzero, key: &str) -> Code {
    let channel = Channel::from_shared(format!("http://{}", running.grpc)).expect("an address");
    let mut client = TokensClient::new(channel.connect().await.expect("connects"));
    let mut request = tonic::Request::new(RevokeRequest {
        sub: Some("anne".to_owned()),
        ..RevokeRequest::default()
    });
    let bearer = format!("Bearer {key}").parse().expect("a value");
    request.metadata_mut().insert("authorization", bearer);
    client.revoke(request).await.expect_err("refused").code()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_opens_what_its_scopes_say_on_both_doors_and_is_never_logged() {
    let (reader, first) = mint("reader", "read");
    let (worker, second) = mint("worker", "read,batch");
    let config = format!(
        "{}api: {{ keys_file: callers.yaml }}\n",
        data("subzero.yaml")
    );
    let mut running = subzero(&config, &Keys::generate())
        .file("callers.yaml", format!("# callers\n{first}{second}"))
        .start()
        .await;
    for (key, status, code) in [
        (Some(&worker), 200, Code::Ok),
        (Some(&reader), 403, Code::PermissionDenied),
        (Some(&"sz_other".to_owned()), 401, Code::Unauthenticated),
        (None, 401, Code::Unauthenticated),
    ] {
        let key = key.map(String::as_str);
        assert_eq!(hash(&running, key).await, status, "{key:?}");
        assert_eq!(hash_by_grpc(&running, key).await, code, "{key:?}");
    }
    let question = json!({"user": "user:alice", "relation": "can_view", "object": "document:own"});
    let single = local(Request::post("/authz/check", &question)).bearer(&reader);
    assert_eq!(single.send(running.http).await.status, 200);
    for key in [&reader, &worker] {
        assert_eq!(revoke_by_grpc(&running, key).await, Code::PermissionDenied);
    }
    // With keys, other names than this machine's are fine: a web page has no key.
    let named = Request::post("/hash", &json!({"items": []})).bearer(&worker);
    assert_eq!(
        named
            .header("host", "subzero.example")
            .send(running.http)
            .await
            .status,
        200
    );
    // The description is nobody's secret, and Envoy's own question needs no key.
    let description = local(Request::get("/openapi.json"))
        .send(running.http)
        .await;
    assert_eq!(description.status, 200);

    // A bad file changes nothing; a good one does, without a restart.
    let file = running.dir().join("callers.yaml");
    fs::write(&file, "- { name: broken }\n").expect("write");
    until_logged(&mut running, "api keys not reloaded").await;
    assert_eq!(hash(&running, Some(&worker)).await, 200);
    fs::write(&file, first).expect("write");
    until_logged(&mut running, "api keys reloaded").await;
    assert_eq!(hash(&running, Some(&worker)).await, 401);
    assert_eq!(hash(&running, Some(&reader)).await, 403);

    let log = running.process.stdout() + &running.process.stderr();
    assert!(log.contains("\"reader\""), "names are logged");
    for key in [reader, worker] {
        assert!(!log.contains(&key), "keys are not");
    }
}

pub(super) async fn until_logged(running: &mut Subzero, words: &str) {
    for _ in 0..200 {
        let log = running.process.stdout() + &running.process.stderr();
        if log.contains(words) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("`{words}` was never logged");
}

#[test]
fn a_listener_open_to_others_needs_keys_to_be_configured() {
    let folder = tempfile::tempdir().expect("folder");
    let (_, line) = mint("ci", "read,batch,revoke");
    fs::write(folder.path().join("keys.yaml"), &line).expect("write");
    fs::write(folder.path().join("bad.yaml"), line.replace("batch", "fly")).expect("write");
    let check = |text: &str| {
        let file = folder.path().join("subzero.yaml");
        fs::write(&file, text).expect("write");
        let output = Command::new(env!("CARGO_BIN_EXE_subzero"))
            .arg("check-config")
            .arg(&file)
            .output()
            .expect("runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let open = "listen: { http: '0.0.0.0:9192' }\n";
    let (code, told) = check(open);
    assert!(code == Some(64) && told.contains("api.keys_file"), "{told}");
    assert_eq!(
        check(&format!("{open}api: {{ keys_file: keys.yaml }}")).0,
        Some(0)
    );
    for (api, says) in [
        (
            "keys_file: none.yaml",
            "api.keys_file: none.yaml: cannot be read",
        ),
        ("keys_file: bad.yaml", "fly"),
        (
            "max_body: 1GiB",
            "api.max_body: `1GiB` is more than is ever taken in",
        ),
        ("max_items: 0", "api.max_items: `0` is not between"),
        ("deadline: 0s", "api.deadline: `0s`"),
        ("keys: x", "api.keys: unknown field `keys`"),
    ] {
        let (code, told) = check(&format!("api: {{ {api} }}"));
        assert!(code == Some(64) && told.contains(says), "{told}");
    }
}

#[test]
fn a_key_that_could_not_be_used_is_not_made() {
    for arguments in [
        &["key", "ci"][..],
        &["key", "ci", "--scopes", "fly"],
        &["key", "two words", "--scopes", "read"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_subzero"))
            .args(arguments)
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}
