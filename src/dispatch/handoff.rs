//! What it costs to hand work to the pool, and how much faster the pool then is.
//!
//! Waking a thread that has slept for milliseconds takes ten times as long as handing work to one
//! that has just finished, so the hand-off is kept by how long the pool has been idle. How well work
//! spreads is kept by operation and by how much work there is: a thread that joins late helps little
//! with little work. Both follow the median of what was seen.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{cost::towards, work::Operation};

/// A number that follows the median of its observations.
#[derive(Debug)]
struct Median(AtomicU64);

impl Median {
    fn new(value: f32) -> Self {
        Self(AtomicU64::new(u64::from(value.to_bits()) << 32))
    }

    fn get(&self) -> f64 {
        f64::from(f32::from_bits(
            (self.0.load(Ordering::Relaxed) >> 32) as u32,
        ))
    }

    fn learn(&self, observed: f64, least: f64, most: f64) {
        let word = self.0.load(Ordering::Relaxed);
        let (old, seen) = (f32::from_bits((word >> 32) as u32), word as u32);
        let old = f64::from(old);
        let new = towards(old, observed.clamp(least, most) / old, seen).clamp(least, most) as f32;
        let word = (u64::from(new.to_bits()) << 32) | u64::from(seen.saturating_add(1));
        self.0.store(word, Ordering::Relaxed);
    }
}

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
    there_and_back_ns: [Median; 3],
    /// Share of the ideal speed-up, by operation and amount of work.
    spread: [[Median; AMOUNTS]; Operation::ALL.len()],
}

impl Handoff {
    pub(super) fn new() -> Self {
        Self {
            there_and_back_ns: [5e3, 30e3, 60e3].map(Median::new),
            spread: std::array::from_fn(|_| std::array::from_fn(|_| Median::new(1.0))),
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
        let share = self.spread[operation as usize][amount(work_ns)].get();
        let speed = 1.0 + (threads - 1.0) * ideal(work_ns) * share;
        self.there_and_back_ns[idle as usize].get() + work_ns / speed.max(0.1)
    }

    /// Nanoseconds from asking to the first piece's start, and from the last one's end back.
    pub(super) fn ns(&self, idle: Idle) -> f64 {
        self.there_and_back_ns[idle as usize].get()
    }

    /// Learns from work that the pool has done: the hand-off, and how well such an amount spreads for
    /// each of `operations`.
    pub(super) fn learn(&self, operations: &[Operation], seen: &Seen) {
        self.there_and_back_ns[seen.idle as usize].learn(seen.there_and_back_ns, 100.0, 1e8);
        if seen.threads > 1.0 && seen.busy_ns > 0.0 {
            let speed = seen.work_ns / seen.busy_ns;
            let share = (speed - 1.0) / ((seen.threads - 1.0) * ideal(seen.work_ns));
            for operation in operations {
                // Slower than one thread alone is possible too: others may hold the cores.
                let spread = &self.spread[*operation as usize][amount(seen.work_ns)];
                spread.learn(share.max(0.05), 0.05, 1.5);
            }
        }
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

/// The second thread comes some tens of microseconds late, which matters the less the more there is.
fn ideal(work_ns: f64) -> f64 {
    work_ns / (work_ns + LATE_NS)
}

fn amount(work_ns: f64) -> usize {
    let fours = (work_ns / 32e3).max(1.0).log2() / 2.0;
    (fours as usize).min(AMOUNTS - 1)
}

/// Amounts of work told apart: below 128 µs, below 512 µs, and so on by fours.
const AMOUNTS: usize = 6;
const LATE_NS: f64 = 25e3;

#[cfg(test)]
mod tests {
    use super::*;

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
        let seen = Seen {
            idle: Idle::Asleep,
            threads: 2.0,
            work_ns: 1e6,
            there_and_back_ns: 200e3,
            busy_ns: 1e6,
        };
        for _ in 0..100 {
            handoff.learn(&[Operation::Hash], &seen);
        }
        let now = handoff.ns(Idle::Asleep);
        assert!((180e3..220e3).contains(&now), "{now}");
        // Two threads were no faster than one: so it is foretold, and for this operation only.
        let pooled = handoff.foretell(Operation::Hash, 1e6, 2.0, Idle::Asleep);
        assert!(pooled > 1.1e6, "{pooled}");
        assert!(handoff.foretell(Operation::Prompt, 1e6, 2.0, Idle::Awake) < 0.8e6);
    }
}
