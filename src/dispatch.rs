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
mod courtesy;
mod gathering;
mod handoff;
mod home;
mod in_place;
mod metrics;
pub mod plot;
mod pool;
mod quota;
mod single;
mod spread;
mod table;
mod tally;
#[cfg(test)]
mod tests;
mod tracker;
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
    calibrate::Effort,
    choose::Load,
    config::{Config, Queue},
    courtesy::{breathe, give_way},
    gathering::{Gathering, Sending, Underway},
    metrics::Metrics,
    single::Choice,
    table::{Row, Sample, Table},
    work::{Done, Lane, Nature, Operation, Refused, Report, Strategy, Weight, Work},
};
use self::{
    choose::Plan,
    cost::Costs,
    handoff::{Handoff, Seen},
    in_place::InPlace,
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
    in_place: InPlace,
    /// Break-evens as last looked for; see [`Inner::known_break_even`].
    known_evens: [AtomicU64; Operation::ALL.len()],
    metrics: Metrics,
    piece_ns: f64,
    /// `None` runs everything in place.
    pool: Option<Arc<Pool>>,
    /// A usual item, for the tables: class and bytes, packed.
    usual: [AtomicU64; Operation::ALL.len()],
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
                in_place: InPlace::new(),
                known_evens: Default::default(),
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
        let load = self.inner.weigh(&*work, started);
        let mut plan = self.inner.plan(W::OPERATION, &load, work.len(), lane);
        if plan.strategy != Strategy::Pool {
            plan.predicted_ns += self.inner.in_place.beside_ns();
        }
        self.carry_out(work, lane, deadline, (started, load, plan))
            .await
    }

    /// As [`Dispatcher::run`], but where it is told, for comparing: [`Strategy::Pool`] where there
    /// is one, anything else in place.
    ///
    /// # Errors
    ///
    /// As [`Dispatcher::run`].
    pub async fn run_as<W: Work>(
        &self,
        strategy: Strategy,
        work: Arc<W>,
        lane: Lane,
    ) -> Result<Done<W::Output>, Refused> {
        let started = Instant::now();
        let load = self.inner.weigh(&*work, started);
        let plan = match strategy {
            Strategy::Pool => self.inner.pooled(W::OPERATION, &load, work.len(), lane),
            _ => None,
        };
        let plan = plan.unwrap_or_else(|| Plan::here(W::OPERATION, &load));
        self.carry_out(work, lane, None, (started, load, plan))
            .await
    }

    async fn carry_out<W: Work>(
        &self,
        work: Arc<W>,
        lane: Lane,
        deadline: Option<Instant>,
        (started, load, plan): (Instant, Load, Plan),
    ) -> Result<Done<W::Output>, Refused> {
        let inner = &self.inner;
        let tally = &inner.metrics.tally;
        tally.decided(W::OPERATION, plan.strategy, plan.predicted_ns as u64);
        let items = work.len();
        let pool = inner.pool.as_ref();
        let pool = pool.filter(|_| plan.strategy == Strategy::Pool);
        let (outputs, worked_ns) = if let Some(pool) = pool {
            let pooled = inner.on_the_pool(pool, work, lane, deadline, &load, &plan);
            (pooled.await?, None)
        } else {
            let (outputs, worked_ns) = inner.do_here(&*work, deadline, &load, started).await?;
            (outputs, Some(worked_ns))
        };
        let actual_ns = started.elapsed().as_nanos() as f64;
        if let Some(worked_ns) = worked_ns.filter(|_| load.ns < SHORT_NS) {
            inner.in_place.learn_beside(actual_ns - worked_ns);
        }
        tally.ended(W::OPERATION, plan.strategy, actual_ns as u64);
        inner.regret(W::OPERATION, &plan, actual_ns);
        let report = Report {
            operation: W::OPERATION,
            strategy: plan.strategy,
            items,
            bytes: load.bytes,
            predicted_us: micros(plan.predicted_ns),
            actual_us: micros(actual_ns),
            break_even_items: inner.known_break_even(
                W::OPERATION,
                load.ns / items.max(1) as f64,
                started,
            ),
        };
        Ok(Done { outputs, report })
    }
}

impl Inner {
    /// Piece by piece on this thread; others get it in between. Tells how long it worked, too.
    async fn do_here<W: Work>(
        &self,
        work: &W,
        deadline: Option<Instant>,
        load: &Load,
        started: Instant,
    ) -> Result<(Vec<W::Output>, f64), Refused> {
        let ends = if load.ns <= self.hold_ns {
            vec![work.len()]
        } else {
            self.pieces(work, self.hold_ns)
        };
        let mut outputs = Vec::with_capacity(work.len());
        let (mut start, mut worked_ns) = (0, 0.0);
        for end in ends {
            if start > 0 {
                tokio::task::yield_now().await;
                breathe();
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
        self.in_place
            .learn(W::OPERATION, load.ns, worked_ns, started);
        Ok((outputs, worked_ns))
    }

    /// Where pieces of about `target_ns` end.
    fn pieces<W: Work>(&self, work: &W, target_ns: f64) -> Vec<usize> {
        let of = |weight| self.costs.of(W::OPERATION, weight).ns;
        match work.uniform() {
            Some(weight) => {
                let step = ((target_ns / of(weight)) as usize).max(1);
                let whole = (step..work.len()).step_by(step);
                whole.chain([work.len()]).collect()
            }
            None => cut((0..work.len()).map(|item| of(work.weight(item))), target_ns),
        }
    }

    /// How long a piece of so much work should be: several a thread, so that one that comes late
    /// still finds some.
    fn piece_of(&self, work_ns: f64, threads: f64) -> f64 {
        (work_ns / (8.0 * threads.ceil())).clamp(SHORTEST_PIECE_NS, self.piece_ns)
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
        let ends = self.pieces(&*work, self.piece_of(load.ns, plan.threads));
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
        let seen = Seen {
            idle: plan.idle,
            threads: plan.threads,
            work_ns: load.ns,
            there_and_back_ns: elapsed - busy_ns,
            busy_ns,
        };
        self.handoff.learn(&[W::OPERATION], &seen);
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

/// To the nanosecond: items cost from one of them on.
fn micros(ns: f64) -> f64 {
    ns.round() / 1e3
}

/// A piece shorter than this costs more to take than it saves.
const SHORTEST_PIECE_NS: f64 = 10e3;

/// Work so short that what is done beside it shows.
const SHORT_NS: f64 = 10e3;

/// A pool larger than this serves nobody: pieces are short and doors are few.
const MOST_THREADS: usize = 256;
