//! What a Redis in trouble does to checks: the slowest hundredth while it is away, slow, senseless or
//! failing over, beside the same checks before.
//!
//! `cargo bench --bench outage` (or `make bench-outage`), a minute and a half. Three kinds of checks come at
//! a fixed rate over one gRPC connection: one that never asks Redis, one that asks it in passing (what another
//! replica was told by the permission server), one that cannot be decided without (a proof that may be
//! shown once). A check's time runs from when it is sent. The table is printed and written to
//! `benches/results/outage.md` and into the README.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    runtime::Builder,
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

#[path = "support/results.rs"]
mod results;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/support/harness.rs"]
mod support;

use support::{
    client::Request,
    door::{Answer, Door},
    faults::{Fault, Proxy},
    keys::{self, Algorithm, Key, Token},
    openfga::{self, OpenFga},
    proofs::{confirmation, proof},
    redis::{Redis, Watched},
    subzero::{Setup, Subzero},
};

const ISSUER: &str = "https://issuer.example/";

/// `store.redis.deadline`, as it is when nobody sets it.
const DEADLINE: Duration = Duration::from_millis(50);

/// The aim: what is added at most, in deadlines.
const LIMIT: f64 = 2.0;

/// One check of each kind every so often.
const TICK: Duration = Duration::from_millis(5);
const BEFORE: Duration = Duration::from_secs(5);
const DURING: Duration = Duration::from_secs(5);

const KINDS: [&str; 3] = [
    "a token",
    "a permission, told to the others",
    "a proof, shown once",
];

/// The troubles of a Redis that stands alone behind a proxy.
const FAULTS: [(&str, Fault); 4] = [
    ("away", Fault::Refuse),
    ("silent", Fault::BlackHole),
    (
        "slow: 200 ms an answer",
        Fault::Slow(Duration::from_millis(200)),
    ),
    ("garbage", Fault::Garbage),
];

fn main() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (table, verdict) = runtime.block_on(measure());
    let title = "Checks while Redis is in trouble";
    let begin = results::begin(title, "cargo bench --bench outage");
    println!("\n{table}\n{verdict}");
    results::keep("outage.md", &format!("{begin}{table}\n{verdict}\n"));
    results::show("README.md", "outage.rs", &verdict);
}

/// The table, and what it comes to.
async fn measure() -> (String, String) {
    let scene = Scene::start().await;
    let mut text = format!(
        "{} checks a second of each kind over one gRPC connection for {} s \
        before and {} s from the first moment of the trouble on; `store.redis.deadline` is {DEADLINE:?}. Servers, Subzero and the client share the machine's cores. \
        Added: p99 during less p99 before, in deadlines.\n\n| Redis | check of | p99 before ms | p99 during ms | added ÷ deadline | not decided |\n|---|---|---|---|---|---|\n",
        1_000 / TICK.as_millis(),
        BEFORE.as_secs(),
        DURING.as_secs(),
    );
    let mut worst = f64::NEG_INFINITY;
    for (name, fault) in FAULTS {
        let redis = Redis::start().await;
        let proxy = Proxy::start(redis.address).await;
        let at = format!("url: 'redis://{}'", proxy.address);
        let rows = scene.through(&at, || proxy.set(fault)).await;
        worst = rows.tell(name, &mut text).max(worst);
    }
    let mut watched = Watched::start().await;
    let nodes: Vec<String> = watched.sentinels.iter().map(Redis::url).collect();
    let at = format!(
        "topology: sentinel, master: {}, url: '{}', nodes: ['{}', '{}']",
        Watched::MASTER,
        nodes[0],
        nodes[1],
        nodes[2]
    );
    let rows = scene.through(&at, || watched.servers[0].kill()).await;
    worst = rows.tell("killed, and failing over", &mut text).max(worst);
    let verdict = format!(
        "p99 while Redis is in trouble, less p99 before: {worst:.2} of `store.redis.deadline` at worst (limit {LIMIT})."
    );
    (text, verdict)
}

/// What stands around Subzero in every trouble.
struct Scene {
    openfga: OpenFga,
    store: String,
    model: String,
    key: Key,
    holder: Key,
    bound: String,
    free: String,
    /// Each document is asked about once.
    number: Arc<AtomicU64>,
}

/// Times of one kind, in milliseconds and sorted, and how many were not decided.
#[derive(Default)]
struct Times {
    all: Vec<f64>,
    undecided: usize,
}

/// Before and during, by kind.
struct Rows([[Times; 3]; 2]);

impl Scene {
    async fn start() -> Self {
        let openfga = openfga::Setup::default().start().await;
        let store = openfga.store().await;
        let model = openfga.model(&store, &openfga::viewers()).await;
        let key = Key::generate(Algorithm::Rs256, "k");
        let holder = Key::generate(Algorithm::Es256, "");
        let token = Token::new(ISSUER, "api", "alice");
        Self {
            openfga,
            store,
            model,
            bound: token.clone().claim("cnf", confirmation(&holder)).sign(&key),
            free: token.sign(&key),
            key,
            holder,
            number: Arc::default(),
        }
    }

    /// A Subzero on the Redis at `at` (YAML), asked before and after `trouble` begins.
    async fn through(&self, at: &str, trouble: impl FnOnce()) -> Rows {
        let subzero = self.subzero(at).await;
        until_redis(&subzero).await;
        let door = Door::dial(subzero.grpc).await;
        // Only warms up.
        self.ask(&door, Duration::from_secs(1)).await;
        let before = self.ask(&door, BEFORE).await;
        trouble();
        Rows([before, self.ask(&door, DURING).await])
    }

    async fn subzero(&self, at: &str) -> Subzero {
        let server: SocketAddr = self.openfga.http;
        let (store, model) = (&self.store, &self.model);
        let config = format!(
            "log: {{ level: error }}
store: {{ redis: {{ key_file: store.key, deadline: {DEADLINE:?}, {at} }} }}
identity: {{ issuers: {{ main: {{ issuer: '{ISSUER}', jwks_file: keys.json, audiences: any }} }} }}
permission: {{ openfga: {{ url: 'http://{server}', store_id: {store}, model_id: {model} }} }}
routes:
  - {{ name: token, match: {{ path: /token }}, identity: {{ issuers: [main] }} }}
  - {{ name: proof, match: {{ path: /proof }}, identity: {{ issuers: [main], sender: dpop }} }}
  - name: document
    match: {{ path: '/docs/{{id}}' }}
    identity: {{ issuers: [main] }}
    permission: {{ user: 'user:{{token.sub}}', relation: viewer, object: 'document:{{path.id}}' }}
"
        );
        Setup::new(env!("CARGO_BIN_EXE_subzero"), &config)
            .file("keys.json", keys::jwks(&[&self.key]).to_string())
            .file("store.key", "a key of the bench's own")
            .start()
            .await
    }

    /// One of each kind at every tick; all that was asked is waited for.
    async fn ask(&self, door: &Door, time: Duration) -> [Times; 3] {
        let mut ticks = interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (until, mut asked) = (Instant::now() + time, JoinSet::new());
        while Instant::now() < until {
            ticks.tick().await;
            for (kind, (path, headers)) in self.questions().into_iter().enumerate() {
                let door = door.clone();
                asked.spawn(async move {
                    let headers = headers.iter();
                    let headers: Vec<_> = headers.map(|(name, value)| (*name, &**value)).collect();
                    let began = Instant::now();
                    let answer = door.ask(&path, &headers, b"").await;
                    (kind, began.elapsed().as_secs_f64() * 1e3, answer)
                });
            }
        }
        let mut times: [Times; 3] = Default::default();
        for (kind, took, answer) in asked.join_all().await {
            times[kind].all.push(took);
            match (kind, answer) {
                (0 | 2, Answer::Allowed) => {}
                (1, Answer::Denied(403, reason)) if reason == "permission_denied" => {}
                (2, Answer::Denied(503, reason)) if reason == "keys_unavailable" => {
                    times[kind].undecided += 1;
                }
                (_, answer) => panic!("{answer:?} to a check of {}", KINDS[kind]),
            }
        }
        for times in &mut times {
            times.all.sort_by(f64::total_cmp);
        }
        times
    }

    fn questions(&self) -> [(String, Vec<(&'static str, String)>); 3] {
        let bearer = vec![("authorization", format!("Bearer {}", self.free))];
        let url = "https://service.example/proof";
        let shown = proof(&self.holder, "POST", url, Some(&self.bound));
        let scheme = format!("DPoP {}", self.bound);
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        [
            ("/token".to_owned(), bearer.clone()),
            (format!("/docs/{number}"), bearer),
            (
                "/proof".to_owned(),
                vec![("authorization", scheme), ("dpop", shown)],
            ),
        ]
    }
}

impl Rows {
    /// Adds a line for each kind; the most that was added, in deadlines.
    fn tell(&self, name: &str, text: &mut String) -> f64 {
        let p99 = |times: &Times| times.all[times.all.len() * 99 / 100];
        let [before, during] = &self.0;
        let mut worst = f64::NEG_INFINITY;
        for ((kind, before), during) in KINDS.iter().zip(before).zip(during) {
            let (then, now) = (p99(before), p99(during));
            let added = (now - then) / (DEADLINE.as_secs_f64() * 1e3);
            worst = worst.max(added);
            let line = format!(
                "| {name} | {kind} | {then:.2} | {now:.2} | {added:.2} | {} of {} |\n",
                during.undecided,
                during.all.len()
            );
            text.push_str(&line);
        }
        worst
    }
}

async fn until_redis(subzero: &Subzero) {
    loop {
        let page = Request::get("/readyz").send(subzero.admin).await.json();
        if page["redis"]["ready"] == json!(true) {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
}
