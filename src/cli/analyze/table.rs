//! A summary for people.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use super::summary::{Lines, StepReport, Summary};
use crate::{
    analytics::{Latency, Report},
    cli::columns::print as table,
};

pub(super) fn print(out: &mut impl Write, name: &str, summary: &Summary) -> io::Result<()> {
    let summary = summary.in_json();
    let (lines, report) = (summary.lines, &summary.report);
    if let (Some(first), Some(last)) = (&summary.first, &summary.last) {
        writeln!(out, "{name}: {first} to {last}")?;
    }
    writeln!(out, "{}", headline(lines, report))?;
    if summary.is_sample {
        let lines = lines.decisions;
        writeln!(
            out,
            "a sample of {lines} lines: counts of allowed decisions are estimates"
        )?;
    }
    if lines.decisions == 0 {
        return Ok(());
    }
    table(out, &routes(report), 3)?;
    table(out, &reasons(report), 1)?;
    if summary.stages.is_empty() {
        return Ok(());
    }
    table(out, &steps(&summary.stages), 2)
}

fn routes(report: &Report) -> Vec<Vec<String>> {
    let mut rows = vec![columns(&[
        "route", "verdict", "reason", "checks", "rate", "share", "p50", "p95", "p99", "max",
    ])];
    for route in &report.routes {
        let name = route.route.as_deref().unwrap_or("(none)");
        let total = &route.total;
        let mut row = columns(&[name, "", ""]);
        row.extend([total.checks.to_string(), rate(total.rate), percent(1.0)]);
        row.extend(quantiles(&total.latency));
        rows.push(row);
        for reason in &route.reasons {
            let mut row = columns(&["", reason.verdict, reason.reason]);
            row.extend([
                reason.checks.to_string(),
                rate(reason.rate),
                percent(reason.share),
            ]);
            row.extend(quantiles(&reason.latency));
            rows.push(row);
        }
    }
    rows
}

fn reasons(report: &Report) -> Vec<Vec<String>> {
    let head = columns(&["reason", "checks", "share"]);
    let rows = report.reasons.iter().map(|reason| {
        vec![
            reason.reason.to_owned(),
            reason.checks.to_string(),
            percent(reason.share),
        ]
    });
    std::iter::once(head).chain(rows).collect()
}

fn steps(steps: &[StepReport]) -> Vec<Vec<String>> {
    let head = columns(&[
        "step", "strategy", "runs", "mean", "p50", "p95", "p99", "max", "foretold",
    ]);
    let rows = steps.iter().map(|step| {
        let mut row = columns(&[&step.stage, step.strategy]);
        row.extend([step.runs.to_string(), span(step.mean_us)]);
        row.extend(quantiles(&step.latency));
        let share = step.predicted_share;
        row.push(share.map_or_else(|| "-".to_owned(), |share| format!("x{share:.2}")));
        row
    });
    std::iter::once(head).chain(rows).collect()
}

fn headline(lines: Lines, report: &Report) -> String {
    let mut text = format!(
        "{} decisions, {}, denied {}, undecided {}",
        report.total.checks,
        rate(report.total.rate),
        percent(report.total.denied_share),
        percent(report.total.undecided_share),
    );
    for (count, what) in [
        (lines.malformed, "malformed lines"),
        (lines.other, "other log lines"),
    ] {
        if count > 0 {
            // Writing to a String cannot fail.
            let _ = write!(text, ", {count} {what}");
        }
    }
    text
}

fn columns(cells: &[&str]) -> Vec<String> {
    // A name from a file may carry what moves a terminal's cursor.
    let plain = |cell: &&str| cell.replace(char::is_control, "?");
    cells.iter().map(plain).collect()
}

fn quantiles(latency: &Latency) -> [String; 4] {
    let Latency {
        p50_us,
        p95_us,
        p99_us,
        max_us,
    } = *latency;
    [p50_us, p95_us, p99_us, max_us].map(span)
}

/// Microseconds in the unit that reads best.
fn span(micros: f64) -> String {
    match micros {
        _ if micros < 1e3 => format!("{micros:.1} us"),
        _ if micros < 1e6 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}

fn rate(a_second: f64) -> String {
    if a_second < 10.0 {
        format!("{a_second:.2}/s")
    } else {
        format!("{a_second:.0}/s")
    }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
