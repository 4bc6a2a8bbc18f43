//! Histories, turned by hand: what raises a score, what lowers it, and what is never learnt.

mod keeping;

use std::net::IpAddr;

use prometheus::Registry;
use proptest::prelude::*;

use super::*;
use crate::{check::Source, upstream};

const START: UnixSeconds = 1_800_000_000;
const HOUR: UnixSeconds = 3600;

const PASSED: Ending = Ending {
    denied: false,
    found: false,
    familiar: true,
};
const DENIED: Ending = Ending {
    denied: true,
    found: false,
    familiar: false,
};
const INJECTION_DENIED: Ending = Ending {
    denied: true,
    found: true,
    familiar: false,
};

struct World {
    assessor: Assessor,
    clock: Clock,
    registry: Registry,
}

fn config(changes: &str) -> Config {
    let plain = "{ memory: 1MiB, forget_after: 30d, device_header: X-Device, tolerance: 5, \
                 weights: { time: 0.2, address: 0.3, device: 0.3, behavior: 0.2 }, \
                 half_life: { time: 1h, behavior: 15m } }";
    let mut config: serde_json::Value = serde_saphyr::from_str(plain).expect("yaml");
    let changes: serde_json::Value = serde_saphyr::from_str(changes).expect("yaml");
    for (key, value) in changes.as_object().expect("a map") {
        config[key] = value.clone();
    }
    serde_json::from_value(config).expect("a configuration")
}

fn metrics() -> (Registry, Metrics) {
    let registry = Registry::new();
    let upstream = upstream::Metrics::register(&registry).expect("registers");
    let identity =
        crate::identity::Metrics::register(&registry, upstream, crate::coalesce::Metrics::unseen())
            .expect("registers");
    let metrics = Metrics::register(&registry, identity.cache("risk")).expect("registers");
    (registry, metrics)
}

impl World {
    fn with(changes: &str) -> Self {
        let (clock, (registry, metrics)) = (Clock::fixed(START), metrics());
        let assessor = Assessor::new(&config(changes), clock.clone(), metrics, None);
        Self {
            assessor: assessor.expect("a good configuration"),
            clock,
            registry,
        }
    }

    fn new() -> Self {
        Self::with("{}")
    }

    fn meet(&self, subject: &str, address: &str, device: &str) -> Encounter {
        let device = Some(device.as_bytes());
        self.assessor
            .meet_at(&known_as(subject), ip(address), device)
    }

    fn score(&self, encounter: &Encounter) -> f32 {
        let scored = futures_util::FutureExt::now_or_never(self.assessor.assess(Some(encounter)));
        scored.expect("waits for nothing").expect("scores")
    }

    /// Somebody who was let in.
    fn regular(&self) -> Encounter {
        let regular = self.meet("ann", "192.0.2.1", "laptop");
        self.assessor.observe(&regular, PASSED);
        regular
    }

    fn wait(&self, seconds: UnixSeconds) {
        self.clock.set(self.clock.now() + seconds);
    }
}

fn ip(text: &str) -> Option<IpAddr> {
    text.parse().ok()
}

fn known_as(subject: &str) -> Identity {
    Identity::from_peer(&Source {
        principal: Some(subject.to_owned()),
        ..Source::default()
    })
    .expect("a peer")
}

#[track_caller]
fn assert_score(world: &World, encounter: &Encounter, expected: f32) {
    let score = world.score(encounter);
    assert!((score - expected).abs() < 1e-6, "{score}, not {expected}");
}

#[test]
fn a_subject_never_seen_and_one_as_always_score_0() {
    let world = World::new();
    assert_score(&world, &world.meet("ann", "192.0.2.1", "laptop"), 0.0);
    let ann = world.regular();
    assert_score(&world, &ann, 0.0);
    world.wait(200 * HOUR);
    assert_score(&world, &ann, 0.0);
}

#[test]
fn a_change_is_the_stranger_the_sooner_it_comes() {
    let world = World::new();
    world.regular();
    let elsewhere = world.meet("ann", "198.51.100.7", "laptop");
    let with_other = world.meet("ann", "192.0.2.1", "telephone");
    let both = world.meet("ann", "198.51.100.7", "telephone");
    assert_score(&world, &elsewhere, 0.5);
    assert_score(&world, &with_other, 0.5);
    assert_score(&world, &both, 0.8);
    world.wait(HOUR);
    assert_score(&world, &both, 0.7);
    world.wait(2 * HOUR);
    assert_score(&world, &both, 0.65);
}

#[test]
fn what_was_let_pass_is_familiar_and_what_was_denied_is_not() {
    let world = World::new();
    world.regular();
    let thief = world.meet("ann", "198.51.100.7", "telephone");
    world.assessor.observe(&thief, DENIED);
    assert!(world.score(&thief) >= 0.8, "a second try is no better");
    world.assessor.observe(&thief, Ending::default());
    assert!(world.score(&thief) >= 0.8, "nor one that nobody decided");
    world.assessor.observe(&thief, PASSED);
    assert!(world.score(&thief) < 0.1, "it was she");
}

#[test]
fn a_few_places_in_turn_are_no_change_and_the_oldest_is_forgotten() {
    let world = World::new();
    let at = |number: u8| world.meet("ann", &format!("192.0.2.{number}"), "laptop");
    for number in [1, 2, 3, 4, 1, 2, 3, 4] {
        world.assessor.observe(&at(number), PASSED);
    }
    for number in 1..=4 {
        assert_score(&world, &at(number), 0.0);
    }
    world.assessor.observe(&at(1), PASSED);
    world.assessor.observe(&at(5), PASSED);
    assert_score(&world, &at(1), 0.0);
    assert_score(&world, &at(2), 0.5);
}

#[test]
fn denials_and_findings_add_up_and_fade() {
    let world = World::new();
    let ann = world.regular();
    for _ in 0..5 {
        world.assessor.observe(&ann, DENIED);
    }
    assert_score(&world, &ann, 0.1);
    for _ in 0..5 {
        world.assessor.observe(&ann, INJECTION_DENIED);
    }
    // 15 in all: 1 - 2^-3.
    assert_score(&world, &ann, 0.18);
    world.wait(15 * 60);
    // 7.5 are left.
    assert_score(&world, &ann, 0.13);
    for _ in 0..1000 {
        world.assessor.observe(&ann, INJECTION_DENIED);
    }
    assert_score(&world, &ann, 0.2);
    world.wait(24 * HOUR);
    assert_score(&world, &ann, 0.0);
}

#[test]
fn leaving_the_device_out_is_a_change_of_device() {
    let world = World::new();
    world.regular();
    let silent = world
        .assessor
        .meet_at(&known_as("ann"), ip("192.0.2.1"), None);
    assert_score(&world, &silent, 0.5);
}

#[test]
fn without_a_device_header_the_other_signals_share_its_weight() {
    let world = World::with("{ device_header: null }");
    world.regular();
    assert_score(&world, &world.meet("ann", "192.0.2.1", "telephone"), 0.0);
    // 0.5 of 0.7.
    assert_score(&world, &world.meet("ann", "192.0.2.2", "laptop"), 0.71);
}

#[test]
fn an_address_that_cannot_be_told_is_no_change() {
    let world = World::new();
    world.regular();
    assert_score(&world, &world.meet("ann", "unknown", "laptop"), 0.0);
}

#[test]
fn addresses_of_one_ipv6_network_are_one_and_mapped_ones_are_ipv4() {
    let world = World::new();
    for (known, other, score) in [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::2", 0.0),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", 0.5),
        ("192.0.2.1", "::ffff:192.0.2.1", 0.0),
        ("192.0.2.1", "192.0.2.2", 0.5),
    ] {
        let subject = format!("{known} {other}");
        let known = world.meet(&subject, known, "laptop");
        world.assessor.observe(&known, PASSED);
        assert_score(&world, &world.meet(&subject, other, "laptop"), score);
    }
}

#[test]
fn subjects_do_not_share_a_history() {
    let world = World::new();
    world.regular();
    for other in ["bob", "an", "anna", "Ann"] {
        assert_score(&world, &world.meet(other, "198.51.100.7", "telephone"), 0.0);
    }
    let shown = format!("{:?} {:?}", world.assessor, world.regular());
    for secret in ["ann", "192.0.2.1", "laptop"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_clock_set_back_neither_panics_nor_ages_anything() {
    let world = World::new();
    let ann = world.regular();
    world.assessor.observe(&ann, INJECTION_DENIED);
    let before = world.score(&ann);
    world.clock.set(START - 10 * HOUR);
    assert_score(&world, &ann, before);
    let elsewhere = world.meet("ann", "198.51.100.7", "laptop");
    assert!(world.score(&elsewhere) >= 0.5, "as if no time had passed");
    world.assessor.observe(&ann, PASSED);
    world.clock.set(0);
    assert_score(&world, &ann, before);
}

#[test]
fn a_subject_not_seen_for_long_is_new_whatever_was_tried_in_its_name() {
    let world = World::with("{ forget_after: 2d }");
    world.regular();
    let thief = world.meet("ann", "198.51.100.7", "telephone");
    world.wait(24 * HOUR);
    world.assessor.observe(&thief, DENIED);
    world.wait(24 * HOUR - 1);
    assert!(world.score(&thief) >= 0.6);
    world.wait(1);
    assert_score(&world, &thief, 0.0);
    world.assessor.observe(&thief, PASSED);
    let ann = world.meet("ann", "192.0.2.1", "laptop");
    assert_score(&world, &ann, 0.8);
}

#[test]
fn nobody_cannot_be_scored() {
    let world = World::new();
    let scored = futures_util::FutureExt::now_or_never(world.assessor.assess(None));
    let error = scored.expect("waits for nothing").expect_err("nobody");
    assert_eq!(error.reason(), crate::verdict::Reason::RiskUnavailable);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Learn(u8, u8, Ending),
    Wait(u32),
    Back(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let ending = (any::<bool>(), any::<bool>(), any::<bool>());
    let ending = ending.prop_map(|(denied, found, familiar)| Ending {
        denied,
        found,
        familiar,
    });
    prop_oneof![
        4 => (0..6_u8, 0..6_u8, ending).prop_map(|(a, d, e)| Step::Learn(a, d, e)),
        2 => any::<u32>().prop_map(Step::Wait),
        1 => any::<u32>().prop_map(Step::Back),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn whatever_happens_a_score_is_from_0_to_1_in_hundredths(
        steps in prop::collection::vec(step(), 0..40),
    ) {
        let world = World::new();
        let meet = |address: u8, device: u8| {
            world.meet("ann", &format!("192.0.2.{address}"), &device.to_string())
        };
        for step in steps {
            let now = world.clock.now();
            match step {
                Step::Learn(address, device, ending) => {
                    world.assessor.observe(&meet(address, device), ending);
                    if ending.familiar {
                        let score = world.score(&meet(address, device));
                        prop_assert!(score <= 0.2, "at home only behaviour counts: {score}");
                    }
                }
                Step::Wait(seconds) => world.clock.set(now.saturating_add(seconds.into())),
                Step::Back(seconds) => world.clock.set(now.saturating_sub(seconds.into())),
            }
            let score = world.score(&meet(0, 0));
            prop_assert!((0.0..=1.0).contains(&score), "{score}");
            prop_assert!(((score * 100.0).round() - score * 100.0).abs() < 1e-3, "{score}");
        }
    }
}
