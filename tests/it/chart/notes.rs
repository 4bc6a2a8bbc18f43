//! What the chart prints in the end, taken at its word: each snippet is given to what it is meant for.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use super::{
    VERSIONS, chart, configuration, conforms, files, helm_template, mesh, name, objects, of_kind,
    texts,
};
use crate::support::tools;

/// The chart with one more template, which shows the notes: `helm template` leaves them out.
fn with_shown_notes() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let copied = Command::new("cp")
        .args(["-r", chart().to_str().expect("UTF-8")])
        .arg(folder.path())
        .status()
        .expect("runs");
    assert!(copied.success());
    let root = folder.path().join("subzero");
    fs::copy(root.join("templates/NOTES.txt"), root.join("notes.txt")).expect("copied");
    fs::write(
        root.join("templates/shown.yaml"),
        "kind: Shown\nnotes: {{ tpl (.Files.Get \"notes.txt\") . | toJson }}\n",
    )
    .expect("written");
    folder
}

/// A value file's objects, and its notes by the word after `-----8<-----`.
struct Noted {
    objects: Vec<Value>,
    text: String,
}

impl Noted {
    fn of(chart: &Path, values: &Path) -> Self {
        let output = helm_template(chart, &["--values", values.to_str().expect("UTF-8")]);
        assert!(output.status.success(), "{}", texts(&output));
        let objects = objects(&String::from_utf8_lossy(&output.stdout));
        let text = of_kind(&objects, "Shown")[0]["notes"]
            .as_str()
            .expect("text");
        Self {
            text: text.to_owned(),
            objects,
        }
    }

    fn part(&self, title: &str) -> Option<&str> {
        let (_, rest) = self.text.split_once(&format!("-----8<----- {title}\n"))?;
        rest.split("\n-----8<-----").next()
    }

    fn config(&self) -> Value {
        serde_saphyr::from_str(configuration(&self.objects)).expect("YAML")
    }

    /// `screening.max_body` of this release, in bytes.
    fn max_body(&self) -> u64 {
        let config = self.config();
        let text = config["screening"]["max_body"].as_str().unwrap_or("64KiB");
        let bytes: subzero::units::Bytes = text.parse().expect("a size");
        u64::try_from(bytes.get()).expect("a small number")
    }

    /// The port on which this release listens for Envoy.
    fn port(&self) -> u64 {
        let config = self.config();
        let address = config["listen"]["grpc"][0].as_str().expect("an address");
        let (_, port) = address.rsplit_once(':').expect("a port");
        port.parse().expect("a number")
    }
}

#[test]
fn every_snippet_is_good_for_what_it_is_meant_for() {
    let copy = with_shown_notes();
    let root = copy.path().join("subzero");
    let folder = tempfile::tempdir().expect("a folder");
    for values in files("ci") {
        let noted = Noted::of(&root, &values);
        let place = name(&values);
        let is_sidecar = place.starts_with("sidecar");

        let istio = noted.part("Istio").expect("a part");
        let (configuration, rest) = istio.split_once("\n---\n").expect("two documents");
        assert_eq!(mesh::wrong_for_istio(configuration), "", "{place}");
        let configuration: Value = serde_saphyr::from_str(configuration).expect("YAML");
        let provider = &configuration["extensionProviders"][0];
        mesh::asks_safely(provider, noted.max_body());
        assert_eq!(
            provider["envoyExtAuthzGrpc"]["port"],
            noted.port(),
            "{place}"
        );
        let policies = objects(rest);
        let policy = of_kind(&policies, "AuthorizationPolicy")[0];
        assert_eq!(policy["spec"]["provider"]["name"], provider["name"]);
        assert_eq!(
            of_kind(&policies, "ServiceEntry").len(),
            usize::from(is_sidecar)
        );
        fs::write(folder.path().join(format!("{place}-istio.yaml")), rest).expect("written");

        let gateway = noted.part("Envoy Gateway");
        assert_eq!(gateway.is_none(), is_sidecar, "{place}");
        if let Some(gateway) = gateway {
            fs::write(folder.path().join(format!("{place}-gateway.yaml")), gateway)
                .expect("written");
        }
        validates(noted.part("Envoy").expect("a part"), &place);
    }
    conforms(folder.path(), VERSIONS[0]);
}

/// Puts the snippet's filter and cluster into a listener, and asks Envoy.
fn validates(snippet: &str, place: &str) {
    let snippet: Value = serde_saphyr::from_str(snippet).expect("YAML");
    let router = json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    });
    let filter = &snippet["http_filters"][0];
    assert_eq!(
        filter["typed_config"]["failure_mode_allow"], false,
        "{place}"
    );
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "ingress",
        "http_filters": [filter, router],
        "route_config": { "virtual_hosts": [] },
    });
    let configuration = json!({ "static_resources": {
        "listeners": [{
            "address": { "socket_address": { "address": "127.0.0.1", "port_value": 10_000 } },
            "filter_chains": [{ "filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }] }],
        }],
        "clusters": snippet["clusters"],
    } });
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("envoy.json");
    fs::write(&path, configuration.to_string()).expect("written");
    let output = Command::new(tools::envoy())
        .args(["--mode", "validate", "--log-level", "warn", "-c"])
        .arg(path)
        .output()
        .expect("runs");
    assert!(output.status.success(), "{place}: {}", texts(&output));
}

#[test]
fn they_say_when_everything_is_denied() {
    let copy = with_shown_notes();
    let root = copy.path().join("subzero");
    let says = |values: &str| {
        let noted = Noted::of(&root, &chart().join("ci").join(values));
        noted
            .text
            .contains("There are no routes yet: everything is denied")
    };
    assert!(says("default-values.yaml"));
    assert!(!says("full-values.yaml"));
}
