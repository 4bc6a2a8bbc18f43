//! How histories are kept: bounded, through reloads, counted; and what a configuration may not say.

use prometheus::{Encoder, TextEncoder};

use super::*;

#[test]
fn memory_is_bounded_and_those_seen_again_outlive_those_seen_once() {
    let world = World::with("{ memory: 256KiB }");
    let regulars: Vec<Encounter> = (0..20)
        .map(|number| world.meet(&format!("regular {number}"), "192.0.2.1", "laptop"))
        .collect();
    for _ in 0..3 {
        for regular in &regulars {
            world.score(regular);
            world.assessor.observe(regular, PASSED);
        }
    }
    for number in 0..20_000 {
        let stranger = world.meet(&format!("stranger {number}"), "198.51.100.7", "robot");
        world.assessor.observe(&stranger, PASSED);
    }
    let subjects = &world.assessor.subjects;
    assert!(subjects.size() <= 256 << 10, "{subjects:?}");
    assert!(subjects.size() > 128 << 10, "it is used: {subjects:?}");
    let kept = subjects.memory_used();
    assert!(kept <= 256 << 10, "{kept} bytes are really taken");
    let known = regulars
        .iter()
        .filter(|regular| subjects.recall(regular).is_some());
    assert!(known.count() >= 15, "a flood of strangers drives few out");
}

#[test]
fn histories_survive_a_reload_unless_their_size_or_the_device_header_changes() {
    let world = World::new();
    world.regular();
    let strange = |changes: &str| {
        let (_, metrics) = metrics();
        let next = Assessor::new(
            &config(changes),
            world.clock.clone(),
            metrics,
            Some(&world.assessor),
        );
        let next = World {
            assessor: next.expect("good"),
            clock: world.clock.clone(),
            registry: Registry::new(),
        };
        next.score(&next.meet("ann", "198.51.100.7", "laptop")) > 0.0
    };
    assert!(strange("{ tolerance: 9, device_header: x-device }"));
    assert!(!strange("{ memory: 2MiB }"));
    assert!(!strange("{ device_header: x-other }"));
}

#[test]
fn scores_and_look_ups_are_counted() {
    let world = World::new();
    let ann = world.regular();
    world.score(&ann);
    world.score(&world.meet("bob", "192.0.2.1", "laptop"));
    world.score(&world.meet("ann", "192.0.2.9", "other"));
    world.assessor.refresh();
    let mut page = Vec::new();
    TextEncoder::new()
        .encode(&world.registry.gather(), &mut page)
        .expect("encodes");
    let page = String::from_utf8(page).expect("text");
    for line in [
        "subzero_risk_score_bucket{le=\"0\"} 2",
        "subzero_risk_score_bucket{le=\"0.7\"} 2",
        "subzero_risk_score_bucket{le=\"0.8\"} 3",
        "subzero_cache_requests_total{cache=\"risk\",outcome=\"hit\"} 2",
        "subzero_cache_requests_total{cache=\"risk\",outcome=\"miss\"} 1",
    ] {
        assert!(page.contains(line), "{line} is not in {page}");
    }
    assert!(!page.contains("subzero_cache_bytes{cache=\"risk\"} 0"));
}

#[test]
fn mistakes_are_told_with_their_keys() {
    for (changes, key) in [
        (
            "{ weights: { time: -1, address: 0, device: 0, behavior: 0 } }",
            "weights.time",
        ),
        (
            "{ weights: { time: 0, address: 0, device: 0, behavior: 0 } }",
            "weights",
        ),
        (
            "{ device_header: null, weights: { time: 0, address: 0, device: 1, behavior: 0 } }",
            "weights",
        ),
        ("{ tolerance: 0 }", "tolerance"),
        ("{ memory: 1KiB }", "memory"),
        ("{ forget_after: 59s }", "forget_after"),
        ("{ device_header: 'my device' }", "device_header"),
    ] {
        let config = config(changes);
        let problems = config.problems();
        assert_eq!(problems.len(), 1, "{changes}: {problems:?}");
        assert_eq!(problems[0].key, key);
    }
    let mut config = config("{}");
    config.weights.time = f64::NAN;
    assert_eq!(config.problems().len(), 1);
}
