//! `OpenFGA`'s own conformance suites, held against the embedded engine.
//!
//! `tests/data/openfga/consolidated_1_1_tests.yaml` and `abac_tests.yaml` are `OpenFGA`'s files (Apache-2.0,
//! licence beside them). Each test is a list of stages: a model, tuples added to those of earlier stages,
//! assertions. Stored tuples that a later model has no place for are left out, as `OpenFGA` leaves them out.
//!
//! Tests of one stage are run a second time with all tuples sent along as contextual ones.

use std::{fs, path::PathBuf};

use serde::Deserialize;

use super::{
    Ask, MAX_CONTEXTUAL_TUPLES,
    condition::Json,
    dsl,
    graph::{Builder, Tuple},
    listing::ListError,
    plan::Plan,
    question::{Question, WrittenTuple},
    store::Store,
};

/// A file under `tests/data/openfga`.
pub(super) fn data(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/openfga");
    fs::read_to_string(path.join(name)).expect("test data is committed")
}

#[derive(Deserialize)]
pub(super) struct Suite {
    pub(super) tests: Vec<Test>,
}

#[derive(Deserialize)]
pub(super) struct Test {
    pub(super) name: String,
    pub(super) stages: Vec<Stage>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stage {
    pub(super) model: String,
    #[serde(default)]
    pub(super) tuples: Option<Vec<WrittenTuple>>,
    #[serde(default)]
    pub(super) check_assertions: Option<Vec<CheckAssertion>>,
    #[serde(default)]
    list_objects_assertions: Option<Vec<ListAssertion>>,
    #[serde(default)]
    list_users_assertions: Option<Vec<UsersAssertion>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CheckAssertion {
    pub(super) tuple: WrittenTuple,
    #[serde(default)]
    pub(super) contextual_tuples: Option<Vec<WrittenTuple>>,
    #[serde(default)]
    pub(super) context: Option<Json>,
    #[serde(default)]
    pub(super) expectation: bool,
    #[serde(default)]
    pub(super) error_code: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListAssertion {
    request: ListRequest,
    #[serde(default)]
    contextual_tuples: Option<Vec<WrittenTuple>>,
    #[serde(default)]
    context: Option<Json>,
    #[serde(default)]
    expectation: Option<Vec<String>>,
    #[serde(default)]
    error_code: u16,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsersAssertion {
    request: UsersRequest,
    #[serde(default)]
    contextual_tuples: Option<Vec<WrittenTuple>>,
    #[serde(default)]
    context: Option<Json>,
    #[serde(default)]
    expectation: Option<Vec<String>>,
    #[serde(default)]
    error_code: u16,
}

#[derive(Debug, Deserialize)]
struct UsersRequest {
    object: String,
    relation: String,
    filters: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct ListRequest {
    user: String,
    relation: String,
    #[serde(rename = "type")]
    object_type: String,
}

/// How the tuples of a stage reach the engine.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Sent {
    Contextually,
    Stored,
}

/// A stage made ready, with what goes along with each question.
struct Ready<'a> {
    store: Store,
    along: Vec<Tuple<'a>>,
}

impl<'a> Ready<'a> {
    fn new(model: &str, tuples: &'a [WrittenTuple], sent: Sent) -> Self {
        let model = dsl::parse(model).expect("the suite's models are well formed");
        let plan = Plan::compile(&model).unwrap_or_else(|faults| panic!("{faults:?}"));
        let mut builder = Builder::new(&plan);
        let mut along = Vec::new();
        for tuple in tuples {
            match sent {
                Sent::Contextually => along.push(tuple.as_tuple()),
                // Tuples of earlier stages may not fit this stage's model.
                Sent::Stored => drop(builder.add(0, tuple.as_tuple())),
            }
        }
        let graph = builder.build();
        let store = Store::new(plan, graph);
        Self { store, along }
    }

    /// Everything that goes along with an assertion.
    fn with(&self, more: Option<&'a Vec<WrittenTuple>>) -> Vec<Tuple<'a>> {
        let more = more.into_iter().flatten().map(WrittenTuple::as_tuple);
        self.along.iter().copied().chain(more).collect()
    }
}

impl CheckAssertion {
    /// The question, with `along` brought along too.
    pub(super) fn question(&self, along: &[WrittenTuple]) -> Question {
        let more = self.contextual_tuples.iter().flatten();
        Question {
            user: self.tuple.user.clone(),
            relation: self.tuple.relation.clone(),
            object: self.tuple.object.clone(),
            context: self.context.clone(),
            contextual_tuples: along.iter().chain(more).cloned().collect(),
        }
    }

    /// What is wrong with the engine's answer, if anything.
    fn run<'a>(&'a self, ready: &Ready<'a>) -> Option<String> {
        let WrittenTuple {
            user,
            relation,
            object,
            ..
        } = &self.tuple;
        let ask = Ask {
            context: self.context.as_ref(),
            contextual_tuples: &ready.with(self.contextual_tuples.as_ref()),
            ..Ask::new(user, relation, object)
        };
        let answer = ready.store.check(&ask);
        let found = answer.map_err(|error| error.code().unwrap_or_default());
        let expected = expected(self.expectation, self.error_code);
        (found != expected)
            .then(|| format!("{user} {relation} {object}: {found:?}, not {expected:?}"))
    }
}

impl ListAssertion {
    /// What is wrong with the engine's answer, if anything.
    fn run<'a>(&'a self, ready: &Ready<'a>) -> Option<String> {
        let ListRequest {
            user,
            relation,
            object_type,
        } = &self.request;
        let ask = Ask {
            context: self.context.as_ref(),
            contextual_tuples: &ready.with(self.contextual_tuples.as_ref()),
            ..Ask::new(user, relation, "")
        };
        let listed = ready.store.list_objects(object_type, &ask);
        let found = listed.map_err(|error: ListError| error.code().unwrap_or_default());
        let mut objects = self.expectation.clone().unwrap_or_default();
        objects.sort();
        let expected = expected(objects, self.error_code);
        (found != expected).then(|| format!("{:?}: {found:?}, not {expected:?}", self.request))
    }
}

impl UsersAssertion {
    /// What is wrong with the engine's answer, if anything.
    fn run<'a>(&'a self, ready: &Ready<'a>) -> Option<String> {
        let UsersRequest {
            object,
            relation,
            filters,
        } = &self.request;
        let ask = Ask {
            context: self.context.as_ref(),
            contextual_tuples: &ready.with(self.contextual_tuples.as_ref()),
            ..Ask::new("", relation, object)
        };
        let listed = ready.store.list_users(&filters[0], &ask);
        let found = listed.map_err(|error: ListError| error.code().unwrap_or_default());
        let mut users = self.expectation.clone().unwrap_or_default();
        users.sort();
        let expected = expected(users, self.error_code);
        (found != expected).then(|| format!("{:?}: {found:?}, not {expected:?}", self.request))
    }
}

pub(super) fn expected<T>(answer: T, error_code: u16) -> Result<T, u16> {
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
    users: usize,
    wrong: Vec<String>,
}

fn run_stage(test: &Test, number: usize, tuples: &[WrittenTuple], sent: Sent, tally: &mut Tally) {
    let stage = &test.stages[number];
    let ready = Ready::new(&stage.model, tuples, sent);
    let mut note = |what: &str, fault: Option<String>| {
        let fault = fault.map(|fault| format!("{} stage {number}: {what} {fault}", test.name));
        tally.wrong.extend(fault);
    };
    for assertion in stage.check_assertions.iter().flatten() {
        tally.checks += 1;
        note("check", assertion.run(&ready));
    }
    for assertion in stage.list_objects_assertions.iter().flatten() {
        tally.lists += 1;
        note("list_objects", assertion.run(&ready));
    }
    for assertion in stage.list_users_assertions.iter().flatten() {
        tally.users += 1;
        note("list_users", assertion.run(&ready));
    }
}

/// One of the suites.
pub(super) fn suite(file: &str) -> Suite {
    // JSON has no such number, so it cannot reach the engine but as text.
    let huge = "1.79769313486231570814527423731704356798070e+309";
    let text = data(file)
        .replace(&format!(": {huge}"), &format!(": \"{huge}\""))
        .replace(&format!(": -{huge}"), &format!(": \"-{huge}\""));
    serde_saphyr::from_str(&text).expect("readable")
}

fn run_suite(file: &str, sent: Sent) -> Tally {
    let suite = suite(file);
    let mut tally = Tally::default();
    for test in &suite.tests {
        let mut tuples: Vec<WrittenTuple> = Vec::new();
        if sent == Sent::Contextually && !test.fits_into_questions() {
            continue;
        }
        for (number, stage) in test.stages.iter().enumerate() {
            tuples.extend(stage.tuples.iter().flatten().cloned());
            run_stage(test, number, &tuples, sent, &mut tally);
        }
    }
    tally
}

impl Test {
    /// Whether all its tuples can be sent along: `OpenFGA` reruns the same tests.
    pub(super) fn fits_into_questions(&self) -> bool {
        let tuples = self.stages.iter().flat_map(|stage| stage.tuples.iter());
        self.stages.len() == 1 && tuples.flatten().count() <= MAX_CONTEXTUAL_TUPLES
    }
}

fn hold(file: &str, sent: Sent, counts: (usize, usize, usize)) {
    let tally = run_suite(file, sent);
    let way = match sent {
        Sent::Contextually => "contextual tuples",
        Sent::Stored => "stored tuples",
    };
    report(&format!("{file}, checks, {way}"), tally.checks, 0);
    report(&format!("{file}, list_objects, {way}"), tally.lists, 0);
    report(&format!("{file}, list_users, {way}"), tally.users, 0);
    let wrong = tally.wrong;
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert_eq!(
        (tally.checks, tally.lists, tally.users),
        counts,
        "the suite was cut short"
    );
}

#[test]
fn the_official_suite_comes_out_as_openfga_has_it() {
    hold("consolidated_1_1_tests.yaml", Sent::Stored, (360, 270, 295));
}

#[test]
fn the_suite_of_conditions_comes_out_as_openfga_has_it() {
    hold("abac_tests.yaml", Sent::Stored, (125, 75, 91));
}

#[test]
fn the_official_suite_comes_out_the_same_when_the_question_brings_all_tuples() {
    hold(
        "consolidated_1_1_tests.yaml",
        Sent::Contextually,
        (282, 211, 245),
    );
}

#[test]
fn the_suite_of_conditions_comes_out_the_same_when_the_question_brings_all_tuples() {
    hold("abac_tests.yaml", Sent::Contextually, (116, 70, 85));
}

/// Counts of a suite, for whoever runs it with `--nocapture`.
#[expect(clippy::print_stderr, reason = "tests may talk")]
pub(super) fn report(suite: &str, run: usize, skipped: usize) {
    eprintln!("{suite}: {run} run, {skipped} skipped");
}
