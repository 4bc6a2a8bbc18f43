//! Many tokens at once: `subzero verify` and `POST /auth/verify/batch`.

use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::{
    support::{client::Request, oidc::Oidc},
    world::{self, AUDIENCE, ISSUER, Keys, token},
};

/// A folder with a configuration of one issuer with a key file.
fn folder(keys: &Keys) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| {
        fs::write(folder.path().join(name), text).expect("written");
    };
    write("keys.json", keys.jwks());
    write("subzero.yaml", static_config());
    write("none.yaml", "routes: []\n".to_owned());
    folder
}

fn static_config() -> String {
    format!(
        "identity: {{ issuers: {{ main: {{ issuer: '{ISSUER}', jwks_file: keys.json, audiences: ['{AUDIENCE}'] }} }} }}\n"
    )
}

/// Runs `subzero verify` in `folder`: exit code, output as JSON lines, standard error.
fn verify(folder: &std::path::Path, arguments: &[&str], input: &str) -> (i32, Vec<Value>, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_subzero"))
        .arg("verify")
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the built binary");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writing = std::thread::spawn(move || {
        // What does not read its input may be gone before all is written.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("it ends");
    writing.join().expect("written");
    let lines = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let said = String::from_utf8(output.stderr).expect("UTF-8");
    (output.status.code().expect("a code"), lines, said)
}

fn valid(index: usize, subject: &str) -> Value {
    json!({"index": index, "valid": true, "subject": subject, "reason": "ok"})
}

fn refused(index: usize, reason: &str) -> Value {
    json!({"index": index, "valid": false, "subject": null, "reason": reason})
}

#[test]
fn tokens_are_answered_in_order_and_summed_up() {
    let keys = Keys::generate();
    let folder = folder(&keys);
    let lines = [
        token("alice").sign(&keys.rs256),
        String::new(),
        token("bob").sign(&keys.eddsa),
        token("alice").expires_in(-100).sign(&keys.rs256),
        "nonsense".to_owned(),
        "x".repeat(100_000),
        " ".repeat(100_000),
        token("alice").unsigned(),
        format!("  {}\r", token("carol").sign(&keys.es256)),
    ];
    let (code, answers, said) = verify(
        folder.path(),
        &["--config", "subzero.yaml"],
        &lines.join("\n"),
    );
    let expected = [
        valid(0, "alice"),
        valid(1, "bob"),
        refused(2, "token_expired"),
        refused(3, "token_malformed"),
        refused(4, "token_malformed"),
        refused(5, "token_malformed"),
        refused(6, "token_algorithm"),
        valid(7, "carol"),
    ];
    assert_eq!((code, &answers[..]), (1, &expected[..]), "{said}");
    let summary =
        "8 tokens: 3 valid, 5 not (token_algorithm 1, token_expired 1, token_malformed 3); ";
    assert!(said.starts_with(summary), "{said}");
    assert!(!said.contains(&lines[0]), "no token is printed");
}

#[test]
fn more_tokens_than_fit_into_a_slice_are_all_answered_from_a_file() {
    let keys = Keys::generate();
    let folder = folder(&keys);
    let tokens = ["alice", "bob"].map(|subject| token(subject).sign(&keys.rs256));
    let lines: Vec<&str> = (0..20_001).map(|at| tokens[at % 2].as_str()).collect();
    fs::write(folder.path().join("tokens"), lines.join("\n")).expect("written");
    let (code, answers, said) = verify(folder.path(), &["tokens", "--config", "subzero.yaml"], "");
    assert_eq!((code, answers.len()), (0, 20_001), "{said}");
    for (index, answer) in answers.into_iter().enumerate() {
        assert_eq!(answer, valid(index, ["alice", "bob"][index % 2]));
    }
    assert!(
        said.starts_with("20001 tokens: 20001 valid, 0 not; "),
        "{said}"
    );
}

#[test]
fn wrong_usage_ends_with_64_and_the_cure() {
    let folder = folder(&Keys::generate());
    for (arguments, cure) in [
        (&[][..], "--config"),
        (
            &["--config", "missing.yaml"],
            "missing.yaml: cannot be read",
        ),
        (
            &["--config", "none.yaml"],
            "none.yaml: identity.issuers: names none",
        ),
        (
            &["missing", "--config", "subzero.yaml"],
            "missing: cannot be read",
        ),
    ] {
        let (code, answers, said) = verify(folder.path(), arguments, "");
        assert_eq!((code, answers.len()), (64, 0), "{arguments:?}");
        assert!(said.contains(cure), "{said}");
    }
}

fn provider_config(provider: &Oidc) -> String {
    format!(
        "identity: {{ issuers: {{ provider: {{ issuer: '{}', allow_private_addresses: true, audiences: any }} }} }}\n",
        provider.issuer
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_certified_provider_are_fetched_first_and_its_absence_is_told() {
    let mut provider = Oidc::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let config = provider_config(&provider);
    fs::write(folder.path().join("subzero.yaml"), config).expect("written");
    let lines = provider.token("alice", "docs").await + "\n";
    let arguments = ["--config", "subzero.yaml"];
    let (code, answers, said) = verify(folder.path(), &arguments, &lines);
    assert_eq!(
        (code, &answers[..]),
        (0, &[valid(0, "alice")][..]),
        "{said}"
    );
    provider.process.kill();
    let (code, answers, said) = verify(folder.path(), &arguments, &lines);
    let unavailable = refused(0, "keys_unavailable");
    assert_eq!((code, &answers[..]), (1, &[unavailable][..]), "{said}");
    assert!(
        said.starts_with("subzero: issuer `provider` cannot be asked"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_answers_a_batch_in_order_and_says_how_it_ran() {
    let keys = Keys::generate();
    let subzero = world::subzero(&static_config(), &keys).start().await;
    let ask = async |body: Value| {
        Request::post("/auth/verify/batch", &body)
            .header("host", "localhost")
            .send(subzero.http)
            .await
    };
    let tokens = [
        keys.token("alice"),
        "nonsense".to_owned(),
        token("bob").sign(&keys.es256),
        token("bob").expires_in(-100).sign(&keys.es256),
    ];
    let answer = ask(json!({"tokens": tokens})).await;
    let results = json!([
        {"valid": true, "subject": "alice", "reason": "ok"},
        {"valid": false, "subject": null, "reason": "token_malformed"},
        {"valid": true, "subject": "bob", "reason": "ok"},
        {"valid": false, "subject": null, "reason": "token_expired"},
    ]);
    let body = answer.json();
    assert_eq!((answer.status, &body["results"]), (200, &results), "{body}");
    let (dispatch, bytes) = (
        &body["dispatch"],
        tokens.iter().map(String::len).sum::<usize>(),
    );
    assert_eq!(dispatch["operation"], "jwt");
    assert_eq!(
        (&dispatch["items"], &dispatch["bytes"]),
        (&json!(4), &json!(bytes))
    );

    let named = ask(json!({"tokens": tokens, "issuers": ["main"]})).await;
    assert_eq!(named.json()["results"], results);
    for (body, status, detail) in [
        (
            json!({"tokens": [], "issuers": ["nobody"]}),
            400,
            "issuers: `nobody` is no issuer",
        ),
        (json!({"tokens": [1]}), 400, "tokens[0]: "),
        (json!({}), 400, "missing field `tokens`"),
        (json!({"tokens": [], "more": 1}), 400, "more: unknown field"),
        (
            json!({"tokens": vec![""; 100_001]}),
            413,
            "tokens: 100001 items are more than the 100000",
        ),
    ] {
        let answer = ask(body).await;
        let problem = answer.json();
        assert_eq!(answer.status, status, "{problem}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json")
        );
        let said = problem["detail"].as_str().unwrap_or_default();
        assert!(said.contains(detail), "{said}");
    }
}
