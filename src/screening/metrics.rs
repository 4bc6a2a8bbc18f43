//! How much was found, by category.

use prometheus::{IntCounter, Registry};

use super::finding::Category;
use crate::telemetry::{self, CacheSeries};

/// `subzero_findings_total{category}`, its handles resolved, and the series of the memory.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(super) cache: Option<CacheSeries>,
    injections: IntCounter,
    invisible: IntCounter,
    personal_data: IntCounter,
    secrets: IntCounter,
}

impl Metrics {
    /// Adds the series to `registry`, each at 0.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let found = telemetry::counters(
            registry,
            "subzero_findings_total",
            "Findings in screened bodies, by category",
            &["category"],
        )?;
        let of = |category: Category| found.with_label_values(&[category.as_str()]);
        Ok(Self {
            cache: None,
            injections: of(Category::Injection),
            invisible: of(Category::InvisibleText),
            personal_data: of(Category::PersonalData),
            secrets: of(Category::Secret),
        })
    }

    /// The same; what is known of texts that came before is counted in `series`.
    #[must_use]
    pub fn with_cache(self, series: CacheSeries) -> Self {
        Self {
            cache: Some(series),
            ..self
        }
    }

    pub(super) fn found(&self, category: Category, count: usize) {
        if count > 0 {
            let counter = match category {
                Category::Injection => &self.injections,
                Category::InvisibleText => &self.invisible,
                Category::PersonalData => &self.personal_data,
                Category::Secret => &self.secrets,
            };
            counter.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
        }
    }
}
