//! The choice between in place and the pool.
//!
//! Both are foretold, and the smaller wins; but an item that would hold the thread for longer than
//! the hold limit leaves it all the same, since others wait behind it. Once in a while the other
//! choice is taken, to see whether the foretelling still holds.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::{
    Inner,
    cost::{Cell, Estimate},
    handoff::Idle,
    pool::Pool,
    work::{Lane, Nature, Operation, Strategy, Weight, Work},
};

/// What some items come to.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The sum of what each item takes in place.
    pub(super) ns: f64,
    /// What they take there together.
    pub(super) together_ns: f64,
    /// Of all items.
    pub(super) bytes: usize,
    /// The longest item: nothing divides it.
    pub(super) longest_ns: f64,
    main: Option<Cell>,
}

impl Load {
    pub(super) fn one(estimate: Estimate) -> Self {
        Self {
            ns: estimate.ns,
            together_ns: estimate.ns,
            bytes: estimate.bytes,
            longest_ns: estimate.ns,
            main: Some(estimate.cell),
        }
    }

    pub(super) fn estimate(&self) -> Estimate {
        Estimate {
            ns: if self.main.is_some() { self.ns } else { 0.0 },
            bytes: self.bytes,
            cell: self.main.unwrap_or_default(),
        }
    }
}

/// Where something runs, and what that is expected to take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) strategy: Strategy,
    pub(super) predicted_ns: f64,
    /// What the other choice was expected to take, where there was one.
    pub(super) other_ns: Option<f64>,
    /// Taken to learn, although the other choice looked better; how many decisions it stands for.
    pub(super) explores: Option<f64>,
    pub(super) idle: Idle,
    /// Threads that the work can use at once, as a fraction of cores.
    pub(super) threads: f64,
}

impl Plan {
    /// In place, the way of the operation's nature.
    pub(super) fn here(operation: Operation, load: &Load) -> Self {
        Self {
            strategy: match operation.nature() {
                Nature::Cpu => Strategy::Inline,
                Nature::Io => Strategy::Async,
                Nature::Native => Strategy::Vector,
            },
            predicted_ns: load.together_ns,
            other_ns: None,
            explores: None,
            idle: Idle::Asleep,
            threads: 1.0,
        }
    }
}

impl Inner {
    /// What `work`, which begins at `at`, comes to.
    pub(super) fn weigh<W: Work>(&self, work: &W, at: Instant) -> Load {
        let load = self.add_up(work);
        let together_ns = self.in_place.foretell(W::OPERATION, load.ns, at);
        Load {
            together_ns,
            ..load
        }
    }

    fn add_up<W: Work>(&self, work: &W) -> Load {
        if let Some(weight) = work.uniform().filter(|_| !work.is_empty()) {
            let (one, count) = (self.costs.of(W::OPERATION, weight), work.len());
            self.remember_usual(W::OPERATION, weight);
            return Load {
                ns: one.ns * count as f64,
                bytes: one.bytes.saturating_mul(count),
                ..Load::one(one)
            };
        }
        let mut load = Load {
            ns: 0.0,
            together_ns: 0.0,
            bytes: 0,
            longest_ns: 0.0,
            main: None,
        };
        // What is learnt from the whole is learnt about the kind that makes most of it; the few
        // kinds met first are told apart, which is nearly always all of them.
        let mut kinds: [(Option<Cell>, f64); 4] = Default::default();
        let mut last: Option<(Weight, Estimate)> = None;
        for item in 0..work.len() {
            let weight = work.weight(item);
            let estimate = match last {
                Some((known, estimate)) if known == weight => estimate,
                _ => self.costs.of(W::OPERATION, weight),
            };
            last = Some((weight, estimate));
            load.ns += estimate.ns;
            load.bytes = load.bytes.saturating_add(estimate.bytes);
            load.longest_ns = load.longest_ns.max(estimate.ns);
            let same =
                |kind: &&mut (Option<Cell>, f64)| kind.0.is_none_or(|cell| cell == estimate.cell);
            if let Some(kind) = kinds.iter_mut().find(same) {
                *kind = (Some(estimate.cell), kind.1 + estimate.ns);
            }
        }
        let most = kinds.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        load.main = most
            .filter(|kind| kind.1 * 2.0 > load.ns)
            .and_then(|kind| kind.0);
        if let Some(last) = last.filter(|_| load.main.is_some()) {
            let class = load.main.map_or(last.0.class, Cell::class);
            let bytes = load.bytes / work.len().max(1);
            self.remember_usual(W::OPERATION, Weight { class, bytes });
        }
        load
    }

    pub(super) fn plan(&self, operation: Operation, load: &Load, items: usize, lane: Lane) -> Plan {
        let in_place = Plan::here(operation, load);
        let cores = f64::from_bits(self.cores.load(Ordering::Relaxed));
        let may_leave =
            cores > 1.0 && in_place.strategy == Strategy::Inline && load.ns > NEVER_WORTH_IT_NS;
        let pooled = may_leave.then(|| self.pooled(operation, load, items, lane));
        let Some(pooled) = pooled.flatten() else {
            return in_place;
        };
        let in_place = Plan {
            other_ns: Some(pooled.predicted_ns),
            idle: pooled.idle,
            threads: pooled.threads,
            ..in_place
        };
        if load.longest_ns > self.hold_ns {
            return pooled;
        }
        let (better, other) = if pooled.predicted_ns < load.together_ns {
            (pooled, in_place)
        } else {
            (in_place, pooled)
        };
        match self.explores(operation, &better, &other, lane) {
            Some(stands_for) => Plan {
                explores: Some(stands_for),
                ..other
            },
            None => better,
        }
    }

    /// On the pool, whatever that takes; `None` without one.
    pub(super) fn pooled(
        &self,
        operation: Operation,
        load: &Load,
        items: usize,
        lane: Lane,
    ) -> Option<Plan> {
        let pool = self.pool.as_ref()?;
        let cores = f64::from_bits(self.cores.load(Ordering::Relaxed));
        let idle = Idle::since(pool.idle(lane));
        let threads = cores.min(pool.threads() as f64).min(items as f64).max(1.0);
        let alone_ns = self.handoff.foretell(operation, load.ns, threads, idle);
        Some(Plan {
            strategy: Strategy::Pool,
            predicted_ns: alone_ns + self.queueing(pool, lane, load.ns / threads),
            other_ns: Some(load.together_ns),
            explores: None,
            idle,
            threads,
        })
    }

    /// How long work in `lane` waits for those before it.
    fn queueing(&self, pool: &Pool, lane: Lane, alone_ns: f64) -> f64 {
        if !pool.idle(lane).is_zero() {
            return 0.0;
        }
        match lane {
            // One piece a thread may be under way.
            Lane::Critical | Lane::High => self.piece_ns / 2.0,
            // Batches take turns.
            Lane::Batch => alone_ns * pool.depth(Lane::Batch) as f64,
        }
    }

    /// When to wait before trying again, after `lane` was full.
    pub(super) fn wait(&self, pool: &Pool, lane: Lane) -> Duration {
        let pieces = pool.depth(lane) as f64 / pool.threads() as f64;
        Duration::from_nanos((pieces * self.piece_ns) as u64).max(Duration::from_secs(1))
    }

    /// Whether to take the other choice this time: rarely, more rarely where it looks much worse or
    /// where a request waits, and never where it would cost milliseconds.
    fn explores(
        &self,
        operation: Operation,
        better: &Plan,
        other: &Plan,
        lane: Lane,
    ) -> Option<f64> {
        let is_close = other.predicted_ns < 4.0 * better.predicted_ns;
        let every = match (lane, is_close) {
            (Lane::Critical, false) => return None,
            (Lane::Critical, true) | (_, false) => 1_024,
            (Lane::High | Lane::Batch, true) => 128,
        };
        if other.predicted_ns - better.predicted_ns > DEAREST_LESSON_NS {
            return None;
        }
        let count = self.decisions[operation as usize].fetch_add(1, Ordering::Relaxed);
        (count % every == every - 1).then_some(f64::from(every))
    }

    /// Time lost, estimated from decisions that took the other choice: where that was quicker than
    /// what had been preferred, so it was, we take it, for all the decisions this one stands for.
    pub(super) fn regret(&self, operation: Operation, plan: &Plan, actual_ns: f64) {
        if let (Some(stands_for), Some(preferred_ns)) = (plan.explores, plan.other_ns) {
            let lost = (preferred_ns - actual_ns).max(0.0) * stands_for;
            self.metrics.tally.regretted(operation, lost as u64);
        }
    }

    /// From how many items of `item_ns` on the sleeping pool is quicker.
    pub(super) fn break_even(&self, operation: Operation, item_ns: f64) -> Option<u64> {
        let cores = f64::from_bits(self.cores.load(Ordering::Relaxed));
        let threads = self.pool.as_ref()?.threads() as f64;
        self.break_even_with(operation, item_ns, cores.min(threads))
    }

    /// The same, from memory while items and hand-offs cost about the same: a search takes longer than
    /// short work.
    pub(super) fn known_break_even(
        &self,
        operation: Operation,
        item_ns: f64,
        at: Instant,
    ) -> Option<u64> {
        self.pool.as_ref()?;
        // Steps of less than a hundredth.
        let sixteen_bits = |ns: f64| ((ns as f32).to_bits() >> 16) as u16;
        let key = [
            sixteen_bits(item_ns),
            sixteen_bits(self.handoff.ns(Idle::Asleep, at)),
        ];
        let known = &self.known_evens[operation as usize];
        let word = known.load(Ordering::Relaxed);
        let last = [(word >> 48) as u16, (word >> 32) as u16];
        let is_near = |(a, b): (&u16, &u16)| a.abs_diff(*b) <= FEW_STEPS;
        if key.iter().zip(&last).all(is_near) {
            let items = word & u64::from(u32::MAX);
            return (items > 0).then_some(items);
        }
        let items = self.break_even(operation, item_ns);
        let kept = items.and_then(|items| u32::try_from(items).ok());
        let [item, handoff] = key.map(u64::from);
        let word = (item << 48) | (handoff << 32) | u64::from(kept.unwrap_or(0));
        known.store(word, Ordering::Relaxed);
        kept.map(u64::from)
    }

    /// The same with so many threads.
    pub(super) fn break_even_with(
        &self,
        operation: Operation,
        item_ns: f64,
        threads: f64,
    ) -> Option<u64> {
        if operation.nature() != Nature::Cpu || item_ns <= 0.0 || threads <= 1.0 {
            return None;
        }
        let wins = |items: u64| {
            let (items, ns) = (items as f64, items as f64 * item_ns);
            let threads = threads.min(items);
            self.handoff.foretell(operation, ns, threads, Idle::Asleep) < ns
        };
        let mut above = 2;
        while !wins(above) {
            above *= 2;
            if above > MOST_ITEMS {
                return None;
            }
        }
        let mut below = above / 2;
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            if wins(middle) {
                above = middle;
            } else {
                below = middle;
            }
        }
        Some(above)
    }

    /// Calibration's idea of a usual item, until work has come.
    pub(super) fn expect_usual(&self, operation: Operation, weight: Weight) {
        let usual = &self.usual[operation as usize];
        // Not changed if there is one: work knows better, and the first measured comes first.
        let _ = usual.compare_exchange(0, pack(weight), Ordering::Relaxed, Ordering::Relaxed);
    }

    fn remember_usual(&self, operation: Operation, weight: Weight) {
        let usual = &self.usual[operation as usize];
        let old = unpack(usual.load(Ordering::Relaxed));
        // A quarter of the way, from the first one of a class on.
        let bytes = if old.class == weight.class && old.bytes > 0 {
            old.bytes - old.bytes / 4 + weight.bytes / 4
        } else {
            weight.bytes
        };
        usual.store(pack(Weight { bytes, ..weight }), Ordering::Relaxed);
    }

    pub(super) fn usual_item(&self, operation: Operation) -> Weight {
        unpack(self.usual[operation as usize].load(Ordering::Relaxed))
    }

    pub(super) fn usual_item_ns(&self, operation: Operation) -> f64 {
        self.costs.of(operation, self.usual_item(operation)).ns
    }
}

/// Class above, bytes below; no items of a class so far are 0.
fn pack(weight: Weight) -> u64 {
    (u64::from(weight.class) << 56) | (weight.bytes as u64).min(u64::MAX >> 8)
}

fn unpack(word: u64) -> Weight {
    Weight {
        class: (word >> 56) as u8,
        bytes: (word & (u64::MAX >> 8)) as usize,
    }
}

/// Below this no hand-off pays, whatever the pool does; so the pool is not even looked at.
const NEVER_WORTH_IT_NS: f64 = 10e3;
/// What moves a break-even by less than some hundredths is not worth a search.
const FEW_STEPS: u16 = 6;
const DEAREST_LESSON_NS: f64 = 2e6;
const MOST_ITEMS: u64 = 1 << 32;
