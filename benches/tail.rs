//! What batches do to checks: the slowest checks while a client pushes batches of ten thousand prompts
//! without pause, beside the same checks without them.
//!
//! `cargo bench --bench tail` (or `make bench-tail`), a minute and a quarter. Rounds alternate: without batches,
//! with a client that pushes them and gives way, with one that does not. The first of the two stands for a client
//! on another machine, and its figure is held against the limit: it takes only what nobody else wants of the cores
//! that it should not be on. The second shows what a client costs that shares cores with what it asks. Checks come at a fixed rate over one gRPC connection, as from Envoy; a check's time runs from when
//! it is sent. The table is printed and written to `benches/results/tail.md` and into the README.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{
    fmt::Write as _,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use envoy_types::pb::envoy::service::auth::v3::{
    CheckRequest, authorization_client::AuthorizationClient,
};
use serde_json::json;
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{MissedTickBehavior, interval},
};
use tonic::transport::{Channel, Endpoint};

#[path = "support/results.rs"]
mod results;
#[expect(dead_code, reason = "the other benches use the rest")]
#[path = "envoy/scene.rs"]
mod scene;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/support/harness.rs"]
mod support;

use scene::{ISSUER, STORE, request};
use support::{
    client::Request,
    keys::{self, Algorithm, Key, Token},
    subzero::{Setup, Subzero},
};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(3);
/// Sent together at each tick.
const CHECKS: usize = 2;
const TICK: Duration = Duration::from_millis(2);
const PROMPTS: usize = 10_000;
const LIMIT: f64 = 2.0;

/// What there is beside checks.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Beside {
    Nothing,
    /// Batches from a client that gives way.
    Another,
    /// Batches from a client that does not.
    Same,
}

const BESIDE: [Beside; 3] = [Beside::Nothing, Beside::Another, Beside::Same];

fn main() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let table = runtime.block_on(measure());
    let text = results::begin("Checks beside batches", "cargo bench --bench tail") + &table;
    println!("\n{text}");
    results::keep("tail.md", &text);
    results::show("README.md", "tail.rs", &table);
}

async fn measure() -> String {
    let key = Key::generate(Algorithm::Rs256, "k");
    let token = Token::new(ISSUER, "api", "alice").sign(&key);
    let config = format!(
        "identity: {{ issuers: {{ main: {{ issuer: '{ISSUER}', jwks_file: keys.json, audiences: any }} }} }}\n{ROUTES}"
    );
    let subzero = Setup::new(env!("CARGO_BIN_EXE_subzero"), &config)
        .file("keys.json", keys::jwks(&[&key]).to_string())
        .file("store.fga.yaml", STORE)
        .start()
        .await;
    let endpoint = Endpoint::from_shared(format!("http://{}", subzero.grpc)).expect("an address");
    let client = AuthorizationClient::new(endpoint.connect().await.expect("connects"));
    let question = request("/docs/roadmap", Some(&token), None);
    let mut rounds: [Vec<[f64; 2]>; 3] = Default::default();
    let done = Arc::new(AtomicU64::new(0));
    // The first of each only warms up.
    for round in 0..=ROUNDS {
        for (beside, rounds) in BESIDE.into_iter().zip(&mut rounds) {
            let stop = Arc::new(AtomicBool::new(beside == Beside::Nothing));
            let gives_way = beside == Beside::Another;
            let pushing = push(&subzero, Arc::clone(&stop), Arc::clone(&done), gives_way);
            let times = checks(&client, &question).await;
            stop.store(true, Ordering::Relaxed);
            pushing.join().expect("pushes");
            if round > 0 {
                rounds.push(times);
            }
        }
    }
    let batches = done.load(Ordering::Relaxed);
    assert!(batches > 0, "no batch was finished");
    table(&rounds, batches)
}

/// Sends batches, one after the other, until it is told to stop: on a thread of its own, since what a client
/// takes to read a megabyte is no delay of a check.
fn push(
    subzero: &Subzero,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicU64>,
    gives_way: bool,
) -> JoinHandle<()> {
    let to: SocketAddr = subzero.http;
    let prompts: Vec<String> = (0..PROMPTS)
        .map(|number| format!("Please book table {number} by the window for six at eight o'clock."))
        .collect();
    let request = Request::post("/ai/validate-prompt/batch", &json!({ "prompts": prompts }))
        .header("host", "localhost");
    thread::spawn(move || {
        if gives_way {
            subzero::dispatch::give_way();
        }
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            while !stop.load(Ordering::Relaxed) {
                let answer = request.send(to).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    })
}

/// The median and the slowest hundredth, in microseconds.
async fn checks(client: &AuthorizationClient<Channel>, question: &CheckRequest) -> [f64; 2] {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (until, mut asked) = (Instant::now() + ROUND, JoinSet::new());
    while Instant::now() < until {
        ticks.tick().await;
        for _ in 0..CHECKS {
            let (mut client, question) = (client.clone(), question.clone());
            asked.spawn(async move {
                let began = Instant::now();
                let answer = client.check(question).await.expect("an answer");
                let status = answer.into_inner().status.expect("a status");
                assert_eq!(status.code, 0, "not allowed: {status:?}");
                began.elapsed().as_secs_f64() * 1e6
            });
        }
    }
    let mut times = asked.join_all().await;
    times.sort_by(f64::total_cmp);
    [times[times.len() / 2], times[times.len() * 99 / 100]]
}

fn table(rounds: &[Vec<[f64; 2]>; 3], batches: u64) -> String {
    let of = |beside: usize, column: usize| {
        let mut values: Vec<f64> = rounds[beside].iter().map(|times| times[column]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let mut text = format!(
        "Medians of {ROUNDS} rounds of {} s each, in turn; \
        {} checks a second of token and permission over one gRPC connection, while one client pushes batches of {PROMPTS} prompts. \
        Server and both clients share the machine's cores; a client that gives way takes what is left of them, as one on another \
        machine would.\n\n| | p50 µs | p99 µs | p99 ÷ without |\n|---|---|---|---|\n",
        ROUND.as_secs(),
        CHECKS * 1_000 / usize::try_from(TICK.as_millis()).expect("short"),
    );
    let names = [
        "without batches",
        "beside batches, their client gives way",
        "beside batches, their client does not",
    ];
    for (beside, name) in names.iter().enumerate() {
        let [p50, p99] = [of(beside, 0), of(beside, 1)];
        let ratio = p99 / of(0, 1);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {name} | {p50:.0} | {p99:.0} | {ratio:.2} |");
    }
    let _ = writeln!(
        text,
        "\nThe limit is {LIMIT} for a client that gives way. Batches finished meanwhile: {batches}."
    );
    text
}

const ROUTES: &str = "permission: { store_file: store.fga.yaml }
routes:
  - name: document
    match: { path: '/docs/{id}' }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: viewer, object: 'document:{path.id}' }
";
