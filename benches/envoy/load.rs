//! One case under load: what `wrk` counted, and the CPU time that both ends took for it.

use std::{fmt::Write as _, fs, net::SocketAddr, time::Duration};

use tokio::{process::Command, time::sleep};

use crate::{
    cases::Case,
    pinned::cpu,
    support::{process::Process, tools},
};

/// Connections of `wrk`, each sending one request after the other.
const CONNECTIONS: &str = "32";
/// Before a case is counted.
const WARM_UP: &str = "1s";

/// What came of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Run {
    pub(crate) per_second: f64,
    /// Milliseconds from the request to its answer.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Microseconds a request.
    pub(crate) envoy_cpu: f64,
    pub(crate) server_cpu: f64,
    pub(crate) server_mib: f64,
}

impl Run {
    /// The median of each column by itself.
    pub(crate) fn median(runs: &[Self]) -> Self {
        let of = |column: fn(&Self) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(column).collect();
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        Self {
            per_second: of(|run| run.per_second),
            p50: of(|run| run.p50),
            p99: of(|run| run.p99),
            p999: of(|run| run.p999),
            envoy_cpu: of(|run| run.envoy_cpu),
            server_cpu: of(|run| run.server_cpu),
            server_mib: of(|run| run.server_mib),
        }
    }
}

/// Loads `case` for `time`.
///
/// # Panics
///
/// When an answer is not what the case expects: a quick wrong answer is no measurement.
pub(crate) async fn run(case: &Case, to: SocketAddr, envoy: &Process, time: Duration) -> Run {
    wrk(case, to, WARM_UP).await;
    sleep(Duration::from_millis(50)).await;
    let before = (cpu(envoy.pid()), case.server.map(cpu));
    let text = wrk(case, to, &format!("{}s", time.as_secs())).await;
    let after = (cpu(envoy.pid()), case.server.map(cpu));
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("RESULT "))
        .unwrap_or_else(|| panic!("not wrk's report: {text}"));
    let numbers: Vec<f64> = line
        .split(' ')
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [requests, micros, p50, p99, p999, wrong] = numbers[..] else {
        panic!("not our report: {line}")
    };
    assert!(wrong == 0.0, "{}: {wrong} answers were not 200", case.name);
    let each = |(before, after): (Duration, Duration)| {
        after.saturating_sub(before).as_secs_f64() * 1e6 / requests
    };
    let server_cpu = before.1.zip(after.1);
    Run {
        per_second: requests / micros * 1e6,
        p50: p50 / 1e3,
        p99: p99 / 1e3,
        p999: p999 / 1e3,
        envoy_cpu: each((before.0, after.0)),
        server_cpu: server_cpu.map_or(0.0, each),
        server_mib: case.server.map_or(0.0, resident_mib),
    }
}

async fn wrk(case: &Case, to: SocketAddr, time: &str) -> String {
    let dir = tempfile::tempdir().expect("make a folder");
    let script = dir.path().join("case.lua");
    fs::write(&script, lua(case)).expect("write wrk's script");
    let url = format!("http://{to}{}", case.path);
    let output = Command::new("taskset")
        .args(["-c", "1"])
        .arg(tools::wrk())
        .args(["-t1", "-c", CONNECTIONS, "-d", time, "-s"])
        .arg(script)
        .arg(url)
        .output()
        .await
        .expect("run wrk on core 1 (taskset is in util-linux)");
    assert!(output.status.success(), "wrk: {output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// `wrk` tells 99.9 % only to a script.
fn lua(case: &Case) -> String {
    let mut script = String::new();
    if let Some(body) = &case.body {
        let _ = write!(
            script,
            "wrk.method = 'POST'\nwrk.body = [==[{body}]==]\nwrk.headers['content-type'] = 'application/json'\n"
        );
    }
    if let Some(token) = &case.token {
        let _ = writeln!(script, "wrk.headers['authorization'] = 'Bearer {token}'");
    }
    script
        + "function done(summary, latency)
  local errors = summary.errors
  io.write(string.format('RESULT %d %d %d %d %d %d\\n', summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
"
}

/// Resident memory, from the kernel.
fn resident_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}
