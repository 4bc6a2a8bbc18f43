//! How the cost of a check grows with what there is: routes, issuers, tuples, bytes of a body, checks in
//! flight; and how much memory many checks over many subjects leave behind.
//!
//! `cargo bench --bench growth` (or `make bench-growth`), some three minutes; Subzero on core 1, a client
//! that asks it directly on core 0. A cost may stay as it is or grow as its cause does: what grows
//! faster than that is a cliff, and is told. The table and the drawing go to `benches/results/`.
//!
//! `cargo bench --bench growth -- memory` sends ten million checks over a million subjects, ten minutes.

#![expect(clippy::print_stdout, reason = "it prints a table")]

use std::{env, time::Duration};

#[expect(dead_code, reason = "the other benches use the rest")]
#[path = "../envoy/ask.rs"]
mod ask;
mod causes;
mod memory;
#[path = "../envoy/pinned.rs"]
mod pinned;
mod report;
#[path = "../support/results.rs"]
mod results;
#[expect(dead_code, reason = "the other benches use the rest")]
#[path = "../envoy/scene.rs"]
mod scene;
mod server;

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/support/harness.rs"]
mod support;

use ask::{Pace, Peer, ask};
use causes::Cause;
use server::Server;

const ROUNDS: usize = 3;
const WARM_UP: Duration = Duration::from_millis(500);
const TIME: Duration = Duration::from_secs(1);

fn main() {
    let mut arguments = env::args().skip(1).filter(|argument| argument != "--bench");
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    match arguments.next().as_deref() {
        Some("ask") => ask::run(&arguments.collect::<Vec<_>>()),
        Some("ask-many") => memory::ask_many(&arguments.collect::<Vec<_>>()),
        Some("memory") => runtime().block_on(memory::measure()),
        _ => {
            let grown = runtime().block_on(measure());
            report::write(&grown);
        }
    }
}

/// What became of a cause.
pub(crate) struct Grown {
    cause: Cause,
    points: Vec<Point>,
}

/// Medians at one size.
#[derive(Clone, Copy)]
pub(crate) struct Point {
    size: u32,
    per_second: f64,
    /// Microseconds of the server.
    cpu: f64,
    p99: f64,
}

async fn measure() -> Vec<Grown> {
    let mut grown = Vec::new();
    for cause in Cause::ALL {
        let mut points = Vec::new();
        for size in cause.sizes() {
            let point = point(cause, *size).await;
            println!(
                "{:>9} {} : {:.1} us a check, {:.0} a second",
                size,
                cause.name(),
                point.cpu,
                point.per_second
            );
            points.push(point);
        }
        grown.push(Grown { cause, points });
    }
    grown
}

async fn point(cause: Cause, size: u32) -> Point {
    let scene = cause.scene(size);
    let server = Server::start(&scene).await;
    let peer = Peer::Unix(server.socket());
    let questions = &scene.questions;
    let pace = Pace::InFlight(scene.in_flight);
    ask(&peer, questions, pace, WARM_UP).await;
    let mut runs = Vec::new();
    for _ in 0..ROUNDS {
        let before = server.cpu();
        let asked = ask(&peer, questions, pace, TIME).await;
        let spent = server.cpu().saturating_sub(before);
        runs.push((asked, spent.as_secs_f64() * 1e6 / asked.count));
    }
    let median = |of: &dyn Fn(&(ask::Asked, f64)) -> f64| {
        let mut values: Vec<f64> = runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Point {
        size,
        per_second: median(&|(asked, _)| asked.per_second),
        cpu: median(&|(_, cpu)| *cpu),
        p99: median(&|(asked, _)| asked.p99),
    }
}
