//! Nonces for proofs (RFC 9449, 9): what a proof cannot have had in it before we said so, so that none
//! can be made in advance by whoever holds the key for a moment.
//!
//! ```text
//! time:   | window 41 | window 42 | window 43 |       nonce = keyed hash of the window's number
//!                           ^ now: 42 is given out, 41 and 43 are good too
//! ```
//!
//! What a reader would get wrong: nothing is stored. A nonce says when it was made and that we made
//! it; that a proof is shown once is another matter, and is [`super::dpop`]'s. Replicas understand
//! each other's nonces where they share a store and with it a key; clocks may be a window apart.
//!
//! # Cost
//!
//! Three keyed hashes, 1.5 µs.

use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;

use super::super::once::Once;
use crate::clock::UnixSeconds;

/// The nonces of one moment.
pub(super) struct Nonces<'a> {
    once: &'a Once,
    window: u64,
}

impl<'a> Nonces<'a> {
    /// Those that are good at `now`, when each window takes `life`.
    pub(super) fn new(once: &'a Once, life: Duration, now: UnixSeconds) -> Self {
        let window = now / life.as_secs().max(1);
        Self { once, window }
    }

    /// The one to use from now on.
    pub(super) fn current(&self) -> String {
        self.once.nonce(self.window)
    }

    /// Whether `nonce` is one of this window, or of the one before or after it.
    pub(super) fn are_good(&self, nonce: &str) -> bool {
        let windows = self.window.saturating_sub(1)..=self.window.saturating_add(1);
        windows.into_iter().any(|window| {
            let good = self.once.nonce(window);
            verify_slices_are_equal(good.as_bytes(), nonce.as_bytes()).is_ok()
        })
    }
}
