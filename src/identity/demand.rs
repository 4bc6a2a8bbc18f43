//! Who may cause a key set to be fetched, and who waits for it.
//!
//! Anyone can send a token with an invented key id, so fetches on behalf of tokens come out of a
//! budget. A fetch is never for one key id: whoever asks before it starts gets its result, so a
//! flood of invented ids delays a newly published key by one refill at most, and known keys by
//! nothing. That is also why this is no flight of `coalesce`: the answer of a fetch under way may be
//! from before the key was there, so whoever does not find the key in it gets the next one.

use std::{
    mem,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, watch};

use crate::coalesce;

/// One issuer's fetches: numbered from 1, at most one wanted and one under way.
pub(super) struct Demand {
    burst: u32,
    finished: watch::Sender<u64>,
    interval: Duration,
    /// Where those who share a fetch are counted.
    pub(super) series: OnceLock<coalesce::Series>,
    /// Held for a few instructions, never across I/O or an await.
    state: Mutex<State>,
    wake: Notify,
}

struct State {
    /// Who waits for the fetch that has not begun.
    callers: usize,
    /// Who came to wait for the one under way.
    joined: usize,
    left: u32,
    refilled: Instant,
    started: u64,
    wanted: bool,
}

impl Demand {
    /// A full budget of `burst` fetches that regains one every `interval`.
    pub(super) fn new(burst: u32, interval: Duration) -> Self {
        Self {
            burst,
            finished: watch::Sender::new(0),
            interval,
            series: OnceLock::new(),
            state: Mutex::new(State {
                callers: 0,
                joined: 0,
                left: burst,
                refilled: Instant::now(),
                started: 0,
                wanted: false,
            }),
            wake: Notify::new(),
        }
    }

    /// Waits until the first fetch has ended, well or not, or until `deadline`.
    pub(super) async fn first(&self, deadline: Instant) {
        self.wait(1, deadline).await;
    }

    /// Waits for the fetch that is under way. `false`, at once, when none is.
    pub(super) async fn current(&self, deadline: Instant) -> bool {
        let number = {
            let mut state = self.state();
            if state.started <= *self.finished.borrow() {
                return false;
            }
            state.joined += 1;
            state.started
        };
        self.count(coalesce::Series::follows);
        self.wait(number, deadline).await;
        true
    }

    /// Asks for a fetch and waits for its end. `false`, at once, when the budget is spent.
    pub(super) async fn refetch(&self, deadline: Instant) -> bool {
        let Some(number) = self.ask(Instant::now()) else {
            return false;
        };
        self.wait(number, deadline).await;
        true
    }

    /// For the one who fetches: waits until someone asks.
    pub(super) async fn asked(&self) {
        while !self.state().wanted {
            self.wake.notified().await;
        }
    }

    /// For the one who fetches: a fetch begins. It ends, also for those who wait, when the returned
    /// value is dropped, even by an abort.
    pub(super) fn begin(&self) -> Flight<'_> {
        let mut state = self.state();
        state.wanted = false;
        state.started += 1;
        Flight {
            callers: mem::take(&mut state.callers),
            demand: self,
            number: state.started,
        }
    }

    /// The number of the fetch to wait for, if there will be one.
    fn ask(&self, now: Instant) -> Option<u64> {
        let mut state = self.state();
        if state.wanted {
            state.callers += 1;
            self.count(coalesce::Series::follows);
            return Some(state.started + 1);
        }
        state.refill(self.burst, self.interval, now);
        if state.left > 0 {
            state.left -= 1;
            state.wanted = true;
            state.callers += 1;
            self.count(coalesce::Series::leads);
            self.wake.notify_one();
            return Some(state.started + 1);
        }
        // One that began before we asked may still bring the key.
        let is_under_way = state.started > *self.finished.borrow();
        if is_under_way {
            self.count(coalesce::Series::follows);
        }
        is_under_way.then_some(state.started)
    }

    fn count(&self, what: impl Fn(&coalesce::Series)) {
        if let Some(series) = self.series.get() {
            what(series);
        }
    }

    async fn wait(&self, number: u64, deadline: Instant) {
        let mut finished = self.finished.subscribe();
        let ended = finished.wait_for(|finished| *finished >= number);
        let _late = tokio::time::timeout_at(deadline.into(), ended).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refill(&mut self, burst: u32, interval: Duration, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled);
        let earned = u32::try_from(passed.as_nanos() / interval.as_nanos().max(1));
        match earned {
            Ok(0) => {}
            Ok(earned) if self.left.saturating_add(earned) < burst => {
                self.left += earned;
                self.refilled += interval * earned;
            }
            _ => {
                self.left = burst;
                self.refilled = now;
            }
        }
    }
}

/// A fetch under way.
pub(super) struct Flight<'a> {
    callers: usize,
    demand: &'a Demand,
    number: u64,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let callers = self.callers + mem::take(&mut self.demand.state().joined);
        if callers > 0 {
            self.demand.count(|series| series.shared(callers));
        }
        let number = self.number;
        self.demand
            .finished
            .send_modify(|finished| *finished = number.max(*finished));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_burst_is_followed_by_one_fetch_an_interval() {
        let demand = Demand::new(2, MINUTE);
        let start = Instant::now();
        let fetches = |at: Instant| {
            let mut fetches = 0;
            while demand.ask(at).is_some() {
                drop(demand.begin());
                fetches += 1;
            }
            fetches
        };
        assert_eq!(fetches(start), 2);
        assert_eq!(fetches(start + MINUTE / 2), 0);
        assert_eq!(fetches(start + MINUTE + MINUTE / 2), 1);
        assert_eq!(
            fetches(start + MINUTE * 2 + MINUTE / 4),
            1,
            "no time is lost"
        );
        assert_eq!(fetches(start + MINUTE * 90), 2, "never above the burst");
    }

    #[test]
    fn all_who_ask_before_a_fetch_begins_share_it() {
        let demand = Demand::new(2, MINUTE);
        let now = Instant::now();
        assert_eq!(demand.ask(now), Some(1));
        assert_eq!(demand.ask(now), Some(1));
        let flight = demand.begin();
        assert_eq!(demand.ask(now), Some(2), "a later one gets a later fetch");
        drop(flight);
        let flight = demand.begin();
        assert_eq!(
            demand.ask(now),
            Some(2),
            "over the budget: the one under way"
        );
        drop(flight);
        assert_eq!(demand.ask(now), None);
    }

    #[tokio::test]
    async fn an_aborted_fetch_releases_those_who_wait() {
        let demand = Demand::new(1, MINUTE);
        let deadline = Instant::now() + MINUTE;
        let fetcher = async {
            demand.asked().await;
            drop(demand.begin());
        };
        let (released, ()) = tokio::join!(demand.refetch(deadline), fetcher);
        assert!(released);
        assert!(!demand.refetch(deadline).await, "the budget is spent");
    }
}
