//! The servers asked directly, over their sockets: what one core of each can do.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    ask::{Asked, Pace, ask},
    cases::Direct,
    opa,
    pinned::cpu,
};

/// As `wrk` has connections.
const IN_FLIGHT: usize = 32;
const WARM_UP: Duration = Duration::from_secs(1);
const TIME: Duration = Duration::from_secs(2);

/// Medians of a row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) asked: Asked,
    /// Microseconds a check.
    pub(crate) server_cpu: f64,
}

/// What was found out.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) rows: Vec<Row>,
    /// Subzero at as many checks a second as OPA can answer, when OPA is there.
    pub(crate) at_its_rate: Option<Asked>,
}

pub(crate) async fn measure(servers: &[Direct], rounds: usize) -> Measured {
    let mut runs: BTreeMap<&str, Vec<(Asked, f64)>> = BTreeMap::new();
    for round in 0..rounds {
        println!("asked directly, round {} of {rounds}", round + 1);
        for server in servers {
            let run = run(server, Pace::InFlight(IN_FLIGHT)).await;
            runs.entry(server.name).or_default().push(run);
        }
    }
    let rows: Vec<Row> = servers
        .iter()
        .map(|server| {
            let runs = &runs[server.name];
            Row {
                name: server.name,
                asked: medians(runs),
                server_cpu: median(runs.iter().map(|(_, cpu)| *cpu)),
            }
        })
        .collect();
    let rate = rows.iter().find(|row| row.name == opa::NAME);
    let at_its_rate = match rate.map(|row| row.asked.per_second) {
        None => None,
        Some(rate) => {
            let ours = servers.iter().find(|server| server.name == SAME_WORK);
            let ours = ours.expect("a row that is compared");
            let mut runs = Vec::new();
            for _ in 0..rounds {
                runs.push(run(ours, Pace::PerSecond(rate)).await);
            }
            Some(medians(&runs))
        }
    };
    Measured { rows, at_its_rate }
}

/// The row whose work is OPA's.
pub(crate) const SAME_WORK: &str = "token + permission";

async fn run(server: &Direct, pace: Pace) -> (Asked, f64) {
    let questions = std::slice::from_ref(&server.question);
    ask(&server.peer, questions, pace, WARM_UP).await;
    let before = cpu(server.server);
    let asked = ask(&server.peer, questions, pace, TIME).await;
    let spent = cpu(server.server).saturating_sub(before);
    (asked, spent.as_secs_f64() * 1e6 / asked.count)
}

fn medians(runs: &[(Asked, f64)]) -> Asked {
    let of = |column: fn(&Asked) -> f64| median(runs.iter().map(|(asked, _)| column(asked)));
    Asked {
        count: of(|asked| asked.count),
        per_second: of(|asked| asked.per_second),
        p50: of(|asked| asked.p50),
        p99: of(|asked| asked.p99),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
