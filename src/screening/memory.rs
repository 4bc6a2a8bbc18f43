//! What was found in texts that came before, so that a chat sent again is searched for its new turns
//! alone.
//!
//! A text stands for its findings by a keyed tag of all that they depend on ([`check::Key`]): every
//! byte of it, whose it is, and what is looked for. Rules, model and settings are not in it: they
//! are the screener's, which has its memory to itself and goes with it at a reload. Texts are not
//! kept, and tags mean nothing outside this process.
//!
//! # What a reader would get wrong
//!
//! Only what was read to its end is kept. Time that ran out, or a text with more in it than is
//! read, is found out afresh each time. And whoever can measure microseconds can tell by them
//! whether the very text was screened a while ago.
//!
//! # Cost
//!
//! That of the tag, a third of a microsecond for a text of 1 KB, and one look into a table.

use std::{fmt, sync::Arc};

use quick_cache::{Weighter, sync};

use super::scan::{Hit, Scanned, Wanted};
use crate::{check, telemetry::CacheSeries};

/// Bounded in bytes.
pub(super) struct Memory {
    texts: sync::Cache<check::Key, Arc<Scanned>, Entry>,
    series: Option<CacheSeries>,
}

#[derive(Clone)]
struct Entry;

impl Weighter<check::Key, Arc<Scanned>> for Entry {
    fn weight(&self, _: &check::Key, scanned: &Arc<Scanned>) -> u64 {
        (ENTRY_BYTES + scanned.hits.len() * HIT_BYTES) as u64
    }
}

impl Memory {
    /// `None` where there is no room for a single text.
    pub(super) fn new(bytes: usize, series: Option<CacheSeries>) -> Option<Self> {
        let entries = bytes / ENTRY_BYTES;
        (entries > 0).then(|| Self {
            texts: sync::Cache::with_weighter(entries, bytes as u64, Entry),
            series,
        })
    }

    /// What is in `text`, from here or from `scan`, and whether it was known.
    pub(super) fn find<E>(
        &self,
        text: &str,
        wanted: Wanted,
        scan: impl FnOnce() -> Result<Scanned, E>,
    ) -> Result<(Arc<Scanned>, bool), E> {
        if text.len() < LEAST {
            return Ok((Arc::new(scan()?), false));
        }
        let key = check::Key::of("text screened", |fields| {
            wanted.put(fields);
            fields.text(text);
        });
        if let Some(known) = self.texts.get(&key) {
            if let Some(series) = &self.series {
                series.hits.inc();
            }
            return Ok((known, true));
        }
        if let Some(series) = &self.series {
            series.misses.inc();
        }
        let scanned = Arc::new(scan()?);
        self.texts.insert(key, Arc::clone(&scanned));
        Ok((scanned, false))
    }

    /// Bytes held, roughly.
    pub(super) fn bytes(&self) -> u64 {
        self.texts.weight()
    }
}

impl fmt::Debug for Memory {
    /// Without the texts' tags.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} bytes)", self.bytes())
    }
}

/// Shorter texts are read in less time than they are looked up.
const LEAST: usize = 64;
/// A text without findings: its tag, what stands for it, and what the table spends on both.
const ENTRY_BYTES: usize = size_of::<check::Key>() + size_of::<Scanned>() + 96;
/// A finding, with the name of a rule of the operator's.
const HIT_BYTES: usize = size_of::<Hit>() + 64;
