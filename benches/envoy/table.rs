//! The medians as a table, printed and kept in `benches/results/`.

use std::{fmt::Write as _, fs, time::Duration};

use crate::{
    cases::Case,
    direct::{Measured, SAME_WORK},
    load::Run,
    opa,
    support::tools,
};

/// What the figures are held against, by row: Subzero's row, the floor's, the limit.
const CPU_LIMITS: [(&str, &str, f64); 2] = [
    ("token + permission", "allow everything", 1.35),
    ("token + 1 KB prompt", "allow everything, 1 KB body", 2.0),
];
const RATE_LIMIT: (&str, &str, f64) = ("token + permission", "allow everything", 0.92);
const TAIL_LIMIT: (&str, &str, f64) = ("token + permission", "allow everything", 1.15);

/// Requests a second over OPA's, and the share of its slowest hundredth.
const OPA_LIMITS: [f64; 2] = [5.0, 0.2];

pub(crate) fn report(medians: &[(&Case, Run)], direct: &Measured, rounds: usize, time: Duration) {
    let mut text = format!(
        "# A decision behind Envoy\n\n\
        Written by `cargo bench --bench envoy`: medians of {rounds} rounds of {} s, in turn. {}\n\
        Envoy {}, one worker, on core 0; the server and wrk (32 connections) on core 1. \
        Over a Unix socket where nothing else is said; RS256 tokens of 2048 bits. \
        \"Added\" is over \"no filter\" (with a body: over that row), in milliseconds.\n\n",
        time.as_secs(),
        machine(),
        env_version(),
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
    text += "\n| ratio of medians | measured | limit |\n|---|---|---|\n";
    for (ours, floor, limit) in CPU_LIMITS {
        let ratio = of(medians, ours).server_cpu / of(medians, floor).server_cpu;
        let _ = writeln!(
            text,
            "| server CPU, {ours} ÷ {floor} | {ratio:.2} | ≤ {limit} |"
        );
    }
    let (ours, floor, limit) = RATE_LIMIT;
    let ratio = of(medians, ours).per_second / of(medians, floor).per_second;
    let _ = writeln!(
        text,
        "| requests/s, {ours} ÷ {floor} | {ratio:.2} | ≥ {limit} |"
    );
    let (ours, floor, limit) = TAIL_LIMIT;
    let ratio = of(medians, ours).p99 / of(medians, floor).p99;
    let _ = writeln!(text, "| p99, {ours} ÷ {floor} | {ratio:.2} | ≤ {limit} |");
    asked_directly(&mut text, direct);
    println!("\n{text}");
    let folder = tools::root().join("benches/results");
    fs::create_dir_all(&folder).expect("make the folder of results");
    fs::write(folder.join("envoy.md"), &text).expect("write the results");
    show(&text);
}

fn asked_directly(text: &mut String, direct: &Measured) {
    *text += "\nThe same servers asked over their sockets by a client on core 0, 32 at once on one connection:\n\n\
        | server | checks/s | p50 µs | p99 µs | server CPU µs |\n|---|---|---|---|---|\n";
    for row in &direct.rows {
        let asked = row.asked;
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.0} | {:.1} |",
            row.name, asked.per_second, asked.p50, asked.p99, row.server_cpu
        );
    }
    let Some(at_its_rate) = direct.at_its_rate else {
        return;
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
}

/// Puts the table where people who size their pods look.
fn show(table: &str) {
    let page = tools::root().join("docs/sizing.md");
    let now = fs::read_to_string(&page).expect("read the page");
    let (head, rest) = now.split_once(BEGIN).expect("where the table begins");
    let (_, tail) = rest.split_once(END).expect("where the table ends");
    let text = format!("{head}{BEGIN}\n{table}{END}{tail}");
    fs::write(&page, text).expect("write the page");
}

const BEGIN: &str = "<!-- written by benches/envoy.rs -->\n";
const END: &str = "<!-- end -->";

fn of(medians: &[(&Case, Run)], name: &str) -> Run {
    let row = medians.iter().find(|(case, _)| case.name == name);
    row.unwrap_or_else(|| panic!("no case `{name}`")).1
}

/// Its processor, from the kernel.
fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut models = text
        .lines()
        .filter_map(|line| line.strip_prefix("model name"));
    let model = models.next().unwrap_or("an unknown processor");
    let cores = 1 + models.count();
    let model = model.trim_start_matches([' ', '\t', ':']);
    format!("{cores} cores of {model}, shared.")
}

fn env_version() -> String {
    let output = std::process::Command::new(tools::envoy())
        .arg("--version")
        .output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let is_version =
        |part: &&str| part.starts_with(|c: char| c.is_ascii_digit()) && part.contains('.');
    text.split('/').find(is_version).unwrap_or("?").to_owned()
}
