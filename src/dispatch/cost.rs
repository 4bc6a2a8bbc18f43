//! What work costs in place: measured at start, corrected by what it really took.
//!
//! The shape (so much an item, so much a byte) comes from calibration; while running, one factor for
//! each operation, class and size of item follows the median of what was seen. A median does not
//! move far for one page fault: each observation shifts a factor by a bounded step.
//!
//! Cost: a foretelling reads one or two atomics, a correction writes one. Corrections that two
//! threads make at once may lose one of the two, which a median does not notice.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::work::{Operation, Weight};

/// The costs of every operation.
#[derive(Debug)]
pub(super) struct Costs {
    operations: [Classes; Operation::ALL.len()],
    measured: [AtomicBool; Operation::ALL.len()],
}

type Classes = [Curve; Weight::CLASSES];

/// One class: `an_item + a_byte * bytes`, times the factor of the item's size.
#[derive(Debug)]
struct Curve {
    an_item_ns: AtomicU32,
    a_byte_ns: AtomicU32,
    factors: [Factor; SIZES],
}

/// A multiplier and how many observations made it, packed into one word so that both change at
/// once: `f32` bits above, count below.
#[derive(Debug)]
struct Factor(AtomicU64);

/// What an observation is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cell {
    operation: Operation,
    class: u8,
    size: u8,
}

/// What some items are expected to take in place, one after another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Estimate {
    pub(super) ns: f64,
    pub(super) bytes: usize,
    /// The kind of item that makes most of it; what is learnt from the whole is learnt about these.
    pub(super) cell: Cell,
}

impl Costs {
    pub(super) fn new() -> Self {
        let costs = Self {
            operations: Default::default(),
            measured: Default::default(),
        };
        for operation in Operation::ALL {
            for class in 0..Weight::CLASSES {
                let (an_item_ns, a_byte_ns) = guess(operation, class);
                costs.shape(operation, class, an_item_ns, a_byte_ns);
            }
        }
        costs
    }

    /// Takes over what calibration measured, and forgets corrections to what was there.
    pub(super) fn set(&self, operation: Operation, class: usize, an_item_ns: f64, a_byte_ns: f64) {
        self.shape(operation, class, an_item_ns, a_byte_ns);
        self.measured[operation as usize].store(true, Ordering::Relaxed);
    }

    /// Whether `operation` has been measured here, so that its costs are no guess.
    pub(super) fn is_measured(&self, operation: Operation) -> bool {
        self.measured[operation as usize].load(Ordering::Relaxed)
    }

    fn shape(&self, operation: Operation, class: usize, an_item_ns: f64, a_byte_ns: f64) {
        let curve = &self.operations[operation as usize][class.min(Weight::CLASSES - 1)];
        store(&curve.an_item_ns, an_item_ns);
        store(&curve.a_byte_ns, a_byte_ns);
        for factor in &curve.factors {
            factor.0.store(pack(1.0, 0), Ordering::Relaxed);
        }
    }

    /// What one item takes.
    pub(super) fn of(&self, operation: Operation, weight: Weight) -> Estimate {
        let cell = Cell::of(operation, weight);
        let curve = self.curve(cell);
        let (factor, _) = unpack(
            curve.factors[usize::from(cell.size)]
                .0
                .load(Ordering::Relaxed),
        );
        let base = load(&curve.an_item_ns) + load(&curve.a_byte_ns) * approximate(weight.bytes);
        Estimate {
            ns: base * f64::from(factor),
            bytes: weight.bytes,
            cell,
        }
    }

    /// What each further byte of such an item takes.
    pub(super) fn a_byte(&self, operation: Operation, weight: Weight) -> f64 {
        let cell = Cell::of(operation, weight);
        let curve = self.curve(cell);
        let factor = &curve.factors[usize::from(cell.size)].0;
        load(&curve.a_byte_ns) * f64::from(unpack(factor.load(Ordering::Relaxed)).0)
    }

    /// Learns that work foretold as `estimate` took `actual_ns` in place.
    pub(super) fn learn(&self, estimate: &Estimate, actual_ns: f64) {
        if estimate.ns <= 0.0 || actual_ns <= 0.0 {
            return;
        }
        let factor = &self.curve(estimate.cell).factors[usize::from(estimate.cell.size)];
        let (old, seen) = unpack(factor.0.load(Ordering::Relaxed));
        let new = towards(f64::from(old), actual_ns / estimate.ns, seen);
        let new = new.clamp(LEAST_FACTOR, MOST_FACTOR);
        factor
            .0
            .store(pack(new as f32, seen.saturating_add(1)), Ordering::Relaxed);
    }

    fn curve(&self, cell: Cell) -> &Curve {
        &self.operations[cell.operation as usize][usize::from(cell.class)]
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self::of(Operation::Hash, Weight::default())
    }
}

impl Cell {
    pub(super) fn class(self) -> u8 {
        self.class
    }

    fn of(operation: Operation, weight: Weight) -> Self {
        // Sizes grow by four: 0, 1..4, 4..16 and so on.
        let bits = usize::BITS - weight.bytes.leading_zeros();
        let size = bits.div_ceil(2).min(SIZES as u32 - 1);
        Self {
            operation,
            class: weight.class.min(Weight::CLASSES as u8 - 1),
            size: size as u8,
        }
    }
}

/// One bounded step from `old` towards `old * ratio`: large while little has been seen, small after.
pub(super) fn towards(old: f64, ratio: f64, seen: u32) -> f64 {
    if seen >= MANY {
        // What the general way comes to within hundredths: between bounds so near to 1 logarithm and
        // exponential are all but these fractions, at a tenth of the time.
        let toward = 2.0 - 4.0 / (ratio + 1.0);
        let step = LEAST_GAIN * toward.clamp(-LEAST_REACH, LEAST_REACH);
        return old * (1.0 + step + step * step / 2.0);
    }
    let seen = f64::from(seen);
    let gain = (1.0 / (seen + 1.0)).max(LEAST_GAIN);
    let reach = 1.5 / (seen + 1.0) + LEAST_REACH;
    old * (gain * ratio.ln().clamp(-reach, reach)).exp()
}

/// Nanoseconds an item and a byte before anything was measured, from the machine this was written
/// on. Right within a factor of a few elsewhere, and replaced within the first tenth of a second.
fn guess(operation: Operation, class: usize) -> (f64, f64) {
    match operation {
        Operation::Risk if class == usize::from(Weight::OF_A_CHECK.class) => (300.0, 0.0),
        Operation::Analytics | Operation::Risk => (2.0, 0.0),
        Operation::Hash => (60.0, 0.5),
        Operation::Jwt => (15_000.0, 0.0),
        Operation::Pattern => (200.0, 1.0),
        Operation::Permission => (1_000.0, 0.0),
        Operation::Prompt => (500.0, 9.0),
    }
}

fn approximate(bytes: usize) -> f64 {
    // Exact below 2^52 bytes.
    bytes as f64
}

fn store(cell: &AtomicU32, value: f64) {
    cell.store((value as f32).to_bits(), Ordering::Relaxed);
}

fn load(cell: &AtomicU32) -> f64 {
    f64::from(f32::from_bits(cell.load(Ordering::Relaxed)))
}

pub(super) fn pack(factor: f32, seen: u32) -> u64 {
    (u64::from(factor.to_bits()) << 32) | u64::from(seen)
}

pub(super) fn unpack(word: u64) -> (f32, u32) {
    (f32::from_bits((word >> 32) as u32), word as u32)
}

impl Default for Curve {
    fn default() -> Self {
        Self {
            an_item_ns: AtomicU32::new(0),
            a_byte_ns: AtomicU32::new(0),
            factors: std::array::from_fn(|_| Factor(AtomicU64::new(pack(1.0, 0)))),
        }
    }
}

/// Sizes of items told apart: the last one holds everything from a quarter gigabyte on.
const SIZES: usize = 16;
/// Share of an observation that is believed once many have been seen.
const LEAST_GAIN: f64 = 0.05;
/// How far an observation may lie off, as a logarithm, and count for more.
const LEAST_REACH: f64 = 0.25;
/// Observations after which the reach is no longer than a hundredth above its least.
const MANY: u32 = 150;
const LEAST_FACTOR: f64 = 1e-3;
const MOST_FACTOR: f64 = 1e3;

#[cfg(test)]
mod tests {
    use super::*;

    const ITEM: Weight = Weight {
        class: 0,
        bytes: 1_000,
    };

    fn seen_often(costs: &Costs, actual_ns: f64, times: usize) {
        for _ in 0..times {
            let estimate = costs.of(Operation::Prompt, ITEM);
            costs.learn(&estimate, actual_ns);
        }
    }

    #[test]
    fn estimates_follow_what_work_takes() {
        for truth in [500.0, 9_500.0, 80_000.0] {
            let costs = Costs::new();
            seen_often(&costs, truth, 30);
            let now = costs.of(Operation::Prompt, ITEM).ns;
            assert!((0.9..1.1).contains(&(now / truth)), "{now} for {truth}");
        }
    }

    #[test]
    fn one_page_fault_moves_nothing_far() {
        let costs = Costs::new();
        seen_often(&costs, 10_000.0, 100);
        let before = costs.of(Operation::Prompt, ITEM).ns;
        seen_often(&costs, 5_000_000.0, 1);
        let after = costs.of(Operation::Prompt, ITEM).ns;
        assert!(after / before < 1.02, "{before} became {after}");
    }

    #[test]
    fn what_is_long_known_is_learnt_as_what_is_new() {
        for ratio in [1e-9, 0.5, 0.8, 0.99, 1.0, 1.01, 1.2, 2.0, 1e9] {
            let steps = [MANY - 1, MANY].map(|seen| towards(1.0, ratio, seen) - 1.0);
            assert!((steps[0] - steps[1]).abs() < 6e-4, "{ratio}: {steps:?}");
        }
    }

    #[test]
    fn sizes_and_classes_are_learnt_apart() {
        let costs = Costs::new();
        seen_often(&costs, 90_000.0, 50);
        let fresh = Costs::new();
        for other in [
            Weight { class: 1, ..ITEM },
            Weight {
                bytes: 100_000,
                ..ITEM
            },
        ] {
            let (kept, new) = (
                costs.of(Operation::Prompt, other).ns,
                fresh.of(Operation::Prompt, other).ns,
            );
            assert!((kept - new).abs() < f64::EPSILON);
        }
        assert!(
            costs
                .of(
                    Operation::Hash,
                    Weight {
                        bytes: 1_000,
                        ..Weight::default()
                    }
                )
                .ns
                < 1_000.0
        );
    }

    #[test]
    fn any_weight_has_a_finite_estimate() {
        let costs = Costs::new();
        for bytes in [0, 1, 3, 4, 1 << 20, usize::MAX] {
            for class in [0, 7, 255] {
                let estimate = costs.of(Operation::Hash, Weight { class, bytes });
                assert!(estimate.ns.is_finite() && estimate.ns > 0.0);
            }
        }
    }
}
