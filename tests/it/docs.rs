//! Documentation, example configuration and code say the same.

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::{support::client::Request, world::World};

fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
}

/// Every `` `word` `` of a text.
fn words(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn every_reason_is_in_the_readme() {
    let readme = text("README.md");
    for reason in subzero::verdict::Reason::ALL {
        let row = readme
            .lines()
            .find(|line| line.starts_with('|') && words(line).contains(&reason.as_str()));
        let row = row.unwrap_or_else(|| panic!("`{reason}` is in no table"));
        let status = reason.http_status().to_string();
        assert!(
            row.split('|').any(|cell| cell.trim() == status),
            "{reason}: {row} does not say {status}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_in_the_readme_and_nothing_else_is() {
    let world = World::start().await;
    let page = Request::get("/metrics")
        .send(world.subzero.admin)
        .await
        .text();
    let mut exported: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let readme = text("README.md");
    let is_series = |word: &&str| word.starts_with("subzero_");
    let mut told: Vec<&str> = words(&readme).into_iter().filter(is_series).collect();
    for list in [&mut exported, &mut told] {
        list.sort_unstable();
        list.dedup();
    }
    assert_eq!(exported, told);
}

#[test]
fn the_configuration_page_shows_the_defaults_as_they_are() {
    let page = text("docs/configuration.md");
    assert!(
        page.contains(subzero::config::DEFAULTS.trim_end()),
        "copy src/config/default.yaml into docs/configuration.md"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_of_a_route_is_on_the_configuration_page() {
    let world = World::start().await;
    let config = Request::get("/config")
        .send(world.subzero.admin)
        .await
        .json();
    let page = text("docs/configuration.md");
    let told = words(&page);
    let mut keys = Vec::new();
    for route in config["routes"].as_array().expect("routes") {
        leaves("", route, &mut keys);
    }
    assert!(keys.len() > 10);
    for key in keys {
        let inside_map = key.starts_with("match.headers.") || key.starts_with("match.context.");
        assert!(
            inside_map || told.contains(&key.as_str()),
            "`{key}` is not on the page"
        );
    }
}

fn leaves(path: &str, value: &Value, keys: &mut Vec<String>) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let dot = if path.is_empty() { "" } else { "." };
                leaves(&format!("{path}{dot}{key}"), value, keys);
            }
        }
        // A section that this route leaves out; another one has it.
        Value::Null
            if [
                "identity",
                "permission",
                "screening",
                "risk",
                "on_unavailable",
            ]
            .contains(&path) => {}
        _ => keys.push(path.to_owned()),
    }
}

#[test]
fn every_command_is_in_the_readme() {
    let help = Command::new(env!("CARGO_BIN_EXE_subzero"))
        .arg("--help")
        .output()
        .expect("runs");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands: Vec<&str> = commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(commands.len() >= 3, "{help}");
    let readme = text("README.md");
    for command in commands.into_iter().filter(|command| *command != "help") {
        assert!(
            readme.contains(&format!("`subzero {command} ")),
            "`subzero {command}` is not in the README"
        );
    }
}

/// The blocks of the README that begin with `# FILE`.
fn block(readme: &str, file: &str) -> String {
    let start = readme
        .find(&format!("# {file}\n"))
        .unwrap_or_else(|| panic!("no block for {file}"));
    let line = readme[..start].rfind('\n').map_or(0, |at| at + 1);
    let indent = &readme[line..start];
    let end = start + readme[start..].find("```").expect("the block's end");
    readme[line..end]
        .lines()
        .map(|line| line.strip_prefix(indent).unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_readme_s_example_is_a_good_configuration() {
    let folder = tempfile::tempdir().expect("folder");
    let readme = text("README.md");
    for file in ["subzero.yaml", "store.fga.yaml"] {
        fs::write(folder.path().join(file), block(&readme, file)).expect("write");
    }
    let check = Command::new(env!("CARGO_BIN_EXE_subzero"))
        .arg("check-config")
        .arg(folder.path().join("subzero.yaml"))
        .output();
    let check = check.expect("runs");
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stderr)
    );
}

#[test]
fn envoy_s_configuration_agrees_with_our_defaults() {
    let defaults: Value = serde_saphyr::from_str(subzero::config::DEFAULTS).expect("YAML");
    let bytes = |text: &Value| {
        text.as_str()
            .expect("a size")
            .parse::<subzero::units::Bytes>()
            .expect("a size")
            .get()
    };
    let span = |text: &str| text.parse::<subzero::units::Span>().expect("a span").get();
    for file in ["envoy/raw/sidecar.yaml", "envoy/raw/http.yaml"] {
        let envoy = text(file);
        let value = |key: &str| {
            let (_, rest) = envoy
                .split_once(key)
                .unwrap_or_else(|| panic!("{key} is not in {file}"));
            rest.lines().next().unwrap_or_default().trim().to_owned()
        };
        assert_eq!(
            value("max_request_bytes:"),
            bytes(&defaults["screening"]["max_body"]).to_string()
        );
        let deadline = span(defaults["limits"]["deadline"].as_str().expect("a span"));
        let timeout: f64 = value("timeout: 0.")
            .trim_end_matches('s')
            .parse()
            .expect("tenths of a second");
        assert!(
            deadline.as_secs_f64() < timeout / 10.0,
            "{file}: Envoy waits {timeout} tenths of a second"
        );
        assert!(envoy.contains("failure_mode_allow: false") && !envoy.contains("retry_policy"));
    }
}

#[test]
fn traefik_s_configuration_believes_no_client_and_removes_our_headers() {
    let traefik: Value =
        serde_saphyr::from_str(&text("examples/traefik/dynamic.yaml")).expect("YAML");
    let router = &traefik["http"]["routers"]["service"];
    assert_eq!(router["middlewares"], serde_json::json!(["subzero"]));
    let asking = &traefik["http"]["middlewares"]["subzero"]["forwardAuth"];
    assert_eq!(asking["trustForwardHeader"], false);
    let address = asking["address"].as_str().expect("an address");
    assert!(address.ends_with(":9192/forward-auth"), "{address}");
    let ours = asking["authResponseHeadersRegex"]
        .as_str()
        .expect("a pattern");
    let ours = regex::Regex::new(ours).expect("a pattern");
    for name in ["X-Subzero-Subject", "X_subzero_subject", "X-Subzero_risk"] {
        assert!(ours.is_match(name), "{name}");
    }
    assert!(!ours.is_match("Authorization"));
}
