//! TLS on the JSON door: who is let in by certificate, and certificates that change while running.

use std::{fs, process::Command};

use serde_json::{Value, json};

use super::{
    keys::{mint, until_logged},
    local,
};
use crate::{
    support::{
        client::{Request, Response},
        subzero::{Setup, Subzero},
        tls::{Authority, Identity},
    },
    world::{Keys, data, subzero},
};

const READER: &str = "spiffe://example/reader";

fn read() -> Request {
    let question = json!({"user": "user:alice", "relation": "can_view", "object": "document:own"});
    Request::post("/authz/check", &question)
}

fn batch() -> Request {
    Request::post("/hash", &json!({"items": ["abc"]}))
}

/// With a server certificate of `authority`, and `more` under `api:`.
fn with(authority: &Authority, more: &Value, tls: &Value) -> Setup {
    let (certificate, key) = authority.server();
    let mut api = json!({"tls": {"certificate_file": "tls.crt", "key_file": "tls.key"}});
    for (name, value) in more.as_object().expect("fields") {
        api[name] = value.clone();
    }
    for (name, value) in tls.as_object().expect("fields") {
        api["tls"][name] = value.clone();
    }
    let config = format!("{}api: {api}\n", data("subzero.yaml"));
    subzero(&config, &Keys::generate())
        .file("tls.crt", certificate)
        .file("tls.key", key)
        .file("ca.crt", authority.pem())
}

fn callers() -> Value {
    json!({
        "client_ca_file": "ca.crt",
        "clients": [{"name": READER, "scopes": ["read"]}, {"name": "spiffe://example/other", "scopes": ["revoke"]}],
    })
}

async fn status(
    running: &Subzero,
    authority: &Authority,
    identity: Option<&Identity>,
    request: Request,
) -> Option<u16> {
    let request = local(request);
    let answer = request.send_tls(running.http, authority, identity).await;
    answer.ok().map(|answer: Response| answer.status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_may_do_what_the_name_in_its_certificate_may() {
    let authority = Authority::new();
    let running = with(&authority, &json!({}), &callers()).start().await;
    let reader = authority.caller("reader", &[READER]);
    let ask = async |identity, request| status(&running, &authority, identity, request).await;
    assert_eq!(ask(Some(&reader), read()).await, Some(200));
    // No page can show a certificate for another name than the listener's.
    let named = read().header("host", "subzero.example");
    let answer = named.send_tls(running.http, &authority, Some(&reader));
    assert_eq!(answer.await.expect("an answer").status, 200);

    let detail = async |identity: &Identity, request: Request| {
        let request = local(request);
        let answer = request.send_tls(running.http, &authority, Some(identity));
        let answer = answer.await.expect("an answer");
        assert_eq!(answer.status, 403);
        answer.json()["detail"]
            .as_str()
            .expect("a detail")
            .to_owned()
    };
    let told = detail(&reader, batch()).await;
    assert_eq!(
        told,
        format!("the caller `{READER}` lacks the scope `batch`")
    );
    let both = authority.caller("both", &["spiffe://example/other", READER]);
    assert_eq!(
        ask(Some(&both), read()).await,
        Some(200),
        "by any of its names"
    );
    let stranger = authority.caller("stranger", &["spiffe://example/reader/x"]);
    let told = detail(&stranger, read()).await;
    assert!(told.contains("api.tls.clients"), "{told}");
    // A common name is no name.
    let told = detail(&authority.caller(READER, &[]), read()).await;
    assert!(told.contains("without a URI or DNS name"), "{told}");

    // Nothing is answered without a certificate, with another authority's, or without TLS.
    let forged = Authority::new().caller("reader", &[READER]);
    assert_eq!(ask(None, read()).await, None);
    assert_eq!(ask(Some(&forged), read()).await, None);
    assert!(local(read()).try_send(running.http).await.is_err());
    assert_eq!(
        ask(Some(&reader), read()).await,
        Some(200),
        "and others go on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_counts_before_a_certificate() {
    let authority = Authority::new();
    let (worker, line) = mint("worker", "batch");
    let keys = json!({"keys_file": "callers.yaml"});
    let running = with(&authority, &keys, &callers());
    let running = running.file("callers.yaml", line).start().await;
    let reader = authority.caller("reader", &[READER]);
    for (key, request, expected) in [
        (None, read(), 200),
        (None, batch(), 403),
        (Some(&*worker), batch(), 200),
        (Some(&*worker), read(), 403),
        (Some("sz_other"), read(), 401),
    ] {
        let request = match key {
            Some(key) => request.bearer(key),
            None => request,
        };
        let told = status(&running, &authority, Some(&reader), request).await;
        assert_eq!(told, Some(expected), "{key:?}");
    }
    let keyed = batch().bearer(&worker);
    assert_eq!(status(&running, &authority, None, keyed).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_client_authority_tls_changes_nothing_else() {
    let authority = Authority::new();
    let running = with(&authority, &json!({}), &json!({})).start().await;
    assert_eq!(status(&running, &authority, None, batch()).await, Some(200));
    let rebound = batch().header("host", "subzero.example");
    let answer = rebound.send_tls(running.http, &authority, None).await;
    assert_eq!(answer.expect("an answer").status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_certificate_is_picked_up_and_a_bad_one_is_not() {
    let (old, new) = (Authority::new(), Authority::new());
    let mut running = with(&old, &json!({}), &callers()).start().await;
    let (reader, stranger) = (old.caller("r", &[READER]), new.caller("r", &[READER]));
    let files = ["tls.crt", "tls.key", "ca.crt"];
    let [certificate, key, authority] = files.map(|name| running.dir().join(name));
    fs::write(&certificate, "nonsense").expect("write");
    until_logged(&mut running, "api certificates not reloaded").await;
    assert_eq!(
        status(&running, &old, Some(&reader), read()).await,
        Some(200)
    );

    let (chain, private) = new.server();
    fs::write(&key, &private).expect("write");
    fs::write(&certificate, chain).expect("write");
    until_logged(&mut running, "api certificates reloaded").await;
    assert_eq!(status(&running, &old, Some(&reader), read()).await, None);
    assert_eq!(
        status(&running, &new, Some(&reader), read()).await,
        Some(200)
    );
    assert_eq!(status(&running, &new, Some(&stranger), read()).await, None);

    fs::write(&authority, new.pem()).expect("write");
    let mut turned = false;
    for _ in 0..100 {
        turned = status(&running, &new, Some(&stranger), read()).await == Some(200);
        if turned {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(turned, "callers of the new authority are let in");
    assert_eq!(status(&running, &new, Some(&reader), read()).await, None);
    let log = running.process.stdout() + &running.process.stderr();
    let secret = private.lines().nth(1).expect("a line of the key");
    assert!(!log.contains(secret), "the key is not logged");
}

#[test]
fn mistakes_are_told_and_a_certificate_opens_a_listener_to_others() {
    let authority = Authority::new();
    let folder = tempfile::tempdir().expect("folder");
    let (certificate, key) = authority.server();
    let (_, other) = authority.server();
    for (name, content) in [
        ("tls.crt", &certificate),
        ("tls.key", &key),
        ("other.key", &other),
        ("ca.crt", &authority.pem()),
    ] {
        fs::write(folder.path().join(name), content).expect("write");
    }
    let check = |tls: &str| {
        let file = folder.path().join("subzero.yaml");
        let text = format!("listen: {{ http: '0.0.0.0:9192' }}\napi: {{ tls: {{ {tls} }} }}\n");
        fs::write(&file, text).expect("write");
        let output = Command::new(env!("CARGO_BIN_EXE_subzero"))
            .arg("check-config")
            .arg(&file)
            .output()
            .expect("runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), told)
    };
    let server = "certificate_file: tls.crt, key_file: tls.key";
    let clients = "clients: [{ name: a, scopes: [read] }]";
    let good = format!("{server}, client_ca_file: ca.crt, {clients}");
    assert_eq!(check(&good), (Some(0), String::new()));
    for (tls, says) in [
        (
            server.to_owned(),
            "listen.http: `0.0.0.0:9192` is open to others",
        ),
        (
            "key_file: tls.key".to_owned(),
            "api.tls.key_file: means nothing without",
        ),
        (
            "client_ca_file: ca.crt".to_owned(),
            "api.tls.client_ca_file: means nothing without",
        ),
        (
            format!("{server}, {clients}"),
            "api.tls.clients: means nothing without",
        ),
        (
            format!("{server}, client_ca_file: ca.crt"),
            "api.tls.clients: names nobody",
        ),
        (
            good.replace("tls.key", "other.key"),
            "is not the key of `api.tls.certificate_file`",
        ),
        (
            good.replace("tls.key", "tls.crt"),
            "tls.crt: holds no private key",
        ),
        (
            good.replace("ca.crt", "tls.key"),
            "tls.key: holds no certificate",
        ),
        (
            good.replace("ca.crt", "none.crt"),
            "none.crt: cannot be read",
        ),
        (good.replace("[read]", "[fly]"), "fly"),
        (
            good.replace("[read]", "[]"),
            "api.tls.clients[0].scopes: names none",
        ),
        (
            good.replace("name: a", "name: ''"),
            "api.tls.clients[0].name: is empty",
        ),
    ] {
        let (code, told) = check(&tls);
        assert!(code == Some(64) && told.contains(says), "{tls}: {told}");
    }
}
