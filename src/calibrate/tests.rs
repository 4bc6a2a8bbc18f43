use prometheus::Registry;

use super::*;
use crate::{
    dispatch::{self, Queue},
    screening::{Allowed, Config, Metrics, PersonalData},
};

fn screener() -> Arc<Screener> {
    let config = Config {
        max_body: "64KiB".parse().expect("a size"),
        max_text: "256KiB".parse().expect("a size"),
        max_depth: 16,
        personal_data: PersonalData::default(),
        patterns: Vec::new(),
        allow: Allowed::default(),
        cache: "0".parse().expect("a size"),
    };
    let metrics = Metrics::register(&Registry::new()).expect("fresh registry");
    Arc::new(Screener::new(&config, metrics).expect("good limits"))
}

fn dispatcher(cores: f64, registry: &Registry) -> Dispatcher {
    let metrics = dispatch::Metrics::register(registry).expect("fresh registry");
    let config = dispatch::Config {
        cores,
        hold: "200us".parse().expect("a span"),
        piece: "1ms".parse().expect("a span"),
        queue: Queue {
            critical: 8,
            high: 8,
            batch: 8,
        },
    };
    Dispatcher::new(&config, metrics).expect("a pool")
}

fn values(registry: &Registry, name: &str) -> Vec<f64> {
    let families = registry.gather();
    let family = families.iter().find(|family| family.name() == name);
    let metrics = family.expect("the family").get_metric().iter();
    metrics
        .map(|metric| metric.get_gauge().get_value())
        .collect()
}

#[test]
fn probes_are_what_doors_answer_without_finding_anything() {
    let probes = Probes::new(screener());
    for length in [Length::Usual, Length::Long] {
        for batch in [probes.prompt(length, 2), probes.body(length, 2)] {
            for findings in batch.run(0..2) {
                assert!(findings.expect("screened whole").is_empty());
            }
        }
        for tuples in [false, true] {
            let questions = probes.permission(tuples, length, 100);
            assert!(questions.run(0..100).iter().all(Result::is_ok));
        }
        assert_eq!(probes.hash(length, 3).run(0..3).len(), 3);
        for regex in [false, true] {
            assert_eq!(probes.pattern(regex, length, 3).run(0..3).len(), 3);
        }
    }
    let scores = probes.risk(1_000).run(0..1_000);
    assert!(scores.iter().all(|score| (0.0..=1.0).contains(score)));
    assert_eq!(probes.analytics(5_000).run(0..5).len(), 5);
}

#[test]
fn after_measuring_no_cost_is_a_guess() {
    let registry = Registry::new();
    let dispatcher = dispatcher(2.0, &registry);
    dispatcher.refresh();
    assert_eq!(values(&registry, "subzero_dispatch_measured"), [0.0; 7]);
    let guessed = dispatcher.table();
    let mut told = Vec::new();
    measure(&dispatcher, &screener(), Effort::Brief, |done, step| {
        told.push((done, step.to_owned()));
    });
    let steps: Vec<usize> = told.iter().map(|(done, _)| *done).collect();
    assert!(steps.iter().copied().eq(0..=STEPS), "{told:?}");
    dispatcher.refresh();
    assert_eq!(values(&registry, "subzero_dispatch_measured"), [1.0; 7]);
    let measured = dispatcher.table();
    for (before, now) in guessed.operations.iter().zip(&measured.operations) {
        assert!(
            (before.item_cost_us - now.item_cost_us).abs() > f64::EPSILON,
            "{} still costs {} us",
            now.operation,
            now.item_cost_us
        );
    }
    let of = |operation| {
        let mut rows = measured.operations.iter();
        rows.find(|row| row.operation == operation).expect("a row")
    };
    // A signature takes longer than a digest, and longer texts take longer.
    assert!(of(Operation::Jwt).item_cost_us > of(Operation::Hash).item_cost_us);
    for operation in [Operation::Hash, Operation::Prompt, Operation::Pattern] {
        assert!(of(operation).per_kb_us > 0.0, "{operation}");
    }
}

#[test]
fn with_less_than_a_core_it_rests_more_than_it_works() {
    let work = Probes::new(screener()).hash(Length::Long, 64);
    let took = |cores| {
        let dispatcher = dispatcher(cores, &Registry::new());
        let began = std::time::Instant::now();
        dispatcher.measure(&work, &work, Effort::Brief);
        began.elapsed()
    };
    // Others may hold this machine's cores for a while, so one honest pair of many is enough.
    let is_twice = (0..20).any(|_| took(0.5) > 2 * took(1.0));
    assert!(is_twice, "half a core is measured as fast as a whole one");
}
