//! The same checks by the `fga` command line, which carries an `OpenFGA` of its own.
//!
//! What a reader would get wrong: it is a process, so what it takes to start and to load the store is
//! measured apart (a run of one check) and taken off; what remains is divided by the checks.

use std::{fmt::Write, fs, path::Path, process::Command, time::Instant};

use super::drive::STORE_FILE;

/// Checks of the longer run, beside the first.
const CHECKS: usize = 500;

const ROUNDS: usize = 3;

/// Seconds a check of `user relation object` over the store in `folder`; `None` where `fga` is not
/// installed.
pub(crate) fn seconds(folder: &Path, user: &str, relation: &str, object: &str) -> Option<f64> {
    let binary = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/venv/bin/fga");
    if !binary.exists() {
        return None;
    }
    let run = |checks: usize| {
        let store = fs::read_to_string(folder.join(STORE_FILE)).expect("written");
        let mut tests = format!("{store}tests:\n  - name: bench\n    check:\n");
        for _ in 0..checks {
            let _ = writeln!(
                tests,
                "      - {{ user: '{user}', object: '{object}', assertions: {{ {relation}: true }} }}"
            );
        }
        let file = folder.join("bench.fga.yaml");
        fs::write(&file, tests).expect("written");
        let begun = Instant::now();
        let output = Command::new(&binary)
            .args(["model", "test", "--tests"])
            .arg(&file)
            .output()
            .expect("it runs");
        let took = begun.elapsed().as_secs_f64();
        assert!(output.status.success(), "{output:?}");
        took
    };
    let best = |checks| {
        (0..ROUNDS)
            .map(|_| run(checks))
            .fold(f64::INFINITY, f64::min)
    };
    let checks = u32::try_from(CHECKS).expect("a small number");
    Some((best(CHECKS + 1) - best(1)) / f64::from(checks))
}
