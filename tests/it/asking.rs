//! `subzero ask` and `subzero health`, against a running Subzero.

use std::{
    fs,
    process::{Command, Output},
};

use serde_json::Value;

use crate::{
    support::ports,
    world::{Keys, data, subzero},
};

fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_subzero"))
        .args(arguments)
        .output()
        .expect("runs");
    let said = [stdout, stderr].concat();
    (status.code(), String::from_utf8(said).expect("UTF-8"))
}

#[tokio::test(flavor = "multi_thread")]
async fn one_question_gets_the_answer_that_envoy_would_get() {
    let keys = Keys::generate();
    let subzero = subzero(&data("subzero.yaml"), &keys).start().await;
    let to = format!("http://{}", subzero.grpc);
    let token = subzero.dir().join("token");
    fs::write(&token, format!("Bearer {}\n", keys.token("alice"))).expect("written");
    let header = format!("Authorization=@{}", token.display());
    let ask = |rest: &[&str]| {
        let mut arguments = vec!["ask", "--to", &to];
        arguments.extend_from_slice(rest);
        run(&arguments)
    };
    let (code, said) = ask(&["/healthz"]);
    assert_eq!(code, Some(0), "{said}");
    let answer: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(answer["allowed"], true);
    assert_eq!(answer["reason"], "public");
    let (code, said) = ask(&["/docs/own"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("token_missing") && said.contains("401"),
        "{said}"
    );
    for (arguments, expected) in [
        (&["/docs/own", "--expect", "denied"][..], 0),
        (&["/docs/own", "--expect", "token_missing"], 0),
        (&["/docs/own", "--expect", "allowed"], 1),
        (&["/docs/own", "--header", &header, "--expect", "ok"], 0),
        (&["/docs/own", "--header", &header, "--expect", "denied"], 1),
        (&["/healthz", "--method", "POST", "--expect", "no_route"], 0),
        (
            &["/x", "--host", "internal.example", "--expect", "public"],
            0,
        ),
        (&["/", "--expect", "nonsense"], 64),
        (&["/", "--context", "nonsense"], 64),
        (&["/", "--header", "a=@/nowhere"], 1),
    ] {
        let (code, said) = ask(arguments);
        assert_eq!(code, Some(expected), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn health_asks_both_doors() {
    let subzero = subzero(&data("subzero.yaml"), &Keys::generate())
        .start()
        .await;
    let grpc = format!("grpc://{}", subzero.grpc);
    assert_eq!(run(&["health", &grpc]), (Some(0), "serving\n".to_owned()));
    for page in ["healthz", "readyz"] {
        let url = format!("http://{}/{page}", subzero.admin);
        assert_eq!(run(&["health", &url]).0, Some(0), "{page}");
    }
}

#[test]
fn nobody_there_is_told_and_is_not_healthy() {
    let nobody = ports::local(ports::free());
    for arguments in [
        ["health", &format!("grpc://{nobody}")],
        ["health", &format!("http://{nobody}/readyz")],
        ["ask", &format!("--to=http://{nobody}")],
    ] {
        let (code, said) = run(&arguments);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&nobody.to_string()), "{said}");
    }
}
