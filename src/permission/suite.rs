//! `OpenFGA`'s own conformance suite, held against the embedded engine.
//!
//! `tests/data/openfga/consolidated_1_1_tests.yaml` is `OpenFGA`'s file (Apache-2.0, licence beside it). Each test
//! is a list of stages: a model, tuples added to those of earlier stages, assertions. Stored tuples
//! that a later model has no place for are left out, as `OpenFGA` leaves them out.

use std::{fs, path::PathBuf};

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Ask, Error, dsl,
    graph::{Builder, Tuple},
    plan::Plan,
    store::Store,
};

/// A file under `tests/data/openfga`.
pub(super) fn data(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/openfga");
    fs::read_to_string(path.join(name)).expect("test data is committed")
}

#[derive(Deserialize)]
struct Suite {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    name: String,
    stages: Vec<Stage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stage {
    model: String,
    #[serde(default)]
    tuples: Option<Vec<Written>>,
    #[serde(default)]
    check_assertions: Option<Vec<Assertion>>,
}

#[derive(Clone, Deserialize)]
struct Written {
    user: String,
    relation: String,
    object: String,
    #[serde(default)]
    condition: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assertion {
    tuple: Written,
    #[serde(default)]
    contextual_tuples: Option<Vec<Written>>,
    #[serde(default)]
    context: Option<IgnoredAny>,
    #[serde(default)]
    expectation: bool,
    #[serde(default)]
    error_code: u16,
}

impl Written {
    fn as_tuple(&self) -> Tuple<'_> {
        Tuple {
            user: &self.user,
            relation: &self.relation,
            object: &self.object,
        }
    }
}

impl Assertion {
    /// What the engine says: the answer, or `OpenFGA`'s error code.
    fn run(&self, model: &str, stored: &[Written]) -> Result<bool, u16> {
        let model = dsl::parse(model).expect("the suite's models are well formed");
        let plan = Plan::compile(&model).expect("the suite's models are valid");
        let mut builder = Builder::new(&plan);
        for tuple in stored {
            // Tuples of earlier stages may not fit this stage's model.
            let _ = builder.add(0, tuple.as_tuple());
        }
        for tuple in self.contextual_tuples.iter().flatten() {
            builder
                .add(0, tuple.as_tuple())
                .map_err(|_| INVALID_TUPLE)?;
        }
        let graph = builder.build();
        let ask = Ask {
            user: &self.tuple.user,
            relation: &self.tuple.relation,
            object: &self.tuple.object,
        };
        let store = Store { plan, graph };
        store.check(&ask).map_err(|error: Error| {
            error
                .code()
                .expect("the engine's errors have OpenFGA's codes")
        })
    }

    fn expected(&self) -> Result<bool, u16> {
        match self.error_code {
            0 => Ok(self.expectation),
            code => Err(code),
        }
    }
}

#[test]
fn every_check_of_the_official_suite_comes_out_as_openfga_has_it() {
    let suite: Suite =
        serde_saphyr::from_str(&data("consolidated_1_1_tests.yaml")).expect("readable");
    let (mut run, mut skipped, mut wrong) = (0, 0, Vec::new());
    for test in &suite.tests {
        let mut stored: Vec<Written> = Vec::new();
        for (number, stage) in test.stages.iter().enumerate() {
            stored.extend(stage.tuples.iter().flatten().cloned());
            let conditional = stage.model.contains("condition ")
                || stored.iter().any(|tuple| tuple.condition.is_some());
            for assertion in stage.check_assertions.iter().flatten() {
                if conditional || assertion.context.is_some() {
                    skipped += 1;
                    continue;
                }
                run += 1;
                let (found, expected) =
                    (assertion.run(&stage.model, &stored), assertion.expected());
                if found != expected {
                    let Written {
                        user,
                        relation,
                        object,
                        ..
                    } = &assertion.tuple;
                    wrong.push(format!(
                        "{} stage {number}: {user} {relation} {object}: {found:?}, not {expected:?}",
                        test.name
                    ));
                }
            }
        }
    }
    report("consolidated_1_1_tests.yaml, checks", run, skipped);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!((run, skipped), (360, 0), "the suite was cut short");
}

/// Counts of a suite, for whoever runs it with `--nocapture`.
#[expect(clippy::print_stderr, reason = "tests may talk")]
pub(super) fn report(suite: &str, run: usize, skipped: usize) {
    eprintln!("{suite}: {run} run, {skipped} skipped");
}

/// `OpenFGA`'s code for a contextual tuple that the model has no place for.
const INVALID_TUPLE: u16 = 2027;
