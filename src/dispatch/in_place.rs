//! What a batch in place takes, beside the sum of what its items are expected to.
//!
//! The sum alone is wrong in two ways. Whatever a batch takes once, and what caches make of many items, lets
//! the same item cost more in one size of batch than in another. And for a while everything may take
//! longer, because others use the cores. So the sum is stretched by what batches of the operation and of about so
//! much work took lately.
//!
//! What a reader would get wrong: this forgets, as the hand-off does. A batch that was slow in place goes to
//! the pool from then on, and would never be seen in place again.

use std::time::Instant;

use super::{
    tracker::{Tracker, ticks},
    work::Operation,
};

/// How batches in place fare.
#[derive(Debug)]
pub(super) struct InPlace {
    began: Instant,
    beside_ns: Tracker,
    stretch: [[Tracker; AMOUNTS]; Operation::ALL.len()],
}

impl InPlace {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            beside_ns: Tracker::new(200.0),
            stretch: std::array::from_fn(|_| std::array::from_fn(|_| Tracker::new(1.0))),
        }
    }

    /// Nanoseconds that items take together, of which the sum is `sum_ns`.
    pub(super) fn foretell(&self, operation: Operation, sum_ns: f64, at: Instant) -> f64 {
        sum_ns * self.stretch(operation, sum_ns).get(self.ticks(at))
    }

    /// Learns what items took together that began at `at`.
    pub(super) fn learn(&self, operation: Operation, sum_ns: f64, took_ns: f64, at: Instant) {
        if sum_ns > 0.0 && took_ns > 0.0 {
            let stretch = (took_ns / sum_ns).clamp(0.02, 50.0);
            self.stretch(operation, sum_ns)
                .learn(stretch, self.ticks(at));
        }
    }

    /// Nanoseconds to weigh a batch, to choose for it and to gather what came of it.
    pub(super) fn beside_ns(&self) -> f64 {
        self.beside_ns.get(0)
    }

    pub(super) fn learn_beside(&self, seen_ns: f64) {
        self.beside_ns.learn(seen_ns.clamp(10.0, 1e5), 0);
    }

    fn stretch(&self, operation: Operation, sum_ns: f64) -> &Tracker {
        &self.stretch[operation as usize][amount(sum_ns)]
    }

    fn ticks(&self, at: Instant) -> u16 {
        ticks(at.saturating_duration_since(self.began))
    }
}

fn amount(sum_ns: f64) -> usize {
    let fours = ((sum_ns / LEAST_NS) as u64).max(1).ilog2() / 2;
    (fours as usize).min(AMOUNTS - 1)
}

/// Amounts of work told apart: below a microsecond, below four, and so on by fours to a second and more.
const AMOUNTS: usize = 12;
const LEAST_NS: f64 = 250.0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_batches_take_longer_than_their_items_is_foretold_for_their_like_alone() {
        let (in_place, now) = (InPlace::new(), Instant::now());
        for _ in 0..12 {
            in_place.learn(Operation::Jwt, 1.6e6, 2.4e6, now);
        }
        let of = |operation, sum_ns, at| in_place.foretell(operation, sum_ns, at) / sum_ns;
        let known = of(Operation::Jwt, 1.5e6, now);
        assert!((1.45..1.55).contains(&known), "{known}");
        for (operation, sum_ns) in [
            (Operation::Hash, 1.5e6),
            (Operation::Jwt, 100e3),
            (Operation::Jwt, 100e6),
        ] {
            let other = of(operation, sum_ns, now);
            assert!((0.99..1.01).contains(&other), "{other} for {sum_ns}");
        }
        let later = of(Operation::Jwt, 1.5e6, now + Duration::from_secs(30));
        assert!(later < 1.02, "forgotten by then: {later}");
    }

    #[test]
    fn one_page_fault_moves_nothing_and_any_amount_has_a_place() {
        let (in_place, now) = (InPlace::new(), Instant::now());
        in_place.learn(Operation::Hash, 10e3, 5e6, now);
        assert!(in_place.foretell(Operation::Hash, 10e3, now) < 10.1e3);
        for sum_ns in [0.0, 1e-3, 1e3, 1e9, 1e18, 1e300] {
            in_place.learn(Operation::Hash, sum_ns, sum_ns, now);
            let foretold = in_place.foretell(Operation::Hash, sum_ns, now);
            assert!(foretold.is_finite() && foretold >= 0.0, "{sum_ns}");
        }
    }
}
