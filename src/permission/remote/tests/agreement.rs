//! Embedded and remote say the same about random models.
//!
//! `SUBZERO_TEST_SEED=7` draws other models than usual; the seed of a disagreement is printed.

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{models::written, *};
use crate::permission::{
    dsl,
    engine::{
        reference::{Reference, random_store},
        tests::store,
    },
    suite::report,
};

/// Enough for more than ten thousand checks: not every seed gives a valid model.
const MODELS: u64 = 250;

/// What one model came to.
#[derive(Default)]
struct Tally {
    checks: usize,
    /// Checks whose answer depends, in `OpenFGA`, on which operand is ready first.
    by_luck: usize,
    /// Models that the server does not take.
    refused: usize,
    wrong: Vec<String>,
}

async fn compare(server: &OpenFga, seed: u64) -> Tally {
    let mut tally = Tally::default();
    let Some((text, tuples, _)) = random_store(seed) else {
        return tally;
    };
    let model = dsl::parse(&format!("model\n  schema 1.1\n{text}")).expect("well formed");
    let embedded = store(&text, &tuples);
    let store = server.store().await;
    let Ok(id) = server.try_model(&store, &written(&model)).await else {
        tally.refused += 1;
        return tally;
    };
    let stored: Vec<Value> = tuples
        .iter()
        .map(|tuple| {
            let parts: Vec<&str> = tuple.split(' ').collect();
            json!({ "user": parts[0], "relation": parts[1], "object": parts[2] })
        })
        .collect();
    server.write(&store, &id, &stored).await;
    let remote = remote(server, &store, Some(&id), |_| {});
    let mut questions = Vec::new();
    for user in ["user:0", "user:3", "user:9", "doc:2", "group:1"] {
        for number in 0..4 {
            let ask = |relation| Question::new(user, relation, format!("doc:{number}"));
            questions.extend(["r0", "r1", "r2", "r3", "r4"].map(ask));
        }
    }
    let all = questions.iter().cloned().collect();
    let (answers, _) = remote.ask_all(&all, soon()).await;
    for (question, there) in questions.iter().zip(answers) {
        tally.checks += 1;
        let here = question.put(|ask| embedded.check(ask));
        let there = there.map(|answer| answer.allowed);
        if here == there {
            continue;
        }
        let reference = Reference::new(&model, &tuples, &question.user);
        let by_luck = [true, false]
            .iter()
            .all(|answer| reference.allows(&question.object, &question.relation, *answer));
        if by_luck && there.is_ok() {
            tally.by_luck += 1;
        } else {
            let told = format!("seed {seed}: {question:?}: {here:?} here, {there:?} there");
            tally
                .wrong
                .push(format!("{told}\n{text}\n{}", tuples.join("\n")));
        }
    }
    tally
}

#[tokio::test]
async fn embedded_and_remote_agree_about_random_models() {
    let seed = std::env::var("SUBZERO_TEST_SEED").ok();
    let first: u64 = seed.map_or(1, |seed| seed.parse().expect("a number"));
    let server = OpenFga::start().await;
    let first = first.wrapping_mul(1_000_003);
    let tallies = stream::iter(first..first + MODELS).map(|seed| compare(&server, seed));
    let tallies: Vec<Tally> = tallies.buffer_unordered(4).collect().await;
    let checks: usize = tallies.iter().map(|tally| tally.checks).sum();
    let by_luck: usize = tallies.iter().map(|tally| tally.by_luck).sum();
    let refused: usize = tallies.iter().map(|tally| tally.refused).sum();
    let wrong: Vec<&String> = tallies.iter().flat_map(|tally| &tally.wrong).collect();
    let what =
        format!("random checks, seed {first}, embedded and remote: {by_luck} differ by luck");
    report(&what, checks, 0);
    assert!(
        wrong.is_empty(),
        "{} differ; the first:\n{}",
        wrong.len(),
        wrong[0]
    );
    assert!(
        checks >= 10_000,
        "only {checks} checks: too few models were valid"
    );
    assert_eq!(refused, 0, "models that are good here");
    assert!(by_luck * 100 <= checks, "{by_luck} of {checks} differ");
}
