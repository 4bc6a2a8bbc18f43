//! Measuring this machine: what a hand-off costs, and what each operation's items cost.
//!
//! Runs on a thread of its own, since it sleeps on purpose: a pool is slowest when it has slept.

use std::{
    ops::Range,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use super::{
    Dispatcher, Job,
    handoff::{Idle, Seen},
    spread::Spread,
    work::{Lane, Operation, Weight, Work},
};

impl Dispatcher {
    /// Measures the hand-off to an awake, a dozing and a sleeping pool: about 40 ms.
    pub fn measure_handoff(&self) {
        let Some(pool) = &self.inner.pool else {
            return;
        };
        for (idle, pause, times) in [
            (Idle::Asleep, Duration::from_millis(3), 8),
            (Idle::Dozing, Duration::from_micros(300), 12),
            (Idle::Awake, Duration::ZERO, 12),
        ] {
            for _ in 0..times {
                rest(pause);
                let began = Instant::now();
                let (spread, done) = Spread::new(Arc::new(Nothing), vec![1], None);
                if !pool.submit(Arc::clone(&spread) as Arc<dyn Job>, Lane::High, 1) {
                    return;
                }
                let Ok(Ok(times)) = done.blocking_recv() else {
                    return;
                };
                let busy = times.last_ended.saturating_sub(times.first_started) as f64;
                let seen = Seen {
                    idle,
                    threads: 1.0,
                    work_ns: busy,
                    there_and_back_ns: began.elapsed().as_nanos() as f64 - busy,
                    busy_ns: busy,
                };
                self.inner.handoff.learn(Operation::Hash, &seen);
            }
        }
    }

    /// Measures an operation's class from work of small and of large items: the medians of a few
    /// runs each, about 6 ms in all.
    pub fn measure<W: Work>(&self, small: &W, large: &W) {
        let (few, many) = (each(small), each(large));
        let (Some(few), Some(many)) = (few, many) else {
            return;
        };
        let more_bytes = many.bytes - few.bytes;
        let a_byte = if more_bytes >= 1.0 {
            ((many.ns - few.ns) / more_bytes).max(0.0)
        } else {
            0.0
        };
        let an_item = (few.ns - a_byte * few.bytes).max(1.0);
        let class = usize::from(small.weight(0).class);
        self.inner.costs.set(W::OPERATION, class, an_item, a_byte);
    }
}

/// One item, on average.
struct Each {
    ns: f64,
    bytes: f64,
}

fn each<W: Work>(work: &W) -> Option<Each> {
    if work.is_empty() {
        return None;
    }
    let items = work.len() as f64;
    // The first run compiles what is compiled on first use.
    drop(work.run(0..work.len()));
    let began = Instant::now();
    let mut runs = Vec::new();
    while runs.len() < MOST_RUNS && (runs.len() < LEAST_RUNS || began.elapsed() < LONGEST) {
        let started = Instant::now();
        drop(std::hint::black_box(work.run(0..work.len())));
        runs.push(started.elapsed().as_nanos() as f64);
    }
    runs.sort_unstable_by(f64::total_cmp);
    let bytes: usize = (0..work.len()).map(|item| work.weight(item).bytes).sum();
    Some(Each {
        ns: runs[runs.len() / 2] / items,
        bytes: bytes as f64 / items,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "calibration has a thread of its own, which nobody waits for"
)]
fn rest(pause: Duration) {
    if !pause.is_zero() {
        sleep(pause);
    }
}

/// Work that takes no time, so that everything it takes is the hand-off.
struct Nothing;

impl Work for Nothing {
    const OPERATION: Operation = Operation::Hash;
    type Output = ();

    fn len(&self) -> usize {
        1
    }

    fn weight(&self, _item: usize) -> Weight {
        Weight::default()
    }

    fn run(&self, items: Range<usize>) -> Vec<()> {
        vec![(); items.len()]
    }
}

const LEAST_RUNS: usize = 5;
const MOST_RUNS: usize = 50;
const LONGEST: Duration = Duration::from_millis(3);
