//! The table of what was expected and what came, green or red.

use std::{
    env,
    io::{IsTerminal as _, stdout},
};

use crate::{
    cases::{Case, Header},
    support::upstream::Received,
};

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// All that was seen of one request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) reason: String,
    /// `None` when the service was not asked.
    pub(crate) received: Option<Received>,
}

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    cells: [String; 5],
    passed: bool,
}

impl Row {
    /// Compares.
    pub(crate) fn new(case: &Case, seen: &Seen) -> Self {
        let got = format!("{} {}", seen.status, seen.reason);
        let passed = got == case.expected() && reached_as_expected(case, seen.received.as_ref());
        let request = format!("{} {}", case.method, case.target);
        let service = service_saw(case, seen.received.as_ref());
        Self {
            cells: [
                case.title.to_owned(),
                request,
                case.expected(),
                got,
                service,
            ],
            passed,
        }
    }
}

/// Prints all lines and the sum. Whether all passed.
pub(crate) fn print(rows: &[Row]) -> bool {
    let head = ["what", "request", "expected", "got", "the service saw"];
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row.cells[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or_default()
    };
    let widths: [usize; 5] = std::array::from_fn(width);
    let line = |cells: [&str; 5]| -> String {
        let padded = cells
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}  "));
        padded.collect::<String>().trim_end().to_owned()
    };
    println!("     {}", line(head));
    let colour = stdout().is_terminal() && env::var_os("NO_COLOR").is_none();
    for row in rows {
        let (mark, on) = if row.passed {
            ("pass", GREEN)
        } else {
            ("FAIL", RED)
        };
        let (on, off) = if colour { (on, PLAIN) } else { ("", "") };
        println!(
            "{on}{mark}{off} {}",
            line(row.cells.each_ref().map(String::as_str))
        );
    }
    let passed = rows.iter().filter(|row| row.passed).count();
    println!("\n{passed} of {} as expected.", rows.len());
    passed == rows.len()
}

/// For people: two figures after the point would be noise.
#[expect(
    clippy::cast_precision_loss,
    reason = "megabytes, shown with one decimal"
)]
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn reached_as_expected(case: &Case, received: Option<&Received>) -> bool {
    let Some(received) = received else {
        return !case.passes();
    };
    let holds = |(name, wanted): &(&str, Header)| match (received.header(name), wanted) {
        (found, Header::Absent) => found.is_none(),
        (found, Header::Is(value)) => found == Some(value),
        (found, Header::Present) => found.is_some_and(|value| !value.is_empty()),
    };
    case.passes() && received.path == case.target && case.service_sees.iter().all(holds)
}

fn service_saw(case: &Case, received: Option<&Received>) -> String {
    let Some(received) = received else {
        return "nothing".to_owned();
    };
    let shown = |(name, _): &(&str, Header)| match received.header(name) {
        // A decision's id says nothing to people.
        Some(_) if *name == "x-subzero-decision" => format!("{name}: ..."),
        Some(value) => format!("{name}: {value}"),
        None => format!("no {name}"),
    };
    if case.service_sees.is_empty() {
        return "the request".to_owned();
    }
    let headers: Vec<String> = case.service_sees.iter().map(shown).collect();
    headers.join(", ")
}
