//! `OpenFGA`'s own suites, through the remote engine.
//!
//! The server answers as the suites say, so what is tested is the way there and back: every context,
//! every contextual tuple and every error code.

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{models::written, *};
use crate::permission::{
    dsl,
    question::WrittenTuple,
    suite::{CheckAssertion, Suite, Test, expected, report, suite},
};

/// How many checks were asked, and what was wrong.
#[derive(Default)]
struct Tally {
    checks: usize,
    wrong: Vec<String>,
}

async fn run(server: &OpenFga, suite: &Suite, with_tuples: bool) -> Tally {
    let tests = suite.tests.iter().enumerate();
    let tests = tests.filter(|(_, test)| !with_tuples || test.fits_into_questions());
    let tallies = stream::iter(tests).map(|(_, test)| run_test(server, test, with_tuples));
    let tallies: Vec<Tally> = tallies.buffer_unordered(4).collect().await;
    let mut whole = Tally::default();
    for tally in tallies {
        whole.checks += tally.checks;
        whole.wrong.extend(tally.wrong);
    }
    whole
}

async fn run_test(server: &OpenFga, test: &Test, with_tuples: bool) -> Tally {
    let store = server.store().await;
    let mut tally = Tally::default();
    for (number, stage) in test.stages.iter().enumerate() {
        let model = dsl::parse(&stage.model).expect("the suite's models are well formed");
        let model = server.model(&store, &written(&model)).await;
        let tuples = stage.tuples.as_deref().unwrap_or_default();
        let along = if with_tuples {
            tuples
        } else {
            let tuples: Vec<Value> = tuples.iter().map(|tuple| json!(tuple)).collect();
            server.write(&store, &model, &tuples).await;
            &[]
        };
        let remote = remote(server, &store, Some(&model), |_| {});
        let assertions: Vec<&CheckAssertion> = stage.check_assertions.iter().flatten().collect();
        tally.checks += assertions.len();
        let fault = |one: &CheckAssertion, way: &str, found: Result<Answer, Error>| {
            let found = found.map(|answer| answer.allowed);
            let expected = expected(one.expectation, one.error_code);
            let code = found
                .clone()
                .map_err(|error| error.code().unwrap_or_default());
            let WrittenTuple {
                user,
                relation,
                object,
                ..
            } = &one.tuple;
            (code != expected).then(|| {
                let name = &test.name;
                format!("{name} stage {number}, {way}: {user} {relation} {object}: {found:?}, not {expected:?}")
            })
        };
        let questions: Vec<Question> = assertions.iter().map(|one| one.question(along)).collect();
        let all = questions.iter().cloned().collect();
        let (together, _) = remote.ask_all(&all, soon()).await;
        for (one, found) in assertions.iter().zip(together) {
            tally.wrong.extend(fault(one, "in a batch", found));
        }
        let singly = assertions
            .iter()
            .zip(&questions)
            .map(async |(one, question)| {
                let tuples: Vec<_> = question
                    .contextual_tuples
                    .iter()
                    .map(WrittenTuple::as_tuple)
                    .collect();
                let (ask, consistency) = (question.with(&tuples), Consistency::HigherConsistency);
                let found = remote.ask(&ask, consistency, soon());
                fault(one, "singly", found.await)
            });
        let singly = futures_util::future::join_all(singly).await;
        tally.wrong.extend(singly.into_iter().flatten());
    }
    tally
}

async fn hold(file: &str, stored: usize, brought: usize) {
    let server = OpenFga::start().await;
    let suite = suite(file);
    for (with_tuples, count) in [(false, stored), (true, brought)] {
        let tally = run(&server, &suite, with_tuples).await;
        let way = if with_tuples { "contextual" } else { "stored" };
        report(
            &format!("{file}, remote checks, {way} tuples"),
            tally.checks,
            0,
        );
        let wrong = tally.wrong;
        assert!(
            wrong.is_empty(),
            "{} wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        assert_eq!(tally.checks, count, "the suite was cut short");
    }
}

#[tokio::test]
async fn the_official_suite_comes_out_through_the_server() {
    hold("consolidated_1_1_tests.yaml", 360, 282).await;
}

#[tokio::test]
async fn the_suite_of_conditions_comes_out_through_the_server() {
    hold("abac_tests.yaml", 125, 116).await;
}
