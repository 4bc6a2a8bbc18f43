//! What coalescing saves, and what it costs: `cargo bench --bench burst`, about a minute.
//!
//! A backend that takes its time is asked by bursts in which some ask the same, with coalescing and
//! without, side by side in one run; and the processor time of one follower in a herd of 1,000. The
//! backend is a timer: what is measured is what is in front of it. The tables are written to
//! `benches/results/burst.md`, and what matters of them into the README.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::{
    fmt::Write as _,
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

#[path = "support/results.rs"]
mod results;

use futures_util::FutureExt as _;
use subzero::{
    check::Key,
    coalesce::{Coalescer, Kind, Metrics},
};
use tokio::{runtime::Builder, task::JoinSet, time::sleep};

/// Requests of one burst, which arrive within [`WINDOW`].
const REQUESTS: u64 = 1_000;
const WINDOW: Duration = Duration::from_millis(100);
const BURSTS: u64 = 3;
const LIMIT: Duration = Duration::from_secs(30);

fn main() {
    let bursts = bursts();
    let herds = herds();
    let text = results::begin(
        "Bursts, with coalescing and without",
        "cargo bench --bench burst",
    ) + &bursts
        + "\n"
        + &herds;
    println!("\n{text}");
    results::keep("burst.md", &text);
    let is_shown = |line: &&str| !line.starts_with("| 5ms |") && !line.starts_with("| 500ms |");
    let shown: Vec<&str> = bursts.lines().filter(is_shown).collect();
    results::show(
        "README.md",
        "burst.rs",
        &(shown.join("\n") + "\n\n" + &herds),
    );
}

/// Calls and added time, with coalescing on and off.
fn bursts() -> String {
    let mut table = String::from(
        "Bursts of 1,000 requests within 100 ms on two threads. As few calls as there are different questions, and no \
        added time, would be best; added p99 is beyond the backend's own time.\n\n\
        | backend | same question | calls, on | calls, off | added p99, on | added p99, off |\n|---|---|---|---|---|---|\n",
    );
    for backend in [5, 50, 500].map(Duration::from_millis) {
        for same in [0, 50, 90, 99] {
            let on = burst(backend, same, true);
            let off = burst(backend, same, false);
            // Writing to a String cannot fail.
            let _ = writeln!(
                table,
                "| {backend:?} | {same} % | {} | {} | {:.1?} | {:.1?} |",
                on.calls, off.calls, on.added, off.added
            );
        }
    }
    table
}

/// What one of a herd costs, beside the quickest way that a library has.
fn herds() -> String {
    let mut table = String::from(
        "Processor time a caller in a herd of 1,000 on one thread, before a backend of 20 ms, medians of 51 herds. \
        `Shared` is that of futures-util: it has no key, deadline or metric.\n\n\
        | | a caller | beyond its task |\n|---|---|---|\n",
    );
    let idle = herd(Way::Idle);
    for (name, each) in [
        ("a task that asks nothing", idle),
        ("a task that waits for a `Shared`", herd(Way::Shared)),
        ("a task that joins a flight", herd(Way::Same)),
        ("a task that leads a flight of its own", herd(Way::Apart)),
    ] {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let (beyond, each) = (micros(each.saturating_sub(idle)), micros(each));
        let _ = writeln!(table, "| {name} | {each:.2} µs | {beyond:.2} µs |");
    }
    table
}

struct Burst {
    /// Backend calls for 1,000 requests.
    calls: u64,
    added: Duration,
}

/// `same` percent of the requests ask one question, the others each their own.
fn burst(backend: Duration, same: u64, is_on: bool) -> Burst {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let calls = Arc::new(AtomicU64::new(0));
    let mut took = Vec::new();
    for burst in 0..BURSTS {
        let coalescer: Coalescer<u64> = Coalescer::new(Kind::Permission, LIMIT, &Metrics::unseen());
        let times = runtime.block_on(async {
            let mut tasks = JoinSet::new();
            for number in 0..REQUESTS {
                let (coalescer, calls) = (coalescer.clone(), Arc::clone(&calls));
                let question = if number % 100 < same { 0 } else { number + 1 };
                tasks.spawn(async move {
                    // Spread evenly, in an order in which same ones come all the time.
                    sleep(
                        WINDOW * u32::try_from(number * 7 % REQUESTS).unwrap_or_default() / 1_000,
                    )
                    .await;
                    let began = Instant::now();
                    let call = || async move {
                        calls.fetch_add(1, Ordering::Relaxed);
                        sleep(backend).await;
                        question
                    };
                    let answer = if is_on {
                        let key = Key::of("burst", |fields| {
                            fields.number(burst).number(question);
                        });
                        let answer = coalescer.join(key, began + LIMIT, call).await;
                        answer.expect("an answer")
                    } else {
                        call().await
                    };
                    assert_eq!(answer, question, "nobody gets another's");
                    began.elapsed()
                });
            }
            tasks.join_all().await
        });
        took.extend(times);
    }
    took.sort_unstable();
    let p99 = took[took.len() * 99 / 100];
    Burst {
        calls: calls.load(Ordering::Relaxed) / BURSTS,
        added: p99.saturating_sub(backend),
    }
}

#[derive(Clone, Copy)]
enum Way {
    /// Each asks its own question.
    Apart,
    /// Nobody asks: what a task takes.
    Idle,
    /// All ask the same.
    Same,
    /// All wait for one future that is shared by a library: no key, no deadline, no metrics.
    Shared,
}

/// Processor time of one of 1,000 callers: what the process took, shared out.
fn herd(way: Way) -> Duration {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let coalescer: Coalescer<()> = Coalescer::new(Kind::Permission, LIMIT, &Metrics::unseen());
    let backend = Duration::from_millis(20);
    let mut herds: Vec<Duration> = (0..51)
        .map(|herd| {
            let before = cpu();
            runtime.block_on(async {
                let shared = async move { sleep(backend).await }.boxed().shared();
                let spawn = |caller| {
                    let (coalescer, shared) = (coalescer.clone(), shared.clone());
                    tokio::spawn(async move {
                        let call = || async move { sleep(backend).await };
                        let question = match way {
                            Way::Apart => caller,
                            Way::Idle => return,
                            Way::Same => 0,
                            Way::Shared => return shared.await,
                        };
                        let key = Key::of("herd", |fields| {
                            fields.number(herd).number(question);
                        });
                        let answer = coalescer.join(key, Instant::now() + LIMIT, call).await;
                        answer.expect("an answer");
                    })
                };
                for caller in (0..REQUESTS).map(spawn).collect::<Vec<_>>() {
                    caller.await.expect("asks");
                }
                // The kernel counts a thread's time when it comes to rest.
                sleep(Duration::from_millis(1)).await;
            });
            cpu().saturating_sub(before) / 1_000
        })
        .collect();
    herds.sort_unstable();
    herds[herds.len() / 2]
}

/// What this thread has run so far.
fn cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("the kernel tells");
    let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.expect("nanoseconds"))
}
