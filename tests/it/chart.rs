//! The Helm chart: what it renders, and what it refuses.
//!
//! `helm/subzero/ci/*.yaml` are the good value files, `ci/wrong/*.yaml` the bad ones, each with the words
//! that its refusal must have in its first line. Objects are checked by kubeconform against schemas that
//! are on this machine.

mod decides;
mod mesh;
mod notes;

mod pods;
mod sidecar;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use crate::support::tools;

/// The oldest Kubernetes that the chart is for, one in the middle, the newest with a schema.
const VERSIONS: [&str; 3] = ["1.30.0", "1.34.0", "1.37.0"];

fn chart() -> PathBuf {
    tools::root().join("helm/subzero")
}

/// The files of a folder below the chart, by name.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(chart().join(folder)).expect("the folder");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

fn name(file: &Path) -> String {
    let name = file.file_stem().expect("a name").to_string_lossy();
    name.into_owned()
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    Command::new(program)
        .args(arguments)
        .env("HOME", "/nonexistent")
        .output()
        .unwrap_or_else(|error| panic!("run {}: {error}", program.display()))
}

fn texts(output: &Output) -> String {
    let part = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    part(&output.stdout) + &part(&output.stderr)
}

/// `helm template demo CHART ARGUMENTS`.
fn helm_template(chart: &Path, arguments: &[&str]) -> Output {
    let chart = chart.to_str().expect("UTF-8");
    let mut all = vec!["template", "demo", chart, "--namespace", "edge"];
    all.extend_from_slice(arguments);
    run(&tools::chart("helm"), &all)
}

/// What the chart makes of a value file.
fn rendered(values: &Path) -> String {
    let output = helm_template(&chart(), &["--values", values.to_str().expect("UTF-8")]);
    assert!(
        output.status.success(),
        "{}: {}",
        values.display(),
        texts(&output)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Each object of a rendering.
fn objects(manifests: &str) -> Vec<Value> {
    format!("\n{manifests}")
        .split("\n---\n")
        .map(|text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}")))
        .filter(|object: &Value| !object.is_null())
        .collect()
}

fn of_kind<'o>(objects: &'o [Value], kind: &str) -> Vec<&'o Value> {
    objects
        .iter()
        .filter(|object| object["kind"] == kind)
        .collect()
}

/// The configuration in a rendering.
fn configuration(objects: &[Value]) -> &str {
    of_kind(objects, "ConfigMap")
        .iter()
        .find_map(|map| map["data"]["subzero.yaml"].as_str())
        .expect("a ConfigMap with subzero.yaml")
}

/// Checks the manifests in `folder` against the schemas of `version`, strictly.
fn conforms(folder: &Path, version: &str) {
    let schemas = tools::schemas();
    let core =
        schemas.join("VERSION/{{.ResourceKind}}{{.KindSuffix}}.json".replace("VERSION", version));
    let crds = schemas.join("crds/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json");
    let words = [
        "-strict",
        "-summary",
        "-kubernetes-version",
        version,
        "-schema-location",
        core.to_str().expect("UTF-8"),
        "-schema-location",
        crds.to_str().expect("UTF-8"),
        folder.to_str().expect("UTF-8"),
    ];
    let output = run(&tools::chart("kubeconform"), &words);
    let said = texts(&output);
    assert!(
        output.status.success() && said.contains("Skipped: 0"),
        "Kubernetes {version}: {said}"
    );
}

#[test]
fn it_passes_helm_s_own_lint() {
    for values in files("ci") {
        let output = run(
            &tools::chart("helm"),
            &[
                "lint",
                "--strict",
                "--values",
                values.to_str().expect("UTF-8"),
                chart().to_str().expect("UTF-8"),
            ],
        );
        assert!(
            output.status.success(),
            "{}: {}",
            values.display(),
            texts(&output)
        );
    }
}

#[test]
fn what_it_renders_is_what_kubernetes_takes_in() {
    let folder = tempfile::tempdir().expect("a folder");
    let values = files("ci");
    assert!(values.len() >= 12, "{} value files", values.len());
    for file in &values {
        let path = folder.path().join(format!("{}.yaml", name(file)));
        fs::write(path, rendered(file)).expect("written");
    }
    for version in VERSIONS {
        conforms(folder.path(), version);
    }
}

#[test]
fn wrong_values_are_refused_with_the_cure() {
    let wrong = files("ci/wrong");
    assert!(wrong.len() >= 10, "{} value files", wrong.len());
    for file in wrong {
        let text = fs::read_to_string(&file).expect("read");
        let says = text
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# says: "))
            .unwrap_or_else(|| panic!("{}: begins with `# says: `", file.display()));
        let output = helm_template(&chart(), &["--values", file.to_str().expect("UTF-8")]);
        let said = texts(&output);
        assert!(!output.status.success(), "{} passes", file.display());
        assert!(
            said.contains(says),
            "{}: `{says}` is not in: {said}",
            file.display()
        );
    }
}

#[test]
fn every_rendered_configuration_is_a_good_one() {
    for file in files("ci") {
        let objects = objects(&rendered(&file));
        let folder = decides::laid_out(&objects);
        let output = run(
            Path::new(env!("CARGO_BIN_EXE_subzero")),
            &[
                "check-config",
                folder
                    .path()
                    .join("config/subzero.yaml")
                    .to_str()
                    .expect("UTF-8"),
            ],
        );
        assert!(
            output.status.success(),
            "{}: {}",
            file.display(),
            texts(&output)
        );
    }
}

#[test]
fn a_changed_configuration_rolls_the_pods_unless_told_not_to() {
    let checksum = |arguments: &[&str]| {
        let output = helm_template(&chart(), arguments);
        let objects = objects(&String::from_utf8_lossy(&output.stdout));
        let pods = &of_kind(&objects, "Deployment")[0]["spec"]["template"];
        pods["metadata"]["annotations"]["checksum/config"].clone()
    };
    let plain = checksum(&[]);
    assert!(plain.is_string());
    assert_ne!(plain, checksum(&["--set", "config.limits.deadline=200ms"]));
    assert_ne!(plain, checksum(&["--set", "store.inline=model: x"]));
    assert_eq!(plain, checksum(&["--set", "podLabels.a=b"]));
    assert!(checksum(&["--set", "rollOnConfigChange=false"]).is_null());
}

#[test]
fn its_schema_knows_every_section_and_setting_there_is() {
    let defaults: Value = serde_saphyr::from_str(subzero::config::DEFAULTS).expect("YAML");
    let schema = fs::read_to_string(chart().join("values.schema.json")).expect("read");
    let schema: Value = serde_json::from_str(&schema).expect("JSON");
    let keys = |map: &Value| {
        let keys = map.as_object().expect("a map").keys();
        keys.cloned().collect::<std::collections::BTreeSet<_>>()
    };
    let config = &schema["properties"]["config"]["properties"];
    assert_eq!(keys(config), keys(&defaults));
    for section in ["admission", "screening", "upstream"] {
        let known = &config[section]["properties"];
        assert_eq!(keys(known), keys(&defaults[section]), "{section}");
    }
    let breaker = &config["upstream"]["properties"]["breaker"]["properties"];
    assert_eq!(keys(breaker), keys(&defaults["upstream"]["breaker"]));
}

#[test]
fn its_version_is_that_of_the_crate() {
    let text = fs::read_to_string(chart().join("Chart.yaml")).expect("read");
    let meta: Value = serde_saphyr::from_str(&text).expect("YAML");
    assert_eq!(meta["appVersion"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn its_readme_has_the_values_that_there_are() {
    let script = tools::root().join("tools/chart_readme.py");
    let output = run(
        Path::new("python3"),
        &[script.to_str().expect("UTF-8"), "--check"],
    );
    assert!(output.status.success(), "{}", texts(&output));
}
