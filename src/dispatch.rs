//! Runs each piece of work where measurement says: in place, or spread over a pool of threads.
//!
//! ```text
//! Work -> foretold in place (cost), foretold on the pool (handoff) -> in place | pool -> outputs
//!              ^------------------ what it really took ------------------'
//! ```
//!
//! # What a reader would get wrong
//!
//! The pool is the exception. Waking a thread that sleeps costs tens of microseconds, so one check's
//! work is nearly always cheaper where it is; batches are what the pool is for. A batch in place
//! never holds the thread it runs on: it goes piece by piece and lets others in between. And with
//! one core or less nothing ever leaves: a second thread would only wait for the same core.
//!
//! # Cost
//!
//! A decision takes some tens of nanoseconds and no lock.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "estimates of time: doubles hold far longer ones, and casts from them saturate"
)]

mod calibrate;
mod choose;
mod config;
mod cost;
mod handoff;
mod metrics;
mod pool;
mod quota;
mod single;
mod spread;
mod table;
#[cfg(test)]
mod tests;
mod work;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Instant,
};

use prometheus::IntCounter;

pub use self::{
    choose::Load,
    config::{Config, Queue},
    metrics::Metrics,
    single::Choice,
    table::{Row, Sample, Table},
    work::{Done, Lane, Nature, Operation, Refused, Report, Strategy, Weight, Work},
};
use self::{
    choose::Plan,
    cost::Costs,
    handoff::{Handoff, Seen},
    pool::{Job, Pool},
    spread::{Spread, cut},
};
use crate::units::Span;

/// Decides where work runs, runs it there, and learns from what it took. Clones share everything.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Bits of an `f64`.
    cores: AtomicU64,
    /// The configured number; 0 = look.
    configured: f64,
    costs: Costs,
    decisions: [AtomicU32; Operation::ALL.len()],
    handoff: Handoff,
    hold_ns: f64,
    metrics: Metrics,
    piece_ns: f64,
    /// `None` runs everything in place.
    pool: Option<Arc<Pool>>,
    /// Bytes of a usual item, for the tables.
    usual: [AtomicU32; Operation::ALL.len()],
}

impl Dispatcher {
    /// A dispatcher with a pool of as many threads as there are cores to count on.
    ///
    /// # Errors
    ///
    /// That the machine refuses the threads.
    pub fn new(config: &Config, metrics: Metrics) -> Result<Self, String> {
        let cores = if config.cores > 0.0 {
            config.cores
        } else {
            quota::cores()
        };
        let bounds = [config.queue.critical, config.queue.high, config.queue.batch];
        let pool = Pool::new((cores.ceil() as usize).clamp(1, MOST_THREADS), bounds)?;
        let dispatcher = Self::made(config, metrics, Some(Arc::new(pool)));
        dispatcher.count_on(cores);
        Ok(dispatcher)
    }

    /// A dispatcher that runs everything in place: for commands and tests that need no pool.
    ///
    /// # Panics
    ///
    /// Never: an empty registry takes every series.
    #[must_use]
    pub fn in_place() -> Self {
        let metrics = Metrics::register(&prometheus::Registry::new())
            .expect("an empty registry takes every series");
        Self::made(&Config::in_place(), metrics, None)
    }

    fn made(config: &Config, metrics: Metrics, pool: Option<Arc<Pool>>) -> Self {
        let ns = |span: Span| span.get().as_secs_f64() * 1e9;
        Self {
            inner: Arc::new(Inner {
                cores: AtomicU64::new(1.0f64.to_bits()),
                configured: config.cores,
                costs: Costs::new(),
                decisions: Default::default(),
                handoff: Handoff::new(),
                hold_ns: ns(config.hold),
                metrics,
                piece_ns: ns(config.piece),
                pool,
                usual: Default::default(),
            }),
        }
    }

    /// `subzero_shed_total` by lane, for whoever turns work away before it comes here.
    #[must_use]
    pub fn shed(&self) -> [IntCounter; Lane::ALL.len()] {
        Lane::ALL.map(|lane| self.inner.metrics.shed.with_label_values(&[lane.as_str()]))
    }

    /// Cores counted on, as a fraction.
    #[must_use]
    pub fn cores(&self) -> f64 {
        f64::from_bits(self.inner.cores.load(Ordering::Relaxed))
    }

    /// Threads of the pool.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.inner.pool.as_ref().map_or(0, |pool| pool.threads())
    }

    /// Looks at affinity and quota again. Reads a few small files: call it every few seconds, where
    /// that delays nobody.
    pub fn look_at_quota(&self) {
        if self.inner.configured <= 0.0 {
            self.count_on(quota::cores());
        }
    }

    fn count_on(&self, cores: f64) {
        self.inner.cores.store(cores.to_bits(), Ordering::Relaxed);
        if let Some(pool) = &self.inner.pool {
            pool.limit(cores.ceil() as usize);
        }
    }

    /// Runs every item of `work` and returns the outputs in the order of the items.
    ///
    /// # Errors
    ///
    /// That the lane is full, that `deadline` passed first, or that an item panicked; never a part
    /// of the outputs.
    pub async fn run<W: Work>(
        &self,
        work: Arc<W>,
        lane: Lane,
        deadline: Option<Instant>,
    ) -> Result<Done<W::Output>, Refused> {
        let started = Instant::now();
        let inner = &self.inner;
        let load = inner.weigh(&*work);
        let plan = inner.plan(W::OPERATION, &load, work.len(), lane);
        inner
            .metrics
            .tally
            .decided(W::OPERATION, plan.strategy, plan.predicted_ns as u64);
        let items = work.len();
        let outputs = match (plan.strategy, &inner.pool) {
            (Strategy::Pool, Some(pool)) => {
                inner
                    .on_the_pool(pool, work, lane, deadline, &load, &plan)
                    .await?
            }
            _ => inner.in_place(&*work, deadline, &load).await?,
        };
        let actual_ns = started.elapsed().as_nanos() as f64;
        inner
            .metrics
            .tally
            .ended(W::OPERATION, plan.strategy, actual_ns as u64);
        inner.regret(W::OPERATION, &plan, actual_ns);
        let report = Report {
            operation: W::OPERATION,
            strategy: plan.strategy,
            items,
            bytes: load.bytes,
            predicted_us: micros(plan.predicted_ns),
            actual_us: micros(actual_ns),
            break_even_items: inner.break_even(W::OPERATION, load.ns / items.max(1) as f64),
        };
        Ok(Done { outputs, report })
    }
}

impl Inner {
    /// Piece by piece on this thread; others get it in between.
    async fn in_place<W: Work>(
        &self,
        work: &W,
        deadline: Option<Instant>,
        load: &Load,
    ) -> Result<Vec<W::Output>, Refused> {
        let ends = if load.ns <= self.hold_ns {
            vec![work.len()]
        } else {
            let costs =
                (0..work.len()).map(|item| self.costs.of(W::OPERATION, work.weight(item)).ns);
            cut(costs, self.hold_ns)
        };
        let mut outputs = Vec::with_capacity(work.len());
        let (mut start, mut worked_ns) = (0, 0.0);
        for end in ends {
            if start > 0 {
                tokio::task::yield_now().await;
            }
            let began = Instant::now();
            if deadline.is_some_and(|deadline| began > deadline) {
                return Err(Refused::Deadline);
            }
            // AssertUnwindSafe: after a panic the outputs so far are dropped.
            let piece =
                std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work.run(start..end)));
            let piece = piece.map_err(|_| Refused::Panicked)?;
            if piece.len() != end - start {
                return Err(Refused::Panicked);
            }
            outputs.extend(piece);
            worked_ns += began.elapsed().as_nanos() as f64;
            start = end;
        }
        self.costs.learn(&load.estimate(), worked_ns);
        Ok(outputs)
    }

    /// On as many threads as it is worth; this one is free meanwhile.
    async fn on_the_pool<W: Work>(
        &self,
        pool: &Arc<Pool>,
        work: Arc<W>,
        lane: Lane,
        deadline: Option<Instant>,
        load: &Load,
        plan: &Plan,
    ) -> Result<Vec<W::Output>, Refused> {
        let target =
            (load.ns / (8.0 * plan.threads.ceil())).clamp(SHORTEST_PIECE_NS, self.piece_ns);
        let costs = (0..work.len()).map(|item| self.costs.of(W::OPERATION, work.weight(item)).ns);
        let ends = cut(costs, target);
        let began = Instant::now();
        let (spread, done) = Spread::new(work, ends, deadline);
        let helpers = plan.threads.ceil() as usize;
        if !pool.submit(Arc::clone(&spread) as Arc<dyn Job>, lane, helpers) {
            self.metrics.shed.with_label_values(&[lane.as_str()]).inc();
            return Err(Refused::Overloaded(self.wait(pool, lane)));
        }
        // Whoever asked may hang up at the await; what has not begun then is not begun.
        let guard = StopWhenDropped(Arc::clone(&spread));
        let times = done.await.map_err(|_| Refused::Panicked)??;
        drop(guard);
        let elapsed = began.elapsed().as_nanos() as f64;
        let busy_ns = times.last_ended.saturating_sub(times.first_started) as f64;
        self.handoff.learn(
            W::OPERATION,
            &Seen {
                idle: plan.idle,
                threads: plan.threads,
                work_ns: load.ns,
                there_and_back_ns: elapsed - busy_ns,
                busy_ns,
            },
        );
        Ok(spread.outputs())
    }
}

/// Takes back what nobody waits for.
struct StopWhenDropped<W: Work>(Arc<Spread<W>>);

impl<W: Work> Drop for StopWhenDropped<W> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

fn micros(ns: f64) -> f64 {
    (ns / 100.0).round() / 10.0
}

/// A piece shorter than this costs more to take than it saves.
const SHORTEST_PIECE_NS: f64 = 10e3;

/// A pool larger than this serves nobody: pieces are short and doors are few.
const MOST_THREADS: usize = 256;
