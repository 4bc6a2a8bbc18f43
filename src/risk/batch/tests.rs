use std::sync::Arc;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::dispatch::{Dispatcher, Lane};

fn event(timestamp: f64, ip: &str, device: &str, behavior: f64) -> Event {
    let name = |text: &str| Name::try_from(text.to_owned()).expect("a short name");
    Event {
        timestamp,
        ip: name(ip),
        device: name(device),
        behavior,
    }
}

fn scores(events: &[Event]) -> Vec<f32> {
    let batch = Batch::new(events).expect("good events");
    batch.run(0..batch.len())
}

#[track_caller]
fn assert_close(scores: &[f32], expected: &[f32]) {
    assert_eq!(scores.len(), expected.len(), "{scores:?}");
    for (score, expected) in scores.iter().zip(expected) {
        assert!((score - expected).abs() < 5e-5, "{scores:?}");
    }
}

#[test]
fn three_events_score_as_the_predecessor_scored_them() {
    let now = 1_700_000_000.0;
    let events = [
        event(now - 7200.0, "1", "a", 0.5),
        event(now - 3600.0, "2", "a", 0.0),
        event(now, "2", "b", 1.0),
    ];
    assert_close(&scores(&events), &[0.1667, 0.4, 0.7]);
}

#[tokio::test]
async fn the_dispatcher_gives_them_in_the_order_of_the_events() {
    let events: Vec<Event> = (0..100_u32)
        .map(|at| event(f64::from(at * 60), &(at / 7).to_string(), "a", 0.0))
        .collect();
    let batch = Arc::new(Batch::new(&events).expect("good events"));
    let dispatcher = Dispatcher::in_place();
    let done = dispatcher.run(Arc::clone(&batch), Lane::Batch, None).await;
    let done = done.expect("done");
    assert_eq!(done.outputs, scores(&events));
    assert_eq!(
        (done.report.operation, done.report.items),
        (Operation::Risk, 100)
    );
}

#[test]
fn one_event_has_nothing_to_differ_from() {
    assert_close(&scores(&[event(5.0, "1", "a", 0.0)]), &[0.2]);
    assert_close(&scores(&[]), &[]);
}

#[test]
fn a_score_is_never_above_1() {
    let events = [event(0.0, "1", "a", 1e300), event(0.0, "2", "b", 9.0)];
    assert_close(&scores(&events), &[1.0, 1.0]);
}

#[test]
fn events_are_read_from_json_with_texts_or_numbers() {
    let events = json!([
        {"timestamp": 0, "ip": 1, "device": "a", "behavior": 0.5},
        {"timestamp": 3600, "ip": "1", "device": "b"},
        {"timestamp": 7200.0, "ip": -1},
    ]);
    let events: Vec<Event> = serde_json::from_value(events).expect("events");
    let third = 0.2 / 3.0;
    assert_close(&scores(&events), &[third + 0.1, 0.1 + 0.3, 0.2 + 0.3 + 0.3]);
    let long = "x".repeat(Name::MAX_BYTES + 1);
    assert_eq!(
        Name::try_from(long.clone()).map_err(|error| error.to_string()),
        Err("is 257 bytes long; the most are 256".to_owned())
    );
    for wrong in [
        json!({"ip": 1}),
        json!({"timestamp": "now"}),
        json!({"timestamp": 0, "ip": 1.5}),
        json!({"timestamp": 0, "ip": long}),
        json!({"timestamp": 0, "user": "a"}),
    ] {
        let read = serde_json::from_value::<Event>(wrong.clone());
        assert!(read.is_err(), "{wrong}");
    }
}

#[test]
fn what_cannot_be_scored_is_named() {
    let good = event(10.0, "1", "a", 0.0);
    for (bad, told) in [
        (
            event(11.0, "", "", 0.0),
            "events[1].timestamp: is later than the last",
        ),
        (
            event(-1.0, "", "", 0.0),
            "events[1].timestamp: `-1` is not a number of seconds",
        ),
        (event(f64::NAN, "", "", 0.0), "events[1].timestamp: `NaN`"),
        (
            event(f64::INFINITY, "", "", 0.0),
            "events[1].timestamp: `inf`",
        ),
        (
            event(1.7e12, "", "", 0.0),
            "events[1].timestamp: `1700000000000`",
        ),
        (event(1.0, "", "", -0.5), "events[1].behavior: `-0.5`"),
        (event(1.0, "", "", f64::NAN), "events[1].behavior: `NaN`"),
    ] {
        let events = [good.clone(), bad, good.clone()];
        let refused = Batch::new(&events).expect_err(told).to_string();
        assert!(refused.starts_with(told), "{refused}");
    }
    // The last one's own time is now, whatever it is; a good one it must be, too.
    assert!(Batch::new(&[good, event(f64::NAN, "", "", 0.0)]).is_err());
}

#[test]
fn events_may_arrive_a_little_out_of_order() {
    let events = [
        event(3600.0, "1", "a", 0.0),
        event(0.0, "1", "a", 0.0),
        event(3600.0, "1", "a", 0.0),
    ];
    assert_close(&scores(&events), &[0.2, 0.1, 0.2]);
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let one = (0.0..1e6, 0..3_u32, 0..3_u32, 0.0..2.0_f64);
    let event_of = |(timestamp, ip, device, behavior): (f64, u32, u32, f64)| {
        event(timestamp, &ip.to_string(), &device.to_string(), behavior)
    };
    prop::collection::vec(one.prop_map(event_of), 0..80).prop_map(|mut events| {
        if let Some(last) = events.last_mut() {
            last.timestamp = 1e6;
        }
        events
    })
}

/// The formula as it is written down, one event at a time and in twice as many bits.
fn plainly(events: &[Event]) -> Vec<f64> {
    let now = events.last().map_or(0.0, |last| last.timestamp);
    let score = |(at, event): (usize, &Event)| {
        let before = &events[at.saturating_sub(1)];
        let differs = |differs: bool| if differs { 1.0 } else { 0.0 };
        let time = 1.0 / (1.0 + (now - event.timestamp) / 3600.0);
        let score = 0.2 * time
            + 0.3 * differs(event.ip != before.ip)
            + 0.3 * differs(event.device != before.device)
            + 0.2 * event.behavior;
        score.clamp(0.0, 1.0)
    };
    events.iter().enumerate().map(score).collect()
}

proptest! {
    #[test]
    fn columns_score_what_the_formula_says(events in events()) {
        for (score, expected) in scores(&events).into_iter().zip(plainly(&events)) {
            prop_assert!((f64::from(score) - expected).abs() < 1e-6, "{score} {expected}");
        }
    }

    #[test]
    fn pieces_score_as_the_whole(events in events(), cut in 0.0..1.0_f64, more in 0.0..1.0_f64) {
        let batch = Batch::new(&events).expect("good events");
        let whole = batch.run(0..batch.len());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a place within a small batch")]
        let at = |share: f64, of: usize| (share * of as f64) as usize;
        let second = at(cut, events.len());
        let first = at(more, second);
        let pieces = [0..first, first..second, second..events.len()];
        let joined: Vec<f32> = pieces.into_iter().flat_map(|piece| batch.run(piece)).collect();
        prop_assert_eq!(whole, joined);
    }
}
