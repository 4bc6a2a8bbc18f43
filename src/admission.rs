//! How much may be in flight at once, found out from how long checks take.
//!
//! ```text
//! seen -> Arrival (counted, ranked) -> admit(lane): rank below the lane's share of the limit?
//!                                        no  -> refused at once, and told when to come back
//!                                        yes -> worked on; the time a check took is a sample
//! every 100 ms: the samples' mean against the usual one -> the limit falls or grows
//! ```
//!
//! When checks take longer than they usually do while many are in flight, more of them only wait
//! longer, so the limit falls in proportion (the gradient of Netflix's concurrency limits); while they
//! do not, and the limit is being used, it grows by its root. Of the limit batches may use a half and
//! single questions three quarters, so what is shed first is the lowest lane.
//!
//! # What a reader would get wrong
//!
//! Nothing waits here. Somebody is counted where the request is first seen, which is before its task
//! runs: what is in flight is mostly waiting for a thread, and that wait is part of the time a check
//! takes and of its deadline. And only checks are samples, since a batch takes as long as it is big.
//!
//! The crates at hand are layers for one kind of request that wait for a place; a proxy needs an
//! answer instead, and lanes of one limit.
//!
//! # Cost
//!
//! 70 to 90 ns a check, a third of them the look at the clock that its deadline needs anyway; 80 to 180
//! where two threads do nothing else. No lock and no allocation: one in eight checks is a sample, and
//! each clone of [`Admission`] has a reference count of its own, so that threads share no more than the
//! number in flight.

mod config;
mod metrics;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

pub use self::{config::Config, metrics::Metrics};
use crate::dispatch::Lane;

/// Who may come in. Clones share everything that counts; give each thread its own.
#[derive(Debug)]
pub struct Admission {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    inner: Arc<Inner>,
    /// Whose turn it is to be a sample. Threads that share a handle may skip or repeat a turn.
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    metrics: Metrics,
    in_flight: AtomicUsize,
    limit: AtomicUsize,
    began: Instant,
    samples: Samples,
    /// Nanoseconds that a check usually takes; 0 before the first window. Only whoever closes a
    /// window writes it.
    usual_ns: AtomicU64,
}

/// What was measured since the window began.
#[derive(Debug, Default)]
struct Samples {
    count: AtomicU64,
    sum_ns: AtomicU64,
    /// Most that were in flight.
    peak: AtomicUsize,
    /// When it ends, in nanoseconds after `began`.
    ends_ns: AtomicU64,
}

/// Somebody who is in flight until this is dropped. A clone is one more.
#[derive(Debug)]
pub struct Arrival {
    handle: Arc<Handle>,
    at: Instant,
    /// How many were in flight before.
    rank: usize,
    is_sample: bool,
}

/// There is no room in a lane.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too much is in flight; try again in {0:?}")]
pub struct Full(pub Duration);

impl Admission {
    /// Nobody is in yet.
    #[must_use]
    pub fn new(config: Config, metrics: Metrics) -> Self {
        let limit = config.max.clamp(config.min, FIRST_LIMIT.max(config.min));
        metrics.limit(limit);
        Self::onto(Arc::new(Inner {
            config,
            metrics,
            in_flight: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            began: Instant::now(),
            samples: Samples::default(),
            usual_ns: AtomicU64::new(0),
        }))
    }

    fn onto(inner: Arc<Inner>) -> Self {
        let turn = AtomicUsize::new(0);
        Self {
            handle: Arc::new(Handle { inner, turn }),
        }
    }

    /// Counts somebody. Call it where the request is first seen.
    #[must_use]
    pub fn arrive(&self) -> Arrival {
        Arrival::new(Arc::clone(&self.handle), Instant::now())
    }

    /// The limit now.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.handle.inner.limit.load(Ordering::Relaxed)
    }
}

impl Clone for Admission {
    fn clone(&self) -> Self {
        Self::onto(Arc::clone(&self.handle.inner))
    }
}

impl Arrival {
    fn new(handle: Arc<Handle>, at: Instant) -> Self {
        Self {
            rank: handle.inner.in_flight.fetch_add(1, Ordering::Relaxed),
            handle,
            at,
            is_sample: false,
        }
    }

    /// When it was seen.
    #[must_use]
    pub fn at(&self) -> Instant {
        self.at
    }

    /// Whether there is room for it in `lane`.
    pub fn admit(&mut self, lane: Lane) -> Result<(), Full> {
        let Handle { inner, turn } = &*self.handle;
        if self.rank >= share(inner.limit.load(Ordering::Relaxed), lane) {
            inner.metrics.shed(lane);
            return Err(Full(RETRY_AFTER));
        }
        if lane == Lane::Critical {
            let now = turn.load(Ordering::Relaxed);
            turn.store(now.wrapping_add(1), Ordering::Relaxed);
            self.is_sample = now.is_multiple_of(ONE_IN);
        }
        Ok(())
    }
}

impl Clone for Arrival {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.handle), self.at)
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let inner = &self.handle.inner;
        inner.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.is_sample {
            let now = Instant::now();
            inner.measured(now - self.at, self.rank, now - inner.began);
        }
    }
}

impl Inner {
    /// Takes in one check's time; whoever is the first after a window's end closes it, once there are
    /// enough.
    fn measured(&self, took: Duration, rank: usize, now: Duration) {
        let samples = &self.samples;
        let count = samples.count.fetch_add(1, Ordering::Relaxed) + 1;
        samples.sum_ns.fetch_add(nanos(took), Ordering::Relaxed);
        samples.peak.fetch_max(rank + 1, Ordering::Relaxed);
        let (now, ends) = (nanos(now), samples.ends_ns.load(Ordering::Relaxed));
        if now < ends || count < ENOUGH {
            return;
        }
        let next = now + nanos(WINDOW);
        let closed =
            samples
                .ends_ns
                .compare_exchange(ends, next, Ordering::Relaxed, Ordering::Relaxed);
        if closed.is_err() {
            return;
        }
        // A sample that comes in between is counted in one of the two windows or half in each: the
        // mean of many is what counts.
        let count = samples.count.swap(0, Ordering::Relaxed);
        let sum_ns = samples.sum_ns.swap(0, Ordering::Relaxed);
        let peak = samples.peak.swap(0, Ordering::Relaxed);
        self.adapt(sum_ns / count.max(1), peak);
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "nanoseconds of a check and thousands in flight, all from 0 on"
    )]
    fn adapt(&self, mean_ns: u64, peak: usize) {
        let mean = mean_ns.max(nanos(HARMLESS)) as f64;
        let usual = match self.usual_ns.load(Ordering::Relaxed) {
            0 => mean,
            usual => usual as f64,
        };
        // Quick to believe what is better, slow to get used to what is worse.
        let pace = if mean < usual { 0.25 } else { SLOWLY };
        let usual = usual + (mean - usual) * pace;
        self.usual_ns.store(usual as u64, Ordering::Relaxed);
        let limit = self.limit.load(Ordering::Relaxed);
        let gradient = (self.config.tolerance * usual / mean).clamp(0.5, 1.0);
        let next = if gradient < 1.0 {
            (limit as f64 * gradient) as usize
        } else if 2 * peak >= limit {
            limit + (limit as f64).sqrt().ceil() as usize
        } else {
            // Not being used: it says nothing about whether more would do.
            limit
        };
        let next = next.clamp(self.config.min, self.config.max);
        self.limit.store(next, Ordering::Relaxed);
        self.metrics.limit(next);
    }
}

/// What of `limit` a lane may use.
fn share(limit: usize, lane: Lane) -> usize {
    let share = match lane {
        Lane::Critical => limit,
        Lane::High => limit - limit / 4,
        Lane::Batch => limit / 2,
    };
    share.max(1)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

/// Before anything was measured: some milliseconds of work that never leaves its thread.
const FIRST_LIMIT: usize = 1_024;

/// Long enough for a mean, short enough that a burst is felt while it lasts.
const WINDOW: Duration = Duration::from_millis(100);

/// Samples without which a window says nothing, and goes on.
const ENOUGH: u64 = 10;

/// Of so many checks one is a sample.
const ONE_IN: usize = 8;

/// Nobody waits for so little, whatever it is in proportion.
const HARMLESS: Duration = Duration::from_millis(1);

/// How quickly a slower time becomes the usual one: half-way in some 20 s.
const SLOWLY: f64 = 0.003;

/// A limit changes within tenths of a second, and header fields count whole seconds.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
