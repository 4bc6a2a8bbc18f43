//! The limit falls when checks get slower and grows when it is used, and the lowest lane is shed first.

use std::{sync::Barrier, thread};

use prometheus::Registry;

use super::*;
use crate::dispatch::Dispatcher;

fn admission(min: usize, max: usize) -> Admission {
    let config = Config {
        min,
        max,
        tolerance: 2.0,
    };
    let shed = Dispatcher::in_place().shed();
    let metrics = Metrics::register(&Registry::new(), shed).expect("a fresh registry");
    Admission::new(config, metrics)
}

/// `windows` windows in which checks took `took`, up to `peak` at once.
fn windows(admission: &Admission, windows: u64, took: Duration, peak: usize) {
    let inner = &admission.handle.inner;
    for _ in 0..windows {
        let now = Duration::from_nanos(inner.samples.ends_ns.load(Ordering::Relaxed));
        for _ in 1..ENOUGH {
            inner.measured(took, peak - 1, Duration::ZERO);
        }
        inner.measured(took, peak - 1, now);
    }
}

const USUAL: Duration = Duration::from_millis(5);

#[test]
fn a_limit_that_is_used_grows_while_checks_take_as_long_as_ever() {
    let admission = admission(10, 2_000);
    windows(&admission, 10, USUAL, 10);
    assert_eq!(admission.limit(), FIRST_LIMIT, "nobody asks for more");
    windows(&admission, 10, USUAL, FIRST_LIMIT);
    assert!(
        admission.limit() > FIRST_LIMIT + 10 * 32,
        "{}",
        admission.limit()
    );
    windows(&admission, 1_000, USUAL, 2_000);
    assert_eq!(admission.limit(), 2_000, "and no further than it may");
}

#[test]
fn it_falls_in_proportion_when_they_take_longer_and_comes_back() {
    let admission = admission(10, 2_000);
    windows(&admission, 20, USUAL, 10);
    windows(&admission, 1, USUAL * 3 / 2, 1_000);
    assert!(admission.limit() >= FIRST_LIMIT, "within the tolerance");
    let before = admission.limit();
    windows(&admission, 1, USUAL * 3, before);
    let fell = admission.limit();
    assert!(
        (before / 2..before * 3 / 4).contains(&fell),
        "{before} to {fell}"
    );
    windows(&admission, 50, USUAL * 20, 10);
    assert_eq!(admission.limit(), 10, "never below the least");
    windows(&admission, 20, USUAL, 1_000);
    assert!(
        admission.limit() > 50,
        "used and quick: {}",
        admission.limit()
    );
}

#[test]
fn a_new_pace_becomes_the_usual_one() {
    let admission = admission(10, 2_000);
    windows(&admission, 20, USUAL, 10);
    windows(&admission, 50, USUAL * 3, 10);
    assert_eq!(admission.limit(), 10);
    windows(&admission, 2_000, USUAL * 3, 10);
    assert!(admission.limit() > 15, "{}", admission.limit());
}

#[test]
fn one_check_in_eight_is_a_sample_and_batches_are_none() {
    let admission = admission(10, 2_000);
    for lane in [Lane::Batch, Lane::High, Lane::Critical] {
        for _ in 0..8 * (ENOUGH - 1) {
            admission.arrive().admit(lane).expect("room");
        }
    }
    let samples = &admission.handle.inner.samples;
    assert_eq!(samples.count.load(Ordering::Relaxed), ENOUGH - 1);
    drop(admission.arrive().clone());
    assert_eq!(admission.handle.inner.in_flight.load(Ordering::Relaxed), 0);
}

#[test]
fn what_is_quick_enough_is_never_too_slow() {
    let admission = admission(10, 2_000);
    windows(&admission, 20, Duration::from_micros(10), 10);
    windows(&admission, 20, Duration::from_micros(900), 10);
    assert_eq!(admission.limit(), FIRST_LIMIT);
}

#[test]
fn the_lowest_lane_is_shed_first_and_counted() {
    let admission = admission(8, 8);
    let mut inside = Vec::new();
    let mut room = Vec::new();
    for _ in 0..9 {
        let mut arrival = admission.arrive();
        room.push(Lane::ALL.map(|lane| arrival.admit(lane).is_ok()));
        inside.push(arrival);
    }
    let until = |lane: Lane| room.iter().filter(|room| room[lane as usize]).count();
    assert_eq!(Lane::ALL.map(until), [8, 6, 4]);
    let shed = Lane::ALL.map(|lane| admission.handle.inner.metrics.shed[lane as usize].get());
    assert_eq!(shed, [1, 3, 5]);
    drop(inside);
    assert!(
        admission.arrive().admit(Lane::Batch).is_ok(),
        "all have left"
    );
}

#[test]
fn many_threads_at_once_never_let_in_more_than_the_limit_and_lose_nobody() {
    let admission = admission(16, 16);
    let (threads, rounds) = (8, 2_000);
    let (start, inside, most) = (
        Barrier::new(threads),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                start.wait();
                for _ in 0..rounds {
                    let mut arrivals: Vec<_> = (0..4).map(|_| admission.arrive()).collect();
                    let admitted = arrivals
                        .iter_mut()
                        .filter_map(|arrival| arrival.admit(Lane::Critical).ok())
                        .count();
                    let now = inside.fetch_add(admitted, Ordering::SeqCst) + admitted;
                    most.fetch_max(now, Ordering::SeqCst);
                    inside.fetch_sub(admitted, Ordering::SeqCst);
                }
            });
        }
    });
    assert!(most.load(Ordering::SeqCst) <= 16, "{most:?}");
    assert_eq!(admission.handle.inner.in_flight.load(Ordering::SeqCst), 0);
}
