//! What one check costs the server, by runtime flavour: the measurement behind `src/app/runtime.rs`.
//!
//! `cargo bench --bench door` measures with the default allocator; add `--no-default-features` for
//! the system's. Each flavour serves the same door in a process of its own; rounds alternate. The
//! figure that holds on a busy machine is the server's CPU time a check, from the kernel. The table is
//! printed and written to `benches/results/door.md` and into the README.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{
    env,
    fmt::Write as _,
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use envoy_types::pb::envoy::{
    config::core::v3::{HeaderMap, HeaderValue},
    service::auth::v3::{
        AttributeContext, CheckRequest,
        attribute_context::{HttpRequest, Request},
        authorization_client::AuthorizationClient,
    },
};
use subzero::{
    app,
    ext_authz::{ConnectionLimits, Door, Server},
};
use tokio::{
    net::TcpStream,
    runtime::Builder,
    sync::{mpsc, watch},
};
use tonic::{service::Routes, transport::Channel};

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/support/keys.rs"]
mod keys;
#[path = "support/results.rs"]
mod results;

const FLAVOURS: [&str; 2] = ["per_core", "work_stealing"];
const THREADS: usize = 2;
const CONNECTIONS: usize = 2;
const IN_FLIGHT: usize = 16;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);
const ISSUER: &str = "https://issuer.example/";

fn main() {
    let mut arguments = env::args().skip(1);
    if arguments.next().as_deref() == Some("serve") {
        let flavour = arguments.next().expect("a flavour");
        let config = arguments.next().expect("a configuration");
        return serve(&flavour, Path::new(&config));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let token = write_configuration(folder.path());
    let allocator = if cfg!(feature = "jemalloc") {
        "jemalloc"
    } else {
        "system malloc"
    };
    let mut table = format!(
        "{allocator}, {THREADS} server threads, {CONNECTIONS} connections with {IN_FLIGHT} checks in flight each, medians of \
        {ROUNDS} rounds of {ROUND:?}, in turn:\n\n\
        | check | runtime | server CPU a check | checks/s | resident |\n|---|---|---|---|---|\n"
    );
    let (cached, uncached) = ("subzero.yaml", "uncached.yaml");
    for (name, path, bearer, config) in [
        ("public route", "/open", None, cached),
        ("RS256 token, seen before", "/me", Some(&token), cached),
        ("RS256 token, not cached", "/me", Some(&token), uncached),
    ] {
        let config = folder.path().join(config);
        let request = check_request(path, bearer.map(String::as_str));
        let mut results = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (flavour, results) in FLAVOURS.iter().zip(&mut results) {
                results.push(measure(flavour, &config, &request));
            }
        }
        for (flavour, mut results) in FLAVOURS.iter().zip(results) {
            results.sort_by(|a, b| a.cpu_us.total_cmp(&b.cpu_us));
            let median = &results[ROUNDS / 2];
            // Writing to a String cannot fail.
            let _ = writeln!(
                table,
                "| {name} | `{flavour}` | {:.1} µs | {:.0} | {:.1} MiB |",
                median.cpu_us, median.per_second, median.resident_mib
            );
        }
    }
    let text = results::begin("A check by runtime", "cargo bench --bench door") + &table;
    println!("\n{text}");
    if cfg!(feature = "jemalloc") {
        results::keep("door.md", &text);
        results::show("README.md", "door.rs", &table);
    } else {
        results::keep("door-system-malloc.md", &text);
    }
}

struct Measured {
    cpu_us: f64,
    per_second: f64,
    resident_mib: f64,
}

fn measure(flavour: &str, config: &Path, request: &CheckRequest) -> Measured {
    let server = ServerProcess::start(flavour, config);
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let answered = Arc::new(AtomicU64::new(0));
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..CONNECTIONS {
            let channel =
                Channel::from_shared(format!("http://{}", server.address)).expect("an address");
            let client = AuthorizationClient::new(channel.connect().await.expect("connects"));
            for _ in 0..IN_FLIGHT {
                let (mut client, request, answered) =
                    (client.clone(), request.clone(), Arc::clone(&answered));
                tasks.spawn(async move {
                    loop {
                        // No answer: the round is over and its server gone.
                        let Ok(answer) = client.check(request.clone()).await else {
                            break;
                        };
                        let status = answer.into_inner().status.expect("a status");
                        assert_eq!(status.code, 0, "allowed");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        }
        tokio::time::sleep(ROUND / 4).await;
        let (cpu, count, started) = (
            server.cpu(),
            answered.load(Ordering::Relaxed),
            Instant::now(),
        );
        tokio::time::sleep(ROUND).await;
        let cpu = server.cpu().saturating_sub(cpu);
        let count = answered.load(Ordering::Relaxed) - count;
        let elapsed = started.elapsed();
        tasks.abort_all();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let count = count as f64;
        Measured {
            cpu_us: cpu.as_secs_f64() * 1e6 / count,
            per_second: count / elapsed.as_secs_f64(),
            resident_mib: server.resident_mib(),
        }
    })
}

/// This very program as a server, ended with its value.
struct ServerProcess {
    child: Child,
    address: String,
}

impl ServerProcess {
    fn start(flavour: &str, config: &Path) -> Self {
        let program = env::current_exe().expect("a path");
        let mut child = Command::new(program)
            .args(["serve", flavour])
            .arg(config)
            .stdout(Stdio::piped())
            .spawn()
            .expect("starts");
        let mut address = String::new();
        let output = child.stdout.take().expect("is piped");
        BufReader::new(output)
            .read_line(&mut address)
            .expect("prints its address");
        Self {
            child,
            address: address.trim().to_owned(),
        }
    }

    /// CPU time of all threads, to the nanosecond.
    fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("runs");
        let nanos = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }

    fn resident_mib(&self) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("runs");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("has a size");
        line.trim()
            .trim_end_matches(" kB")
            .parse::<f64>()
            .expect("a number")
            / 1024.0
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(flavour: &str, config: &Path) {
    let door = app::door(config).expect("a good configuration");
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    println!("{}", listener.local_addr().expect("an address"));
    match flavour {
        "per_core" => per_core(&listener, &door),
        _ => work_stealing(&listener, door),
    }
}

/// One single-threaded runtime a thread; connections in turn.
fn per_core(listener: &TcpListener, door: &Door) {
    let mut intakes = Vec::new();
    for _ in 0..THREADS {
        let (intake, connections) = mpsc::channel::<std::net::TcpStream>(8);
        intakes.push(intake);
        let server = server(door.clone());
        thread::spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(answer(&server, connections));
        });
    }
    deal(listener, &intakes);
}

/// Tokio's multi-threaded runtime.
fn work_stealing(listener: &TcpListener, door: Door) {
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .expect("a runtime");
    let (intake, connections) = mpsc::channel(8);
    let server = server(door);
    runtime.spawn(async move { answer(&server, connections).await });
    deal(listener, &[intake]);
}

fn server(door: Door) -> Server {
    let limits = ConnectionLimits {
        message_bytes: 1 << 20,
        streams: 1_024,
    };
    Server::new(door, Routes::default(), limits)
}

fn deal(listener: &TcpListener, intakes: &[mpsc::Sender<std::net::TcpStream>]) {
    for (turn, stream) in listener.incoming().enumerate() {
        let stream = stream.expect("a connection");
        stream.set_nodelay(true).expect("a socket");
        stream.set_nonblocking(true).expect("a socket");
        let intake = &intakes[turn % intakes.len()];
        intake.blocking_send(stream).expect("is served");
    }
}

/// Answers on what is dealt until it is killed.
async fn answer(server: &Server, mut connections: mpsc::Receiver<std::net::TcpStream>) {
    let (_stop, stopping) = watch::channel(false);
    while let Some(stream) = connections.recv().await {
        let stream = TcpStream::from_std(stream).expect("a socket");
        let (server, stopping) = (server.clone(), stopping.clone());
        tokio::spawn(async move { server.serve(stream, stopping).await });
    }
}

fn write_configuration(folder: &Path) -> String {
    let key = keys::Key::generate(keys::Algorithm::Rs256, "k");
    fs::write(folder.join("keys.json"), keys::jwks(&[&key]).to_string()).expect("writes");
    for (file, cache) in [("subzero.yaml", "16MiB"), ("uncached.yaml", "0")] {
        let config = format!(
            "identity:
  token_cache: {cache}
  issuers: {{ main: {{ issuer: '{ISSUER}', jwks_file: keys.json, audiences: any }} }}
routes:
  - {{ name: open, match: {{ path: /open }}, public: true }}
  - {{ name: me, match: {{ path: /me }}, identity: {{ issuers: [main] }} }}
"
        );
        fs::write(folder.join(file), config).expect("writes");
    }
    keys::Token::new(ISSUER, "api", "alice").sign(&key)
}

/// As Envoy sends it with `envoy/raw/sidecar.yaml`: raw headers, restricted to what policies read.
fn check_request(path: &str, bearer: Option<&str>) -> CheckRequest {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("user-agent", "bench/1.0".to_owned()),
        (
            "x-request-id",
            "6b1f3c1e-7f0e-4d8f-9c38-0d2f7a0a2d5c".to_owned(),
        ),
    ];
    headers.extend(bearer.map(|token| ("authorization", format!("Bearer {token}"))));
    let header = |(key, value): (&str, String)| HeaderValue {
        key: key.to_owned(),
        raw_value: value.into_bytes(),
        ..HeaderValue::default()
    };
    let http = HttpRequest {
        method: "GET".into(),
        path: path.into(),
        host: "service.example".into(),
        header_map: Some(HeaderMap {
            headers: headers.into_iter().map(header).collect(),
        }),
        ..HttpRequest::default()
    };
    let attributes = AttributeContext {
        request: Some(Request {
            http: Some(http),
            ..Request::default()
        }),
        ..AttributeContext::default()
    };
    CheckRequest {
        attributes: Some(attributes),
    }
}
