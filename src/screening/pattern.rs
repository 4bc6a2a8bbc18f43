//! A rule's pattern, compiled when a text first needs it.
//!
//! Most rules never see a text that has their literal. Compiling them all would be nearly all of
//! the start-up time and of the memory; compiling one takes some tenths of a millisecond, once. A
//! test compiles every one, so none can fail on a text.
//!
//! Do not bound the patterns' caches to save memory: with 128 KiB each, a text of `curl -u` takes
//! more than 20 times as long, since the fast engine gives up.

use std::sync::OnceLock;

use regex::Regex;

/// A pattern, perhaps not compiled yet.
#[derive(Debug, Default)]
pub(super) struct Pattern(OnceLock<Regex>);

impl Pattern {
    /// The compiled form of `source`, which must be the same each time.
    pub(super) fn get(&self, source: impl FnOnce() -> String) -> &Regex {
        self.0.get_or_init(|| {
            Regex::new(&source()).expect("every pattern compiles: the rules' tests say so")
        })
    }
}
