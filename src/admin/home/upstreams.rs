//! Who is asked besides us, and how that goes: read from the same series that Prometheus scrapes.

use std::collections::BTreeMap;

use prometheus::proto::{Metric, MetricFamily};

/// One upstream.
#[derive(Debug, Default)]
pub(super) struct Upstream {
    pub(super) name: String,
    pub(super) ok: u64,
    pub(super) failed: u64,
    /// The most frequent cause of failures.
    pub(super) worst: Option<String>,
    /// Mean time of a call, in milliseconds.
    pub(super) mean_ms: Option<f64>,
    /// What its breaker does; `None` where it has none.
    pub(super) breaker: Option<&'static str>,
}

/// Every upstream that was called or is left alone, in order of names. The series of some are there
/// before, and without, their configuration.
pub(super) fn read(families: &[MetricFamily]) -> Vec<Upstream> {
    let mut found: BTreeMap<String, (Upstream, u64)> = BTreeMap::new();
    for family in families {
        for metric in family.get_metric() {
            let Some(name) = label(metric, "upstream") else {
                continue;
            };
            let (upstream, most) = found.entry(name.to_owned()).or_default();
            name.clone_into(&mut upstream.name);
            match family.name() {
                "subzero_upstream_requests_total" => upstream.count(metric, most),
                "subzero_upstream_duration_seconds" => upstream.mean_ms = mean_ms(metric),
                "subzero_breaker_state" => upstream.breaker = Some(breaker(metric)),
                _ => {}
            }
        }
    }
    let upstreams = found.into_values().map(|(upstream, _)| upstream);
    upstreams.filter(Upstream::is_in_use).collect()
}

impl Upstream {
    fn is_in_use(&self) -> bool {
        self.ok + self.failed > 0 || self.breaker.is_some_and(|state| state != "closed")
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of calls"
    )]
    fn count(&mut self, metric: &Metric, most: &mut u64) {
        let calls = metric.get_counter().get_value() as u64;
        let outcome = label(metric, "outcome").unwrap_or_default();
        if outcome == "ok" {
            self.ok += calls;
            return;
        }
        self.failed += calls;
        if calls > *most {
            *most = calls;
            self.worst = Some(outcome.to_owned());
        }
    }
}

fn label<'a>(metric: &'a Metric, name: &str) -> Option<&'a str> {
    let mut labels = metric.get_label().iter();
    labels
        .find(|label| label.name() == name)
        .map(prometheus::proto::LabelPair::value)
}

#[expect(clippy::cast_precision_loss, reason = "a count of calls")]
fn mean_ms(metric: &Metric) -> Option<f64> {
    let histogram = metric.get_histogram();
    let count = histogram.get_sample_count();
    (count > 0).then(|| histogram.get_sample_sum() * 1e3 / count as f64)
}

fn breaker(metric: &Metric) -> &'static str {
    let state = metric.get_gauge().get_value();
    if state < 0.5 {
        "closed"
    } else if state < 1.5 {
        "half-open"
    } else {
        "open"
    }
}
