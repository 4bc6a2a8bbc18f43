//! What it costs to hand work to the pool, and how much faster the pool then is.
//!
//! Waking a thread that has slept for milliseconds takes ten times as long as handing work to one
//! that has just finished, so the hand-off is kept by how long the pool has been idle. How much longer
//! the pool is busy than it would be with the cores to itself is kept by operation and by how much
//! work there is: other processes may hold the cores, and a thread that joins late helps little with
//! little work.
//!
//! # What a reader would get wrong
//!
//! A pool that was slow is not tried again by itself, since in place looks better from then on. So
//! what is known to be slow is forgotten bit by bit: once other processes have gone, it takes some
//! seconds and a batch or two until the pool is used again.

use std::time::{Duration, Instant};

use super::{
    tracker::{Tracker, ticks},
    work::Operation,
};

/// How long the pool has done nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Idle {
    /// It runs, or has just finished.
    Awake,
    /// Some tens of microseconds to a millisecond: its threads sleep, its cores may not.
    Dozing,
    /// Longer.
    Asleep,
}

impl Idle {
    pub(super) fn since(idle: Duration) -> Self {
        if idle < Duration::from_micros(30) {
            Self::Awake
        } else if idle < Duration::from_millis(1) {
            Self::Dozing
        } else {
            Self::Asleep
        }
    }
}

/// Hand-off times and how well work spreads.
#[derive(Debug)]
pub(super) struct Handoff {
    began: Instant,
    there_and_back_ns: [Tracker; 3],
    /// How much longer than alone on its cores, by operation and amount of work.
    slowdown: [[Tracker; AMOUNTS]; Operation::ALL.len()],
}

impl Handoff {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            there_and_back_ns: [5e3, 30e3, 60e3].map(Tracker::new),
            slowdown: std::array::from_fn(|_| std::array::from_fn(|_| Tracker::new(1.0))),
        }
    }

    /// What the pool takes for `work_ns` of work, spread over `threads`.
    pub(super) fn foretell(
        &self,
        operation: Operation,
        work_ns: f64,
        threads: f64,
        idle: Idle,
    ) -> f64 {
        let now = self.now();
        let slowdown = self.slowdown[operation as usize][amount(work_ns)].get(now);
        self.there_and_back_ns[idle as usize].get(now) + alone(work_ns, threads) * slowdown
    }

    /// Nanoseconds from asking to the first piece's start, and from the last one's end back, as believed
    /// at `at`.
    pub(super) fn ns(&self, idle: Idle, at: Instant) -> f64 {
        let now = ticks(at.saturating_duration_since(self.began));
        self.there_and_back_ns[idle as usize].get(now)
    }

    /// Learns from work that the pool has done: the hand-off, and how well such an amount spreads for
    /// each of `operations`.
    pub(super) fn learn(&self, operations: &[Operation], seen: &Seen) {
        let now = self.now();
        self.there_and_back_ns[seen.idle as usize].learn(seen.there_and_back_ns.max(100.0), now);
        if seen.work_ns > 0.0 && seen.busy_ns > 0.0 {
            let slowdown = seen.busy_ns / alone(seen.work_ns, seen.threads);
            for operation in operations {
                let tracker = &self.slowdown[*operation as usize][amount(seen.work_ns)];
                tracker.learn(slowdown.clamp(0.3, 1e3), now);
            }
        }
    }

    /// After calibration: hand-offs go back to what was measured, not to a guess.
    pub(super) fn settle(&self) {
        let now = self.now();
        for tracker in &self.there_and_back_ns {
            tracker.settle(now);
        }
    }

    fn now(&self) -> u16 {
        ticks(self.began.elapsed())
    }
}

/// What was seen of one piece of pooled work.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) idle: Idle,
    pub(super) threads: f64,
    /// What it would have taken in place, as foretold.
    pub(super) work_ns: f64,
    pub(super) there_and_back_ns: f64,
    /// From the first piece's start to the last one's end.
    pub(super) busy_ns: f64,
}

/// How long the pool is busy with `work_ns` while nobody else wants its cores. The second thread
/// comes some tens of microseconds late, which matters the less the more there is.
fn alone(work_ns: f64, threads: f64) -> f64 {
    work_ns / (1.0 + (threads - 1.0) * work_ns / (work_ns + LATE_NS))
}

fn amount(work_ns: f64) -> usize {
    let doublings = (work_ns / 4e3).max(1.0).log2();
    (doublings as usize).min(AMOUNTS - 1)
}

/// Amounts of work told apart: below 8 µs, below 16 µs, and so on. A second core that takes as long to
/// wake as one takes for the work is no help with it, and much with twice as much.
const AMOUNTS: usize = 14;
const LATE_NS: f64 = 25e3;

#[cfg(test)]
mod tests {
    use super::*;

    const SEEN: Seen = Seen {
        idle: Idle::Asleep,
        threads: 2.0,
        work_ns: 1e6,
        there_and_back_ns: 200e3,
        busy_ns: 1e6,
    };

    #[test]
    fn more_work_spreads_better_and_a_sleeping_pool_costs_more() {
        let handoff = Handoff::new();
        let of = |work, idle| handoff.foretell(Operation::Hash, work, 2.0, idle);
        assert!(
            of(1e4, Idle::Asleep) > 1e4,
            "ten microseconds stay where they are"
        );
        assert!(of(1e7, Idle::Asleep) < 0.6e7, "ten milliseconds do not");
        assert!(of(1e5, Idle::Awake) < of(1e5, Idle::Asleep));
        assert!(
            of(1e7, Idle::Awake) >= 0.5e7,
            "never faster than the threads there are"
        );
    }

    #[test]
    fn it_follows_what_it_sees() {
        let handoff = Handoff::new();
        for _ in 0..20 {
            handoff.learn(&[Operation::Hash], &SEEN);
        }
        let now = handoff.ns(Idle::Asleep, Instant::now());
        assert!((180e3..220e3).contains(&now), "{now}");
        // Two threads were no faster than one: so it is foretold, and for this operation only.
        let pooled = handoff.foretell(Operation::Hash, 1e6, 2.0, Idle::Asleep);
        assert!(pooled > 1.1e6, "{pooled}");
        assert!(handoff.foretell(Operation::Prompt, 1e6, 2.0, Idle::Awake) < 0.8e6);
    }

    #[test]
    fn cores_that_others_hold_are_noticed_within_a_few_batches() {
        let handoff = Handoff::new();
        let starved = Seen {
            busy_ns: 20e6,
            ..SEEN
        };
        let foretold = || handoff.foretell(Operation::Hash, 1e6, 2.0, Idle::Awake);
        handoff.learn(&[Operation::Hash], &starved);
        assert!(foretold() < 0.6e6, "one page fault moves nothing");
        for _ in 0..4 {
            handoff.learn(&[Operation::Hash], &starved);
        }
        assert!(foretold() > 1e6, "slower than in place, {}", foretold());
    }
}
