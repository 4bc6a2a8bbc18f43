use std::thread;

use uuid::Uuid;

use super::*;
use crate::{pipeline::Plan, screening::Findings};

fn decision(outcome: Outcome, reason: Reason, cost: Duration) -> Decision {
    Decision {
        id: Uuid::nil(),
        outcome,
        shadowed: false,
        reason,
        route: None,
        subject: None,
        nonce: None,
        permission: None,
        findings: Findings::default(),
        risk: None,
        step_up: false,
        plan: Plan::default(),
        cost,
    }
}

#[test]
fn a_report_has_what_every_thread_has_counted_and_counts_nothing_twice() {
    let windows = Windows::new(3);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for micros in 1..=1_000 {
                    let cost = Duration::from_micros(micros);
                    windows.add(&decision(Outcome::Allow, Reason::Ok, cost));
                    if micros.is_multiple_of(250) {
                        windows.collect();
                    }
                }
                let cost = Duration::from_micros(7);
                windows.add(&decision(Outcome::Deny, Reason::NoRoute, cost));
            });
        }
    });
    for _ in 0..2 {
        let report = windows.report(Duration::from_mins(5));
        assert_eq!(report.total.checks, 4_004);
        assert_eq!(report.total.verdicts.deny, 4);
        let ok = &report.routes[0].reasons[0];
        assert_eq!((ok.reason, ok.checks), ("ok", 4_000));
        assert!((ok.latency.p50_us - 500.0).abs() < 8.0, "{ok:?}");
        assert!((ok.latency.p95_us - 950.0).abs() < 12.0, "{ok:?}");
    }
}

#[test]
fn a_window_covers_what_it_says_and_less_than_a_slice_more() {
    let windows = Windows::new(1);
    let seconds = Duration::from_secs;
    // One check a second.
    for second in 0..4_000 {
        windows.add(&decision(Outcome::Allow, Reason::Ok, seconds(1)));
        windows.collect_at(seconds(second));
    }
    let now = seconds(3_999);
    // From five minutes ago on, slices are of a minute.
    let windows_and_covered = [
        (10, 19_u32),
        (11, 19),
        (60, 69),
        (300, 309),
        (600, 639),
        (3_600, 3_639),
    ];
    for (window, covered) in windows_and_covered {
        let report = windows.report_at(now, seconds(window));
        assert!(
            (report.covered_s - f64::from(covered)).abs() < 1e-9,
            "{window}"
        );
        assert_eq!(report.total.checks, u64::from(covered) + 1, "{window}");
    }
    let late = windows.report_at(seconds(8_000), seconds(3_600));
    assert_eq!((late.total.checks, late.covered_s), (0, 3_600.0));

    let young = Windows::new(1);
    young.add(&decision(Outcome::Allow, Reason::Ok, seconds(1)));
    let report = young.report_at(seconds(2), seconds(300));
    assert!((report.covered_s - 2.0).abs() < 1e-9 && (report.total.rate - 0.5).abs() < 1e-9);
}

fn cells(count: u64, costs: &(impl Iterator<Item = u64> + Clone)) -> Cells {
    let mut cells = Cells::default();
    for number in 0..count {
        let mut histogram = empty::<u32>();
        for cost in costs.clone() {
            histogram.saturating_record(cost);
        }
        let number = usize::try_from(number).expect("small");
        let reason = Reason::ALL[number % Reason::ALL.len()];
        let cell = Cell {
            route: None,
            costs: histogram,
        };
        cells.insert((number, Outcome::Deny, reason), cell);
    }
    cells
}

#[test]
fn what_is_older_than_an_hour_goes() {
    let mut history = History::default();
    for number in 0..1_000 {
        history.fold(number, cells(1, &(100..101)));
    }
    // The hour before the slice 999 begins within the minute of 636 to 641; the five minutes before it
    // begin within that of 966.
    assert_eq!((history.forgotten, history.fine_from), (636, 966));
    assert_eq!((history.minutes, history.slices.len()), (55, 55 + 34));
    let bytes: usize = history.slices.iter().map(Slice::bytes).sum();
    assert_eq!(history.bytes, bytes);
}

#[test]
fn memory_is_bounded_however_different_the_costs_are() {
    let mut history = History::default();
    let all = (1..2_000_u64).map(|cost| cost * cost * 20);
    for number in 0..120 {
        history.fold(number, cells(31, &all));
        history.fold(number, cells(31, &all));
        assert!(history.bytes <= MAX_BYTES || history.slices.len() == 1);
    }
    assert!(history.slices.len() > 10);
    assert!(history.forgotten > 0, "and a report knows what it lacks");
    let last = history.slices.back().expect("the newest");
    let checks: u64 = last.counts.values().map(Counts::checks).sum();
    assert_eq!(checks, 2 * 31 * 1_999, "merging loses nothing");
}

#[test]
fn a_bad_window_is_named_with_the_allowed_range() {
    assert_eq!(read_window("5m"), Ok(Duration::from_mins(5)));
    assert_eq!(read_window("10s"), Ok(SHORTEST_WINDOW));
    assert_eq!(read_window("1h"), Ok(LONGEST_WINDOW));
    for bad in ["9s", "61m", "2d"] {
        let problem = read_window(bad).expect_err("out of range");
        assert_eq!(problem.key, "window");
        let expected = format!("`{bad}` is out of range; use `10s` to `1h`");
        assert_eq!(problem.message, expected);
    }
    for bad in ["", "5", "five minutes", "-5m", "0s"] {
        let problem = read_window(bad).expect_err("no span");
        assert!(problem.message.contains(&format!("`{bad}`")), "{problem}");
    }
}
