//! Every pod of the chart is what the Pod Security Standard calls restricted, and can start and stop as
//! Subzero needs it.
//!
//! The rule below is the standard's own list, not the chart's settings: what it does not know it refuses.

use serde_json::{Value, json};

use super::{files, name, objects, rendered};

/// Pods of a rendering, with the object's kind: templates of workloads, and pods themselves.
fn pods(objects: &[Value]) -> Vec<(String, Value)> {
    objects
        .iter()
        .filter_map(|object| {
            let spec = match object["kind"].as_str()? {
                "Pod" => &object["spec"],
                "Deployment" | "DaemonSet" | "StatefulSet" => &object["spec"]["template"]["spec"],
                _ => return None,
            };
            Some((object["kind"].to_string(), spec.clone()))
        })
        .collect()
}

/// What in `pod` breaks the restricted level.
pub(super) fn broken(pod: &Value) -> Vec<String> {
    let mut broken = Vec::new();
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        if pod[key] == true {
            broken.push(key.to_owned());
        }
    }
    let kinds = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    for volume in list(&pod["volumes"]) {
        let fields = volume.as_object().expect("a volume").keys();
        for kind in fields.filter(|key| *key != "name") {
            if !kinds.contains(&kind.as_str()) {
                broken.push(format!("volume of kind {kind}"));
            }
        }
    }
    let containers = [&pod["containers"], &pod["initContainers"]];
    for container in containers.into_iter().flat_map(list) {
        let own = &container["securityContext"];
        let of = |key: &str| match &own[key] {
            Value::Null => &pod["securityContext"][key],
            own => own,
        };
        let called = container["name"].as_str().expect("a name");
        let mut rule = |holds: bool, what: &str| {
            if !holds {
                broken.push(format!("{called}: {what}"));
            }
        };
        rule(own["privileged"] != true, "privileged");
        rule(
            own["allowPrivilegeEscalation"] == false,
            "may gain privileges",
        );
        rule(
            own["capabilities"]["drop"] == json!(["ALL"]),
            "keeps capabilities",
        );
        let added = list(&own["capabilities"]["add"]);
        rule(
            added.iter().all(|one| one == "NET_BIND_SERVICE"),
            "adds capabilities",
        );
        rule(of("runAsNonRoot") == true, "may run as root");
        rule(of("runAsUser").as_u64() != Some(0), "runs as root");
        let profile = &of("seccompProfile")["type"];
        rule(
            profile == "RuntimeDefault" || profile == "Localhost",
            "has no seccomp profile",
        );
        let ports = list(&container["ports"]);
        rule(
            ports.iter().all(|port| port["hostPort"].is_null()),
            "takes a port of the node",
        );
    }
    broken
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn they_are_restricted() {
    let mut seen = 0;
    for file in files("ci") {
        for (kind, pod) in pods(&objects(&rendered(&file))) {
            assert_eq!(broken(&pod), Vec::<String>::new(), "{} {kind}", name(&file));
            seen += 1;
        }
    }
    assert!(seen > 12, "{seen}");
}

#[test]
fn the_rule_sees_what_is_not_restricted() {
    let good = json!({
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": "a",
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } }
        }]
    });
    assert!(broken(&good).is_empty());
    let changes = [
        ("/hostNetwork", json!(true)),
        (
            "/volumes",
            json!([{ "name": "a", "hostPath": { "path": "/" } }]),
        ),
        ("/securityContext/runAsNonRoot", json!(false)),
        ("/securityContext/runAsUser", json!(0)),
        (
            "/securityContext/seccompProfile",
            json!({ "type": "Unconfined" }),
        ),
        (
            "/containers/0/securityContext/allowPrivilegeEscalation",
            json!(true),
        ),
        ("/containers/0/securityContext/capabilities", json!({})),
        ("/containers/0/securityContext/privileged", json!(true)),
        (
            "/containers/0/ports",
            json!([{ "containerPort": 1, "hostPort": 1 }]),
        ),
    ];
    for (at, value) in changes {
        let mut pod = good.clone();
        let (parent, key) = at.rsplit_once('/').expect("a path");
        pod.pointer_mut(parent).expect("the parent")[key] = value;
        assert_eq!(broken(&pod).len(), 1, "{at}");
    }
}

#[test]
fn they_write_nowhere_have_a_numeric_user_and_probes_without_a_network() {
    for file in files("ci") {
        for (kind, pod) in pods(&objects(&rendered(&file))) {
            let place = format!("{} {kind}", name(&file));
            assert_eq!(pod["automountServiceAccountToken"], false, "{place}");
            for container in list(&pod["containers"]) {
                if container["name"] != "subzero" {
                    continue;
                }
                let own = &container["securityContext"];
                assert_eq!(own["readOnlyRootFilesystem"], true, "{place}");
                assert!(
                    own["runAsUser"].as_u64().is_some_and(|user| user > 0),
                    "{place}"
                );
                for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
                    let command = &container[probe]["exec"]["command"];
                    assert_eq!(command[0], "/usr/local/bin/subzero", "{place}: {probe}");
                    assert_eq!(command[1], "health", "{place}: {probe}");
                }
            }
        }
    }
}

#[test]
fn they_have_time_to_drain() {
    for file in files("ci") {
        let objects = objects(&rendered(&file));
        let mut config: Value =
            serde_saphyr::from_str(super::configuration(&objects)).expect("YAML");
        let defaults: Value = serde_saphyr::from_str(subzero::config::DEFAULTS).expect("YAML");
        let mut span = |key: &str| {
            let given = config["drain"][key].take();
            let text = given.as_str().or(defaults["drain"][key].as_str());
            let span: subzero::units::Span = text.expect("a span").parse().expect("a span");
            span.get().as_secs()
        };
        let needed = span("delay") + span("timeout");
        for (kind, pod) in pods(&objects).iter().filter(|(kind, _)| kind != "\"Pod\"") {
            let given = pod["terminationGracePeriodSeconds"]
                .as_u64()
                .expect("seconds");
            assert!(given > needed, "{} {kind}: {given} s", name(&file));
        }
    }
}
