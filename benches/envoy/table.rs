//! The medians as a table, printed and kept in `benches/results/`.

use std::{fmt::Write as _, time::Duration};

use crate::{
    bars::{self, Bar},
    cases::Case,
    direct::{Measured, SAME_WORK},
    load::Run,
    opa, results,
    support::tools,
};

/// What the figures are held against, by row: Subzero's row, the floor's, the limit.
const CPU_LIMITS: [(&str, &str, f64); 2] = [
    ("token + permission", "allow everything", 1.35),
    ("token + 1 KB prompt", "allow everything, 1 KB body", 2.0),
];
const RATE_LIMIT: (&str, &str, f64) = ("token + permission", "allow everything", 0.92);
const TAIL_LIMIT: (&str, &str, f64) = ("token + permission", "allow everything", 1.15);

/// The floor when it says as much as Subzero does: what is left is not Envoy's.
pub(crate) const AT_LENGTH: &str = "allow everything, said at length";

/// Requests a second over OPA's, and the share of its slowest hundredth.
const OPA_LIMITS: [f64; 2] = [5.0, 0.2];

pub(crate) fn report(medians: &[(&Case, Run)], direct: &Measured, rounds: usize, time: Duration) {
    let mut text = format!(
        "Medians of {rounds} rounds of {} s, in turn, on a shared machine. Envoy {}, one worker, on core 0; the server and wrk (32 connections) on core 1. \
        Over a Unix socket where nothing else is said; RS256 tokens of 2048 bits. \
        \"Added\" is over \"no filter\" (with a body: over that row), in milliseconds.\n\n",
        time.as_secs(),
        envoy_version(),
    );
    text += "| filter | requests/s | p50 ms | added p50 | added p99 | added p99.9 | Envoy CPU µs | server CPU µs | server MiB |\n";
    text += "|---|---|---|---|---|---|---|---|---|\n";
    for (case, run) in medians {
        let base = if case.body.is_some() {
            "no filter, 1 KB body"
        } else {
            "no filter"
        };
        let base = of(medians, base);
        let _ = write!(
            text,
            "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} |",
            case.name,
            run.per_second,
            run.p50,
            run.p50 - base.p50,
            run.p99 - base.p99,
            run.p999 - base.p999,
            run.envoy_cpu,
        );
        let _ = if case.server.is_some() {
            writeln!(text, " {:.1} | {:.0} |", run.server_cpu, run.server_mib)
        } else {
            writeln!(text, " | |")
        };
    }
    let mut ratios = String::from("| ratio of medians | measured | limit |\n|---|---|---|\n");
    for (ours, floor, limit) in CPU_LIMITS {
        let ratio = of(medians, ours).server_cpu / of(medians, floor).server_cpu;
        let _ = writeln!(
            ratios,
            "| server CPU, {ours} ÷ {floor} | {ratio:.2} | ≤ {limit} |"
        );
    }
    let (ours, floor, limit) = RATE_LIMIT;
    let rate = |floor| of(medians, ours).per_second / of(medians, floor).per_second;
    let name = format!("requests/s, {ours} ÷");
    let _ = writeln!(
        ratios,
        "| {name} {floor} | {:.2} | ≥ {limit} |",
        rate(floor)
    );
    let _ = writeln!(ratios, "| {name} {AT_LENGTH} | {:.2} | |", rate(AT_LENGTH));
    let (ours, floor, limit) = TAIL_LIMIT;
    let tail = |floor| of(medians, ours).p99 / of(medians, floor).p99;
    let _ = writeln!(
        ratios,
        "| p99, {ours} ÷ {floor} | {:.2} | ≤ {limit} |",
        tail(floor)
    );
    let _ = writeln!(
        ratios,
        "| p99, {ours} ÷ {AT_LENGTH} | {:.2} | |",
        tail(AT_LENGTH)
    );
    let direct = asked_directly(direct);
    let begin = results::begin("A decision behind Envoy", "cargo bench --bench envoy");
    let whole = format!("{begin}{text}\n{ratios}\n{direct}");
    println!("\n{whole}");
    results::keep("envoy.md", &whole);
    results::keep("envoy.svg", &drawing(medians));
    results::show(
        "docs/sizing.md",
        "envoy/table.rs",
        &format!("{text}\n{direct}"),
    );
    let picture = "![server CPU of a check, beside other servers](benches/results/envoy.svg)";
    results::show(
        "README.md",
        "envoy/table.rs",
        &format!("{ratios}\n{direct}\n{picture}"),
    );
}

fn drawing(medians: &[(&Case, Run)]) -> String {
    const OTHERS: [&str; 3] = ["allow everything", "OPA", "openfga-envoy"];
    let servers = medians.iter().filter(|(case, _)| case.server.is_some());
    let bars: Vec<Bar<'_>> = servers
        .map(|(case, run)| Bar {
            name: case.name,
            figure: run.server_cpu,
            is_ours: !OTHERS.iter().any(|other| case.name.starts_with(other)),
        })
        .collect();
    bars::draw("Server CPU of a check", "µs", &bars)
}

/// What one core of each server can do.
fn asked_directly(direct: &Measured) -> String {
    let mut text = "The same servers asked over their sockets by a client on core 0, 32 at once on one connection:\n\n\
        | server | checks/s | p50 µs | p99 µs | server CPU µs |\n|---|---|---|---|---|\n"
        .to_owned();
    for row in &direct.rows {
        let asked = row.asked;
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.0} | {:.1} |",
            row.name, asked.per_second, asked.p50, asked.p99, row.server_cpu
        );
    }
    let Some(at_its_rate) = direct.at_its_rate else {
        return text;
    };
    let of = |name: &str| {
        let row = direct.rows.iter().find(|row| row.name == name);
        row.expect("a row").asked
    };
    let (ours, theirs) = (of(SAME_WORK), of(opa::NAME));
    let [rate, tail] = OPA_LIMITS;
    let _ = writeln!(
        text,
        "\n| {SAME_WORK} against OPA | measured | limit |\n|---|---|---|\n\
        | checks/s ÷ OPA's | {:.1} | ≥ {rate} |\n\
        | p99 at the {:.0} checks/s that OPA can answer, {:.0} µs ÷ OPA's | {:.2} | ≤ {tail} |",
        ours.per_second / theirs.per_second,
        at_its_rate.per_second,
        at_its_rate.p99,
        at_its_rate.p99 / theirs.p99,
    );
    text
}

fn of(medians: &[(&Case, Run)], name: &str) -> Run {
    let row = medians.iter().find(|(case, _)| case.name == name);
    row.unwrap_or_else(|| panic!("no case `{name}`")).1
}

fn envoy_version() -> String {
    let output = std::process::Command::new(tools::envoy())
        .arg("--version")
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let is_version =
        |part: &&str| part.starts_with(|c: char| c.is_ascii_digit()) && part.contains('.');
    text.split('/').find(is_version).unwrap_or("?").to_owned()
}
