//! Leaves a service alone that fails or dawdles, and finds out when it is well again.
//!
//! ```text
//! closed: calls pass and are counted -> too many failed, or too many slow -> open: none passes
//!    ^                                                                         | after a while
//!    '------------- a few probes all went well ------------ half open <--------'
//!                                    one went wrong: open again
//! ```
//!
//! # What a reader would get wrong
//!
//! It counts *rates* over a window and only from a minimum of calls on: a total that nothing ever
//! lowers would open for five failures among a million calls. An answer that says no is an answer:
//! what fails is a connection, a deadline, a broken or a senseless answer. And a call that its
//! caller gave up says nothing, but gives its place among the probes back.
//!
//! # Why our own
//!
//! The crates at hand lack one half each: `recloser` and `failsafe` know no slow calls and no window
//! of time, and let any number of calls through while half open; those for tower wrap services,
//! which most of our calls are not.
//!
//! # Cost
//!
//! A lock for some tens of nanoseconds at the start and the end of each call, beside a round trip.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use prometheus::IntGauge;
use serde::{Deserialize, Serialize};

use crate::{problem::Problem, units::Span};

/// When to leave a service alone. Defaults: `config/default.yaml`.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BreakerConfig {
    /// How far back calls count.
    pub window: Span,
    /// Fewer calls than this in the window prove nothing.
    pub min_calls: u32,
    /// Opens when this share of calls failed, from 0 to 1.
    pub failure_rate: f64,
    /// A call that took longer is slow.
    pub slow_call: Span,
    /// Opens when this share of calls was slow, from 0 to 1.
    pub slow_rate: f64,
    /// How long no call passes then.
    pub open_for: Span,
    /// Calls that pass after that; the service counts as well when all of them went well.
    pub probes: u32,
}

impl BreakerConfig {
    /// What is out of bounds.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut must = |holds: bool, key: &str, value: String, cure: &str| {
            if !holds {
                problems.push(Problem::new(key, format!("`{value}` {cure}")));
            }
        };
        for (key, rate) in [
            ("failure_rate", self.failure_rate),
            ("slow_rate", self.slow_rate),
        ] {
            let cure = "is no share; write a number above 0, up to 1";
            must(rate > 0.0 && rate <= 1.0, key, rate.to_string(), cure);
        }
        for (key, span) in [("window", self.window), ("open_for", self.open_for)] {
            let cure = "is too short to tell anything; write 100ms or more";
            let holds = span.get() >= Duration::from_millis(100);
            must(holds, key, span.to_string(), cure);
        }
        for (key, count) in [("min_calls", self.min_calls), ("probes", self.probes)] {
            must(
                count > 0,
                key,
                count.to_string(),
                "is none; write 1 or more",
            );
        }
        problems
    }
}

/// The settings of all breakers: replaced whole by a reload. `None` never opens.
pub(super) type Settings = Arc<ArcSwap<Option<BreakerConfig>>>;

/// One service's breaker. Clones are the same.
#[derive(Clone)]
pub struct Breaker {
    inner: Arc<Inner>,
}

struct Inner {
    gauge: IntGauge,
    settings: Settings,
    state: Mutex<State>,
}

enum State {
    Closed(Box<Window>),
    HalfOpen { good: u32, out: u32 },
    Open { until: Instant },
}

/// Where a breaker stands: the value of `subzero_breaker_state`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Calls pass.
    Closed = 0,
    /// A few do.
    HalfOpen = 1,
    /// None does.
    Open = 2,
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half-open",
            Self::Open => "open",
        }
    }
}

/// A call that may be made; to be ended, else it does not count.
#[derive(Debug)]
#[must_use]
pub struct Attempt {
    began: Instant,
    breaker: Breaker,
    has_ended: bool,
    is_probe: bool,
}

impl Breaker {
    pub(super) fn new(settings: Settings, gauge: IntGauge) -> Self {
        gauge.set(Standing::Closed as i64);
        Self {
            inner: Arc::new(Inner {
                gauge,
                settings,
                state: Mutex::new(State::Closed(Box::default())),
            }),
        }
    }

    /// A call, unless the service is to be left alone.
    #[must_use]
    pub fn begin(&self) -> Option<Attempt> {
        self.begin_at(Instant::now())
    }

    fn begin_at(&self, now: Instant) -> Option<Attempt> {
        let settings = self.inner.settings.load();
        let mut state = self.inner.lock();
        let is_probe = match (&mut *state, &**settings) {
            // Settings that never open let out what an earlier configuration had shut.
            (State::Closed(_), _) | (_, None) => false,
            (State::Open { until }, Some(_)) if now < *until => return None,
            (State::Open { .. }, Some(_)) => {
                *state = State::HalfOpen { good: 0, out: 1 };
                true
            }
            (State::HalfOpen { good, out }, Some(settings)) => {
                if *good + *out >= settings.probes {
                    return None;
                }
                *out += 1;
                true
            }
        };
        self.inner.show(&state);
        Some(Attempt {
            began: now,
            breaker: self.clone(),
            has_ended: false,
            is_probe,
        })
    }

    /// Where it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        self.inner.lock().standing()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, state: &State) {
        self.gauge.set(state.standing() as i64);
    }
}

impl State {
    fn standing(&self) -> Standing {
        match self {
            Self::Closed(_) => Standing::Closed,
            Self::HalfOpen { .. } => Standing::HalfOpen,
            Self::Open { .. } => Standing::Open,
        }
    }

    fn opened(settings: &BreakerConfig, now: Instant) -> Self {
        Self::Open {
            until: now + settings.open_for.get(),
        }
    }
}

impl Attempt {
    /// It came to an answer, be it a no, or `failed` to.
    pub fn ended(self, failed: bool) {
        self.ended_at(failed, Instant::now());
    }

    fn ended_at(mut self, failed: bool, now: Instant) {
        self.has_ended = true;
        let inner = &self.breaker.inner;
        let settings = inner.settings.load();
        let Some(settings) = &**settings else {
            return;
        };
        let slow = now.saturating_duration_since(self.began) > settings.slow_call.get();
        let mut state = inner.lock();
        match (&mut *state, self.is_probe) {
            (State::Closed(window), false) => {
                window.count(settings, now, failed, slow);
                if window.is_bad(settings) {
                    *state = State::opened(settings, now);
                }
            }
            (State::HalfOpen { .. }, true) if failed || slow => {
                *state = State::opened(settings, now);
            }
            (State::HalfOpen { good, out }, true) => {
                *good += 1;
                *out = out.saturating_sub(1);
                if *good >= settings.probes {
                    *state = State::Closed(Box::default());
                }
            }
            // A call from before the state changed: it tells of what is over.
            _ => {}
        }
        inner.show(&state);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_probe
            && !self.has_ended
            && let State::HalfOpen { out, .. } = &mut *self.breaker.inner.lock()
        {
            *out = out.saturating_sub(1);
        }
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Breaker({})", self.standing().as_str())
    }
}

/// What came of the calls of late, in pieces of the window that lapse one by one.
#[derive(Default)]
struct Window {
    began: Option<Instant>,
    pieces: [Counts; PIECES as usize],
}

#[derive(Clone, Copy, Default)]
struct Counts {
    calls: u32,
    failed: u32,
    /// Counted from the first call of all.
    number: u64,
    slow: u32,
}

impl Window {
    fn count(&mut self, settings: &BreakerConfig, now: Instant, failed: bool, slow: bool) {
        let began = *self.began.get_or_insert(now);
        let piece = (settings.window.get() / PIECES).as_nanos().max(1);
        let passed = now.saturating_duration_since(began).as_nanos() / piece;
        // Five hundred years of nanoseconds.
        let number = u64::try_from(passed).unwrap_or(u64::MAX);
        let at = number % u64::from(PIECES);
        let counts = &mut self.pieces[usize::try_from(at).unwrap_or_default()];
        if counts.number != number {
            *counts = Counts {
                number,
                ..Counts::default()
            };
        }
        counts.calls = counts.calls.saturating_add(1);
        counts.failed = counts.failed.saturating_add(failed.into());
        counts.slow = counts.slow.saturating_add(slow.into());
        // Those that the window has left behind.
        for counts in &mut self.pieces {
            if counts.number + u64::from(PIECES) <= number {
                *counts = Counts::default();
            }
        }
    }

    fn is_bad(&self, settings: &BreakerConfig) -> bool {
        let sum = |of: fn(&Counts) -> u32| {
            let counts = self.pieces.iter().map(of);
            counts.fold(0, u32::saturating_add)
        };
        let calls = sum(|counts| counts.calls);
        let reaches = |count: u32, rate: f64| f64::from(count) >= rate * f64::from(calls);
        calls >= settings.min_calls
            && (reaches(sum(|counts| counts.failed), settings.failure_rate)
                || reaches(sum(|counts| counts.slow), settings.slow_rate))
    }
}

/// The window moves on by a tenth of itself.
const PIECES: u32 = 10;

#[cfg(test)]
mod tests;
