//! The sidecar: the component that Kustomize puts into annotated workloads, and into no others.

use std::fs;

use serde_json::Value;

use super::{VERSIONS, chart, conforms, files, name, objects, of_kind, pods, rendered, run, texts};
use crate::support::tools;

const WORKLOADS: &str = "apiVersion: apps/v1
kind: Deployment
metadata: { name: api, annotations: { subzero-sidecar: demo-subzero } }
spec:
  selector: { matchLabels: { app: api } }
  template:
    metadata: { labels: { app: api } }
    spec:
      automountServiceAccountToken: false
      securityContext: { runAsNonRoot: true, seccompProfile: { type: RuntimeDefault } }
      containers:
        - name: api
          image: registry.example/api:1
          securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
      volumes: [{ name: own, emptyDir: {} }]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: db, annotations: { subzero-sidecar: demo-subzero } }
spec:
  serviceName: db
  selector: { matchLabels: { app: db } }
  template:
    metadata: { labels: { app: db } }
    spec: { containers: [{ name: db, image: registry.example/db:1 }] }
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: other }
spec:
  selector: { matchLabels: { app: other } }
  template:
    metadata: { labels: { app: other } }
    spec: { containers: [{ name: other, image: registry.example/other:1 }] }
";

/// The test's workloads, built with the component of a value file.
fn built(values: &std::path::Path) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let all = objects(&rendered(values));
    let component = of_kind(&all, "ConfigMap")
        .into_iter()
        .find(|map| map["data"]["kustomization.yaml"].is_string())
        .expect("the component");
    fs::create_dir(folder.path().join("subzero")).expect("made");
    for (file, text) in component["data"].as_object().expect("files") {
        let path = folder.path().join("subzero").join(file);
        fs::write(path, text.as_str().expect("text")).expect("written");
    }
    fs::write(folder.path().join("workloads.yaml"), WORKLOADS).expect("written");
    fs::write(
        folder.path().join("kustomization.yaml"),
        "resources: [workloads.yaml]\ncomponents: [subzero]\n",
    )
    .expect("written");
    let output = run(
        &tools::chart("kustomize"),
        &["build", folder.path().to_str().expect("UTF-8")],
    );
    assert!(output.status.success(), "{}", texts(&output));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn it_goes_into_annotated_workloads_and_into_no_others() {
    let folder = tempfile::tempdir().expect("a folder");
    for values in files("ci")
        .iter()
        .filter(|file| name(file).starts_with("sidecar"))
    {
        let text = built(values);
        fs::write(folder.path().join(format!("{}.yaml", name(values))), &text).expect("written");
        let workloads = objects(&text);
        let is_native = name(values) == "sidecar-values";
        let (with, without) = if is_native {
            ("initContainers", "containers")
        } else {
            ("containers", "initContainers")
        };
        for workload in &workloads {
            let template = &workload["spec"]["template"];
            let has = |key: &str| {
                let containers = template["spec"][key].as_array();
                containers.is_some_and(|all| all.iter().any(|one| one["name"] == "subzero"))
            };
            let wanted = workload["metadata"]["name"] != "other";
            assert_eq!(has(with), wanted, "{workload}");
            assert!(!has(without), "{workload}");
            let label = &template["metadata"]["labels"]["subzero-sidecar"];
            assert_eq!(label == "demo-subzero", wanted, "{workload}");
        }
        let api = workloads
            .iter()
            .find(|workload| workload["metadata"]["name"] == "api")
            .expect("there");
        let pod = &api["spec"]["template"]["spec"];
        assert_eq!(pods::broken(pod), Vec::<String>::new());
        let volumes = pod["volumes"].as_array().expect("volumes");
        assert!(
            volumes.iter().any(|volume| volume["name"] == "own"),
            "its own stay"
        );
    }
    for version in VERSIONS {
        conforms(folder.path(), version);
    }
}

#[test]
fn it_is_found_by_the_pod_monitor() {
    let all = objects(&rendered(&chart().join("ci/sidecar-values.yaml")));
    let monitor = of_kind(&all, "PodMonitor")[0];
    let workloads = objects(&built(&chart().join("ci/sidecar-values.yaml")));
    let template = &workloads
        .iter()
        .find(|workload| workload["metadata"]["name"] == "api")
        .expect("there")["spec"]["template"];
    let selected = monitor["spec"]["selector"]["matchLabels"]
        .as_object()
        .expect("labels");
    for (key, value) in selected {
        assert_eq!(&template["metadata"]["labels"][key], value);
    }
    let port = &monitor["spec"]["podMetricsEndpoints"][0]["port"];
    let ports = template["spec"]["initContainers"][0]["ports"]
        .as_array()
        .expect("ports");
    assert!(ports.iter().any(|one: &Value| &one["name"] == port));
}

#[test]
fn nothing_runs_in_its_own_release() {
    for values in files("ci")
        .iter()
        .filter(|file| name(file).starts_with("sidecar"))
    {
        let all = objects(&rendered(values));
        for kind in [
            "Deployment",
            "DaemonSet",
            "Service",
            "Pod",
            "NetworkPolicy",
            "PodDisruptionBudget",
        ] {
            assert!(of_kind(&all, kind).is_empty(), "{kind}");
        }
    }
}
