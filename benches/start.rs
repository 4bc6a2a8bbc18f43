//! How soon a started process answers, and what it holds in memory while idle.
//!
//! `cargo bench --bench start`: the built binary with the demo's rules, started over and over. The table is
//! printed and written to `benches/results/start.md` and into the README.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{fs, time::Duration};

#[path = "support/results.rs"]
mod results;

use support::{keys, subzero::Setup, tools};

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/support/harness.rs"]
mod support;

const STARTS: usize = 21;

#[tokio::main]
async fn main() {
    let demo = |file: &str| {
        fs::read_to_string(tools::root().join("examples/demo").join(file))
            .expect("is in the repository")
    };
    let (rules, store) = (demo("subzero.yaml"), demo("store.fga.yaml"));
    let key = keys::Key::generate(keys::Algorithm::Rs256, "k");
    let mut ready = Vec::new();
    let mut resident = Vec::new();
    for _ in 0..STARTS {
        let setup = Setup::new(env!("CARGO_BIN_EXE_subzero"), &rules)
            .file("store.fga.yaml", &store)
            .file("keys.json", keys::jwks(&[&key]).to_string());
        let running = setup.start().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        ready.push(running.ready_after);
        resident.push(running.process.resident_bytes());
    }
    ready.sort_unstable();
    resident.sort_unstable();
    let mib = |bytes: u64| bytes.div_ceil(1024) / 1024;
    let table = format!(
        "{STARTS} starts with the demo's rules:\n\n| | median | worst |\n|---|---|---|\n\
        | ready after | {:.0?} | {:.0?} |\n| idle memory | {} MiB | {} MiB |\n",
        ready[STARTS / 2],
        ready[STARTS - 1],
        mib(resident[STARTS / 2]),
        mib(resident[STARTS - 1]),
    );
    let text = results::begin("Starts", "cargo bench --bench start") + &table;
    println!("\n{text}");
    results::keep("start.md", &text);
    results::show("README.md", "start.rs", &table);
}
