//! Measuring this machine: what items cost, what a hand-off costs, how well work spreads.
//!
//! Runs on a thread of its own, since it sleeps on purpose: a pool is slowest when it has slept. What
//! a reader would get wrong: with less than a core it rests between runs, for everything that it
//! takes from the quota is taken from checks.
//!
//! # Robustness
//!
//! Runs are short, alternate between small and large items, and their medians count: a page fault or
//! a thread that takes the core away spoils some runs and no result.

use std::{
    ops::Range,
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use super::{
    Dispatcher, Job,
    handoff::{Idle, Seen},
    spread::{Spread, cut},
    work::{Lane, Nature, Operation, Weight, Work},
};

/// How much time measuring may take: one more is added up over some twenty probes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Effort {
    /// A tenth of a second in all, beside a server that has just started.
    Brief,
    /// Some seconds, for somebody who looks at the result.
    Thorough,
}

impl Effort {
    fn of_a_probe(self) -> Duration {
        match self {
            Self::Brief => Duration::from_millis(3),
            Self::Thorough => Duration::from_millis(150),
        }
    }

    fn rounds(self) -> u32 {
        match self {
            Self::Brief => 1,
            Self::Thorough => 8,
        }
    }
}

impl Dispatcher {
    /// Measures an operation's class, that of the items of `small`, from work of small and of large
    /// items; each is done whole in every run, so a run should take some tens of microseconds. The
    /// first class measured counts as the usual one, with items as small as these, until batches
    /// come. Costs are not touched where there is nothing to do.
    pub fn measure<W: Work>(&self, small: &W, large: &W, effort: Effort) {
        if small.is_empty() || large.is_empty() {
            return;
        }
        // The first run compiles what is compiled on first use.
        once(small);
        once(large);
        let began = Instant::now();
        let (mut few, mut many) = (Vec::new(), Vec::new());
        while few.len() < LEAST_RUNS
            || (few.len() < MOST_RUNS && began.elapsed() < effort.of_a_probe())
        {
            few.push(once(small));
            many.push(once(large));
            self.rest_after(few[few.len() - 1] + many[many.len() - 1]);
        }
        let (few, many) = (Each::of(small, few), Each::of(large, many));
        let more_bytes = many.bytes - few.bytes;
        let a_byte = if more_bytes >= 1.0 {
            ((many.ns - few.ns) / more_bytes).max(0.0)
        } else {
            0.0
        };
        let an_item = (few.ns - a_byte * few.bytes).max(LEAST_ITEM_NS);
        let weight = small.weight(0);
        let class = usize::from(weight.class);
        self.inner.costs.set(W::OPERATION, class, an_item, a_byte);
        self.inner.expect_usual(W::OPERATION, weight);
    }

    /// Measures the hand-off to a sleeping, a dozing and an awake pool.
    pub fn measure_handoff(&self, effort: Effort) {
        for (idle, pause, times) in [
            (Idle::Asleep, Duration::from_millis(2), 8),
            (Idle::Dozing, Duration::from_micros(300), 12),
            (Idle::Awake, Duration::ZERO, 12),
        ] {
            for _ in 0..times * effort.rounds() {
                rest(pause);
                let Some(seen) = self.hand_over(Nothing, vec![1], 1.0, 0.0, idle) else {
                    return;
                };
                self.inner.handoff.learn(&[], &seen);
            }
        }
        self.inner.handoff.settle();
    }

    /// Measures how well work spreads, by giving the pool more and more of `items(count)`, whose
    /// class has been measured before. Counts for every operation that may go there.
    pub fn measure_spread<W: Work>(&self, items: impl Fn(usize) -> W, effort: Effort) {
        let threads = self.cores().min(self.threads() as f64);
        if threads <= 1.0 {
            return;
        }
        let cpu = Operation::ALL.map(|operation| (operation.nature() == Nature::Cpu, operation));
        let cpu: Vec<_> = cpu
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, operation)| *operation)
            .collect();
        let item_ns = self.inner.costs.of(W::OPERATION, items(1).weight(0)).ns;
        for amount_ns in AMOUNTS_NS {
            let count = (amount_ns / item_ns).ceil().max(2.0) as usize;
            for _ in 0..LEAST_RUNS as u32 * effort.rounds() {
                rest(Duration::from_millis(1));
                let work_ns = item_ns * count as f64;
                let piece = self.inner.piece_of(work_ns, threads);
                let ends = cut((0..count).map(|_| item_ns), piece);
                let seen = self.hand_over(items(count), ends, threads, work_ns, Idle::Asleep);
                let Some(seen) = seen else {
                    return;
                };
                self.inner.handoff.learn(&cpu, &seen);
            }
        }
    }

    /// Has the pool do `work` and waits for it.
    fn hand_over<W: Work>(
        &self,
        work: W,
        ends: Vec<usize>,
        threads: f64,
        work_ns: f64,
        idle: Idle,
    ) -> Option<Seen> {
        let pool = self.inner.pool.as_ref()?;
        let began = Instant::now();
        let (spread, done) = Spread::new(Arc::new(work), ends, None);
        let helpers = threads.ceil() as usize;
        if !pool.submit(Arc::clone(&spread) as Arc<dyn Job>, Lane::High, helpers) {
            return None;
        }
        let times = done.blocking_recv().ok()?.ok()?;
        let busy_ns = times.last_ended.saturating_sub(times.first_started) as f64;
        Some(Seen {
            idle,
            threads,
            work_ns,
            there_and_back_ns: began.elapsed().as_nanos() as f64 - busy_ns,
            busy_ns,
        })
    }

    /// With less than a core, gives back four times what was taken.
    fn rest_after(&self, worked_ns: f64) {
        let cores = self.cores();
        if cores < 1.0 {
            let pause = Duration::from_nanos((4.0 * worked_ns / cores) as u64);
            rest(pause.min(Duration::from_millis(50)));
        }
    }
}

/// One item, on average.
struct Each {
    ns: f64,
    bytes: f64,
}

impl Each {
    fn of<W: Work>(work: &W, mut runs: Vec<f64>) -> Self {
        let items = work.len() as f64;
        let middle = runs.len() / 2;
        let (_, median, _) = runs.select_nth_unstable_by(middle, f64::total_cmp);
        let bytes: usize = (0..work.len()).map(|item| work.weight(item).bytes).sum();
        Self {
            ns: *median / items,
            bytes: bytes as f64 / items,
        }
    }
}

/// Nanoseconds that all of `work` takes.
fn once<W: Work>(work: &W) -> f64 {
    let started = Instant::now();
    drop(std::hint::black_box(work.run(0..work.len())));
    started.elapsed().as_nanos() as f64
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
const MOST_RUNS: usize = 1_000;
const LEAST_ITEM_NS: f64 = 0.1;

/// How much work is spread to see how well it does: one amount for each that is told apart, up to
/// where it no longer depends on it.
const AMOUNTS_NS: [f64; 9] = [11e3, 22e3, 45e3, 90e3, 180e3, 360e3, 720e3, 1.4e6, 2.9e6];
