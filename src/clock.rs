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

/// A moment as RFC 3339 writes it, in UTC and to the millisecond: `2026-11-27T04:45:00.123Z`.
#[must_use]
pub fn rfc3339(unix_millis: u64) -> String {
    let (seconds, millis) = (unix_millis / 1_000, unix_millis % 1_000);
    let (days, second) = (seconds / DAY, seconds % DAY);
    // Years are counted from March, so that the leap day is the last of its year; from there on
    // months repeat every five in 153 days.
    let since_march = days + DAYS_FROM_MARCH_0_TO_1970;
    let (era, day) = (since_march / DAYS_400_YEARS, since_march % DAYS_400_YEARS);
    let leap_days = day / (DAYS_4_YEARS - 1) + day / (DAYS_400_YEARS - 1);
    let year_of_era = (day + day / DAYS_100_YEARS - leap_days) / 365;
    let day = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = 400 * era + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

const DAY: u64 = 86_400;
const DAYS_4_YEARS: u64 = 1_461;
const DAYS_100_YEARS: u64 = 36_524;
const DAYS_400_YEARS: u64 = 146_097;
const DAYS_FROM_MARCH_0_TO_1970: u64 = 719_468;

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the machine's clock"
)]
fn system_now() -> UnixSeconds {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_as_the_calendar_has_them() {
        for (unix, written) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_735_689_599_001, "2024-12-31T23:59:59.001Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_795_754_700_123, "2026-11-27T04:45:00.123Z"),
        ] {
            assert_eq!(rfc3339(unix), written);
        }
    }

    #[test]
    fn every_day_of_900_years_follows_the_one_before() {
        let is_leap = |year: u64| {
            year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
        };
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for number in 0..900 * 366 {
            let written = rfc3339(number * DAY * 1_000);
            assert_eq!(&written[..10], format!("{year:04}-{month:02}-{day:02}"));
            let length = match month {
                2 => 28 + u64::from(is_leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
