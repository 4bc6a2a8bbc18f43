//! Counts of decisions and times, apart by thread.
//!
//! Every check counts here several times, from every thread, so the counts are kept apart by thread
//! and added up only when somebody scrapes: an addition to a line of memory that no other thread
//! writes takes a nanosecond or two, a shared one a hundred. Nor is it one that other threads would have to
//! be kept out of, which alone takes five to ten: a thread writes only what is its own. Threads beyond
//! the number that have a place of their own share the last one, and there it is.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

use prometheus::proto::{Bucket, Histogram};

use super::work::{Operation, Strategy};
use crate::{telemetry::LATENCY_BUCKETS, threads};

/// Counts by thread.
#[derive(Debug)]
pub(super) struct Tally {
    /// Made when their thread first counts.
    shards: [OnceLock<Box<Shard>>; SHARDS],
}

/// One thread's counts, on memory lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(super) struct Shard {
    pub(super) predicted: [[Times; Strategy::ALL.len()]; Operation::ALL.len()],
    pub(super) actual: [[Times; Strategy::ALL.len()]; Operation::ALL.len()],
    pub(super) regret_ns: [AtomicU64; Operation::ALL.len()],
}

/// A histogram of nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Times {
    counts: [AtomicU64; LATENCY_BUCKETS.len() + 1],
    sum_ns: AtomicU64,
}

/// A thread's place.
#[derive(Clone, Copy)]
struct Own<'a> {
    shard: &'a Shard,
    /// Whether other threads count there too.
    is_shared: bool,
}

impl Own<'_> {
    fn count(self, times: &Times, ns: u64) {
        // From the shortest on: that is where checks are.
        let bucket = BOUNDS_NS.iter().position(|bound| ns <= *bound);
        let bucket = bucket.unwrap_or(BOUNDS_NS.len());
        self.add(&times.counts[bucket], 1);
        self.add(&times.sum_ns, ns);
    }

    fn add(self, to: &AtomicU64, count: u64) {
        if self.is_shared {
            to.fetch_add(count, Ordering::Relaxed);
        } else {
            let before = to.load(Ordering::Relaxed);
            to.store(before.wrapping_add(count), Ordering::Relaxed);
        }
    }
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            shards: [const { OnceLock::new() }; SHARDS],
        }
    }

    pub(super) fn decided(&self, operation: Operation, strategy: Strategy, predicted_ns: u64) {
        let own = self.own();
        let times = &own.shard.predicted[operation as usize][strategy as usize];
        own.count(times, predicted_ns);
    }

    pub(super) fn ended(&self, operation: Operation, strategy: Strategy, actual_ns: u64) {
        let own = self.own();
        let times = &own.shard.actual[operation as usize][strategy as usize];
        own.count(times, actual_ns);
    }

    pub(super) fn regretted(&self, operation: Operation, ns: u64) {
        let own = self.own();
        own.add(&own.shard.regret_ns[operation as usize], ns);
    }

    fn own(&self) -> Own<'_> {
        let own = threads::number().min(SHARDS - 1);
        Own {
            shard: self.shards[own].get_or_init(Box::default),
            is_shared: own == SHARDS - 1,
        }
    }

    pub(super) fn sum(&self, pick: impl Fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards
            .iter()
            .filter_map(OnceLock::get)
            .map(|shard| pick(shard).load(Ordering::Relaxed))
            .sum()
    }

    pub(super) fn histogram(&self, pick: impl Fn(&Shard) -> &Times) -> Histogram {
        let mut histogram = Histogram::default();
        let mut seen = 0;
        let mut buckets = Vec::with_capacity(LATENCY_BUCKETS.len());
        for (at, bound) in LATENCY_BUCKETS.iter().enumerate() {
            seen += self.sum(|shard| &pick(shard).counts[at]);
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(seen);
            buckets.push(bucket);
        }
        seen += self.sum(|shard| &pick(shard).counts[LATENCY_BUCKETS.len()]);
        histogram.set_bucket(buckets);
        histogram.set_sample_count(seen);
        histogram.set_sample_sum(self.sum(|shard| &pick(shard).sum_ns) as f64 / 1e9);
        histogram
    }

    /// How often `operation` was decided to run as `strategy`.
    pub(super) fn decisions(&self, operation: Operation, strategy: Strategy) -> u64 {
        let (operation, strategy) = (operation as usize, strategy as usize);
        let count = |at: usize| self.sum(|shard| &shard.predicted[operation][strategy].counts[at]);
        (0..=LATENCY_BUCKETS.len()).map(count).sum()
    }
}

/// [`LATENCY_BUCKETS`] in whole nanoseconds.
const BOUNDS_NS: [u64; LATENCY_BUCKETS.len()] = [
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
];

/// More threads than count on most machines, over the life of the process; those that come later share the last
/// place, which is slower and still right.
const SHARDS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_every_other_histogram() {
        for (ns, seconds) in BOUNDS_NS.iter().zip(LATENCY_BUCKETS) {
            assert!((*ns as f64 / 1e9 - seconds).abs() < 1e-12);
        }
    }

    #[test]
    fn threads_without_a_place_of_their_own_lose_nothing() {
        let tally = Tally::new();
        std::thread::scope(|scope| {
            for _ in 0..SHARDS + 20 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        tally.decided(Operation::Hash, Strategy::Inline, 15_000);
                    }
                });
            }
        });
        let all = 100 * (SHARDS as u64 + 20);
        assert_eq!(tally.decisions(Operation::Hash, Strategy::Inline), all);
        let histogram = tally.histogram(|shard| {
            &shard.predicted[Operation::Hash as usize][Strategy::Inline as usize]
        });
        assert_eq!(histogram.get_sample_count(), all);
        assert!((histogram.get_sample_sum() - all as f64 * 15e-6).abs() < 1e-6);
    }
}
