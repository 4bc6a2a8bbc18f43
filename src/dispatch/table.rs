//! What dispatch believes right now, for people: a row an operation, a sample a batch size.

use std::time::Instant;

use serde::Serialize;

use super::{
    Dispatcher,
    handoff::Idle,
    micros,
    work::{Lane, Nature, Operation, Strategy},
};

/// This machine's costs and choices.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Threads of the pool.
    pub threads: usize,
    /// Cores that affinity and CPU quota allow.
    pub quota: f64,
    /// Time to hand work to the sleeping pool and hear from it again.
    pub handoff_us: f64,
    /// One an operation.
    pub operations: Vec<Row>,
}

/// One operation.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Which.
    pub operation: Operation,
    /// What a usual item takes in place.
    pub item_cost_us: f64,
    /// What each further kilobyte (1,024 bytes) of an item takes.
    pub per_kb_us: f64,
    /// From how many usual items on the pool is quicker; `null` where it never is.
    pub break_even_items: Option<u64>,
    /// The same were there as many threads as this, from one on; the last is what there are.
    #[serde(skip)]
    pub break_even_by_threads: Vec<Option<u64>>,
    /// What is chosen for batches of usual items.
    pub strategies: Vec<Sample>,
}

/// One batch size.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    /// How many usual items.
    pub items: u64,
    /// What is chosen for so many while the pool sleeps.
    pub strategy: Strategy,
    /// What they take in place.
    pub inline_us: f64,
    /// What they take on the pool; `null` where they never go there.
    pub pool_us: Option<f64>,
}

impl Dispatcher {
    /// What is believed right now.
    #[must_use]
    pub fn table(&self) -> Table {
        Table {
            threads: self.threads(),
            quota: (self.cores() * 100.0).round() / 100.0,
            handoff_us: micros(self.inner.handoff.ns(Idle::Asleep, Instant::now())),
            operations: Operation::ALL.map(|operation| self.row(operation)).to_vec(),
        }
    }

    /// Brings the gauges up to now: call it before each scrape.
    pub fn refresh(&self) {
        let metrics = &self.inner.metrics;
        let none: [&str; 0] = [];
        metrics.cores.with_label_values(&none).set(self.cores());
        let handoff = self.inner.handoff.ns(Idle::Asleep, Instant::now()) / 1e9;
        metrics.handoff.with_label_values(&none).set(handoff);
        for operation in Operation::ALL {
            let item_ns = self.inner.usual_item_ns(operation);
            let label = [operation.as_str()];
            metrics
                .item_cost
                .with_label_values(&label)
                .set(item_ns / 1e9);
            let measured = self.inner.costs.is_measured(operation);
            metrics
                .measured
                .with_label_values(&label)
                .set(measured.into());
            let even = self.inner.break_even(operation, item_ns);
            let even = even.map_or(f64::INFINITY, |items| items as f64);
            metrics.break_even.with_label_values(&label).set(even);
        }
        for lane in Lane::ALL {
            let depth = self.inner.pool.as_ref().map_or(0, |pool| pool.depth(lane));
            let depth = i64::try_from(depth).unwrap_or(i64::MAX);
            metrics.depth.with_label_values(&[lane.as_str()]).set(depth);
        }
    }

    fn row(&self, operation: Operation) -> Row {
        let inner = &self.inner;
        let item_ns = inner.usual_item_ns(operation);
        let per_kb = 1_024.0 * inner.costs.a_byte(operation, inner.usual_item(operation));
        Row {
            operation,
            item_cost_us: micros(item_ns),
            per_kb_us: micros(per_kb),
            break_even_items: inner.break_even(operation, item_ns),
            break_even_by_threads: (1..=self.threads())
                .map(|threads| inner.break_even_with(operation, item_ns, threads as f64))
                .collect(),
            strategies: SIZES
                .map(|items| self.sample(operation, items, item_ns))
                .to_vec(),
        }
    }

    fn sample(&self, operation: Operation, items: u64, item_ns: f64) -> Sample {
        let inner = &self.inner;
        let ns = items as f64 * item_ns;
        let even = inner.break_even(operation, item_ns);
        let threads = self.cores().min(self.threads() as f64).min(items as f64);
        let pool_ns = even.map(|_| {
            inner
                .handoff
                .foretell(operation, ns, threads.max(1.0), Idle::Asleep)
        });
        let strategy = match (operation.nature(), pool_ns) {
            (Nature::Native, _) => Strategy::Vector,
            (_, Some(pool_ns)) if pool_ns < ns => Strategy::Pool,
            _ => Strategy::Inline,
        };
        Sample {
            items,
            strategy,
            inline_us: micros(ns),
            pool_us: pool_ns.map(micros),
        }
    }
}

const SIZES: [u64; 16] = [
    1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000,
];
