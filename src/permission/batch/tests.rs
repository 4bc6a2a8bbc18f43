//! A batch against the single check: random stores, an office whose shape is known, and the odd cases.

use std::{fs, path::PathBuf};

use proptest::prelude::*;

use super::*;
use crate::permission::{
    Ask, Config, Question, WrittenCondition, WrittenTuple,
    engine::{
        reference::{Dice, Disguised, random_store},
        tests::store,
    },
    suite,
};

/// Answers `questions` in pieces of at most `piece`, and says how many of the answers took a short
/// way. Each must be what the single check says.
fn hold(store: Store, questions: &[Question], piece: usize) -> usize {
    let batch = Batch::over(Arc::new(store), questions.iter().cloned().collect());
    let mut short = 0;
    for from in (0..batch.len()).step_by(piece) {
        let range = from..(from + piece).min(batch.len());
        let answers = batch.run(range.clone());
        assert_eq!(answers.len(), range.len());
        short += tame(&batch, range.clone());
        for (question, answer) in questions[range].iter().zip(answers) {
            let single = question.put(|ask| batch.store.check(ask));
            assert_eq!(answer, single, "{question:?}");
        }
    }
    short
}

fn tame(batch: &Batch, range: Range<usize>) -> usize {
    let pairs = Pairs::new(&batch.store, &batch.questions, range);
    let plan = &batch.store.plan;
    let tame = pairs
        .from(0, 0, 0)
        .zip(&pairs.objects)
        .filter(|(pair, object)| {
            pair.is_some_and(|pair| {
                let (relation, _) = pair.key.parts();
                Tame::allows(object.tag, plan.relation(relation).rewrite.monotone)
            })
        });
    tame.count()
}

/// Everything that can be asked of a random store, right and wrong, some of it often enough for a set.
fn all_questions(times: usize) -> Vec<Question> {
    let users = [
        "user:0",
        "user:3",
        "user:9",
        "user:*",
        "group:1#member",
        "doc:2#r1",
        "doc:1",
        "robot:1",
        "user",
    ];
    let objects = [
        "doc:0", "doc:1", "doc:2", "doc:3", "group:1", "doc:*", "doc:9",
    ];
    let mut questions = Vec::new();
    for _ in 0..times {
        for user in users {
            for relation in ["r0", "r1", "r2", "r3", "r4", "parent", "member", "none"] {
                let ask = |object: &&str| Question::new(user, relation, *object);
                questions.extend(objects.iter().map(ask));
            }
        }
    }
    questions
}

/// Holds one random store, plain, under conditions and with tuples brought along; the number of short
/// answers.
fn hold_random(seed: u64, piece: usize) -> usize {
    let Some((text, tuples, decoys)) = random_store(seed) else {
        return 0;
    };
    let mut short = hold(store(&text, &tuples), &all_questions(6), piece);
    let disguised = Disguised::new(&text, &tuples, &decoys);
    let along: Vec<WrittenTuple> = disguised.along().iter().map(written).collect();
    let mut questions = all_questions(2);
    for question in questions.iter_mut().step_by(2) {
        question.contextual_tuples.clone_from(&along);
    }
    let context = serde_json::json!({ "x": true });
    for question in questions.iter_mut().step_by(3) {
        question.context = context.as_object().cloned();
    }
    short += hold(disguised.store, &questions, piece);
    short
}

fn written(tuple: &crate::permission::Tuple<'_>) -> WrittenTuple {
    WrittenTuple {
        user: tuple.user.to_owned(),
        relation: tuple.relation.to_owned(),
        object: tuple.object.to_owned(),
        condition: tuple.condition.map(|condition| WrittenCondition {
            name: condition.name.to_owned(),
            context: condition.context.cloned(),
        }),
    }
}

#[test]
fn random_stores_are_answered_as_the_single_check_answers_them() {
    let short: usize = (1..=150).map(|seed| hold_random(seed, 1_000)).sum();
    suite::report("short answers of batches over random stores", short, 0);
    assert!(short > 10_000, "only {short} answers took a short way");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn pieces_of_any_size_over_any_store_are_answered_alike(seed: u64, piece in 1..600_usize) {
        hold_random(seed, piece);
    }
}

const OFFICE: &str = "type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define owner: [user]
    define editor: [user, group#member] or owner or editor from parent
    define viewer: [user, user:*, group#member] or editor or viewer from parent
type doc
  relations
    define parent: [folder]
    define blocked: [user, group#member]
    define owner: [user]
    define editor: [user, group#member] or owner or editor from parent
    define viewer: [user, user:*, group#member] or editor or viewer from parent
    define reader: viewer but not blocked
    define signer: (editor and viewer) but not blocked
";

/// Some thousand tuples: nested groups, two of them in a cycle, folder trees, one of them too deep.
fn office(dice: &mut Dice) -> Vec<String> {
    let mut tuples = vec![
        "group:58#member member group:59".to_owned(),
        "group:59#member member group:58".to_owned(),
        "user:* viewer folder:7".to_owned(),
    ];
    for n in 0..400 {
        tuples.push(format!(
            "user:{} member group:{}",
            dice.roll(300),
            dice.roll(60)
        ));
        tuples.push(format!(
            "user:{} owner folder:{}",
            dice.roll(300),
            dice.roll(80)
        ));
        if n < 50 {
            tuples.push(format!(
                "group:{}#member member group:{}",
                n + 1,
                dice.roll(1 + n)
            ));
            tuples.push(format!(
                "group:{}#member viewer folder:{}",
                dice.roll(60),
                dice.roll(80)
            ));
            tuples.push(format!(
                "group:{}#member editor folder:{}",
                dice.roll(60),
                dice.roll(80)
            ));
            tuples.push(format!(
                "group:{}#member blocked doc:{}",
                dice.roll(60),
                dice.roll(1_500)
            ));
        }
    }
    tuples.extend((1..50).map(|n| format!("folder:{} parent folder:{n}", dice.roll(n))));
    tuples.extend((51..80).map(|n| format!("folder:{} parent folder:{n}", n - 1)));
    for n in 0..1_500 {
        tuples.push(format!("folder:{} parent doc:{n}", dice.roll(80)));
        tuples.push(format!("user:{} viewer doc:{n}", dice.roll(300)));
        tuples.push(format!("user:{} blocked doc:{}", dice.roll(300), n));
    }
    tuples.sort();
    tuples.dedup();
    tuples
}

#[test]
fn many_random_pairs_of_one_office_are_answered_alike() {
    // The bench asks a million of a larger store.
    let pairs = if cfg!(debug_assertions) {
        60_000
    } else {
        1_000_000
    };
    let mut dice = Dice(42);
    let store = store(OFFICE, &office(&mut dice));
    let relations = ["viewer", "editor", "owner", "reader", "signer", "parent"];
    let questions = (0..pairs).map(|n| {
        // A third are one user's, so that sets are made.
        let user = if n % 3 == 0 { 7 } else { dice.roll(310) };
        let relation = relations[usize::try_from(dice.roll(6)).unwrap_or(0)];
        Question::new(
            format!("user:{user}"),
            relation,
            format!("doc:{}", dice.roll(1_510)),
        )
    });
    let questions: Vec<Question> = questions.collect();
    let short = hold(store, &questions, 5_000);
    suite::report("short answers of batches over an office", short, 0);
    assert!(
        short > pairs / 2,
        "only {short} of {pairs} took a short way"
    );
    assert!(short < pairs, "nothing was left to the single check");
}

fn many(user: &str, relation: &str, count: usize) -> Questions {
    let ask = |n| Question::new(user, relation, format!("doc:{n}"));
    (0..count).map(ask).collect()
}

#[test]
fn a_set_is_made_once_for_all_pieces() {
    let store = store(OFFICE, &office(&mut Dice(5)));
    let batch = Batch::over(Arc::new(store), many("user:7", "blocked", 200));
    let few = batch.run(0..WORTH_A_SET - 1);
    assert!(batch.known().sets.is_empty(), "too few to try");
    let first = batch.run(0..100);
    assert!(matches!(
        batch.known().sets.values().next(),
        Some(Set::Made(_))
    ));
    batch.run(100..200);
    assert_eq!(batch.known().sets.len(), 1);
    assert_eq!(few[..], first[..few.len()]);
}

#[test]
fn so_much_in_sets_and_no_more_is_made() {
    let store = Arc::new(store(OFFICE, &office(&mut Dice(5))));
    let batch = || Batch::over(Arc::clone(&store), many("user:7", "blocked", 200));
    let (roomy, full) = (batch(), batch());
    let answers = roomy.run(0..200);
    let taken = roomy.known().bytes;
    assert!(taken > 0, "{taken} bytes in a set");
    full.known().bytes = MAX_BYTES;
    assert_eq!(full.run(0..200), answers);
    assert_eq!(full.known().bytes, MAX_BYTES);
    assert!(
        !full
            .known()
            .sets
            .values()
            .any(|set| matches!(set, Set::Made(_)))
    );
}

#[test]
fn a_set_that_is_too_wide_is_tried_again_only_when_twice_as_many_ask() {
    let tuples: Vec<String> = (0..2_000)
        .map(|n| format!("user:7 viewer doc:{n}"))
        .collect();
    let batch = Batch::over(
        Arc::new(store(OFFICE, &tuples)),
        many("user:7", "viewer", 2_000),
    );
    let tried = || match batch.known().sets.values().next() {
        Some(Set::TooWide { asked, tried }) => Some((*asked, *tried)),
        _ => None,
    };
    batch.run(0..20);
    assert_eq!(tried(), Some((20, 20)));
    assert!(batch.run(20..36).iter().all(|answer| *answer == Ok(true)));
    assert_eq!(tried(), Some((36, 20)), "not yet twice as many");
    batch.run(36..60);
    assert_eq!(tried(), Some((60, 60)));
    batch.run(60..2_000);
    assert_eq!(tried(), None, "made at last");
    assert!(batch.run(0..2_000).iter().all(|answer| *answer == Ok(true)));
}

#[test]
fn errors_are_those_of_the_single_check() {
    let mut tuples: Vec<String> = (0..30)
        .map(|n| format!("folder:{} parent folder:{n}", n + 1))
        .collect();
    tuples.push("folder:0 parent doc:1".to_owned());
    tuples.push("user:7 viewer folder:29".to_owned());
    let mut questions = many("user:7", "viewer", 40);
    questions.push(Question::new("user:7", "viewer", "doc"));
    questions.push(Question::new("user:7", "views", "doc:1"));
    questions.push(Question::new("user:7 ", "viewer", "doc:1"));
    let mut along = Question::new("user:7", "viewer", "doc:1");
    along.contextual_tuples = vec![WrittenTuple::default()];
    questions.push(along);
    let batch = Batch::over(Arc::new(store(OFFICE, &tuples)), questions);
    let answers = batch.run(0..batch.len());
    assert_eq!(answers[1], Err(Error::TooComplex));
    assert!(matches!(
        answers[40..43],
        [
            Err(Error::Invalid(_)),
            Err(Error::Invalid(_)),
            Err(Error::Invalid(_))
        ]
    ));
    assert!(matches!(answers[43], Err(Error::ContextualTuple(_))));
    assert_eq!(batch.weight(43).class, 1);
    assert_eq!(batch.weight(0).bytes, "user:7viewerdoc:0".len());
}

#[test]
fn a_condition_that_cannot_be_evaluated_is_told_as_the_single_check_tells_it() {
    let folder = tempfile::tempdir().unwrap();
    let model = "model: |
  model
    schema 1.1
  type user
  type doc
    relations
      define viewer: [user, user with on]
  condition on(x: int, y: string) { x > 1 }
tuples:
  - { user: user:a, relation: viewer, object: doc:1, condition: { name: on } }
  - { user: user:a, relation: viewer, object: doc:2 }
";
    fs::write(folder.path().join("store.fga.yaml"), model).unwrap();
    let config = Config {
        store_file: Some(PathBuf::from("store.fga.yaml")),
        openfga: None,
    };
    let authorizer = Authorizer::load(&config, folder.path()).unwrap();
    let mut questions = vec![Question::new("user:a", "viewer", "doc:1"); 20];
    questions.push(Question::new("user:a", "viewer", "doc:2"));
    let context = serde_json::json!({ "x": 2, "y": "" });
    questions[3].context = context.as_object().cloned();
    let batch = Batch::new(&authorizer, questions.into_iter().collect()).unwrap();
    fs::write(
        folder.path().join("store.fga.yaml"),
        model.replace("doc:2", "doc:34"),
    )
    .unwrap();
    assert_eq!(authorizer.reload_if_changed(), Ok(true));
    let answers = batch.run(0..21);
    assert!(matches!(&answers[0], Err(Error::Condition(why)) if why.contains("is missing")));
    assert_eq!(answers[3], Ok(true));
    assert_eq!(answers[20], Ok(true), "the store it began with");
    let ask = Ask::new("user:a", "viewer", "doc:2");
    assert_eq!(authorizer.check(&ask), Ok(false), "the store there is now");
}

#[test]
fn without_a_store_there_is_no_batch() {
    let config = Config {
        store_file: None,
        openfga: None,
    };
    let authorizer = Authorizer::load(&config, std::path::Path::new(".")).unwrap();
    let refused = Batch::new(&authorizer, many("user:7", "viewer", 1)).err();
    assert_eq!(refused, Some(Error::NoStore));
}
