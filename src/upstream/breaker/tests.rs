//! When a breaker opens, whom it lets through, and when it closes.

use super::*;

const SETTINGS: fn() -> BreakerConfig = || BreakerConfig {
    window: "10s".parse().expect("a span"),
    min_calls: 10,
    failure_rate: 0.5,
    slow_call: "1s".parse().expect("a span"),
    slow_rate: 0.8,
    open_for: "5s".parse().expect("a span"),
    probes: 3,
};

const SECOND: Duration = Duration::from_secs(1);

fn breaker() -> Breaker {
    let gauge = IntGauge::new("state", "state").expect("a gauge");
    Breaker::new(Arc::new(ArcSwap::from_pointee(Some(SETTINGS()))), gauge)
}

/// `count` calls at `now` that fail or not and take `took`.
fn calls(breaker: &Breaker, now: Instant, count: u32, failed: bool, took: Duration) {
    for _ in 0..count {
        let call = breaker.begin_at(now).expect("it may be called");
        call.ended_at(failed, now + took);
    }
}

const QUICK: Duration = Duration::from_millis(10);

#[test]
fn it_opens_for_a_rate_of_failures_and_not_for_a_number_of_them() {
    let (breaker, now) = (breaker(), Instant::now());
    calls(&breaker, now, 100, false, QUICK);
    calls(&breaker, now, 99, true, QUICK);
    assert_eq!(breaker.standing(), Standing::Closed);
    calls(&breaker, now, 1, true, QUICK);
    assert_eq!(breaker.standing(), Standing::Open);
    assert!(breaker.begin_at(now + SECOND).is_none());
}

#[test]
fn a_few_calls_prove_nothing() {
    let (breaker, now) = (breaker(), Instant::now());
    calls(&breaker, now, 9, true, QUICK);
    assert_eq!(breaker.standing(), Standing::Closed);
    calls(&breaker, now, 1, true, QUICK);
    assert_eq!(breaker.standing(), Standing::Open);
}

#[test]
fn what_happened_before_the_window_is_forgotten() {
    let (breaker, now) = (breaker(), Instant::now());
    calls(&breaker, now, 9, true, QUICK);
    calls(&breaker, now + 11 * SECOND, 9, true, QUICK);
    assert_eq!(breaker.standing(), Standing::Closed);
    // Half of these still lie in the window, as do all of those before.
    calls(&breaker, now + 15 * SECOND, 1, true, QUICK);
    assert_eq!(breaker.standing(), Standing::Open);
}

#[test]
fn it_opens_for_slow_calls_that_did_not_fail() {
    let (breaker, now) = (breaker(), Instant::now());
    calls(&breaker, now, 3, false, QUICK);
    calls(&breaker, now, 11, false, 2 * SECOND);
    assert_eq!(breaker.standing(), Standing::Closed);
    calls(&breaker, now, 1, false, 2 * SECOND);
    assert_eq!(breaker.standing(), Standing::Open);
}

#[test]
fn after_a_while_a_few_probes_pass_and_close_it_if_all_go_well() {
    let (breaker, now) = (breaker(), Instant::now());
    calls(&breaker, now, 10, true, QUICK);
    let later = now + 6 * SECOND;
    let probes: Vec<Attempt> = (0..3).filter_map(|_| breaker.begin_at(later)).collect();
    assert_eq!((probes.len(), breaker.standing()), (3, Standing::HalfOpen));
    assert!(breaker.begin_at(later).is_none(), "no more than the probes");
    for probe in probes {
        assert_eq!(breaker.standing(), Standing::HalfOpen);
        probe.ended_at(false, later + QUICK);
    }
    assert_eq!(breaker.standing(), Standing::Closed);
    calls(&breaker, later, 9, true, QUICK);
    assert_eq!(breaker.standing(), Standing::Closed, "it begins anew");
}

#[test]
fn one_probe_that_fails_or_dawdles_opens_it_again() {
    for (failed, took) in [(true, QUICK), (false, 2 * SECOND)] {
        let (breaker, now) = (breaker(), Instant::now());
        calls(&breaker, now, 10, true, QUICK);
        let later = now + 6 * SECOND;
        let good = breaker.begin_at(later).expect("a probe");
        let bad = breaker.begin_at(later).expect("a probe");
        bad.ended_at(failed, later + took);
        assert_eq!(breaker.standing(), Standing::Open);
        good.ended_at(false, later + took);
        assert_eq!(breaker.standing(), Standing::Open, "too late to help");
        assert!(breaker.begin_at(later + took + 4 * SECOND).is_none());
        assert!(breaker.begin_at(later + took + 6 * SECOND).is_some());
    }
}

#[test]
fn a_probe_that_its_caller_gives_up_makes_room_for_another() {
    let (breaker, now) = (breaker(), Instant::now());
    calls(&breaker, now, 10, true, QUICK);
    let later = now + 6 * SECOND;
    for _ in 0..20 {
        drop(breaker.begin_at(later).expect("a probe"));
    }
    calls(&breaker, later, 3, false, QUICK);
    assert_eq!(breaker.standing(), Standing::Closed);
}

#[test]
fn a_call_from_before_it_opened_changes_nothing() {
    let (breaker, now) = (breaker(), Instant::now());
    let old = breaker.begin_at(now).expect("it may be called");
    calls(&breaker, now, 10, true, QUICK);
    let later = now + 6 * SECOND;
    let probe = breaker.begin_at(later).expect("a probe");
    old.ended_at(true, later);
    assert_eq!(breaker.standing(), Standing::HalfOpen);
    probe.ended_at(false, later);
}

#[test]
fn without_settings_it_never_opens() {
    let gauge = IntGauge::new("state", "state").expect("a gauge");
    let breaker = Breaker::new(Arc::default(), gauge);
    calls(&breaker, Instant::now(), 1_000, true, 10 * SECOND);
    assert_eq!(breaker.standing(), Standing::Closed);
}

#[test]
fn settings_out_of_bounds_are_named() {
    assert_eq!(SETTINGS().problems().len(), 0);
    let wrong = BreakerConfig {
        failure_rate: 0.0,
        slow_rate: f64::NAN,
        window: "1ms".parse().expect("a span"),
        min_calls: 0,
        probes: 0,
        ..SETTINGS()
    };
    let mut keys: Vec<String> = wrong
        .problems()
        .into_iter()
        .map(|problem| problem.key.clone())
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        ["failure_rate", "min_calls", "probes", "slow_rate", "window"]
    );
}
