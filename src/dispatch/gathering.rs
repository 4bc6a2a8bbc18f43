//! The choice between asking another service about one thing at once, and waiting a moment to ask
//! about several together.
//!
//! ```text
//! alone:    what such a question takes while as many others are on their way as now
//! together: the wait, and what a question about as many as will have come by then takes
//! ```
//!
//! Both are learned from what they really took; the smaller wins. A service that is quick is
//! therefore asked at once however many ask, and one that is slowed down by many small questions
//! gets a few large ones. Once in a while the other choice is taken, to see whether it still holds.
//!
//! What a reader would get wrong: nobody is foreseen who does not come anyway. With few questions
//! there is nothing to gather, and the wait is never begun.
//!
//! Cost: some atomics a question.

use std::{
    sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use super::cost::{pack, towards, unpack};

/// How questions to one service are sent.
#[derive(Debug)]
pub struct Gathering {
    began: Instant,
    choices: AtomicU32,
    /// Mean time between questions, in nanoseconds; bits of an `f64`.
    gap_ns: AtomicU64,
    in_flight: AtomicUsize,
    last_ns: AtomicU64,
    most: f64,
    alone: [Learned; SIZES],
    together: [Learned; SIZES],
    /// `None` never gathers.
    window_ns: Option<f64>,
}

/// How one question is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Sending {
    /// By itself, now.
    Alone,
    /// With those that come within the window.
    Together,
}

/// A request on its way. Dropped unanswered, nothing is learned from it.
#[derive(Debug)]
#[must_use]
pub struct Underway<'a> {
    gathering: &'a Gathering,
    before: usize,
    items: usize,
    started: Instant,
}

/// Nanoseconds, with how often they were seen.
#[derive(Debug, Default)]
struct Learned(AtomicU64);

impl Gathering {
    /// For questions that may wait for up to `window`, at most `most` of them in one request.
    #[must_use]
    pub fn new(window: Option<Duration>, most: usize) -> Self {
        Self {
            began: Instant::now(),
            choices: AtomicU32::new(0),
            gap_ns: AtomicU64::new(f64::INFINITY.to_bits()),
            in_flight: AtomicUsize::new(0),
            last_ns: AtomicU64::new(0),
            most: most as f64,
            alone: Default::default(),
            together: Default::default(),
            window_ns: window.map(|window| window.as_nanos() as f64),
        }
    }

    /// Decides about a question that has come now.
    pub fn choose(&self) -> Sending {
        let Some(window_ns) = self.window_ns else {
            return Sending::Alone;
        };
        let company = (window_ns / self.gap(window_ns)).min(self.most - 1.0);
        if company < 1.0 {
            return Sending::Alone;
        }
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        let alone_ns = self.alone[size(in_flight)].get();
        let together_ns = self.together[size(company as usize)].get();
        let better = match (alone_ns, together_ns) {
            (Some(alone), Some(together)) if window_ns + together < alone => Sending::Together,
            // Tried once there is a crowd: how else would it be known?
            (Some(alone), None) if alone > window_ns => Sending::Together,
            _ => Sending::Alone,
        };
        let count = self.choices.fetch_add(1, Ordering::Relaxed);
        if count % EXPLORE_EVERY == EXPLORE_EVERY - 1 {
            return better.other();
        }
        better
    }

    /// A request about `items` things goes out now.
    pub fn send(&self, items: usize) -> Underway<'_> {
        Underway {
            gathering: self,
            before: self.in_flight.fetch_add(1, Ordering::Relaxed),
            items,
            started: Instant::now(),
        }
    }

    /// What asking about `items` things is expected to take, one request after another.
    #[must_use]
    pub fn foretell(&self, items: usize) -> Duration {
        let most = self.most as usize;
        let (full, rest) = (items / most.max(1), items % most.max(1));
        let whole = self.together[size(most)].get().unwrap_or(0.0) * full as f64;
        let part = match rest {
            0 => 0.0,
            1 => self.alone[0].get().unwrap_or(0.0),
            rest => self.together[size(rest)].get().unwrap_or(0.0),
        };
        Duration::from_nanos((whole + part) as u64)
    }

    /// The mean time between questions, this one included.
    fn gap(&self, window_ns: f64) -> f64 {
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let last = self.last_ns.swap(now, Ordering::Relaxed);
        // A night without questions says no more than a pause of some windows.
        let gap = (now.saturating_sub(last) as f64)
            .min(QUIET * window_ns)
            .max(1.0);
        let mean = f64::from_bits(self.gap_ns.load(Ordering::Relaxed)).min(QUIET * window_ns);
        let mean = mean + (gap - mean) / 4.0;
        self.gap_ns.store(mean.to_bits(), Ordering::Relaxed);
        mean
    }
}

impl Sending {
    fn other(self) -> Self {
        match self {
            Self::Alone => Self::Together,
            Self::Together => Self::Alone,
        }
    }
}

impl Underway<'_> {
    /// The answer has come; how long that took.
    #[must_use]
    pub fn answered(self) -> Duration {
        let took = self.started.elapsed();
        let ns = took.as_nanos() as f64;
        if self.items == 1 {
            self.gathering.alone[size(self.before)].learn(ns);
        } else {
            self.gathering.together[size(self.items)].learn(ns);
        }
        took
    }
}

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        self.gathering.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Learned {
    fn get(&self) -> Option<f64> {
        let (ns, seen) = unpack(self.0.load(Ordering::Relaxed));
        (seen > 0).then_some(f64::from(ns))
    }

    fn learn(&self, ns: f64) {
        let (old, seen) = unpack(self.0.load(Ordering::Relaxed));
        let new = match seen {
            0 => ns,
            seen => towards(f64::from(old), ns / f64::from(old).max(1.0), seen),
        };
        let word = pack(new as f32, seen.saturating_add(1));
        self.0.store(word, Ordering::Relaxed);
    }
}

/// Sizes grow by four: 0, 1 to 3, 4 to 15 and so on.
fn size(count: usize) -> usize {
    let bits = usize::BITS - count.leading_zeros();
    (bits.div_ceil(2) as usize).min(SIZES - 1)
}

const SIZES: usize = 6;

/// Of so many choices one is the other way round.
const EXPLORE_EVERY: u32 = 128;

/// Windows without a question that count as silence.
const QUIET: f64 = 8.0;

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_millis(2);

    fn burst(gathering: &Gathering) -> usize {
        let together = (0..100).filter(|_| gathering.choose() == Sending::Together);
        together.count()
    }

    fn taught(alone: Duration, together: Duration) -> Gathering {
        let gathering = Gathering::new(Some(WINDOW), 50);
        for size in 0..SIZES {
            gathering.alone[size].learn(alone.as_nanos() as f64);
            gathering.together[size].learn(together.as_nanos() as f64);
        }
        gathering
    }

    #[test]
    fn a_burst_is_gathered_where_that_was_quicker_before() {
        let slow_alone = taught(Duration::from_millis(20), Duration::from_millis(5));
        assert!(burst(&slow_alone) > 80);
        let quick_alone = taught(Duration::from_millis(1), Duration::from_millis(1));
        assert!(burst(&quick_alone) < 10);
    }

    #[tokio::test]
    async fn a_question_without_company_goes_alone() {
        let gathering = taught(Duration::from_secs(1), Duration::from_millis(1));
        for _ in 0..5 {
            assert_eq!(gathering.choose(), Sending::Alone);
            tokio::time::sleep(WINDOW * 4).await;
        }
        let never = Gathering::new(None, 50);
        assert_eq!(burst(&never), 0);
    }

    #[tokio::test]
    async fn what_requests_take_is_learned_by_how_many_are_under_way() {
        let gathering = Gathering::new(Some(WINDOW), 50);
        let first = gathering.send(1);
        let second = gathering.send(1);
        drop(first);
        tokio::time::sleep(Duration::from_millis(1)).await;
        let took = second.answered();
        assert!(took >= Duration::from_millis(1));
        assert_eq!(gathering.alone[0].get(), None, "dropped unanswered");
        assert!(gathering.alone[1].get().is_some());
        assert_eq!(gathering.in_flight.load(Ordering::Relaxed), 0);
        assert!(gathering.send(30).answered() < Duration::from_secs(1));
        assert!(gathering.foretell(30) > Duration::ZERO);
        assert_eq!(gathering.foretell(0), Duration::ZERO);
    }
}
