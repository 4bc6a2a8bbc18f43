//! A summary of a caller's own records: means of throughput and latency, shares of what was
//! coalesced, served from a cache, or failed.
//!
//! # How it is cut
//!
//! An item of this work is a block of [`BLOCK`] records, not one record: adding a record up takes a
//! few nanoseconds, less than it costs to hand one over. A block's output is a partial sum. Blocks
//! are the same wherever they run and are merged in their order, so the summary is the same to the
//! last bit whichever way the dispatcher chose.
//!
//! # What a reader would get wrong
//!
//! The ratios are sums over sums, not means of ratios: a record of a busy second weighs more than
//! one of a quiet second. They are percentages, and counts are the caller's own: more errors than
//! requests make more than 100.
//!
//! # Cost
//!
//! Sums carry what rounding loses (Neumaier), so that a million small values beside a large one
//! still count: about 5 ns a record.

use std::ops::Range;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::dispatch::{Operation, Weight, Work};

/// One record, such as a second of some service's life. What is left out is 0.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Record {
    /// Requests a second: finite, not negative.
    #[serde(alias = "throughput", deserialize_with = "measured")]
    pub throughput_rps: f64,
    /// Milliseconds: finite, not negative.
    #[serde(alias = "latency", deserialize_with = "measured")]
    pub latency_ms: f64,
    /// Requests in all.
    pub total_requests: u64,
    /// Of these, those that shared another one's answer.
    pub coalesced_requests: u64,
    /// Of these, those that a cache answered.
    pub cache_hits: u64,
    /// Of these, those that failed.
    pub errors: u64,
}

/// Records to be summed up.
#[derive(Debug)]
pub struct Batch {
    records: Vec<Record>,
}

/// The sums of some records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sums {
    records: u64,
    throughput: Sum,
    latency: Sum,
    requests: u128,
    coalesced: u128,
    hits: u128,
    errors: u128,
}

/// What records come to. Without any, and without any request, everything is 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Mean of the records' requests a second.
    pub throughput: f64,
    /// Mean of the records' latencies in milliseconds.
    pub latency: f64,
    /// Coalesced requests in a hundred.
    pub efficiency: f64,
    /// Errors in a hundred requests.
    pub error_rate: f64,
    /// Cache hits in a hundred requests.
    pub cache_hit_ratio: f64,
    /// How many records.
    pub records: u64,
}

impl Batch {
    /// A batch of these records.
    #[must_use]
    pub fn new(records: Vec<Record>) -> Self {
        Self { records }
    }

    fn block(&self, item: usize) -> &[Record] {
        let start = item * BLOCK;
        let end = self.records.len().min(start + BLOCK);
        &self.records[start..end]
    }
}

impl Work for Batch {
    const OPERATION: Operation = Operation::Analytics;

    type Output = Sums;

    fn len(&self) -> usize {
        self.records.len().div_ceil(BLOCK)
    }

    fn weight(&self, item: usize) -> Weight {
        Weight {
            class: 0,
            bytes: size_of_val(self.block(item)),
        }
    }

    fn run(&self, items: Range<usize>) -> Vec<Sums> {
        items.map(|item| Sums::of(self.block(item))).collect()
    }
}

impl Sums {
    fn of(records: &[Record]) -> Self {
        let mut sums = Self::default();
        for record in records {
            sums.records += 1;
            sums.throughput.add(record.throughput_rps);
            sums.latency.add(record.latency_ms);
            sums.requests += u128::from(record.total_requests);
            sums.coalesced += u128::from(record.coalesced_requests);
            sums.hits += u128::from(record.cache_hits);
            sums.errors += u128::from(record.errors);
        }
        sums
    }

    fn merge(&mut self, other: &Self) {
        self.records += other.records;
        self.throughput.merge(other.throughput);
        self.latency.merge(other.latency);
        self.requests += other.requests;
        self.coalesced += other.coalesced;
        self.hits += other.hits;
        self.errors += other.errors;
    }
}

impl Summary {
    /// Puts the sums of all blocks together, in their order.
    #[must_use]
    pub fn merge(blocks: impl IntoIterator<Item = Sums>) -> Self {
        let mut all = Sums::default();
        for block in blocks {
            all.merge(&block);
        }
        Self {
            throughput: ratio(all.throughput.total(), float(all.records.into())),
            latency: ratio(all.latency.total(), float(all.records.into())),
            efficiency: 100.0 * ratio(float(all.coalesced), float(all.requests)),
            error_rate: 100.0 * ratio(float(all.errors), float(all.requests)),
            cache_hit_ratio: 100.0 * ratio(float(all.hits), float(all.requests)),
            records: all.records,
        }
    }
}

/// A sum and what rounding has taken from it.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        // The smaller of the two is the one that was rounded.
        self.lost += if self.sum.abs() >= value.abs() {
            (self.sum - sum) + value
        } else {
            (value - sum) + self.sum
        };
        self.sum = sum;
    }

    fn merge(&mut self, other: Self) {
        self.add(other.sum);
        self.lost += other.lost;
    }

    fn total(self) -> f64 {
        self.sum + self.lost
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "one part in 2^53 does not show in a percentage"
)]
fn float(count: u128) -> f64 {
    count as f64
}

/// A measured value, if it is one: neither negative nor so large that sums of it could overflow.
pub fn measure(value: f64) -> Result<f64, OutOfRange> {
    if (0.0..=MOST).contains(&value) {
        Ok(value)
    } else {
        Err(OutOfRange(value))
    }
}

/// A value that no measurement gives.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("`{0}` is out of range; use 0 to 1e15")]
pub struct OutOfRange(f64);

fn measured<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    measure(f64::deserialize(deserializer)?).map_err(de::Error::custom)
}

const MOST: f64 = 1e15;

/// Records in a block: some microseconds of work, 48 KiB.
const BLOCK: usize = 1_024;

#[cfg(test)]
mod tests;
