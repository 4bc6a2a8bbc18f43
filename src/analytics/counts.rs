//! How many checks had which cost, packed: an hour of histograms is kept in a few MiB.
//!
//! Costs ascend, so each is written as its distance from the one before it, then how many checks had
//! it; both in groups of seven bits, the lowest first, the eighth bit telling that more follow. Costs
//! within a histogram lie close to each other and most are rare: two bytes a cost, not eight.

use std::{iter, mem};

use hdrhistogram::Histogram;

/// Counts by cost, each cost once, in ascending order.
#[derive(Debug, Default)]
pub(super) struct Counts(Vec<u8>);

/// So many checks of one cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Count {
    pub(super) units: u32,
    pub(super) checks: u32,
}

impl Counts {
    /// Adds counts, in ascending order of cost.
    pub(super) fn merge(&mut self, more: impl Iterator<Item = Count>) {
        let packed = mem::take(&mut self.0);
        let (mut own, mut more) = (unpacked(&packed).peekable(), more.peekable());
        let mut merged = Packer::default();
        loop {
            let next = match (own.peek(), more.peek()) {
                (None, None) => break,
                (Some(old), Some(new)) if old.units == new.units => {
                    let checks = old.checks.saturating_add(new.checks);
                    let units = old.units;
                    own.next();
                    more.next();
                    Some(Count { units, checks })
                }
                (Some(old), Some(new)) if old.units < new.units => own.next(),
                (Some(_), None) => own.next(),
                (_, Some(_)) => more.next(),
            };
            merged.extend(next);
        }
        // No room to grow into: most slices never change again.
        merged.packed.shrink_to_fit();
        self.0 = merged.packed;
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Count> {
        unpacked(&self.0)
    }

    /// How many checks there were.
    pub(super) fn checks(&self) -> u64 {
        self.iter().map(|count| u64::from(count.checks)).sum()
    }

    /// What it takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }
}

fn unpacked(mut rest: &[u8]) -> impl Iterator<Item = Count> {
    let mut units = 0;
    iter::from_fn(move || {
        let step = unpack(&mut rest)?;
        let checks = unpack(&mut rest)?;
        units += step;
        Some(Count { units, checks })
    })
}

/// What a histogram has counted, in ascending order of cost.
pub(super) fn recorded(costs: &Histogram<u32>) -> impl Iterator<Item = Count> {
    costs.iter_recorded().map(|bucket| Count {
        units: u32::try_from(bucket.value_iterated_to()).unwrap_or(u32::MAX),
        checks: bucket.count_at_value(),
    })
}

#[derive(Default)]
struct Packer {
    packed: Vec<u8>,
    last: u32,
}

impl Extend<Count> for Packer {
    fn extend<T: IntoIterator<Item = Count>>(&mut self, counts: T) {
        for Count { units, checks } in counts {
            pack(&mut self.packed, units - self.last);
            pack(&mut self.packed, checks);
            self.last = units;
        }
    }
}

fn pack(packed: &mut Vec<u8>, mut number: u32) {
    while number > 0x7f {
        packed.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    packed.push(number.to_le_bytes()[0]);
}

/// `None` at the end.
fn unpack(rest: &mut &[u8]) -> Option<u32> {
    let mut number = 0;
    for shift in (0..32).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn merging_adds_up_and_keeps_the_order(
            parts in prop::collection::vec(prop::collection::btree_map(any::<u32>(), any::<u32>(), 0..50), 1..5),
        ) {
            let (mut counts, mut expected) = (Counts::default(), BTreeMap::<u32, u32>::new());
            for part in parts {
                counts.merge(part.iter().map(|(&units, &checks)| Count { units, checks }));
                for (units, checks) in part {
                    let sum = expected.entry(units).or_default();
                    *sum = sum.saturating_add(checks);
                }
            }
            let expected: Vec<Count> = expected.into_iter().map(|(units, checks)| Count { units, checks }).collect();
            prop_assert_eq!(counts.iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn a_cost_takes_two_bytes() {
        let mut counts = Counts::default();
        counts.merge((0..200).map(|units| Count { units, checks: 100 }));
        counts.merge((0..200).map(|units| Count { units, checks: 1 }));
        assert_eq!((counts.checks(), counts.bytes()), (200 * 101, 400));
    }
}
