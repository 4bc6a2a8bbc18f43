//! What time it is: the wall clock for token lifetimes, turned by tests.
//!
//! Durations are measured with [`std::time::Instant`]; this clock is for facts that carry dates,
//! such as a token's `exp`.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// Seconds since the Unix epoch, as JWTs count them.
pub type UnixSeconds = u64;

/// The wall clock, or one that a test turns by hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// Stands still until a test moves it.
    Fixed(Arc<AtomicU64>),
    /// The machine's own.
    #[default]
    System,
}

impl Clock {
    /// A clock that stands at `now` until [`Clock::set`].
    #[must_use]
    pub fn fixed(now: UnixSeconds) -> Self {
        Self::Fixed(Arc::new(AtomicU64::new(now)))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        match self {
            Self::Fixed(at) => at.load(Ordering::Relaxed),
            Self::System => system_now(),
        }
    }

    /// Turns a fixed clock; the system's cannot be turned.
    pub fn set(&self, now: UnixSeconds) {
        if let Self::Fixed(at) = self {
            at.store(now, Ordering::Relaxed);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock"
)]
fn system_now() -> UnixSeconds {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
