//! `subzero doctor`, against the real Envoy: the sidecar's configuration is in order, and every mistake
//! that its comments warn of is found.

mod senders;

use std::{fs, net::SocketAddr, path::Path};

use serde_json::Value;
use tokio::process::Command;

use crate::support::{
    envoy::{Envoy, Setup},
    keys::{self, Algorithm, Key},
    tools,
};

/// Nobody is behind it: nothing is sent through this Envoy.
const NOBODY: &str = "127.0.0.1:9";

async fn envoy(change: impl FnOnce(Setup) -> Setup) -> Envoy {
    let service: SocketAddr = NOBODY.parse().expect("an address");
    change(Setup::new(
        "sidecar.yaml",
        service,
        Path::new("/tmp/nobody.sock"),
    ))
    .start()
    .await
}

/// The exit code and the findings as `[severity, place, what]`.
async fn examine(arguments: &[&str]) -> (i32, Vec<[String; 3]>) {
    let output = Command::new(env!("CARGO_BIN_EXE_subzero"))
        .args(["doctor", "--json"])
        .args(arguments)
        .output()
        .await
        .expect("the built binary");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let said: Value = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr))
    });
    let found = said["findings"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|finding| {
            ["severity", "place", "what"].map(|key| finding[key].as_str().expect("text").to_owned())
        });
    (output.status.code().expect("an exit code"), found.collect())
}

async fn examine_admin(envoy: &Envoy) -> (i32, Vec<[String; 3]>) {
    examine(&[&format!("http://{}", envoy.admin)]).await
}

fn says(found: &[[String; 3]], severity: &str, words: &str) -> bool {
    found
        .iter()
        .any(|[how, _, what]| how == severity && what.contains(words))
}

#[tokio::test]
async fn the_sidecar_is_in_order() {
    let (code, found) = examine_admin(&envoy(|setup| setup).await).await;
    assert!(found.iter().all(|[how, ..]| how == "good"), "{found:#?}");
    assert!(says(&found, "good", "asks"), "{found:#?}");
    assert_eq!(code, 0);
}

#[tokio::test]
async fn a_file_is_read_as_the_admin_address_is() {
    let path = tools::root().join("envoy/raw/sidecar.yaml");
    let (code, found) = examine(&[path.to_str().expect("UTF-8")]).await;
    assert!(says(&found, "good", "asks"), "{found:#?}");
    assert_eq!(code, 0);
}

#[tokio::test]
async fn what_lets_requests_pass_or_cuts_them_is_wrong() {
    let cases = [
        (
            "failure_mode_allow: false",
            "failure_mode_allow: true",
            "everything passes",
        ),
        (
            "pack_as_bytes: true",
            "pack_as_bytes: false",
            "replaces what is no UTF-8",
        ),
        (
            "- exact: authorization",
            "- exact: x-else",
            "never sees a token",
        ),
        (
            "- exact: content-encoding",
            "- exact: x-else",
            "leaves `content-encoding` out",
        ),
        (
            "- prefix: x_subzero",
            "- exact: x-else",
            "x_subzero_risk, x_subzero_findings, x_subzero_reason are not:",
        ),
    ];
    for (from, to, words) in cases {
        let (code, found) = examine_admin(&envoy(|setup| setup.with(from, to)).await).await;
        assert!(says(&found, "wrong", words), "{to}: {found:#?}");
        assert_eq!(code, 1, "{to}");
    }
}

#[tokio::test]
async fn what_may_be_meant_is_only_shown() {
    let cases = [
        ("timeout: 0.5s\n", "", "waits 200 ms"),
        (
            "validate_mutations: true",
            "validate_mutations: false",
            "`validate_mutations` is off",
        ),
        (
            "encode_raw_headers: true",
            "encode_raw_headers: false",
            "`encode_raw_headers` is off",
        ),
        (
            "use_remote_address: true",
            "use_remote_address: false",
            "taken from whoever connects",
        ),
        (
            "status_on_error: { code: ServiceUnavailable }",
            "",
            "looks like",
        ),
        (
            "check_settings: { disable_request_body_buffering: true }",
            "disabled: true",
            "nothing is asked here",
        ),
    ];
    for (from, to, words) in cases {
        let (code, found) = examine_admin(&envoy(|setup| setup.with(from, to)).await).await;
        assert!(says(&found, "look", words), "{from}: {found:#?}");
        assert_eq!(code, 0, "{from}");
    }
}

#[tokio::test]
async fn an_envoy_that_asks_nobody_is_wrong() {
    let folder = tempfile::tempdir().expect("make a folder");
    let path = folder.path().join("envoy.yaml");
    let text = fs::read_to_string(tools::root().join("envoy/raw/sidecar.yaml")).expect("is there");
    let text = text.replace(
        "filters.http.ext_authz.v3.ExtAuthz\n",
        "filters.http.cors.v3.Cors\n",
    );
    fs::write(&path, text).expect("write a file");
    let (code, found) = examine(&[path.to_str().expect("UTF-8")]).await;
    assert!(
        says(&found, "wrong", "nothing is asked about"),
        "{found:#?}"
    );
    assert_eq!(code, 1);
}

#[tokio::test]
async fn envoys_and_subzeros_configuration_are_compared() {
    let folder = tempfile::tempdir().expect("make a folder");
    let key = Key::generate(Algorithm::Es256, "k");
    fs::write(
        folder.path().join("keys.json"),
        keys::jwks(&[&key]).to_string(),
    )
    .expect("write a file");
    let config = "screening: { max_body: 32KiB, max_text: 64KiB }
identity:
  issuers:
    good: { issuer: 'https://good.example/', jwks_file: keys.json, audiences: any }
    gone: { issuer: 'http://127.0.0.1:9/', audiences: any, allow_private_addresses: true }
routes:
  - { name: chat, match: { path: /v1/messages }, public: true, screening: { injection: deny } }
";
    let path = folder.path().join("subzero.yaml");
    fs::write(&path, config).expect("write a file");
    let path = path.to_str().expect("UTF-8");

    let sidecar = tools::root().join("envoy/raw/sidecar.yaml");
    let (code, found) = examine(&[sidecar.to_str().expect("UTF-8"), "--config", path]).await;
    assert!(
        says(
            &found,
            "wrong",
            "65536 bytes and `screening.max_body` is 32768"
        ),
        "{found:#?}"
    );
    assert!(
        says(&found, "wrong", "no keys, so its tokens are answered 503"),
        "{found:#?}"
    );
    assert!(says(&found, "good", "keys: 1"), "{found:#?}");
    assert_eq!(code, 1);

    let bodiless = envoy(|setup| {
        let from = "with_request_body:";
        setup
            .with(from, "# with_request_body:")
            .with("max_request_bytes: 65536", "")
            .with("allow_partial_message: true", "")
            .with("pack_as_bytes: true", "")
    })
    .await;
    let admin = format!("http://{}", bodiless.admin);
    let (_, found) = examine(&[&admin, "--config", path]).await;
    assert!(
        says(&found, "wrong", "`chat`): they answer 400"),
        "{found:#?}"
    );
}

#[tokio::test]
async fn what_is_no_envoy_is_a_usage_error() {
    for from in ["http://127.0.0.1:9", "/no/such/file", "Cargo.toml"] {
        let output = Command::new(env!("CARGO_BIN_EXE_subzero"))
            .args(["doctor", from])
            .current_dir(tools::root())
            .output()
            .await
            .expect("the built binary");
        let said = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(64), "{from}: {said}");
        assert!(said.contains(from), "{from}: {said}");
    }
}
