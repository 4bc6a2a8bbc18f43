//! The steps of a check one by one, by criterion, which says how sure it is and what changed since it was last run:
//! `cargo bench --bench steps`, two minutes. `cargo bench --bench steps -- --save-baseline NAME` and
//! `-- --baseline NAME` hold two trees against each other; a word after `--` keeps the steps whose name holds it.
//!
//! Medians go to `benches/results/steps.md` and into the README when all steps were measured. The benches of single
//! steps (`jwt`, `permission`, `prompt`) hold more cases against a peer in the same run.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{
    fmt::Write as _,
    fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use criterion::Criterion;
use serde_json::Value;
use subzero::{
    app,
    check::{BadPath, Body, Headers, HttpRequest, Key},
    dispatch::{self, Dispatcher, Effort, Lane, Operation, Weight},
    identity::Verifier,
    permission::{Ask, Authorizer, Config},
    screening::{self, Action, Allowed, PersonalData, Screener},
};

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/support/keys.rs"]
mod keys;
#[path = "support/results.rs"]
mod results;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/criterion");
    let mut criterion = Criterion::default()
        .sample_size(60)
        .measurement_time(Duration::from_secs(6))
        .output_directory(&folder)
        .configure_from_args();
    tokens(&mut criterion);
    permissions(&mut criterion);
    prompts(&mut criterion);
    mechanisms(&mut criterion);
    criterion.final_summary();
    if std::env::args().skip(1).all(|word| word == "--bench") {
        write(&folder);
    }
}

const STEPS: [&str; 9] = [
    TOKEN_NEW,
    TOKEN_KNOWN,
    DIRECT,
    NESTED,
    SHORT_PROMPT,
    PROMPT,
    LONG_PROMPT,
    KEY,
    CHOICE,
];
const TOKEN_NEW: &str = "a token with RS256, new";
const TOKEN_KNOWN: &str = "a token seen before";
const DIRECT: &str = "a permission, direct";
const NESTED: &str = "a permission, by a group and two folders";
const SHORT_PROMPT: &str = "a chat of 100 B";
const PROMPT: &str = "a chat of 1 KB";
const LONG_PROMPT: &str = "a chat of 10 KB";
const KEY: &str = "a cache key of a token";
const CHOICE: &str = "choosing where work runs, and learning from it";

fn tokens(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    let key = keys::Key::generate(keys::Algorithm::Rs256, "k");
    fs::write(
        folder.path().join("keys.json"),
        keys::jwks(&[&key]).to_string(),
    )
    .expect("writes");
    let token = keys::Token::new(ISSUER, "api", "alice").sign(&key);
    for (name, cache) in [(TOKEN_NEW, "0"), (TOKEN_KNOWN, "16MiB")] {
        let verifier = verifier(folder.path(), cache);
        let want = verifier.any_of(None).expect("issuers");
        criterion.bench_function(name, |bench| {
            bench.iter(|| verifier.verify_now(black_box(&token), &want).is_ok());
        });
    }
    criterion.bench_function(KEY, |bench| bench.iter(|| Key::of_text(black_box(&token))));
}

fn verifier(folder: &Path, cache: &str) -> Verifier {
    let config = format!(
        "identity:
  token_cache: {cache}
  issuers: {{ main: {{ issuer: '{ISSUER}', jwks_file: keys.json, audiences: any }} }}
"
    );
    let file = folder.join("subzero.yaml");
    fs::write(&file, config).expect("writes");
    app::verifier(&file).expect("a good configuration")
}

fn permissions(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("store.fga.yaml"), STORE).expect("writes");
    let config = Config {
        store_file: Some("store.fga.yaml".into()),
        openfga: None,
    };
    let authorizer = Authorizer::load(&config, folder.path()).expect("a good store");
    for (name, object) in [(DIRECT, "document:direct"), (NESTED, "document:nested")] {
        let ask = Ask::new("user:alice", "viewer", object);
        assert_eq!(authorizer.check(&ask), Ok(true), "{name}");
        criterion.bench_function(name, |bench| {
            bench.iter(|| authorizer.check(black_box(&ask)).is_ok());
        });
    }
}

fn prompts(criterion: &mut Criterion) {
    let config = screening::Config {
        max_body: "64KiB".parse().expect("a size"),
        max_text: "256KiB".parse().expect("a size"),
        max_depth: 64,
        personal_data: PersonalData::default(),
        patterns: Vec::new(),
        allow: Allowed::default(),
        cache: "0".parse().expect("a size"),
    };
    let metrics = screening::Metrics::register(&prometheus::Registry::new()).expect("a registry");
    let screener = Screener::new(&config, metrics).expect("the rules compile");
    let want = screening::Requirement {
        trust_system: false,
        injection: Action::Deny,
        invisible_text: Action::Deny,
        secrets: Action::Deny,
        personal_data: Action::Deny,
    };
    for (name, bytes) in [(SHORT_PROMPT, 100), (PROMPT, 1_000), (LONG_PROMPT, 10_000)] {
        let request = chat(bytes);
        criterion.bench_function(name, |bench| {
            let late = Instant::now() + Duration::from_hours(1);
            bench.iter(|| screener.screen(black_box(&request), &want, late).is_ok());
        });
    }
}

/// A body of about so many bytes.
fn chat(bytes: usize) -> HttpRequest {
    let text: String = PROSE.chars().cycle().take(bytes - 60).collect();
    let message = serde_json::json!({ "role": "user", "content": text });
    let body = serde_json::json!({ "model": "gpt-4o", "messages": [message] }).to_string();
    let mut headers = Headers::default();
    headers.push("content-type", "application/json");
    HttpRequest {
        method: "POST".to_owned(),
        host: "api.example".to_owned(),
        path: Err(BadPath::Fragment),
        headers,
        body: Body::Complete(body.into()),
    }
}

fn mechanisms(criterion: &mut Criterion) {
    let defaults: Value = serde_saphyr::from_str(subzero::config::DEFAULTS).expect("YAML");
    let config: dispatch::Config =
        serde_json::from_value(defaults["dispatch"].clone()).expect("a section");
    let metrics = dispatch::Metrics::register(&prometheus::Registry::new()).expect("a registry");
    let dispatcher = Dispatcher::new(&config, metrics).expect("threads");
    dispatcher.measure_handoff(Effort::Brief);
    let weight = Weight {
        class: 0,
        bytes: 100,
    };
    criterion.bench_function(CHOICE, |bench| {
        bench.iter(|| {
            let choice = dispatcher.choose(Operation::Prompt, black_box(weight), Lane::Critical);
            dispatcher.ran(&choice, black_box(Duration::from_micros(1)));
        });
    });
}

/// The medians, with criterion's bounds for 95 %.
fn write(folder: &Path) {
    let mut table = String::from(
        "Medians by criterion, one thread, with the bounds within which they lie with 95 %:\n\n\
        | step | median | between |\n|---|---|---|\n",
    );
    for step in STEPS {
        // Criterion replaces what file names do not take.
        let name = step.replace([' ', ','], "_");
        let text = [step, &name]
            .iter()
            .find_map(|name| fs::read_to_string(folder.join(name).join("new/estimates.json")).ok())
            .expect("criterion's estimates");
        let estimates: Value = serde_json::from_str(&text).expect("JSON");
        let median = &estimates["median"];
        let bounds = &median["confidence_interval"];
        let of = |value: &Value| time(value.as_f64().expect("a number"));
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| {step} | {} | {} to {} |",
            of(&median["point_estimate"]),
            of(&bounds["lower_bound"]),
            of(&bounds["upper_bound"])
        );
    }
    let text = results::begin("The steps of a check", "cargo bench --bench steps") + &table;
    println!("\n{text}");
    results::keep("steps.md", &text);
    results::show("README.md", "steps.rs", &table);
}

fn time(nanos: f64) -> String {
    if nanos < 1e3 {
        format!("{nanos:.0} ns")
    } else {
        format!("{:.2} µs", nanos / 1e3)
    }
}

const ISSUER: &str = "https://issuer.example/";

const STORE: &str = "name: bench
model: |
  model
    schema 1.1
  type user
  type group
    relations
      define member: [user]
  type folder
    relations
      define parent: [folder]
      define viewer: [user, group#member] or viewer from parent
  type document
    relations
      define parent: [folder]
      define viewer: [user] or viewer from parent
tuples:
  - { user: 'user:alice', relation: viewer, object: 'document:direct' }
  - { user: 'user:alice', relation: member, object: 'group:staff' }
  - { user: 'group:staff#member', relation: viewer, object: 'folder:root' }
  - { user: 'folder:root', relation: parent, object: 'folder:plans' }
  - { user: 'folder:plans', relation: parent, object: 'document:nested' }
";

const PROSE: &str = "Could you help me plan a weekend in Lisbon with two small children? We arrive on Friday evening at \
about half past six and leave on Sunday afternoon. The hotel is near the river, and we would rather walk or take the \
tram than rent a car. ";
