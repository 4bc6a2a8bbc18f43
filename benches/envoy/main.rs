//! A whole decision behind a real Envoy, beside no filter, Envoy's own `jwt_authn`, and a server that
//! allows everything.
//!
//! `cargo bench --bench envoy` (or `make bench-envoy`). Envoy has one worker on core 0; the server
//! under test, `wrk` and this program share core 1. Every case is a listener of the same Envoy that
//! answers by itself, so what differs between two rows is the filter and who it asks. Rounds go
//! through all the cases in turn, and the medians over the rounds are told: on a busy machine read the
//! ratios and the CPU time, not the rates. Then the same servers are asked directly, since behind Envoy it
//! is Envoy that is busy first.
//!
//! The table is printed and written to `benches/results/envoy.md`, into `docs/sizing.md` and the README.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{collections::BTreeMap, env, time::Duration};

mod ask;
#[path = "../support/bars.rs"]
mod bars;
mod cases;
mod direct;
mod floor;
mod load;
mod opa;
mod openfga_envoy;
mod pinned;
mod proxy;
mod remote;
#[path = "../support/results.rs"]
mod results;
mod scene;
mod table;

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/support/harness.rs"]
mod support;

use cases::{Case, Servers};
use load::Run;

/// Rounds over all the cases; `SUBZERO_BENCH_ROUNDS` sets another number.
const ROUNDS: usize = 5;
/// Of one case in one round, after a warm-up that is not counted.
const SECONDS: u64 = 2;

fn main() {
    let mut arguments = env::args().skip(1);
    let (mode, rest) = (arguments.next(), arguments.collect::<Vec<_>>());
    match mode.as_deref() {
        Some("floor") => return floor::serve(&rest),
        Some("ask") => return ask::run(&rest),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure());
}

async fn measure() {
    let rounds = env::var("SUBZERO_BENCH_ROUNDS").map_or(ROUNDS, |rounds| {
        rounds.parse().expect("SUBZERO_BENCH_ROUNDS is a number")
    });
    let servers = Servers::start().await;
    let cases = cases::all(&servers);
    let envoy = proxy::start(&cases).await;
    let mut runs: BTreeMap<&str, Vec<Run>> = BTreeMap::new();
    for round in 0..rounds {
        println!("round {} of {rounds}", round + 1);
        for (case, address) in cases.iter().zip(&envoy.listeners) {
            let time = Duration::from_secs(SECONDS);
            let run = load::run(case, *address, &envoy.process, time).await;
            runs.entry(case.name).or_default().push(run);
        }
    }
    let medians: Vec<(&Case, Run)> = cases
        .iter()
        .map(|case| (case, Run::median(&runs[case.name])))
        .collect();
    let direct = direct::measure(&cases::direct(&servers), rounds).await;
    table::report(&medians, &direct, rounds, Duration::from_secs(SECONDS));
}
