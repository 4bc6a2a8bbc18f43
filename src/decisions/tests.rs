use std::{
    collections::HashMap,
    fs,
    net::IpAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use prometheus::Registry;
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::{
    check::{Body, Headers, HttpRequest, Removes, RequestPath, Source},
    dispatch::Strategy,
    pipeline::{Outcome, Plan, Ran, Skip, Stage},
    screening::Findings,
    units::Bytes,
    verdict::Reason,
};

fn check(target: &str) -> Check {
    let mut headers = Headers::default();
    headers.push("authorization", b"Bearer top.secret.token");
    let http = HttpRequest {
        method: "GET".into(),
        host: "api.example".into(),
        path: RequestPath::parse(target),
        headers,
        body: Body::Complete("a secret prompt".into()),
    };
    Check {
        http: Some(http),
        source: Source {
            address: Some(IpAddr::from([192, 0, 2, 7])),
            ..Source::default()
        },
        context: HashMap::new(),
        metadata: HashMap::new(),
        removes: Removes::ALL,
        shows_ours: false,
        deadline: Instant::now(),
    }
}

fn decision(outcome: Outcome, reason: Reason) -> Decision {
    let ran = |stage, predicted: Option<u64>, actual| Ran {
        stage,
        strategy: Strategy::Inline,
        predicted: predicted.map(Duration::from_micros),
        actual: Duration::from_nanos(actual),
    };
    Decision {
        id: Uuid::now_v7(),
        outcome,
        shadowed: false,
        reason,
        route: None,
        subject: Some("alice@example.com".into()),
        nonce: None,
        permission: None,
        findings: Findings::default(),
        risk: None,
        step_up: false,
        plan: Plan {
            ran: smallvec::smallvec![
                ran(Stage::Identity, None, 12_340),
                ran(Stage::Permission, Some(4), 3_000),
            ],
            skipped: vec![(Stage::Screening, Skip::Denied)],
        },
        cost: Duration::from_micros(17),
    }
}

struct Setup {
    folder: TempDir,
    keep: Config,
    log: LogConfig,
    metrics: Metrics,
}

impl Setup {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            keep: Config {
                keep: 100,
                memory: "8MiB".parse::<Bytes>().expect("a size"),
            },
            log: LogConfig {
                to: Target::Off,
                queue: 1_000,
                allowed_one_in: 1,
                redact: true,
                key_file: None,
            },
            metrics: Metrics::register(&Registry::new()).expect("metrics"),
        }
    }

    fn with_file(mut self) -> (Self, PathBuf) {
        let path = self.folder.path().join("decisions.jsonl");
        self.log.to = Target::File(path.clone());
        (self, path)
    }

    fn settle(&self) -> Result<Settings, Vec<Problem>> {
        settle(self.keep, &self.log, self.folder.path())
    }

    fn start(&self) -> Recorder {
        let settings = self.settle().expect("good settings");
        Recorder::start(settings, &self.metrics, 2).expect("starts")
    }
}

#[tokio::test]
async fn a_line_has_what_an_operator_needs_and_nothing_that_must_not_leak() {
    let (setup, path) = Setup::new().with_file();
    let recorder = setup.start();
    let kept = recorder.record(
        &check("/docs/1?q=hidden"),
        decision(Outcome::Deny, Reason::PermissionDenied),
    );
    assert!(recorder.finish(Duration::from_secs(5)).await);
    let text = fs::read_to_string(&path).expect("the log");
    let line: Value = serde_json::from_str(&text).expect("one line");
    let time = line["time"].as_str().expect("a time");
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    let subject = line["subject"].as_str().expect("a hash");
    assert_eq!(subject.len(), 32);
    assert_eq!(
        line,
        json!({
            "time": time,
            "id": kept.id.simple().to_string(),
            "route": null,
            "verdict": "deny",
            "reason": "permission_denied",
            "cost_us": 17.0,
            "subject": subject,
            "method": "GET",
            "stages": [
                {"stage": "identity", "strategy": "inline", "predicted_us": null, "actual_us": 12.3},
                {"stage": "permission", "strategy": "inline", "predicted_us": 4.0, "actual_us": 3.0},
            ],
            "skipped": [{"stage": "screening", "why": "denied before"}],
        })
    );
    assert_eq!(recorder.explain(kept.id), Some(line), "the same words");
    assert_eq!(setup.metrics.written.get(), 1);
}

#[tokio::test]
async fn without_redaction_a_line_tells_where_a_request_went_and_still_no_query() {
    let (mut setup, path) = Setup::new().with_file();
    setup.log.redact = false;
    let recorder = setup.start();
    let decision = decision(Outcome::Allow, Reason::Ok);
    let _ = recorder.record(&check("/docs/1?q=hidden"), decision);
    assert!(recorder.finish(Duration::from_secs(5)).await);
    let text = fs::read_to_string(&path).expect("the log");
    let line: Value = serde_json::from_str(&text).expect("one line");
    assert_eq!(line["host"], "api.example");
    assert_eq!(line["path"], "/docs/1");
    assert_eq!(line["source"], "192.0.2.7");
    for secret in ["alice", "hidden", "top.secret", "prompt\""] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

#[tokio::test]
async fn of_allowed_decisions_a_sample_is_written_and_of_others_every_one() {
    let (mut setup, path) = Setup::new().with_file();
    setup.log.allowed_one_in = 10;
    setup.log.queue = 10_000;
    let recorder = setup.start();
    let check = check("/");
    for _ in 0..5_000 {
        let _ = recorder.record(&check, decision(Outcome::Allow, Reason::Ok));
    }
    for _ in 0..100 {
        let _ = recorder.record(&check, decision(Outcome::Deny, Reason::NoRoute));
        // Shadow mode let it pass: not plainly allowed.
        let _ = recorder.record(&check, decision(Outcome::Allow, Reason::NoRoute));
    }
    assert!(recorder.finish(Duration::from_secs(5)).await);
    let text = fs::read_to_string(&path).expect("the log");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let (sample, others): (Vec<_>, Vec<_>) = lines.iter().partition(|line| line["reason"] == "ok");
    assert_eq!(others.len(), 200);
    assert!(others.iter().all(|line| line.get("stands_for").is_none()));
    // 500, and ten standard deviations to both sides.
    assert!((290..=710).contains(&sample.len()), "{}", sample.len());
    assert!(sample.iter().all(|line| line["stands_for"] == 10));
}

#[tokio::test]
async fn a_stuck_writer_costs_lines_and_no_check_waits() {
    let (mut setup, path) = Setup::new().with_file();
    setup.log.queue = 16;
    // Opening it for writing waits for a reader, and nobody reads.
    let made = std::process::Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo").success());
    let recorder = setup.start();
    let check = check("/");
    let started = Instant::now();
    for _ in 0..10_000 {
        let _ = recorder.record(&check, decision(Outcome::Allow, Reason::Ok));
    }
    let took = started.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    let dropped = setup.metrics.dropped.get();
    // The writer may have taken one batch before it got stuck.
    assert!(dropped >= 10_000 - 16 - 2_048, "{dropped}");
    assert_eq!(setup.metrics.written.get(), 0);
    assert!(!recorder.finish(Duration::from_millis(50)).await);
}

#[test]
fn the_last_ones_are_kept_newest_first_within_count_and_bytes() {
    let mut setup = Setup::new();
    setup.keep.keep = 3;
    let recorder = setup.start();
    let check = check("/");
    let ids: Vec<Uuid> = (0..5)
        .map(|number| {
            let reason = if number == 3 {
                Reason::Deadline
            } else {
                Reason::Ok
            };
            recorder.record(&check, decision(Outcome::Allow, reason)).id
        })
        .collect();
    let listed = |filter: &Filter| -> Vec<Value> {
        let latest = recorder.latest(filter);
        latest.iter().map(|short| short["id"].clone()).collect()
    };
    let id = |at: usize| json!(ids[at].simple().to_string());
    assert_eq!(listed(&Filter::default()), [id(4), id(3), id(2)]);
    let late = Filter {
        reason: Some("deadline".into()),
        ..Filter::default()
    };
    assert_eq!(listed(&late), [id(3)]);
    let one = Filter {
        limit: Some(1),
        ..Filter::default()
    };
    assert_eq!(listed(&one), [id(4)]);
    assert_eq!(recorder.explain(ids[1]), None);
    assert_eq!(recorder.kept(), (3, 3));

    setup.keep.keep = 1_000;
    setup.keep.memory = "256KiB".parse().expect("a size");
    let recorder = setup.start();
    for _ in 0..1_500 {
        let mut large = decision(Outcome::Allow, Reason::Ok);
        large.subject = Some("x".repeat(10_000).into());
        let newest = recorder.record(&check, large).id;
        assert!(recorder.explain(newest).is_some());
    }
    let (_, kept) = recorder.kept();
    assert!((20..=26).contains(&kept), "{kept} of 10 kB each in 256 KiB");
}

#[test]
fn many_threads_keep_exactly_the_last_ones() {
    let mut setup = Setup::new();
    setup.keep.keep = 64;
    setup.keep.memory = "256KiB".parse().expect("a size");
    let recorder = setup.start();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let check = check("/");
                for number in 0..2_000_usize {
                    let mut decision = decision(Outcome::Allow, Reason::Ok);
                    decision.subject = Some("x".repeat(number % 50 * 400).into());
                    let _ = recorder.record(&check, decision);
                    if number % 100 == 0 {
                        assert!(recorder.latest(&Filter::default()).len() <= 64);
                    }
                }
            });
        }
    });
    let check = check("/");
    for _ in 0..64 {
        let _ = recorder.record(&check, decision(Outcome::Allow, Reason::Ok));
    }
    assert_eq!(
        recorder.kept(),
        (64, 64),
        "the count of bytes has not drifted"
    );
}

#[test]
fn mistakes_are_told_with_key_and_cure() {
    let told = |change: &dyn Fn(&mut Setup)| {
        let mut setup = Setup::new();
        fs::write(setup.folder.path().join("short"), "0123").expect("written");
        change(&mut setup);
        let problems = setup.settle().expect_err("refused");
        assert_eq!(problems.len(), 1, "{problems:?}");
        let folder = setup.folder.path().display().to_string();
        problems[0].to_string().replace(&folder, "DIR")
    };
    assert_eq!(
        told(&|setup| setup.log.to = Target::File("none/d.jsonl".into())),
        "decision_log.to: there is no folder `DIR/none`; make it first"
    );
    assert_eq!(
        told(&|setup| setup.log.to = Target::File(".".into())),
        "decision_log.to: `DIR/.` is a folder; name a file in it"
    );
    assert_eq!(
        told(&|setup| setup.log.queue = 0),
        "decision_log.queue: `0` is out of range; use 1 to 1048576"
    );
    assert_eq!(
        told(&|setup| setup.log.allowed_one_in = 0),
        "decision_log.allowed_one_in: `0` is out of range; use 1 to 1000000"
    );
    assert_eq!(
        told(&|setup| setup.log.key_file = Some("short".into())),
        "decision_log.key_file: `DIR/short` must hold 16 to 4096 bytes; make it with `openssl rand -hex 32`"
    );
    assert!(
        told(&|setup| setup.log.key_file = Some("none".into()))
            .starts_with("decision_log.key_file: `DIR/none` cannot be read: ")
    );
    assert_eq!(
        told(&|setup| setup.keep.keep = 1_000_000),
        "decisions.keep: `1000000` is more than can be kept; the most is 100000"
    );
    assert_eq!(
        told(&|setup| setup.keep.memory = "1kB".parse().expect("a size")),
        "decisions.memory: `1000` is out of range; use 256KiB to 1GiB"
    );
}

#[test]
fn nothing_is_kept_where_nothing_is_to_be_kept() {
    let mut setup = Setup::new();
    setup.keep.keep = 0;
    let recorder = setup.start();
    let id = recorder
        .record(&check("/"), decision(Outcome::Allow, Reason::Ok))
        .id;
    assert_eq!(recorder.explain(id), None);
    assert_eq!(recorder.kept(), (0, 0));
    let report = recorder.windows().report(Duration::from_mins(1));
    assert_eq!(report.total.checks, 1, "but counted");
}
