//! `subzero model test`: the tests inside a store file, told to people.
//!
//! Exit codes are those of `fga model test`: 0 when all hold, 1 when one does not; and 64 for a file that
//! cannot be used, as everywhere here.

use std::{
    io::{self, Write},
    path::Path,
    process::ExitCode,
};

use crate::permission::model_test::{self, Outcome, Report, Tally};

/// Runs the tests in `file`.
pub(super) fn test(file: &Path) -> ExitCode {
    let report = match model_test::run(file) {
        Ok(report) => report,
        Err(problems) => {
            let messages: Vec<String> = problems
                .into_iter()
                .map(|problem| problem.message)
                .collect();
            return super::tell(&messages);
        }
    };
    match tell(&report, &mut io::stdout().lock()) {
        Ok(()) if report.passed() => ExitCode::SUCCESS,
        // A reader that has gone away has not seen that all is well.
        Ok(()) | Err(_) => ExitCode::FAILURE,
    }
}

fn tell(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for test in &report.tests {
        let word = if test.failures.is_empty() {
            "pass"
        } else {
            "FAIL"
        };
        writeln!(out, "{word}  {}: {}", test.name, counts(&[test]))?;
        for failure in &test.failures {
            writeln!(out, "      {failure}")?;
        }
    }
    let all: Vec<&Outcome> = report.tests.iter().collect();
    let failed = all.iter().filter(|test| !test.failures.is_empty()).count();
    let passed = all.len() - failed;
    writeln!(
        out,
        "{passed} of {} tests passed; {}",
        all.len(),
        counts(&all)
    )?;
    out.flush()
}

/// `checks 3/4, list_objects 1/1`, without the kinds there are none of.
fn counts(tests: &[&Outcome]) -> String {
    let count = |name: &str, of: fn(&Outcome) -> Tally| {
        let tallies = || tests.iter().map(|test| of(test));
        let passed: usize = tallies().map(|tally| tally.passed).sum();
        let total: usize = tallies().map(|tally| tally.total).sum();
        (total > 0).then(|| format!("{name} {passed}/{total}"))
    };
    let counts = [
        count("checks", |test| test.checks),
        count("list_objects", |test| test.list_objects),
        count("list_users", |test| test.list_users),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    if counts.is_empty() {
        return "nothing to check".to_owned();
    }
    counts.join(", ")
}
