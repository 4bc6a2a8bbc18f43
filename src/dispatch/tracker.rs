//! A number that follows what is seen of it.

use std::{
    sync::atomic::{AtomicI32, AtomicU64, Ordering},
    time::Duration,
};

/// A positive number that follows what is seen of it, as a whole number of thousandths of its
/// logarithm.
///
/// What counts is the middle one of the last three observations, so a single page fault moves
/// nothing; a change that stays is followed within a few. In one word, so that all changes at once:
/// the estimate, the last two observations, and when that was.
#[derive(Debug)]
pub(super) struct Tracker {
    word: AtomicU64,
    /// Where the estimate goes back to while nothing is seen, if it is above.
    home: AtomicI32,
}

/// What a [`Tracker`]'s word holds.
#[derive(Clone, Copy)]
struct Known {
    estimate: i16,
    last: [i16; 2],
    at: u16,
}

impl Known {
    fn pack(self) -> u64 {
        let half = |value: i16| u64::from(value.cast_unsigned());
        half(self.estimate) << 48
            | half(self.last[0]) << 32
            | half(self.last[1]) << 16
            | u64::from(self.at)
    }

    fn unpack(word: u64) -> Self {
        let half = |shift: u32| ((word >> shift) as u16).cast_signed();
        Self {
            estimate: half(48),
            last: [half(32), half(16)],
            at: word as u16,
        }
    }
}

impl Tracker {
    pub(super) fn new(value: f64) -> Self {
        let value = thousandths(value);
        let known = Known {
            estimate: value,
            last: [value; 2],
            at: 0,
        };
        Self {
            word: AtomicU64::new(known.pack()),
            home: AtomicI32::new(value.into()),
        }
    }

    pub(super) fn get(&self, now: u16) -> f64 {
        let known = Known::unpack(self.word.load(Ordering::Relaxed));
        let (estimate, home) = (f64::from(known.estimate), self.home());
        if estimate <= home {
            return (estimate / 1e3).exp();
        }
        let above = estimate - home;
        let age = f64::from(now.wrapping_sub(known.at)) / HALF_LIFE_TICKS;
        ((estimate - above * (1.0 - (-age).exp2())) / 1e3).exp()
    }

    pub(super) fn learn(&self, observed: f64, now: u16) {
        let known = Known::unpack(self.word.load(Ordering::Relaxed));
        let observed = thousandths(observed);
        let mut three = [known.last[0], known.last[1], observed];
        three.sort_unstable();
        // From where it would be believed to be now, not from where it once was.
        let old = self.get(now).ln() * 1e3;
        let step = (f64::from(three[1]) - old).clamp(-REACH, REACH);
        let known = Known {
            estimate: (old + GAIN * step) as i16,
            last: [observed, known.last[0]],
            at: now,
        };
        self.word.store(known.pack(), Ordering::Relaxed);
    }

    /// What is believed now is what it goes back to.
    pub(super) fn settle(&self, now: u16) {
        let value = thousandths(self.get(now));
        self.home.store(value.into(), Ordering::Relaxed);
    }

    fn home(&self) -> f64 {
        f64::from(self.home.load(Ordering::Relaxed))
    }
}

/// Eighths of a second, which begin again every two hours: what has not been seen for so long is
/// then believed a little longer.
pub(super) fn ticks(since: Duration) -> u16 {
    (since.as_millis() / 125) as u16
}

/// From a ten-billionth to some trillions.
fn thousandths(value: f64) -> i16 {
    (value.max(1e-10).ln() * 1e3).clamp(-32e3, 32e3) as i16
}

/// Share of a change that is believed at once…
const GAIN: f64 = 0.35;
/// …and the largest one, in thousandths of a logarithm: by a factor of four.
const REACH: f64 = 1_386.0;
/// Five seconds.
const HALF_LIFE_TICKS: f64 = 40.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_slow_is_forgotten_and_what_was_quick_is_not() {
        let tracker = Tracker::new(1.0);
        for _ in 0..30 {
            tracker.learn(50.0, 0);
        }
        assert!(tracker.get(0) > 40.0);
        assert!(tracker.get(4 * 40) < 1.5, "{}", tracker.get(4 * 40));
        for _ in 0..30 {
            tracker.learn(0.5, 10);
        }
        assert!(tracker.get(10_000) < 0.6);
        tracker.settle(10);
        tracker.learn(1e9, 20);
        assert!((0.4..0.6).contains(&tracker.get(20)));
    }
}
