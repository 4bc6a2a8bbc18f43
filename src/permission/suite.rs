//! `OpenFGA`'s own conformance suite, held against the embedded engine.
//!
//! `tests/data/openfga/consolidated_1_1_tests.yaml` is `OpenFGA`'s file (Apache-2.0, licence beside it). Each test
//! is a list of stages: a model, tuples added to those of earlier stages, assertions. Stored tuples
//! that a later model has no place for are left out, as `OpenFGA` leaves them out.

use std::{fs, path::PathBuf};

use serde::{Deserialize, de::IgnoredAny};

use super::{
    Ask, dsl,
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
    check_assertions: Option<Vec<CheckAssertion>>,
    #[serde(default)]
    list_objects_assertions: Option<Vec<ListAssertion>>,
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
struct CheckAssertion {
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListAssertion {
    request: ListRequest,
    #[serde(default)]
    contextual_tuples: Option<Vec<Written>>,
    #[serde(default)]
    context: Option<IgnoredAny>,
    #[serde(default)]
    expectation: Option<Vec<String>>,
    #[serde(default)]
    error_code: u16,
}

#[derive(Debug, Deserialize)]
struct ListRequest {
    user: String,
    relation: String,
    #[serde(rename = "type")]
    object_type: String,
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

/// A store of `stored`, as far as the model has a place for it, and all of `contextual`.
fn store(model: &str, stored: &[Written], contextual: Option<&Vec<Written>>) -> Result<Store, u16> {
    let model = dsl::parse(model).expect("the suite's models are well formed");
    let plan = Plan::compile(&model).expect("the suite's models are valid");
    let mut builder = Builder::new(&plan);
    for tuple in stored {
        // Tuples of earlier stages may not fit this stage's model.
        let _ = builder.add(0, tuple.as_tuple());
    }
    for tuple in contextual.into_iter().flatten() {
        builder
            .add(0, tuple.as_tuple())
            .map_err(|_| INVALID_TUPLE)?;
    }
    let graph = builder.build();
    Ok(Store { plan, graph })
}

impl CheckAssertion {
    /// What is wrong with the engine's answer, if anything.
    fn run(&self, model: &str, stored: &[Written]) -> Option<String> {
        let Written {
            user,
            relation,
            object,
            ..
        } = &self.tuple;
        let found = store(model, stored, self.contextual_tuples.as_ref()).and_then(|store| {
            let answer = store.check(&Ask {
                user,
                relation,
                object,
            });
            answer.map_err(|error| error.code().unwrap_or_default())
        });
        let expected = expected(self.expectation, self.error_code);
        (found != expected)
            .then(|| format!("{user} {relation} {object}: {found:?}, not {expected:?}"))
    }
}

impl ListAssertion {
    /// What is wrong with the engine's answer, if anything.
    fn run(&self, model: &str, stored: &[Written]) -> Option<String> {
        let ListRequest {
            user,
            relation,
            object_type,
        } = &self.request;
        let found = store(model, stored, self.contextual_tuples.as_ref()).and_then(|store| {
            let listed = store.list_objects(user, relation, object_type);
            let listed = listed.map_err(|error| error.code().unwrap_or_default())?;
            Ok(listed.into_iter().map(str::to_owned).collect::<Vec<_>>())
        });
        let mut objects = self.expectation.clone().unwrap_or_default();
        objects.sort();
        let expected = expected(objects, self.error_code);
        (found != expected).then(|| format!("{:?}: {found:?}, not {expected:?}", self.request))
    }
}

fn expected<T>(answer: T, error_code: u16) -> Result<T, u16> {
    match error_code {
        0 => Ok(answer),
        code => Err(code),
    }
}

/// How many assertions were run, and what was wrong.
#[derive(Default)]
struct Tally {
    checks: usize,
    lists: usize,
    skipped: usize,
    wrong: Vec<String>,
}

fn run_stage(test: &Test, number: usize, stored: &[Written], tally: &mut Tally) {
    let stage = &test.stages[number];
    let conditional =
        stage.model.contains("condition ") || stored.iter().any(|tuple| tuple.condition.is_some());
    let mut note = |fault: Option<String>| {
        let fault = fault.map(|fault| format!("{} stage {number}: {fault}", test.name));
        tally.wrong.extend(fault);
    };
    for assertion in stage.check_assertions.iter().flatten() {
        if conditional || assertion.context.is_some() {
            tally.skipped += 1;
        } else {
            tally.checks += 1;
            note(assertion.run(&stage.model, stored));
        }
    }
    for assertion in stage.list_objects_assertions.iter().flatten() {
        if conditional || assertion.context.is_some() {
            tally.skipped += 1;
        } else {
            tally.lists += 1;
            note(assertion.run(&stage.model, stored));
        }
    }
}

#[test]
fn the_official_suite_comes_out_as_openfga_has_it() {
    let suite: Suite =
        serde_saphyr::from_str(&data("consolidated_1_1_tests.yaml")).expect("readable");
    let mut tally = Tally::default();
    for test in &suite.tests {
        let mut stored: Vec<Written> = Vec::new();
        for (number, stage) in test.stages.iter().enumerate() {
            stored.extend(stage.tuples.iter().flatten().cloned());
            run_stage(test, number, &stored, &mut tally);
        }
    }
    let Tally {
        checks,
        lists,
        skipped,
        wrong,
    } = tally;
    report("consolidated_1_1_tests.yaml, checks", checks, skipped);
    report("consolidated_1_1_tests.yaml, list_objects", lists, skipped);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(
        (checks, lists, skipped),
        (360, 270, 0),
        "the suite was cut short"
    );
}

/// Counts of a suite, for whoever runs it with `--nocapture`.
#[expect(clippy::print_stderr, reason = "tests may talk")]
pub(super) fn report(suite: &str, run: usize, skipped: usize) {
    eprintln!("{suite}: {run} run, {skipped} skipped");
}

/// `OpenFGA`'s code for a contextual tuple that the model has no place for.
const INVALID_TUPLE: u16 = 2027;
