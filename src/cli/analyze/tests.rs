use serde_json::{Value, json};

use super::*;
use crate::analytics::Tally;

fn line(second: u64, route: &str, verdict: &str, reason: &str, cost_us: f64) -> String {
    let stamp = uuid::Timestamp::from_unix(uuid::NoContext, 1_790_000_000 + second, 0);
    json!({
        "time": "2026-09-21T14:13:20.000Z",
        "id": uuid::Uuid::new_v7(stamp).simple().to_string(),
        "route": route,
        "verdict": verdict,
        "reason": reason,
        "cost_us": cost_us,
        "later_field": {"a": [1]},
        "stages": [
            {"stage": "identity", "strategy": "inline", "predicted_us": 10.0, "actual_us": 20.0},
            {"stage": "screening", "strategy": "pool", "predicted_us": null, "actual_us": 1000.0},
        ],
    })
    .to_string()
}

fn summed(log: &str) -> (Summary, Value) {
    let summary = sum_up(log.as_bytes(), &ProgressBar::hidden()).expect("reads");
    let json = serde_json::to_value(summary.in_json()).expect("JSON");
    (summary, json)
}

#[test]
fn a_log_is_summed_up_by_route_reason_and_step() {
    let mut log = String::new();
    for second in 0..50 {
        log += &line(second, "doc", "allow", "ok", 30.0);
        log += "\r\n\n";
    }
    log += &line(100, "doc", "deny", "permission_denied", 10.0);
    log += "\n{\"timestamp\":\"x\",\"level\":\"INFO\",\"message\":\"ready\"}\n";
    let (summary, json) = summed(&log);
    assert_eq!(
        json["lines"],
        json!({"decisions": 51, "other": 1, "malformed": 0})
    );
    assert_eq!(json["covered_s"], 100.0);
    assert_eq!(json["rate"], 0.51);
    assert_eq!(json["routes"][0]["reasons"][0]["checks"], 50);
    assert_eq!(
        json["routes"][0]["reasons"][1]["reason"],
        "permission_denied"
    );
    assert_eq!(json["routes"][0]["denied_share"], 1.0 / 51.0);
    let p50 = json["latency"]["p50_us"].as_f64().expect("a number");
    assert!((p50 - 30.0).abs() < 0.5, "{p50}");
    assert_eq!(json["stages"][0]["stage"], "identity");
    assert_eq!(json["stages"][0]["predicted_share"], 0.5);
    assert_eq!(json["stages"][1]["strategy"], "pool");
    assert_eq!(json["stages"][1]["predicted_share"], Value::Null);
    assert_eq!(json["first"], "2026-09-21T14:13:20.000Z");

    let mut table = Vec::new();
    table::print(&mut table, "log", &summary).expect("prints");
    let table = String::from_utf8(table).expect("text");
    assert!(
        table.contains("51 decisions, 0.51/s, denied 2.0 %, undecided 0.0 %, 1 other log lines")
    );
    let row = |line: &str| {
        line.split_whitespace()
            .take(4)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert!(
        table.lines().any(|line| row(line) == "doc 51 0.51/s 100.0"),
        "{table}"
    );
    assert!(table.contains("x0.50"), "{table}");
}

#[test]
fn malformed_lines_are_counted_and_the_first_are_told() {
    let good = line(0, "doc", "allow", "ok", 30.0);
    let mut log = format!("{good}\nnonsense\n");
    for (from, to) in [
        ("\"ok\"", "\"fine\""),
        ("\"allow\"", "\"maybe\""),
        ("30.0", "-1"),
        ("\"inline\"", "\"\\u001b[2J\""),
        ("\"id\"", "\"no\""),
    ] {
        log += &good.replacen(from, to, 1);
        log.push('\n');
    }
    log += &"x".repeat(200_000);
    log.push('\n');
    log += &good;
    let (summary, json) = summed(&log);
    assert_eq!(
        json["lines"],
        json!({"decisions": 2, "other": 0, "malformed": 7})
    );
    let told: Vec<String> = summary
        .first_malformed()
        .iter()
        .map(|(number, why)| format!("{number}: {why}"))
        .collect();
    assert_eq!(
        told,
        [
            "2: is no decision: expected ident (column 2)",
            "3: `fine` is no reason",
            "4: `maybe` is no verdict",
            "5: `cost_us` is no span: `-1`",
            "6: `\\u{1b}[2J` is no strategy",
        ]
    );
    assert!(!summary.is_something_else());
    assert!(summed("nonsense\n").0.is_something_else());
    assert!(!summed("").0.is_something_else(), "an empty log is a log");
}

#[test]
fn a_file_of_endless_lines_and_names_is_summed_up_in_bounded_memory() {
    let mut log = String::new();
    for number in 0..6_000 {
        log += &line(0, &format!("r{number}"), "allow", "ok", 1.0);
        log.push('\n');
    }
    let (_, json) = summed(&log);
    let routes = json["routes"].as_array().expect("a list");
    assert_eq!(routes.len(), Tally::MOST_GROUPS + 1);
    assert_eq!(routes[0]["route"], "(others)");
    assert_eq!(json["checks"], 6_000);
}

#[test]
fn a_line_of_a_sample_counts_for_all_that_it_stands_for() {
    let allowed = line(0, "doc", "allow", "ok", 30.0);
    let allowed = allowed.replacen('{', "{\"stands_for\":9,", 1);
    let denied = line(1, "doc", "deny", "no_route", 1.0);
    let (_, json) = summed(&format!("{allowed}\n{denied}\n"));
    assert_eq!(
        (&json["checks"], &json["is_sample"]),
        (&json!(10), &json!(true))
    );
    assert_eq!(json["denied_share"], 0.1);
    assert_eq!(json["stages"][0]["runs"], 10);
    assert_eq!(json["stages"][0]["mean_us"], 20.0);
    assert_eq!(json["lines"]["decisions"], 2);
}
