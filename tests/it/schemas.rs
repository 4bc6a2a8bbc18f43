//! The API keeps to its description: Schemathesis asks what the description allows and what it does
//! not, and compares every answer with it.

use std::{env, process::Command, time::Duration};

use crate::{
    support::{process::Process, tools},
    world::{Keys, data, subzero},
};

/// Seconds of asking, unless `SUBZERO_TEST_SECONDS` says otherwise (`make soak`).
const SECONDS: u64 = 30;
const SEED: &str = "20261127";

#[expect(clippy::print_stdout, reason = "`make soak` shows what was asked")]
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_is_undocumented_and_none_is_a_server_error() {
    let seconds = env::var("SUBZERO_TEST_SECONDS").map_or(SECONDS, |seconds| {
        seconds.parse().expect("SUBZERO_TEST_SECONDS is a number")
    });
    let running = subzero(&data("subzero.yaml"), &Keys::generate())
        .start()
        .await;
    let mut command = Command::new(tools::schemathesis());
    command
        .arg("--no-color")
        .arg("--config-file")
        .arg(tools::root().join("tests/schemathesis.toml"))
        .args(["run", "--checks", "all", "--continue-on-failure"])
        .args(["--max-time", &seconds.to_string()]);
    if seconds == SECONDS {
        // The same cases each time: what is new is looked for in the soak.
        command.args(["--seed", SEED]);
    }
    command
        .arg(format!("http://{}/openapi.json", running.http))
        .current_dir(running.dir());
    let mut schemathesis = Process::start("schemathesis", command, running.dir());
    // It finishes the case it is at, and shrinks what it found.
    let status = schemathesis.ended(Duration::from_secs(seconds + 120)).await;
    // A case can be megabytes.
    let told: Vec<String> = schemathesis
        .stdout()
        .lines()
        .map(|line| line.chars().take(2_000).collect())
        .collect();
    let told = told.join("\n");
    assert!(status.success(), "{told}");
    let asked = told
        .lines()
        .filter_map(|line| line.trim().split_once(" generated"))
        .find_map(|(count, _)| count.parse::<u64>().ok());
    assert!(asked.is_some_and(|asked| asked > 200), "few cases:\n{told}");
    println!("{told}");
    assert_eq!(running.readiness().await, Some(200), "still there");
}
