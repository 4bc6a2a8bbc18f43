//! What keeping a decision costs the thread that made it.
//!
//! `cargo bench --bench recorder` tells medians, here, in `benches/results/recorder.md` and in the README: the same decisions let go as they are, recorded with
//! the decision log off, and recorded with it on. Only the recording is timed; making the decisions
//! is not. Recording frees a decision too, an earlier one, so the first row belongs into the others.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{
    collections::HashMap,
    fmt::Write as _,
    hint::black_box,
    path::Path,
    thread::{self, ScopedJoinHandle},
    time::{Duration, Instant},
};

#[path = "support/results.rs"]
mod results;

use prometheus::Registry;
use subzero::{
    check::{Body, Check, Headers, HttpRequest, Removes, RequestPath, Source},
    decisions::{Config, LogConfig, Metrics, Recorder, Target, settle},
    dispatch::Strategy,
    pipeline::{Decision, Outcome, Plan, Ran, Stage},
    screening::Findings,
    verdict::Reason,
};
use uuid::Uuid;

const ROUNDS: usize = 41;
const DECISIONS: usize = 2_000;

fn main() {
    let mut table = String::from(
        "What keeping a decision costs the thread that made it, medians; letting it go is in every row:\n\n\
        | what | one thread | each of two |\n|---|---|---|\n",
    );
    let nowhere = || Some(Target::File("/dev/null".into()));
    for (name, target, redact) in [
        ("let go", None, true),
        ("kept, log off", Some(Target::Off), true),
        ("kept, log on", nowhere(), true),
        ("kept, log on, not redacted", nowhere(), false),
    ] {
        let [one, two] = [1, 2].map(|threads| nanos(threads, target.clone(), redact));
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| {name} | {one} ns | {two} ns |");
    }
    let text = results::begin("Keeping decisions", "cargo bench --bench recorder") + &table;
    println!("\n{text}");
    results::keep("recorder.md", &text);
    results::show("README.md", "recorder.rs", &table);
}

/// A decision, in the median round.
fn nanos(threads: usize, target: Option<Target>, redact: bool) -> u128 {
    let metrics = Metrics::register(&Registry::new()).expect("metrics");
    let recorder = target.map(|to| {
        let keep = Config {
            keep: 1_000,
            memory: "8MiB".parse().expect("a size"),
        };
        let log = LogConfig {
            to,
            queue: 16_384,
            allowed_one_in: 1,
            redact,
            key_file: None,
        };
        let settings = settle(keep, &log, Path::new("")).expect("good settings");
        Recorder::start(settings, &metrics, threads).expect("starts")
    });
    let mut rounds: Vec<u128> = thread::scope(|scope| {
        let run = || scope.spawn(|| measure(recorder.as_ref()));
        let running: Vec<_> = (0..threads).map(|_| run()).collect();
        let results = running.into_iter().map(ScopedJoinHandle::join);
        results
            .flat_map(|rounds| rounds.expect("measures"))
            .collect()
    });
    rounds.sort_unstable();
    rounds[rounds.len() / 2]
}

/// Nanoseconds a decision, round by round.
fn measure(recorder: Option<&Recorder>) -> Vec<u128> {
    let check = check();
    let mut rounds = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let decisions: Vec<Decision> = (0..DECISIONS).map(|_| decision()).collect();
        let start = Instant::now();
        for decision in decisions {
            match recorder {
                None => drop(black_box(decision)),
                Some(recorder) => drop(black_box(recorder.record(&check, decision))),
            }
        }
        rounds.push(start.elapsed().as_nanos() / DECISIONS as u128);
        // What the control thread does once a second; and the log's queue empties.
        if let Some(recorder) = recorder {
            recorder.windows().collect();
            thread::park_timeout(Duration::from_millis(25));
        }
    }
    rounds
}

fn decision() -> Decision {
    let ran = |stage| Ran {
        stage,
        strategy: Strategy::Inline,
        predicted: None,
        actual: Duration::from_micros(3),
    };
    Decision {
        id: Uuid::now_v7(),
        outcome: Outcome::Allow,
        shadowed: false,
        reason: Reason::Ok,
        route: None,
        subject: Some("auth0|5f7c8ec7c33c6c004bbafe82".into()),
        nonce: None,
        permission: None,
        findings: Findings::default(),
        risk: None,
        step_up: false,
        plan: Plan {
            ran: vec![ran(Stage::Identity), ran(Stage::Permission)].into(),
            skipped: Vec::new(),
        },
        cost: Duration::from_micros(17),
    }
}

fn check() -> Check {
    let http = HttpRequest {
        method: "GET".into(),
        host: "service.example".into(),
        path: RequestPath::parse("/docs/17?page=2"),
        headers: Headers::default(),
        body: Body::Absent,
    };
    Check {
        http: Some(http),
        source: Source::default(),
        context: HashMap::new(),
        metadata: HashMap::new(),
        removes: Removes::ALL,
        shows_ours: false,
        deadline: Instant::now(),
    }
}
