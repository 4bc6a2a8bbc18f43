//! Instructions a check, counted by callgrind: what a change costs, on however busy a machine.
//!
//! `cargo bench --bench instructions` (or `make bench-instructions`) needs valgrind. The server runs
//! under it; a client sends checks as Envoy does, sixteen at once over one connection, some to warm up
//! and then those that are counted. Seconds it does not tell: see `benches/envoy`.
//!
//! The table is printed and written to `benches/results/instructions.md` and into the README. With `check`,
//! nothing is written: the run fails when a row needs more than the written one by over a tenth.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{
    env,
    fmt::Write as _,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use envoy_types::pb::envoy::service::auth::v3::{
    CheckRequest, authorization_client::AuthorizationClient,
};
use tonic::transport::Channel;

#[path = "envoy/floor.rs"]
mod floor;
#[path = "instructions/questions.rs"]
mod questions;
#[path = "support/results.rs"]
mod results;
#[path = "envoy/scene.rs"]
mod scene;
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/support/harness.rs"]
mod support;

use questions::Question;
use support::{
    metrics::Metrics,
    ports,
    process::Process,
    subzero::{Setup, Subzero},
};

const WARM_UP: usize = 2_000;
const COUNTED: usize = 4_000;
const IN_FLIGHT: usize = 16;
const RESULTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/benches/results/instructions.md"
);
/// How much more than written is too much.
const TOLERANCE: f64 = 1.10;

fn main() {
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    match arguments.next().as_deref() {
        Some("floor") => floor::serve(&arguments.collect::<Vec<_>>()),
        mode => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            let rows = runtime.block_on(count());
            let table = table(&rows);
            println!("{table}");
            if mode == Some("check") {
                compare(&rows);
            } else {
                let begin =
                    results::begin("Instructions a check", "cargo bench --bench instructions");
                results::keep("instructions.md", &(begin + &table));
                results::show("README.md", "instructions.rs", &table);
            }
        }
    }
}

struct Row {
    name: &'static str,
    instructions: f64,
}

async fn count() -> Vec<Row> {
    let folder = tempfile::tempdir().expect("make a folder");
    let dir = folder.path();
    let questions = questions::all();
    let mut rows = Vec::new();
    let (floor, address) = floor_under_valgrind(dir).await;
    for (name, question) in [
        ("allow everything (tonic)", &questions.plain),
        ("allow everything (tonic), 1 KB body", &questions.prompt),
    ] {
        rows.push(Row {
            name,
            instructions: measure(dir, &floor, address.port(), question).await,
        });
    }
    drop(floor);
    let subzero = subzero_under_valgrind(dir, &questions).await;
    for (name, question) in questions.named() {
        rows.push(Row {
            name,
            instructions: measure(dir, &subzero.process, subzero.grpc.port(), question).await,
        });
    }
    rows
}

async fn floor_under_valgrind(dir: &Path) -> (Process, std::net::SocketAddr) {
    let (tcp, unix) = (ports::local(ports::free()), dir.join("floor.sock"));
    let mut command = Command::new(under_valgrind(
        dir,
        "floor",
        &env::current_exe().expect("a path"),
    ));
    command.args(["floor", &tcp.to_string()]).arg(&unix);
    let mut process = Process::start("floor", command, dir);
    process.until_accepting(tcp, Duration::from_mins(1)).await;
    (process, tcp)
}

async fn subzero_under_valgrind(dir: &Path, questions: &questions::All) -> Subzero {
    let binary = Path::new(env!("CARGO_BIN_EXE_subzero"));
    let script = under_valgrind(dir, "subzero", binary);
    let setup = Setup::new(script, &questions.config);
    let setup = questions
        .files
        .iter()
        .fold(setup, |setup, (name, text)| setup.file(name, text));
    let mut subzero = setup.spawn();
    subzero.until_ready().await;
    // What it measures of itself at the start is no part of a check.
    let measured = |metrics: &Metrics| metrics.count("subzero_dispatch_measured", &[]) == 7;
    subzero.until_metrics("have measured", measured).await;
    subzero
}

/// Where the dumps go: `SUBZERO_CALLGRIND_OUT` keeps them, to be looked at.
fn dumps(dir: &Path) -> PathBuf {
    env::var_os("SUBZERO_CALLGRIND_OUT").map_or_else(|| dir.to_owned(), PathBuf::from)
}

/// A program that starts `binary` under callgrind, not counting yet.
fn under_valgrind(dir: &Path, name: &str, binary: &Path) -> PathBuf {
    let script = dir.join(name);
    let text = format!(
        "#!/bin/sh\nexec valgrind --quiet --tool=callgrind --callgrind-out-file={}/{name}.out {} \"$@\"\n",
        dumps(dir).display(),
        binary.display()
    );
    fs::write(&script, text).expect("write a script");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("make it a program");
    script
}

/// Instructions for one answer to `question`, of everything that the process does meanwhile.
async fn measure(dir: &Path, process: &Process, port: u16, question: &Question) -> f64 {
    let channel = Channel::from_shared(format!("http://127.0.0.1:{port}")).expect("an address");
    let client = AuthorizationClient::new(channel.connect().await.expect("connects"));
    ask(&client, question, WARM_UP).await;
    control(process, "--zero");
    ask(&client, question, COUNTED).await;
    control(process, "--dump");
    #[expect(clippy::cast_precision_loss, reason = "billions at most")]
    {
        dumped(dir) as f64 / COUNTED as f64
    }
}

async fn ask(client: &AuthorizationClient<Channel>, question: &Question, times: usize) {
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (mut client, request) = (client.clone(), question.request.clone());
        let expected = question.allowed;
        tasks.spawn(async move {
            for _ in 0..times / IN_FLIGHT {
                let request: CheckRequest = request.clone();
                let answer = client.check(request).await.expect("an answer").into_inner();
                let allowed = answer.status.expect("a status").code == 0;
                assert_eq!(allowed, expected, "{:?}", answer.http_response);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("asks");
    }
}

fn control(process: &Process, what: &str) {
    let pid = process.pid().to_string();
    let status = Command::new("callgrind_control")
        .args([what, &pid])
        .output();
    let output = status.expect("run callgrind_control");
    assert!(output.status.success(), "{output:?}");
}

/// The total of the newest dump.
fn dumped(dir: &Path) -> u64 {
    let newest = fs::read_dir(dumps(dir))
        .expect("a folder")
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().contains(".out"))
        .max_by_key(|entry| entry.metadata().and_then(|data| data.modified()).ok())
        .expect("a dump");
    let text = fs::read_to_string(newest.path()).expect("read the dump");
    let total = |line: &str| line.strip_prefix("totals: ")?.trim().parse().ok();
    text.lines().find_map(total).expect("a total")
}

fn table(rows: &[Row]) -> String {
    let floor = rows[0].instructions;
    let mut text = String::from(
        "The server's, counted by callgrind.\n\n| check | instructions | over the first |\n|---|---|---|\n",
    );
    for row in rows {
        let (count, ratio) = (row.instructions, row.instructions / floor);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {} | {count:.0} | {ratio:.2} |", row.name);
    }
    text
}

fn compare(rows: &[Row]) {
    let written = fs::read_to_string(RESULTS).expect("read the written results");
    let of = |name: &str| -> Option<f64> {
        let line = written
            .lines()
            .find(|line| line.starts_with(&format!("| {name} |")))?;
        line.split('|').nth(2)?.trim().parse().ok()
    };
    let worse: Vec<String> = rows
        .iter()
        .filter(|row| of(row.name).is_none_or(|before| row.instructions > before * TOLERANCE))
        .map(|row| {
            format!(
                "{}: {:.0}, written {:?}",
                row.name,
                row.instructions,
                of(row.name)
            )
        })
        .collect();
    assert!(worse.is_empty(), "over what is written: {worse:#?}");
}
