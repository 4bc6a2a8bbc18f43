//! The commands that work on store files, through the built binary.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

const STORE: &str = "model: |
  model
    schema 1.1
  type user
  type doc
    relations
      define viewer: [user, user with early]
  condition early(hour: int) {
    hour < 12
  }
tuples:
  - { user: user:anne, relation: viewer, object: doc:1 }
  - { user: user:bert, relation: viewer, object: doc:1, condition: { name: early } }
tests:
  - name: who reads
    check:
      - user: user:anne
        object: doc:1
        assertions: { viewer: true }
      - user: user:bert
        object: doc:1
        context: { hour: 9 }
        assertions: { viewer: true }
    list_objects:
      - user: user:anne
        type: doc
        assertions: { viewer: [doc:1] }
    list_users:
      - object: doc:1
        user_filter: [{ type: user }]
        context: { hour: 13 }
        assertions: { viewer: { users: [user:anne] } }
";

/// Runs `subzero` in `folder` with `input`.
fn subzero(folder: &Path, arguments: &[&str], input: &str) -> (Output, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_subzero"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the built binary");
    let mut stdin = child.stdin.take().expect("piped");
    // What does not read its input may be gone before all is written.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    let out = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    let err = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    (output, out, err)
}

fn folder(store: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("store.fga.yaml"), store).expect("written");
    folder
}

#[test]
fn model_test_ends_with_0_when_all_holds() {
    let folder = folder(STORE);
    let (output, out, err) = subzero(folder.path(), &["model", "test", "store.fga.yaml"], "");
    assert_eq!(output.status.code(), Some(0), "{out}{err}");
    assert_eq!(
        out,
        "pass  who reads: checks 2/2, list_objects 1/1, list_users 1/1\n\
         1 of 1 tests passed; checks 2/2, list_objects 1/1, list_users 1/1\n"
    );
}

#[test]
fn model_test_ends_with_1_when_something_does_not_hold() {
    let folder = folder(&STORE.replace("hour: 9", "hour: 15"));
    let (output, out, _) = subzero(folder.path(), &["model", "test", "store.fga.yaml"], "");
    assert_eq!(output.status.code(), Some(1), "{out}");
    assert!(out.contains("FAIL  who reads: checks 1/2"), "{out}");
    assert!(
        out.contains("check user:bert viewer doc:1: false, not true"),
        "{out}"
    );
    assert!(out.ends_with("0 of 1 tests passed; checks 1/2, list_objects 1/1, list_users 1/1\n"));
}

#[test]
fn model_test_ends_with_64_when_the_file_is_no_good() {
    let folder = folder(&STORE.replace("hour < 12", "minute < 12"));
    let (output, _, err) = subzero(folder.path(), &["model", "test", "store.fga.yaml"], "");
    assert_eq!(output.status.code(), Some(64), "{err}");
    assert!(
        err.starts_with("store.fga.yaml:8: condition `early`: "),
        "{err}"
    );
    let (output, _, err) = subzero(folder.path(), &["model", "test", "missing.yaml"], "");
    assert_eq!(output.status.code(), Some(64), "{err}");
    let (output, ..) = subzero(folder.path(), &["model", "test"], "");
    assert_eq!(output.status.code(), Some(64));
}

const QUESTIONS: &str = r#"{"user":"user:anne","relation":"viewer","object":"doc:1"}
{"user":"user:carl","relation":"viewer","object":"doc:1"}

{"user":"user:bert","relation":"viewer","object":"doc:1"}
{"user":"user:bert","relation":"viewer","object":"doc:1","context":{"hour":"9"}}
{"user":"user:anne","relation":"owner","object":"doc:1"}
{"user":"user:carl","relation":"viewer","object":"doc:2","contextual_tuples":[{"user":"user:carl","relation":"viewer","object":"doc:2"}]}
{"user":"user:carl","relation":"viewer","object":"doc:2","contextual_tuples":[{"user":"doc:1","relation":"viewer","object":"doc:2"}]}
nonsense
"#;

const ANSWERS: &str = r#"{"allowed":true}
{"allowed":false}
{"error":2000}
{"allowed":true}
{"error":2000}
{"allowed":true}
{"error":2027}
{"error":2000}
"#;

#[test]
fn permit_answers_line_by_line_from_input_or_file() {
    let folder = folder(STORE);
    let store = ["permit", "--store", "store.fga.yaml"];
    let (output, out, err) = subzero(folder.path(), &store, QUESTIONS);
    assert_eq!(
        (out.as_str(), output.status.code()),
        (ANSWERS, Some(1)),
        "{err}"
    );
    fs::write(folder.path().join("questions.jsonl"), QUESTIONS).expect("written");
    let from_file = [&store[..], &["questions.jsonl"]].concat();
    let (output, out, err) = subzero(folder.path(), &from_file, "");
    assert_eq!(
        (out.as_str(), output.status.code()),
        (ANSWERS, Some(1)),
        "{err}"
    );
}

#[test]
fn permit_ends_with_0_when_every_answer_is_yes() {
    let folder = folder(STORE);
    let store = ["permit", "--store", "store.fga.yaml"];
    let first = QUESTIONS.lines().next().expect("one");
    let (output, out, _) = subzero(folder.path(), &store, first);
    assert_eq!(
        (out.as_str(), output.status.code()),
        ("{\"allowed\":true}\n", Some(0))
    );
}

#[test]
fn permit_answers_an_endless_line_with_an_error_and_goes_on() {
    let folder = folder(STORE);
    let store = ["permit", "--store", "store.fga.yaml"];
    let first = QUESTIONS.lines().next().expect("one");
    let input = format!("{}\n{first}\n", "x".repeat(2_000_000));
    let (output, out, _) = subzero(folder.path(), &store, &input);
    assert_eq!(out, "{\"error\":2000}\n{\"allowed\":true}\n");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn permit_ends_with_64_without_a_good_store() {
    let folder = folder("model: nonsense\n");
    let (output, _, err) = subzero(folder.path(), &["permit", "--store", "store.fga.yaml"], "");
    assert_eq!(output.status.code(), Some(64), "{err}");
    assert!(err.starts_with("store.fga.yaml:1: "), "{err}");
    let (output, ..) = subzero(folder.path(), &["permit"], "");
    assert_eq!(output.status.code(), Some(64));
}
