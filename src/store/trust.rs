//! For how long what is kept in memory may be believed.
//!
//! Replicas tell each other through Redis what changed. While that works, whatever is kept here and
//! was not taken away is the latest. What a reader would get wrong is the moment it stops: a value
//! read before the connection was lost may have been changed since by somebody who could not tell
//! us, so after a gap it has to be read again. During the gap a value is believed for [`UNHEARD`]
//! at most, which is no longer than a change takes to reach everybody anyway.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// When changes by others have been heard of. Clones share it.
#[derive(Clone)]
pub(super) struct Trust {
    start: Instant,
    /// `None` where there are no others.
    line: Option<Arc<Line>>,
}

/// Times are milliseconds since `start`, plus 1; 0 = never.
#[derive(Default)]
struct Line {
    /// Since when nothing has been missed.
    whole_since: AtomicU64,
    /// Last word from Redis.
    heard: AtomicU64,
}

impl Trust {
    /// Of a store that nobody else changes.
    pub(super) fn always() -> Self {
        Self {
            start: Instant::now(),
            line: None,
        }
    }

    /// Of a store that others change, not heard of yet.
    pub(super) fn shared() -> Self {
        Self {
            start: Instant::now(),
            line: Some(Arc::default()),
        }
    }

    /// There is word from Redis, and nothing has been missed since the last gap.
    pub(super) fn hear(&self) {
        if let Some(line) = &self.line {
            let now = self.millis(Instant::now());
            line.heard.store(now, Ordering::Release);
            // A gap ends here, and not a moment before.
            let _ = line
                .whole_since
                .compare_exchange(0, now, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Something may have been missed.
    pub(super) fn lose(&self) {
        if let Some(line) = &self.line {
            line.whole_since.store(0, Ordering::Release);
        }
    }

    /// Whether a value known to be the latest at `born` may be taken for the latest `now`.
    pub(super) fn covers(&self, born: Instant, now: Instant) -> bool {
        let Some(line) = &self.line else {
            return true;
        };
        if now.saturating_duration_since(born) <= UNHEARD {
            return true;
        }
        let since = line.whole_since.load(Ordering::Acquire);
        let heard = line.heard.load(Ordering::Acquire);
        let silent = self.millis(now).saturating_sub(heard);
        since > 0 && self.millis(born) >= since && u128::from(silent) <= UNHEARD.as_millis()
    }

    fn millis(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.start).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX - 1) + 1
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = Instant::now();
        write!(f, "Trust({})", self.covers(now, now))
    }
}

/// How long after the last word from Redis values are still believed, and how old a value read
/// without any may become: the time within which every replica is to know of a change.
pub(super) const UNHEARD: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn in_ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn what_was_known_before_a_gap_is_not_believed_after_it() {
        let trust = Trust::shared();
        trust.hear();
        let born = Instant::now() + in_ms(5);
        assert!(trust.covers(born, born + in_ms(990)), "fresh");
        trust.lose();
        assert!(trust.covers(born, born + in_ms(990)), "for a second yet");
        assert!(!trust.covers(born, born + in_ms(1_010)));
        std::iter::repeat_with(Instant::now)
            .find(|now| *now > born + in_ms(2))
            .expect("time goes on");
        trust.hear();
        assert!(
            !trust.covers(born, born + in_ms(1_010)),
            "from before the gap"
        );
    }

    #[test]
    fn silence_is_a_gap_too() {
        let trust = Trust::shared();
        trust.hear();
        let born = Instant::now() + in_ms(5);
        assert!(
            !trust.covers(born, born + in_ms(1_500)),
            "not heard for 1.5 s"
        );
        assert!(Trust::always().covers(born, born + in_ms(1_000_000)));
    }
}
