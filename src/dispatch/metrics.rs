//! What was decided, what was foretold and what it took, for Prometheus.

use std::{collections::HashMap, sync::Arc};

use prometheus::{
    GaugeVec, IntCounterVec, IntGaugeVec, Opts, Registry,
    core::{Collector, Desc},
    proto::{Counter, LabelPair, Metric, MetricFamily, MetricType},
};

use super::{
    tally::Tally,
    work::{Lane, Nature, Operation, Strategy},
};
use crate::telemetry::{counters, gauges};

/// Dispatch's series. Clones share them; a dispatcher fills in what is computed when it is read.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(super) tally: Arc<Tally>,
    pub(super) break_even: GaugeVec,
    pub(super) cores: GaugeVec,
    pub(super) depth: IntGaugeVec,
    pub(super) handoff: GaugeVec,
    pub(super) item_cost: GaugeVec,
    pub(super) measured: IntGaugeVec,
    pub(super) shed: IntCounterVec,
}

impl Metrics {
    /// Adds dispatch's families to `registry`, each series at its start.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let tally = Arc::new(Tally::new());
        registry.register(Box::new(Summed::new(Arc::clone(&tally))?))?;
        let floats = |name: &str, help: &str, labels: &[&str]| -> prometheus::Result<GaugeVec> {
            let gauges = GaugeVec::new(Opts::new(name, help), labels)?;
            registry.register(Box::new(gauges.clone()))?;
            Ok(gauges)
        };
        let metrics = Self {
            tally,
            break_even: floats(
                "subzero_dispatch_break_even_items",
                "From how many usual items on the pool is quicker; +Inf where it never is.",
                &["operation"],
            )?,
            cores: floats(
                "subzero_dispatch_cores",
                "Cores that affinity and CPU quota allow, as a fraction.",
                &[],
            )?,
            depth: gauges(
                registry,
                "subzero_queue_depth",
                "Work waiting for the pool.",
                &["lane"],
            )?,
            handoff: floats(
                "subzero_dispatch_handoff_seconds",
                "Time to hand work to the sleeping pool and hear from it again.",
                &[],
            )?,
            item_cost: floats(
                "subzero_dispatch_item_cost_seconds",
                "What a usual item takes in place.",
                &["operation"],
            )?,
            measured: gauges(
                registry,
                "subzero_dispatch_measured",
                "1 once the operation's costs have been measured on this machine; 0 while guessed.",
                &["operation"],
            )?,
            shed: counters(
                registry,
                "subzero_shed_total",
                "Work refused because its lane was full.",
                &["lane"],
            )?,
        };
        for lane in Lane::ALL {
            metrics.shed.with_label_values(&[lane.as_str()]).inc_by(0);
            metrics.depth.with_label_values(&[lane.as_str()]).set(0);
        }
        Ok(metrics)
    }
}

/// Where an operation can run; a decision is counted under one of these.
fn strategies(operation: Operation) -> Vec<Strategy> {
    let mut possible = match operation.nature() {
        Nature::Cpu => vec![Strategy::Inline, Strategy::Pool],
        Nature::Io => Vec::new(),
        Nature::Native => vec![Strategy::Vector],
    };
    // Keys, tokens and relationships may have to be asked for.
    if matches!(operation, Operation::Jwt | Operation::Permission) {
        possible.push(Strategy::Async);
    }
    possible
}

/// Adds the threads' counts up when somebody reads them.
struct Summed {
    tally: Arc<Tally>,
    families: [Desc; 4],
}

impl Summed {
    fn new(tally: Arc<Tally>) -> prometheus::Result<Self> {
        let both = || vec!["operation".to_owned(), "strategy".to_owned()];
        let family = |name: &str, help: &str, labels| {
            Desc::new(name.to_owned(), help.to_owned(), labels, HashMap::new())
        };
        let families = [
            family(
                "subzero_dispatch_decisions_total",
                "Decisions about where work runs.",
                both(),
            )?,
            family(
                "subzero_dispatch_predicted_seconds",
                "What work was expected to take.",
                both(),
            )?,
            family(
                "subzero_dispatch_actual_seconds",
                "What it took, waiting for a thread included.",
                both(),
            )?,
            family(
                "subzero_dispatch_regret_seconds_total",
                "Time lost against the other choice, estimated from a few decisions that took it.",
                vec!["operation".to_owned()],
            )?,
        ];
        Ok(Self { tally, families })
    }
}

impl Collector for Summed {
    fn desc(&self) -> Vec<&Desc> {
        self.families.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let tally = &self.tally;
        let mut metrics: [Vec<Metric>; 4] = Default::default();
        for operation in Operation::ALL {
            for strategy in strategies(operation) {
                let labels = || {
                    labels(&[
                        ("operation", operation.as_str()),
                        ("strategy", strategy.as_str()),
                    ])
                };
                let mut decisions = Metric::from_label(labels());
                decisions.set_counter(counter(tally.decisions(operation, strategy) as f64));
                metrics[0].push(decisions);
                let (row, column) = (operation as usize, strategy as usize);
                let mut predicted = Metric::from_label(labels());
                predicted.set_histogram(tally.histogram(|shard| &shard.predicted[row][column]));
                metrics[1].push(predicted);
                let mut actual = Metric::from_label(labels());
                actual.set_histogram(tally.histogram(|shard| &shard.actual[row][column]));
                metrics[2].push(actual);
            }
            let mut regret = Metric::from_label(labels(&[("operation", operation.as_str())]));
            let ns = tally.sum(|shard| &shard.regret_ns[operation as usize]);
            regret.set_counter(counter(ns as f64 / 1e9));
            metrics[3].push(regret);
        }
        let kinds = [
            MetricType::COUNTER,
            MetricType::HISTOGRAM,
            MetricType::HISTOGRAM,
            MetricType::COUNTER,
        ];
        let families = self.families.iter().zip(kinds).zip(metrics);
        families
            .map(|((desc, kind), metrics)| {
                let mut family = MetricFamily::default();
                family.set_name(desc.fq_name.clone());
                family.set_help(desc.help.clone());
                family.set_field_type(kind);
                family.set_metric(metrics);
                family
            })
            .collect()
    }
}

fn counter(value: f64) -> Counter {
    let mut counter = Counter::default();
    counter.set_value(value);
    counter
}

fn labels(pairs: &[(&str, &str)]) -> Vec<LabelPair> {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    pairs.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_several_threads_add_up() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).expect("registers");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        metrics
                            .tally
                            .decided(Operation::Hash, Strategy::Pool, 15_000);
                        metrics
                            .tally
                            .ended(Operation::Hash, Strategy::Pool, 3_000_000_000);
                    }
                });
            }
        });
        assert_eq!(
            metrics.tally.decisions(Operation::Hash, Strategy::Pool),
            4_000
        );
        let families = registry.gather();
        let actual = families
            .iter()
            .find(|family| family.name() == "subzero_dispatch_actual_seconds")
            .expect("the family");
        let pooled: Vec<_> = actual
            .get_metric()
            .iter()
            .filter(|metric| metric.get_histogram().get_sample_count() > 0)
            .collect();
        assert_eq!(pooled.len(), 1);
        let seen = pooled[0].get_histogram();
        assert_eq!(seen.get_sample_count(), 4_000);
        assert!((seen.get_sample_sum() - 12_000.0).abs() < 1e-6);
        assert_eq!(
            seen.get_bucket()
                .last()
                .expect("a bucket")
                .cumulative_count(),
            0
        );
    }
}
