//! How often calls that failed may be tried again.
//!
//! Retries help against one lost connection and harm a service that is already slow: so they are a
//! share of the calls that went before, whoever made them, and end when those do.

use std::sync::atomic::{AtomicI64, Ordering};

/// A share of calls, saved up to a few. Cost: one atomic addition a call.
#[derive(Debug)]
pub struct Budget {
    /// In hundredths of a retry.
    saved: AtomicI64,
}

impl Budget {
    /// A full one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            saved: AtomicI64::new(MOST),
        }
    }

    /// A first try was made.
    pub fn earn(&self) {
        if self.saved.load(Ordering::Relaxed) < MOST {
            self.saved.fetch_add(SHARE, Ordering::Relaxed);
        }
    }

    /// Whether a call may be tried again now; if so, it is taken from what is saved.
    pub fn spend(&self) -> bool {
        let enough = |saved: i64| (saved >= RETRY).then(|| saved - RETRY);
        let spent = self
            .saved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, enough);
        spent.is_ok()
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new()
    }
}

const RETRY: i64 = 100;

/// One retry for ten calls.
const SHARE: i64 = RETRY / 10;

/// So many in a row when nothing has failed for a while.
const MOST: i64 = 10 * RETRY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_calls_may_be_tried_again_after_the_first_few() {
        let budget = Budget::new();
        let spent = (0..100).filter(|_| budget.spend()).count();
        assert_eq!(spent, 10);
        let spent = (0..1_000).filter(|_| {
            budget.earn();
            budget.spend()
        });
        assert_eq!(spent.count(), 100);
        (0..10_000).for_each(|_| budget.earn());
        assert_eq!((0..100).filter(|_| budget.spend()).count(), 10);
    }
}
