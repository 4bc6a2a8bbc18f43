//! What scores look like, and how many subjects are known.

use prometheus::{Histogram, HistogramOpts, Registry};

use crate::telemetry::CacheSeries;

/// This step's series. Cheap to clone: clones share the series.
#[derive(Clone, Debug)]
pub struct Metrics {
    scores: Histogram,
    subjects: CacheSeries,
}

impl Metrics {
    /// Adds this step's family to `registry`; `subjects` counts look-ups of histories.
    pub fn register(registry: &Registry, subjects: CacheSeries) -> prometheus::Result<Self> {
        let opts = HistogramOpts::new("subzero_risk_score", "Risk scores of checks, from 0 to 1.");
        let scores = Histogram::with_opts(opts.buckets(SCORE_BUCKETS.to_vec()))?;
        registry.register(Box::new(scores.clone()))?;
        Ok(Self { scores, subjects })
    }

    pub(super) fn scored(&self, score: f32, known: bool) {
        // 0.1 as an f32 is a little more than 0.1, and would be counted a bucket too high.
        self.scores
            .observe(f64::from((score * 100.0).round()) / 100.0);
        if known {
            &self.subjects.hits
        } else {
            &self.subjects.misses
        }
        .inc();
    }

    pub(super) fn holds(&self, bytes: usize) {
        self.subjects
            .bytes
            .set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

/// Upper bounds of scores: tenths, since that is how thresholds are chosen. Most scores are 0.
const SCORE_BUCKETS: [f64; 11] = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
