//! The decision log: where it goes, what becomes of it when nobody reads, moves or wants it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    decisions::{PATIENCE, analyze, lines, logged, logging},
    support::{client::Request, envoy, load::Load, metrics::Metrics, upstream::Upstream},
    world::{Keys, World, subzero},
};

#[tokio::test(flavor = "multi_thread")]
async fn without_redaction_paths_are_told_and_replicas_agree_on_subjects() {
    let keys = Keys::generate();
    let config = logging("to: stdout, redact: false, key_file: hash.key");
    let mut subjects = Vec::new();
    for _ in 0..2 {
        let mut replica = subzero(&config, &keys)
            .file("hash.key", "not in the repository, but in this file\n")
            .start()
            .await;
        let service = Upstream::start().await;
        let envoy = envoy::Setup::new("sidecar.yaml", service.address, &replica.socket);
        let envoy = envoy.start().await;
        let request = Request::get("/docs/own?q=quince").bearer(&keys.token("alice"));
        assert_eq!(request.send(envoy.address).await.status, 200);
        let out = replica.dir().join("subzero.out");
        let line = move || -> Option<Value> {
            let text = fs::read_to_string(&out).ok()?;
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            lines
                .into_iter()
                .find(|line: &Value| line["route"] == "doc")
        };
        let told = async || line().is_some();
        replica.process.until("log to stdout", PATIENCE, told).await;
        let line = line().expect("was there a moment ago");
        assert_eq!(line["path"], "/docs/own");
        let summary = analyze(&replica.dir().join("subzero.out"));
        assert_eq!(summary["lines"]["decisions"], 1);
        assert!(summary["lines"]["other"].as_u64() > Some(0), "{summary}");
        subjects.push(line["subject"].clone());
    }
    assert_eq!(subjects[0], subjects[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn denials_are_in_the_process_log_where_there_is_no_decision_log() {
    let mut world = World::start().await;
    let denied = world.send(Request::get("/docs/own?q=quince")).await;
    let id = denied.header("x-subzero-decision").expect("an id");
    let out = world.subzero.dir().join("subzero.out");
    let line = || {
        let text = fs::read_to_string(&out).ok()?;
        let mut lines = text
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.find(|line| line["decision"] == *id)
    };
    let told = async || line().is_some();
    world
        .subzero
        .process
        .until("log the denial", PATIENCE, told)
        .await;
    let line = line().expect("was there a moment ago");
    assert_eq!(line["reason"], "token_missing");
    assert_eq!(line["path"], "/docs/own");
    assert!(!world.subzero.process.stdout().contains("quince"));
}

/// A named pipe nobody reads.
fn stuck_pipe(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo");
    assert!(made.success());
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_drops_and_counts_and_delays_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = stuck_pipe(folder.path());
    let section = format!("to: '{}', queue: 8", pipe.display());
    let mut world = World::with(&logging(&section), |envoy| envoy).await;
    let load = Load::start(world.envoy.address, "/healthz", &[], 8, 2);
    let outcome = load.outcome().await;
    assert_eq!((outcome.refused, outcome.lost), (0, 0), "{outcome:?}");
    let metrics = world.subzero.metrics().await;
    let lines = |outcome| metrics.count("subzero_decision_log_total", &[("outcome", outcome)]);
    let health = [("route", "health")];
    let checks = metrics.count("subzero_checks_total", &health);
    assert!(
        checks >= outcome.answers && outcome.answers > 100,
        "{outcome:?}"
    );
    // The queue, and the one batch that the writer may have taken out before it got stuck.
    assert!(
        lines("dropped") + 8 + 1_024 >= checks,
        "{} of {checks}",
        lines("dropped")
    );
    assert_eq!(lines("written"), 0);
    let slow = metrics.sum("subzero_check_duration_seconds_sum", &health);
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let mean = slow / checks as f64;
    assert!(mean < 0.005, "{mean} s a check");

    // It leaves although the writer is stuck.
    let started = Instant::now();
    world.subzero.process.signal("TERM");
    let status = world.subzero.process.ended(Duration::from_secs(20)).await;
    assert!(status.success(), "{status} after {:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_rotated_goes_on_in_the_new_file_and_is_whole_at_the_end() {
    let mut world = World::with(&logging("to: decisions.jsonl"), |envoy| envoy).await;
    let (path, moved) = (
        world.subzero.dir().join("decisions.jsonl"),
        world.subzero.dir().join("decisions.jsonl.1"),
    );
    let ask = async |world: &World| {
        assert_eq!(world.send(Request::get("/healthz")).await.status, 200);
    };
    ask(&world).await;
    logged(&mut world.subzero, &path, 1).await;
    fs::rename(&path, &moved).expect("renamed");
    ask(&world).await;
    logged(&mut world.subzero, &path, 1).await;
    assert_eq!(lines(&moved).len(), 1);
    for _ in 0..50 {
        ask(&world).await;
    }
    // Told to leave at once: what is queued is written first.
    world.subzero.process.signal("TERM");
    assert!(world.subzero.process.ended(PATIENCE).await.success());
    assert_eq!(lines(&path).len(), 51);
    assert_eq!(analyze(&path)["lines"]["decisions"], 51);
}

#[test]
fn analyze_tells_what_it_cannot_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_subzero"))
            .arg("analyze")
            .args(arguments)
            .current_dir(folder.path())
            .stdin(std::process::Stdio::null())
            .output()
            .expect("runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), told)
    };
    let (code, told) = run(&["missing.jsonl"]);
    assert_eq!(code, Some(64));
    assert!(
        told.starts_with("missing.jsonl: cannot be read: "),
        "{told}"
    );
    fs::write(folder.path().join("other.txt"), "once upon\na time\n").expect("written");
    let (code, told) = run(&["other.txt"]);
    assert_eq!(code, Some(64));
    assert!(told.starts_with("other.txt:1: is no decision: "), "{told}");
    assert!(
        told.ends_with("other.txt: nothing in it is a decision\n"),
        "{told}"
    );
    assert_eq!(
        run(&[]).0,
        Some(0),
        "nothing on standard input is an empty log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_every_decision_is_a_whole_line_or_a_counted_loss() {
    let mut world = World::with(&logging("to: decisions.jsonl"), |envoy| envoy).await;
    let load = Load::start(world.envoy.address, "/healthz", &[], 16, 2);
    let outcome = load.outcome().await;
    assert!(outcome.answers > 1_000, "{outcome:?}");
    let lines_of = |metrics: &Metrics, outcome| {
        metrics.count("subzero_decision_log_total", &[("outcome", outcome)])
    };
    let all_told = |metrics: &Metrics| {
        let checks = metrics.count("subzero_checks_total", &[]);
        let lines = ["written", "dropped", "failed"].map(|outcome| lines_of(metrics, outcome));
        lines.into_iter().sum::<u64>() == checks
    };
    world
        .subzero
        .until_metrics("account for every line", all_told)
        .await;
    let metrics = world.subzero.metrics().await;
    assert_eq!(lines_of(&metrics, "failed"), 0);
    let summary = analyze(&world.subzero.dir().join("decisions.jsonl"));
    assert_eq!(summary["lines"]["malformed"], 0);
    assert_eq!(summary["lines"]["decisions"], lines_of(&metrics, "written"));
}
