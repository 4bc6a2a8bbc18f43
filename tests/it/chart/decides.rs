//! The pod of `helm test`, without a cluster: its commands, against a real Subzero that runs the rendered
//! configuration.

use std::{fs, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use super::{configuration, files, name, objects, of_kind, rendered};
use crate::{
    support::{subzero::Setup, tls::Authority},
    world::data,
};

/// What the pod finds under /etc/subzero, in a folder: the configuration with its paths changed, and the
/// files that config maps and secrets of the user's would be.
pub(super) fn laid_out(objects: &[Value]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path().to_str().expect("UTF-8");
    let config = configuration(objects)
        .replace("/etc/subzero", at)
        .replace("/var/log/subzero", at);
    let write = |path: &str, text: &str| {
        let path = Path::new(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    };
    write(&format!("{at}/config/subzero.yaml"), &config);
    let parsed: Value = serde_saphyr::from_str(&config).expect("YAML");
    if let Some(path) = parsed["permission"]["store_file"].as_str() {
        let inline = of_kind(objects, "ConfigMap").into_iter().find_map(|map| {
            let file = Path::new(path).file_name()?.to_str()?;
            map["data"][file].as_str().map(str::to_owned)
        });
        write(path, &inline.unwrap_or_else(|| data("store.fga.yaml")));
    }
    if let Some(path) = parsed["api"]["keys_file"].as_str() {
        let minted = Command::new(env!("CARGO_BIN_EXE_subzero"))
            .args(["key", "ci", "--scopes", "read"])
            .output()
            .expect("runs");
        write(path, &String::from_utf8_lossy(&minted.stdout));
    }
    for secret in [
        "openfga/client-secret",
        "openfga/key",
        "partner/client-secret",
        "redis/key",
        "redis/password",
    ] {
        write(&format!("{at}/secrets/{secret}"), "sixteen-bytes-and-more");
    }
    let authority = Authority::new();
    let (certificate, key) = authority.server();
    for (name, text) in [
        ("tls.crt", &certificate),
        ("tls.key", &key),
        ("ca.crt", &authority.pem()),
    ] {
        write(&format!("{at}/secrets/api-tls/{name}"), text);
    }
    folder
}

/// The rendered configuration without its `listen`, which the harness writes.
fn without_listen(folder: &Path) -> String {
    let text = fs::read_to_string(folder.join("config/subzero.yaml")).expect("read");
    let mut config: Value = serde_saphyr::from_str(&text).expect("YAML");
    config.as_object_mut().expect("a map").remove("listen");
    // Each value as JSON, which is YAML; the keys as a map that `listen` can stand before.
    let lines = config.as_object().expect("a map").iter();
    let lines: Vec<String> = lines
        .map(|(key, value)| format!("{key}: {value}\n"))
        .collect();
    lines.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_pod_proves_an_allow_and_a_deny() {
    let mut asked = 0;
    for file in files("ci") {
        let objects = objects(&rendered(&file));
        let Some(pod) = of_kind(&objects, "Pod").into_iter().next() else {
            continue;
        };
        let folder = laid_out(&objects);
        let subzero = Setup::new(
            env!("CARGO_BIN_EXE_subzero"),
            &without_listen(folder.path()),
        )
        .start()
        .await;
        let address = format!("http://{}", subzero.grpc);
        for container in pod["spec"]["containers"].as_array().expect("containers") {
            let arguments = container["args"].as_array().expect("arguments");
            let arguments = arguments.iter().map(|word| {
                let word = word.as_str().expect("a word");
                if word.starts_with("http://") {
                    &address
                } else {
                    word
                }
            });
            let output = Command::new(env!("CARGO_BIN_EXE_subzero"))
                .args(arguments)
                .output()
                .expect("runs");
            let what = format!("{} {}", name(&file), container["name"]);
            assert!(output.status.success(), "{what}: {}", super::texts(&output));
            let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            assert_eq!(said["allowed"], container["name"] == "allow", "{what}");
            asked += 1;
        }
    }
    assert!(asked >= 12, "{asked}");
}

#[test]
fn the_test_pod_asks_where_the_service_is() {
    let objects = objects(&rendered(&super::chart().join("ci/dual-stack-values.yaml")));
    let service = of_kind(&objects, "Service")[0];
    let pod = of_kind(&objects, "Pod")[0];
    let address = format!(
        "http://{}.edge.svc.cluster.local:{}",
        service["metadata"]["name"].as_str().expect("a name"),
        service["spec"]["ports"][0]["port"]
    );
    for container in pod["spec"]["containers"].as_array().expect("containers") {
        let arguments = container["args"].as_array().expect("arguments");
        assert!(
            arguments.contains(&Value::from(address.clone())),
            "{arguments:?}"
        );
    }
    // The Service must not take it for one that answers.
    let selector = service["spec"]["selector"].as_object().expect("labels");
    let labels = pod["metadata"]["labels"].as_object().expect("labels");
    assert!(
        selector
            .iter()
            .any(|(key, value)| labels.get(key) != Some(value))
    );
}
