//! `make demo`: Envoy, Subzero and a small service on this machine, to be tried with `curl`.
//!
//! It starts the three with `envoy/raw/sidecar.yaml` and the rules in `examples/demo/`, sends every request
//! it then prints, and compares what came back, and what reached the service, with what should have.
//!
//! With `--once` (or `ONCE=1`) it ends after the table: 0 when all is as it should be, 1 otherwise.

#![expect(clippy::print_stdout, reason = "a demo talks to whoever started it")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use tokio::signal::unix::{SignalKind, signal};

use support::{
    envoy::{self, Envoy},
    keys::{self, Algorithm, Key},
    ports,
    subzero::{self, Subzero},
    tools,
    upstream::Upstream,
};

#[path = "demo/cases.rs"]
mod cases;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/support/harness.rs"]
mod support;
#[path = "demo/table.rs"]
mod table;
#[path = "demo/tokens.rs"]
mod tokens;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let once =
        env::args().any(|arg| arg == "--once") || env::var("ONCE").is_ok_and(|once| once == "1");
    let demo = Demo::start().await;
    let passed = demo.run().await;
    if once {
        return ExitCode::from(u8::from(!passed));
    }
    println!("\nStill running; Ctrl-C ends it.");
    until_told_to_stop().await;
    println!();
    ExitCode::SUCCESS
}

/// All that runs. Envoy stops first, then Subzero, then the service.
struct Demo {
    envoy: Envoy,
    subzero: Subzero,
    service: Upstream,
    tokens: tokens::Tokens,
    /// Where the shell variables and the long body are.
    files: PathBuf,
}

impl Demo {
    async fn start() -> Self {
        let service = Upstream::start_on(ports::free_or(8080)).await;
        let key = Key::generate(Algorithm::Rs256, "demo-1");
        let rules = tools::root().join("examples/demo");
        let read = |name: &str| {
            let path = rules.join(name);
            fs::read_to_string(&path)
                .unwrap_or_else(|error| panic!("read {}: {error}", path.display()))
        };
        let subzero = subzero::Setup::new(binary(), &read("subzero.yaml"))
            .file("store.fga.yaml", read("store.fga.yaml"))
            .file("keys.json", keys::jwks(&[&key]).to_string())
            .ports([9191, 9192, 9193].map(ports::free_or))
            .start()
            .await;
        let mut setup = envoy::Setup::new("sidecar.yaml", service.address, &subzero.socket);
        setup.listener = ports::free_or(10_000);
        setup.admin = ports::free_or(9901);
        let envoy = setup.start().await;
        let files = tools::root().join("target/demo");
        fs::create_dir_all(&files)
            .unwrap_or_else(|error| panic!("make {}: {error}", files.display()));
        let tokens = tokens::Tokens::new(&key);
        Self {
            envoy,
            subzero,
            service,
            tokens,
            files,
        }
    }

    /// Prints what runs where, then each request and its outcome. Whether all was as it should be.
    async fn run(&self) -> bool {
        self.print_places();
        let environment = self.write_files();
        let cases = cases::all(&self.files.join("long.json"));
        println!(
            "\nPaste this first, then any of the lines below:\n\n  . {}\n",
            environment.display()
        );
        for case in &cases {
            println!("  # {}: {}", case.title, case.expected());
            println!("  {}\n", case.curl());
        }
        let mut rows = Vec::new();
        for case in &cases {
            rows.push(table::Row::new(case, &self.ask(case).await));
        }
        let passed = table::print(&rows);
        let resident = self.subzero.process.resident_bytes();
        println!(
            "\nSubzero was ready {} ms after it was started and uses {:.1} MB of memory.",
            self.subzero.ready_after.as_millis(),
            table::megabytes(resident),
        );
        passed
    }

    fn print_places(&self) {
        println!(
            "Envoy     http://{}  (stats: http://{}/stats)",
            self.envoy.address, self.envoy.admin
        );
        println!(
            "Subzero   unix:{}, {}",
            self.subzero.socket.display(),
            self.subzero.grpc
        );
        println!("          http://{}/metrics", self.subzero.admin);
        println!(
            "service   http://{}  (tells what it received)",
            self.service.address
        );
        println!("rules     examples/demo/subzero.yaml, examples/demo/store.fga.yaml");
        println!("running   {}", self.subzero.dir().display());
    }

    /// The shell variables that the lines use, and the body that is too long to paste.
    fn write_files(&self) -> PathBuf {
        let write = |name: &str, text: String| {
            let path = self.files.join(name);
            fs::write(&path, text)
                .unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
            path
        };
        write("long.json", cases::long_body());
        let envoy = format!("ENVOY=http://{}\n", self.envoy.address);
        write("env", envoy + &self.tokens.shell())
    }

    /// Sends one request and gathers all that can be seen of it.
    async fn ask(&self, case: &cases::Case) -> table::Seen {
        let before = self.service.received().len();
        let answer = case.request(&self.tokens).send(self.envoy.address).await;
        let received = self.service.received().get(before).cloned();
        // An allowed answer is the service's own: why it was allowed is in Envoy's access log.
        let reason = match received
            .as_ref()
            .and_then(|request| request.header("x-request-id"))
        {
            Some(id) => self.logged_reason(id).await,
            None => answer.reason().to_owned(),
        };
        table::Seen {
            status: answer.status,
            reason,
            received,
        }
    }

    async fn logged_reason(&self, request_id: &str) -> String {
        let patience = Duration::from_millis(20);
        for _ in 0..100 {
            let log = self.envoy.access_log();
            if let Some(line) = log.iter().find(|line| line["request_id"] == request_id) {
                return line["subzero_reason"].as_str().unwrap_or("-").to_owned();
            }
            tokio::time::sleep(patience).await;
        }
        "(not logged)".to_owned()
    }
}

/// The binary built along with this example.
fn binary() -> PathBuf {
    let example = env::current_exe().expect("know where this program is");
    let profile = example
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/examples/demo");
    let binary = env::var_os("SUBZERO").map_or_else(|| profile.join("subzero"), PathBuf::from);
    assert!(
        binary.exists(),
        "{} is missing; `make demo` builds it, as does `cargo build --release --bin subzero`",
        binary.display()
    );
    binary
}

async fn until_told_to_stop() {
    let mut interrupt = signal(SignalKind::interrupt()).expect("listen for Ctrl-C");
    let mut terminate = signal(SignalKind::terminate()).expect("listen for SIGTERM");
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
