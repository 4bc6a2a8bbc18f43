//! Permissions from a real `OpenFGA` server: behind Envoy, at the API's doors and on the command line.

mod beside;

use std::{fs, process::Command, time::Duration};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    support::{
        client::Request,
        oidc::{self, Oidc},
        openfga::{self, OpenFga, Setup},
    },
    world::{self, Keys, World},
};

/// Relations of documents; the tests' issuer; a server whose id and address are filled in.
const CONFIG: &str = "
log: { level: debug }
identity:
  issuers:
    main: { issuer: 'https://issuer.example/', jwks_file: keys.json, audiences: ['https://api.example'] }
permission: { openfga: { url: 'http://SERVER', store_id: STORE, model_id: MODEL, timeout: 300ms, poll_models: 200ms } }
routes:
  - name: doc
    match: { path: '/docs/{id}' }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: viewer, object: 'document:{path.id}' }
  - name: fresh
    match: { path: '/fresh/{id}' }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: viewer, object: 'document:{path.id}', consistency: higher_consistency }
  - name: lenient
    match: { path: '/lenient/{id}' }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: viewer, object: 'document:{path.id}' }
    on_unavailable: { permission: allow }
";

fn viewer(user: &str, id: &str) -> Value {
    json!({ "user": format!("user:{user}"), "relation": "viewer", "object": format!("document:{id}") })
}

/// A server where Alice sees `document:own`, with the configuration that asks it.
async fn server() -> (OpenFga, String, String) {
    let server = Setup::default().start().await;
    let store = server.store().await;
    let id = server.model(&store, &openfga::viewers()).await;
    server.write(&store, &id, &[viewer("alice", "own")]).await;
    let config = CONFIG
        .replace("SERVER", &server.http.to_string())
        .replace("STORE", &store)
        .replace("MODEL", &id);
    (server, store, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_gets_the_server_s_answers_and_their_age() {
    let (server, store, config) = server().await;
    let world = World::with(&config, |envoy| envoy).await;
    let get = async |user: &str, path: &str| {
        let request = Request::get(path).bearer(&world.keys.token(user));
        world.send(request).await
    };
    assert_eq!(get("alice", "/docs/own").await.status, 200);
    let denied = get("bob", "/docs/own").await;
    assert_eq!((denied.status, denied.reason()), (403, "permission_denied"));
    let wrong = get("alice", "/docs/a%3Ab").await;
    assert_eq!((wrong.status, wrong.reason()), (403, "missing_input"));

    server.delete(&store, &viewer("alice", "own")).await;
    assert_eq!(get("alice", "/docs/own").await.status, 200, "kept");
    assert_eq!(get("alice", "/fresh/own").await.status, 403, "asked afresh");
    let page = Request::get("/decisions?limit=10")
        .send(world.subzero.admin)
        .await
        .json();
    let kept = page["decisions"].as_array().expect("a list").iter();
    let kept = kept.filter(|one| one["route"] == "doc" && one["verdict"] == "allow");
    let id = kept
        .map(|one| one["id"].as_str().expect("an id"))
        .next()
        .expect("one");
    let told = Request::get(&format!("/decisions/{id}"))
        .send(world.subzero.admin)
        .await
        .json();
    let permission = find(&told, "permission").expect("told");
    assert_eq!(permission["source"], "cache", "{told}");
    assert!(
        permission["age_ms"].as_f64().is_some_and(|age| age > 0.0),
        "{told}"
    );

    let metrics = world.subzero.metrics().await;
    let value = |series: &str, labels: &[(&str, &str)]| metrics.sum(series, labels);
    assert!(
        value(
            "subzero_upstream_requests_total",
            &[("upstream", "openfga"), ("outcome", "ok")]
        ) >= 3.0
    );
    assert!(
        value(
            "subzero_cache_requests_total",
            &[("cache", "permission"), ("outcome", "hit")]
        ) >= 1.0
    );
    assert!(value("subzero_permission_gather_total", &[("choice", "alone")]) >= 3.0);
    let ready = Request::get("/readyz")
        .send(world.subzero.admin)
        .await
        .json();
    assert_eq!(ready["permission"], "ready", "{ready}");
}

/// The first member called `name`, however deep.
fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    match value {
        Value::Object(members) => members
            .get(name)
            .filter(|found| found.is_object())
            .or_else(|| members.values().find_map(|member| find(member, name))),
        Value::Array(items) => items.iter().find_map(|item| find(item, name)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_gone_decides_nothing_and_the_route_says_what_that_means() {
    let (mut server, _, config) = server().await;
    let config = config.replace("timeout: 300ms", "timeout: 300ms, cache: { memory: 0 }");
    let world = World::with(&config, |envoy| envoy).await;
    let get = async |path: &str| {
        let request = Request::get(path).bearer(&world.keys.token("alice"));
        world.send(request).await
    };
    assert_eq!(get("/docs/own").await.status, 200);
    // It hangs: connections are taken, nothing is answered.
    server.process.signal("STOP");
    // Its threads stop one after the other.
    sleep(Duration::from_millis(50)).await;
    let slow = get("/docs/own").await;
    assert_eq!(
        (slow.status, slow.reason()),
        (503, "permission_unavailable")
    );
    server.process.signal("CONT");
    sleep(Duration::from_millis(50)).await;
    assert_eq!(get("/docs/own").await.status, 200);
    server.process.kill();
    let gone = get("/docs/own").await;
    assert_eq!(
        (gone.status, gone.reason()),
        (503, "permission_unavailable")
    );
    assert_eq!(get("/lenient/own").await.status, 200);
    let wrong = get("/lenient/a%23b").await;
    assert_eq!(
        (wrong.status, wrong.reason()),
        (403, "missing_input"),
        "a caller's choice"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_and_the_command_line_ask_the_server_too() {
    let (server, _, config) = server().await;
    let world = World::with(&config, |envoy| envoy).await;
    let post = async |path: &str, body: Value| {
        Request::post(path, &body)
            .header("host", "localhost")
            .send(world.subzero.http)
            .await
    };
    let own = json!({ "user": "user:alice", "relation": "viewer", "object": "document:own" });
    let first = post("/authz/check", own.clone()).await.json();
    assert_eq!(
        (&first["allowed"], &first["source"]),
        (&json!(true), &json!("remote"))
    );
    let second = post("/authz/check", own.clone()).await.json();
    assert_eq!(
        (&second["allowed"], &second["source"]),
        (&json!(true), &json!("cache"))
    );
    let wrong = json!({ "user": "user:alice", "relation": "none", "object": "document:own" });
    assert_eq!(post("/authz/check", wrong.clone()).await.status, 400);
    let mut checks: Vec<Value> = (0..120)
        .map(|number| viewer("alice", &number.to_string()))
        .collect();
    checks.extend([own.clone(), wrong]);
    let answer = post("/authz/check/batch", json!({ "checks": checks }))
        .await
        .json();
    let results = answer["results"].as_array().expect("results");
    assert_eq!(results.len(), 122);
    assert!(
        results[..120]
            .iter()
            .all(|one| one["reason"] == "permission_denied" && one["source"] == "remote")
    );
    assert_eq!(
        (&results[120]["allowed"], &results[120]["source"]),
        (&json!(true), &json!("cache"))
    );
    assert_eq!(results[121]["reason"], "missing_input");
    assert_eq!(answer["dispatch"]["strategy"], "async");
    assert_eq!(answer["dispatch"]["items"], 122);

    fs::write(
        world.subzero.dir().join("checks.jsonl"),
        format!("{own}\n{}\nnonsense\n", viewer("bob", "own")),
    )
    .expect("write");
    let permit = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_subzero"));
        command.args(["permit", "--config", "subzero.yaml", "checks.jsonl"]);
        let output = command
            .current_dir(world.subzero.dir())
            .output()
            .expect("runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let expected = "{\"allowed\":true}\n{\"allowed\":false}\n{\"error\":2000}\n";
    assert_eq!(permit(), (Some(1), expected.to_owned()));
    drop(server);
    let expected = "{\"error\":4000}\n{\"error\":4000}\n{\"error\":2000}\n";
    assert_eq!(permit(), (Some(1), expected.to_owned()));
}

/// What the server's tokens are for; the provider's are for something else unless that is asked for.
const FGA_AUDIENCE: &str = "https://fga.example/";

/// A provider, and a server that takes its tokens if they are for [`FGA_AUDIENCE`], with the
/// configuration that asks it; `CREDENTIALS` in there is yet to be filled in.
async fn server_behind_a_provider() -> (Oidc, OpenFga, String) {
    let provider = oidc::Setup {
        named: vec![FGA_AUDIENCE.to_owned()],
        ..oidc::Setup::default()
    };
    let provider = provider.start().await;
    let form = format!(
        "grant_type=client_credentials&client_id=bob&client_secret=bob-secret&audience={FGA_AUDIENCE}"
    );
    let token = provider.token_with("bob", "", |request| request.body(form));
    let token = token.await;
    assert_eq!(oidc::claims(&token)["aud"], FGA_AUDIENCE);
    let setup = Setup::default().issuer(&provider.issuer, FGA_AUDIENCE, &token);
    let server = setup.start().await;
    let store = server.store().await;
    let id = server.model(&store, &openfga::viewers()).await;
    server.write(&store, &id, &[viewer("alice", "own")]).await;
    let config = format!(
        "permission: {{ openfga: {{ url: 'http://{}', store_id: {store}, model_id: {id}, timeout: 5s, cache: {{ ttl: 10s, memory: 0 }}, credentials: CREDENTIALS }} }}",
        server.http
    );
    (provider, server, config)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_s_tokens_for_the_server_s_audience_are_taken_and_no_others() {
    let (provider, _server, config) = server_behind_a_provider().await;
    let ask = async |client: &str, secret: &str| {
        let credentials = format!(
            "{{ issuer: '{}', allow_private_addresses: true, client: {{ client_id: alice, client_secret_file: secret, secret_by: post{client} }} }}",
            provider.issuer
        );
        let config = config.replace("CREDENTIALS", &credentials);
        let subzero = world::subzero(&config, &Keys::generate());
        let subzero = subzero.file("secret", secret).start().await;
        let mut told = Vec::new();
        for user in ["alice", "bob", "alice"] {
            let asked = Request::post("/authz/check", &viewer(user, "own"));
            let answer = asked.header("host", "localhost").send(subzero.http).await;
            told.push((answer.status, answer.json()));
        }
        told
    };
    let before = provider.count("token").await;
    let named = format!(", audience: '{FGA_AUDIENCE}'");
    let told = ask(&named, "alice-secret\n").await;
    let allowed: Vec<_> = told.iter().map(|(_, answer)| &answer["allowed"]).collect();
    assert_eq!(allowed, [true, false, true], "{told:?}");
    assert!(told.iter().all(|(_, answer)| answer["source"] == "remote"));
    assert_eq!(provider.count("token").await, before + 1, "one for all");

    // For another audience, which the server refuses; and none at all, since the provider refuses.
    for (client, secret) in [("", "alice-secret\n"), (&named, "wrong\n")] {
        for (status, answer) in ask(client, secret).await {
            assert_eq!(status, 503, "{client}: {answer}");
            assert_eq!(answer["reason"], "permission_unavailable", "{answer}");
            let text = answer.to_string();
            assert!(!text.contains("secret") && !text.contains("eyJ"), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_section_that_cannot_work_is_told_with_its_cure() {
    let folder = tempfile::tempdir().expect("folder");
    let check = |permission: &str| {
        let file = folder.path().join("subzero.yaml");
        fs::write(&file, format!("permission: {permission}\n")).expect("write");
        let mut command = Command::new(env!("CARGO_BIN_EXE_subzero"));
        let output = command
            .arg("check-config")
            .arg(&file)
            .output()
            .expect("runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let (code, _) = check(&format!(
        "{{ openfga: {{ url: 'http://127.0.0.1:1', store_id: {id} }} }}"
    ));
    assert_eq!(code, Some(0), "nobody is asked");
    for (permission, expected) in [
        (
            "{ openfga: { url: nonsense } }",
            "permission.openfga.url: `nonsense` is not an address",
        ),
        (
            "{ openfga: { url: 'http://a' } }",
            "permission.openfga.store_id: is missing",
        ),
        (
            "{ openfga: { url: 'http://a', store_id: x } }",
            "permission.openfga.store_id: `x` is no id",
        ),
        (
            "{ openfga: { urls: a } }",
            "permission.openfga.urls: unknown field",
        ),
        (
            &format!(
                "{{ openfga: {{ url: 'http://a', store_id: {id}, credentials: {{ key_file: none }} }} }}"
            ),
            "permission.openfga.credentials.key_file: `",
        ),
        (
            &format!("{{ store_file: a, openfga: {{ url: 'http://a', store_id: {id} }} }}"),
            "permission.store_file: names a second place",
        ),
    ] {
        let (code, told) = check(permission);
        assert_eq!(code, Some(64), "{permission}");
        assert!(
            told.contains(expected),
            "{told} does not contain {expected}"
        );
    }
}
