//! Every operation and batch size, three ways in turn.

use std::{
    fmt,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use prometheus::Registry;
use subzero::{
    calibrate::{self, Length, Probes},
    config::Loaded,
    dispatch::{self, Dispatcher, Effort, Lane, Operation, Strategy, Work},
    screening::{self, Screener},
};
use tokio::runtime::{Builder, Runtime};

/// A dispatcher for each way.
pub(crate) struct Rig {
    pub(crate) chosen: Dispatcher,
    inline: Dispatcher,
    pool: Dispatcher,
    probes: Probes,
    runtime: Runtime,
    /// How long a quota of less than a core takes to be whole again; zero without one.
    refill: Duration,
}

/// One operation and batch size: medians in microseconds.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    pub(crate) operation: Operation,
    pub(crate) items: usize,
    pub(crate) inline_us: f64,
    pub(crate) pool_us: f64,
    pub(crate) dispatched_us: f64,
    /// Where most of the runs went.
    pub(crate) strategy: Strategy,
    /// What was foretold over what it took, one a run.
    pub(crate) foretold: Vec<f64>,
}

impl Cell {
    /// As dispatched over the better of the two.
    pub(crate) fn ratio(&self) -> f64 {
        self.dispatched_us / self.inline_us.min(self.pool_us)
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:10} {:6}: in place {:12.2} us, pool {:12.2} us, {:6} {:12.2} us, ratio {:.3}",
            self.operation.as_str(),
            self.items,
            self.inline_us,
            self.pool_us,
            self.strategy.as_str(),
            self.dispatched_us,
            self.ratio()
        )
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        let config = Loaded::read(None).expect("the embedded defaults").config;
        let registry = Registry::new();
        let metrics = screening::Metrics::register(&registry).expect("fresh registry");
        let screener = Screener::new(&config.screening, metrics).expect("good defaults");
        let screener = Arc::new(screener);
        let with_pool = || {
            let metrics = dispatch::Metrics::register(&Registry::new()).expect("fresh registry");
            Dispatcher::new(&config.dispatch, metrics).expect("a pool")
        };
        let chosen = with_pool();
        let rig = Self {
            refill: if chosen.cores() < 1.0 {
                REFILL
            } else {
                Duration::ZERO
            },
            chosen,
            inline: Dispatcher::in_place(),
            pool: with_pool(),
            probes: Probes::new(Arc::clone(&screener)),
            runtime: Builder::new_current_thread().build().expect("a runtime"),
        };
        for dispatcher in [&rig.inline, &rig.pool, &rig.chosen] {
            calibrate::measure(dispatcher, &screener, Effort::Brief, |_, _| {});
        }
        rig
    }

    /// The whole grid. The chooser first sees all of it once, as a server that has been up for a
    /// while has.
    pub(crate) fn measure(&self, tell: impl Fn(&Cell)) -> Vec<Cell> {
        for operation in Operation::ALL {
            for items in SIZES.into_iter().filter(|items| *items <= 10_000) {
                self.cell(operation, items, Duration::from_millis(30), 1);
            }
        }
        // Under a quota most of the time is rest.
        let time = if self.refill.is_zero() {
            CELL
        } else {
            CELL / 3
        };
        let mut cells = Vec::new();
        for operation in Operation::ALL {
            for items in SIZES {
                let cell = self.cell(operation, items, time, LEAST_ROUNDS);
                tell(&cell);
                cells.push(cell);
            }
        }
        cells
    }

    fn cell(&self, operation: Operation, items: usize, time: Duration, least: usize) -> Cell {
        let probes = &self.probes;
        let usual = Length::Usual;
        let class = probes.token_classes().next().expect("the usual class");
        let mut cell = match operation {
            // Records, of which a block is an item of work.
            Operation::Analytics => self.ways(again(probes.analytics(items)), time, least),
            Operation::Hash => self.ways(again(probes.hash(usual, items)), time, least),
            Operation::Jwt => self.ways(again(probes.jwt(class, usual, items)), time, least),
            Operation::Pattern => {
                self.ways(again(probes.pattern(false, usual, items)), time, least)
            }
            Operation::Permission => {
                let questions = probes.permission(false, usual, items);
                self.ways(|| Arc::new(questions.afresh()), time, least)
            }
            Operation::Prompt => self.ways(again(probes.prompt(usual, items)), time, least),
            Operation::Risk => self.ways(again(probes.risk(items)), time, least),
        };
        cell.items = items;
        cell
    }

    /// Runs it all three ways, round after round, each round beginning with another way.
    #[expect(
        clippy::disallowed_methods,
        reason = "nobody else uses this thread's runtime"
    )]
    fn ways<W: Work>(&self, work: impl Fn() -> Arc<W>, time: Duration, least: usize) -> Cell {
        let mut times = [const { Vec::new() }; 3];
        let (mut foretold, mut pooled) = (Vec::new(), 0);
        let (mut used, mut rested) = (Duration::ZERO, Duration::ZERO);
        let began = Instant::now();
        for round in 0.. {
            let is_enough = round >= MOST_ROUNDS || began.elapsed() > time + rested;
            if round > WARM_UP + least && is_enough {
                break;
            }
            for turn in 0..3 {
                let way = (round + turn) % 3;
                let work = work();
                // Each way begins with most of the quota: a pause of fifty milliseconds would else
                // fall upon whichever happens to use it up.
                if used > USES_UP && !self.refill.is_zero() {
                    thread::sleep(self.refill);
                    (used, rested) = (Duration::ZERO, rested + self.refill);
                }
                let started = Instant::now();
                let done = match way {
                    0 => self.run(self.inline.run_as(Strategy::Inline, work, LANE)),
                    1 => self.run(self.pool.run_as(Strategy::Pool, work, LANE)),
                    _ => self.run(self.chosen.run(work, LANE, None)),
                };
                let took = started.elapsed();
                used += took;
                let took = took.as_secs_f64() * 1e6;
                let done = done.expect("no deadline, and nobody else in the lane");
                if round <= WARM_UP {
                    continue;
                }
                times[way].push(took);
                if way == 2 {
                    foretold.push(done.report.predicted_us / done.report.actual_us);
                    pooled += usize::from(done.report.strategy == Strategy::Pool);
                }
            }
        }
        let [inline_us, pool_us, dispatched_us] = times.each_mut().map(|times| median(times));
        let strategy = match W::OPERATION.nature() {
            dispatch::Nature::Native => Strategy::Vector,
            _ if 2 * pooled > foretold.len() => Strategy::Pool,
            _ => Strategy::Inline,
        };
        Cell {
            operation: W::OPERATION,
            items: 0,
            inline_us,
            pool_us,
            dispatched_us,
            strategy,
            foretold,
        }
    }

    fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }
}

fn again<W: Work>(work: W) -> impl Fn() -> Arc<W> {
    let work = Arc::new(work);
    move || Arc::clone(&work)
}

/// The middle one.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}

pub(crate) const SIZES: [usize; 16] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
];

/// As batches of callers come.
const LANE: Lane = Lane::Batch;
const CELL: Duration = Duration::from_millis(400);
const LEAST_ROUNDS: usize = 3;
const MOST_ROUNDS: usize = 200;
/// Two periods of the kernel's.
const REFILL: Duration = Duration::from_millis(200);
/// Of a quota of half a core, what may go unnoticed.
const USES_UP: Duration = Duration::from_millis(10);
/// Rounds that are not counted, beside the first.
const WARM_UP: usize = 1;
