//! Whether work runs where it should: each operation and batch size in place, on the pool, and where
//! the dispatcher puts it, in turn in one run.
//!
//! `cargo bench --bench dispatch` takes about a minute and a half and writes what it finds to
//! `benches/results/dispatch.md` and `dispatch.svg`; `make bench-dispatch` does the same on one core
//! and on half a core, where the right answers are others. A word after `--` goes into the files' names;
//! without one, the README's figures are written anew, too.
//!
//! What a reader would get wrong: the three ways have a dispatcher each, so what is learnt from being
//! told where to run is never known to the one that chooses.

#![expect(clippy::print_stdout, reason = "it prints a table")]
#![expect(
    clippy::cast_precision_loss,
    reason = "times and counts for people; doubles hold far larger ones"
)]

#[path = "dispatch/grid.rs"]
mod grid;
#[path = "dispatch/report.rs"]
mod report;
#[path = "support/results.rs"]
mod results;

use std::{
    env,
    hint::black_box,
    time::{Duration, Instant},
};

use subzero::dispatch::{Dispatcher, Lane, Operation, Weight};

use self::{grid::Rig, report::Report};

fn main() {
    let word = env::args().skip(1).find(|word| !word.starts_with('-'));
    let name = match &word {
        None => "dispatch".to_owned(),
        Some(word) => format!("dispatch-{word}"),
    };
    let rig = Rig::new();
    let report = Report {
        word,
        cores: rig.chosen.cores(),
        table: rig.chosen.table(),
        overhead_ns: overhead(&rig.chosen),
        grid: rig.measure(|cell| println!("{cell}")),
    };
    let text = report.markdown(&name);
    println!("\n{text}");
    results::keep(&format!("{name}.md"), &text);
    results::keep(&format!("{name}.svg"), &report.svg());
    if report.word.is_none() {
        results::show("README.md", "dispatch.rs", &report.for_readme());
    }
}

/// Nanoseconds for choosing where one item runs and for learning what it took: the median of rounds.
fn overhead(dispatcher: &Dispatcher) -> f64 {
    let weight = Weight {
        class: 0,
        bytes: 100,
    };
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            for _ in 0..DECISIONS {
                let choice =
                    dispatcher.choose(Operation::Prompt, black_box(weight), Lane::Critical);
                dispatcher.ran(&choice, black_box(Duration::from_micros(1)));
            }
            began.elapsed().as_secs_f64() * 1e9 / f64::from(DECISIONS)
        })
        .collect();
    grid::median(&mut rounds)
}

const ROUNDS: usize = 31;
const DECISIONS: u32 = 10_000;
