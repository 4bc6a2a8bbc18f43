//! `envoy/istio`, `envoy/gateway` and `envoy/raw`, and what the two have to agree on with Subzero and with each other.
//!
//! Objects are checked against their own schemas; the mesh's configuration is read by Istio's own message, where
//! an unknown field is an error.

use std::{
    fs,
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

use super::{VERSIONS, conforms, objects, of_kind};
use crate::support::tools;

fn envoy(file: &str) -> PathBuf {
    tools::root().join("envoy").join(file)
}

fn text(file: &str) -> String {
    fs::read_to_string(envoy(file)).unwrap_or_else(|error| panic!("read {file}: {error}"))
}

/// What Istio says of a mesh configuration: nothing when it is good.
pub(super) fn wrong_for_istio(configuration: &str) -> String {
    let mut child = Command::new(tools::chart("meshconfig"))
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(configuration.as_bytes()).expect("written");
    drop(stdin);
    let output = child.wait_with_output().expect("ends");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.success(), said.is_empty(), "{said}");
    said
}

/// What every question about a request must have, Istio's way.
pub(super) fn asks_safely(provider: &Value, max_body: u64) {
    let ours = &provider["envoyExtAuthzGrpc"];
    assert_eq!(ours["failOpen"], false, "{provider}");
    assert_eq!(ours["statusOnError"], "503", "{provider}");
    assert_eq!(ours["timeout"], "0.5s", "{provider}");
    let body = &ours["includeRequestBodyInCheck"];
    if !body.is_null() {
        assert_eq!(body["maxRequestBytes"], max_body, "{provider}");
        assert_eq!(body["packAsBytes"], true, "{provider}");
        assert_eq!(body["allowPartialMessage"], true, "{provider}");
    }
}

fn default_max_body() -> u64 {
    let defaults: Value = serde_saphyr::from_str(subzero::config::DEFAULTS).expect("YAML");
    let text = defaults["screening"]["max_body"].as_str().expect("a size");
    let bytes: subzero::units::Bytes = text.parse().expect("a size");
    u64::try_from(bytes.get()).expect("a small number")
}

#[test]
fn every_object_is_what_istio_and_envoy_gateway_take_in() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in [
        "istio/central.yaml",
        "istio/sidecar.yaml",
        "gateway/security-policy.yaml",
    ] {
        let to = folder.path().join(file.replace('/', "-"));
        fs::write(to, text(file)).expect("written");
    }
    conforms(folder.path(), VERSIONS[0]);
}

#[test]
fn the_mesh_s_configuration_is_read_by_istio_s_own_message() {
    let configuration = text("istio/mesh-config.yaml");
    assert_eq!(wrong_for_istio(&configuration), "");
    let misspelt = configuration.replace("failOpen", "failsOpen");
    assert!(wrong_for_istio(&misspelt).contains("failsOpen"));
}

#[test]
fn every_policy_names_a_provider_that_there_is_and_every_provider_a_place() {
    let mesh: Value = serde_saphyr::from_str(&text("istio/mesh-config.yaml")).expect("YAML");
    let providers = mesh["extensionProviders"].as_array().expect("providers");
    let names: Vec<&Value> = providers.iter().map(|provider| &provider["name"]).collect();
    let (central, sidecar) = (
        objects(&text("istio/central.yaml")),
        objects(&text("istio/sidecar.yaml")),
    );
    let mut used = Vec::new();
    for policy in [&central, &sidecar]
        .into_iter()
        .flat_map(|all| of_kind(all, "AuthorizationPolicy"))
    {
        assert_eq!(policy["spec"]["action"], "CUSTOM");
        let name = &policy["spec"]["provider"]["name"];
        assert!(names.contains(&name), "{name} is no provider");
        used.push(name);
    }
    for provider in providers {
        asks_safely(provider, default_max_body());
        assert!(
            used.contains(&&provider["name"]),
            "{provider} is never used"
        );
    }
    let entry = of_kind(&sidecar, "ServiceEntry")[0];
    let asked = &providers[2]["envoyExtAuthzGrpc"];
    assert_eq!(entry["spec"]["hosts"][0], asked["service"]);
    assert_eq!(entry["spec"]["ports"][0]["number"], asked["port"]);
    assert_eq!(entry["spec"]["endpoints"][0]["address"], "127.0.0.1");
}

#[test]
fn envoy_gateway_asks_safely_and_may() {
    let all = objects(&text("gateway/security-policy.yaml"));
    let grant = of_kind(&all, "ReferenceGrant")[0];
    for policy in of_kind(&all, "SecurityPolicy") {
        let asks = &policy["spec"]["extAuth"];
        assert_eq!(asks["failOpen"], false);
        assert_eq!(asks["statusOnError"], 503);
        assert_eq!(asks["timeout"], "500ms");
        let body = &asks["bodyToExtAuth"]["maxRequestBytes"];
        assert!(body.is_null() || *body == default_max_body());
        // What a client forges has to reach Subzero, or it cannot remove it.
        let sent = asks["headersToExtAuth"].as_array().expect("headers");
        for ours in ["subject", "decision", "risk", "findings", "reason"] {
            assert!(
                sent.contains(&Value::from(format!("x-subzero-{ours}"))),
                "{ours}"
            );
        }
        let to = &asks["grpc"]["backendRefs"][0];
        assert_eq!(to["name"], grant["spec"]["to"][0]["name"]);
        assert_eq!(to["namespace"], grant["metadata"]["namespace"]);
        assert_eq!(
            grant["spec"]["from"][0]["namespace"],
            policy["metadata"]["namespace"]
        );
    }
}

/// `envoy/raw`, by name.
fn raw() -> Vec<(String, Value)> {
    let entries = fs::read_dir(envoy("raw")).expect("the folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("UTF-8"))
        .collect();
    names.sort();
    let read = |name: String| {
        let value = serde_saphyr::from_str(&text(&format!("raw/{name}"))).expect("YAML");
        (name, value)
    };
    names.into_iter().map(read).collect()
}

#[test]
fn every_envoy_configuration_here_is_one_that_envoy_takes_in() {
    let files = raw();
    assert!(files.len() >= 3, "{} files", files.len());
    for (file, _) in files {
        let output = Command::new(tools::envoy())
            .args(["--mode", "validate", "--log-level", "warn", "-c"])
            .arg(envoy("raw").join(&file))
            .output()
            .expect("runs");
        assert!(output.status.success(), "{file}: {}", super::texts(&output));
    }
}

#[test]
fn every_envoy_configuration_asks_safely_and_holds_no_stream_up() {
    for (file, config) in raw() {
        let filters = config.pointer("/static_resources/listeners/0/filter_chains/0/filters/0");
        let manager = &filters.expect("a filter")["typed_config"];
        let http = manager["http_filters"].as_array();
        // Over TCP the filter stands alone, and there are no bodies.
        let asks = http.map_or(manager, |all| {
            let ours = all
                .iter()
                .find(|filter| filter["name"] == "envoy.filters.http.ext_authz");
            &ours.unwrap_or_else(|| panic!("{file}: asks nobody"))["typed_config"]
        });
        assert_eq!(asks["failure_mode_allow"], false, "{file}");
        let timeouts = ["/grpc_service/timeout", "/http_service/server_uri/timeout"];
        let timeout = timeouts.iter().find_map(|place| asks.pointer(place));
        assert_eq!(timeout, Some(&Value::from("0.5s")), "{file}");
        if http.is_none() {
            continue;
        }
        let body = &asks["with_request_body"];
        assert_eq!(body["max_request_bytes"], default_max_body(), "{file}");
        assert_eq!(body["pack_as_bytes"], true, "{file}");
        // Upgrades, gRPC streams and uploads take the last route: no body is waited for there.
        let routes = manager.pointer("/route_config/virtual_hosts/0/routes");
        let last = routes.and_then(Value::as_array).and_then(|all| all.last());
        let last = last.unwrap_or_else(|| panic!("{file}: no routes"));
        assert_eq!(last["match"]["prefix"], "/", "{file}");
        let off = "/typed_per_filter_config/envoy.filters.http.ext_authz/check_settings/disable_request_body_buffering";
        assert_eq!(last.pointer(off), Some(&Value::Bool(true)), "{file}");
    }
}
