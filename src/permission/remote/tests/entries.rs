//! Models with few entry points: what the server refuses is refused here, and nothing else.

use std::fmt::Write;

use futures_util::{StreamExt, stream};

use super::{models::written, *};
use crate::permission::{
    dsl,
    engine::reference::Dice,
    model::{FaultKind, Model},
    suite::report,
    validate,
};

const MODELS: u64 = 1_500;

/// Another relation of the same type: an earlier one, now and then any.
fn computed(dice: &mut Dice, number: u64) -> String {
    let among = if dice.roll(8) == 0 { 4 } else { number };
    format!("r{}", dice.roll(among))
}

/// Some operand of the relation `r{number}`: of this type or of a linked one.
fn operand(dice: &mut Dice, number: u64, depth: u64) -> String {
    match dice.roll(8) {
        0 | 1 if depth < 2 => format!("({})", expression(dice, number, depth + 1)),
        0..=2 => format!("r{} from {}", dice.roll(4), ["near", "far"][pick(dice, 2)]),
        _ => computed(dice, number),
    }
}

fn expression(dice: &mut Dice, number: u64, depth: u64) -> String {
    let operator = [" or ", " and ", " but not "][pick(dice, 3)];
    let first = operand(dice, number, depth);
    format!("{first}{operator}{}", operand(dice, number, depth))
}

fn pick(dice: &mut Dice, sides: u64) -> usize {
    usize::try_from(dice.roll(sides)).unwrap_or(0)
}

/// Three types whose relations lead to each other; users are assigned to few of them.
fn random_model(dice: &mut Dice) -> String {
    let types = ["doc", "folder", "group"];
    let mut text = "model\n  schema 1.1\ntype user\n".to_owned();
    for of in types {
        let other = types[pick(dice, 3)];
        let _ = write!(
            text,
            "type {of}\n  relations\n    define near: [{of}]\n    define far: [{other}]\n"
        );
        let set = |dice: &mut Dice| format!("{}#r{}", types[pick(dice, 3)], dice.roll(4));
        let first = match dice.roll(4) {
            0 => set(dice),
            _ => "user".to_owned(),
        };
        let _ = writeln!(text, "    define r0: [{first}]");
        for number in 1..4 {
            let rewrite = match dice.roll(7) {
                0 => "[user]".to_owned(),
                1 => format!("[user] or {}", operand(dice, number, 0)),
                2 => format!("[{}, {}]", set(dice), set(dice)),
                3 => format!("[{}] or {}", set(dice), operand(dice, number, 0)),
                4 => computed(dice, number),
                5 => format!("r{} from near", dice.roll(4)),
                _ => expression(dice, number, 0),
            };
            let _ = writeln!(text, "    define r{number}: {rewrite}");
        }
    }
    text
}

/// Whether the model is good, here and there; `None` if something else than entry points is wrong.
async fn judged(
    server: &OpenFga,
    store: &str,
    model: &Model,
) -> Option<(bool, Result<String, String>)> {
    let faults = validate::faults(model);
    let about_entry = |kind: FaultKind| kind == FaultKind::NoEntryPoint;
    if !faults.iter().all(|fault| about_entry(fault.kind)) {
        return None;
    }
    assert!(
        faults
            .iter()
            .all(|fault| fault.at.line > 3 && fault.at.column == 12)
    );
    let there = server.try_model(store, &written(model)).await;
    Some((faults.is_empty(), there))
}

#[tokio::test]
async fn models_are_refused_for_their_entry_points_exactly_where_the_server_refuses_them() {
    let seed = std::env::var("SUBZERO_TEST_SEED").ok();
    let first: u64 = seed.map_or(1, |seed| seed.parse().expect("a number"));
    let first = first.wrapping_mul(1_000_003);
    let server = OpenFga::start().await;
    let store = server.store().await;
    let texts = (first..first + MODELS).map(|seed| {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        random_model(&mut dice)
    });
    let models = stream::iter(texts).map(async |text: String| {
        let model = dsl::parse(&text).expect("well formed");
        (judged(&server, &store, &model).await, text)
    });
    let verdicts: Vec<_> = models.buffer_unordered(4).collect().await;
    let verdicts = verdicts.into_iter();
    let verdicts: Vec<_> = verdicts
        .filter_map(|(judged, text)| judged.map(|judged| (judged, text)))
        .collect();
    let taken = verdicts
        .iter()
        .filter(|((_, there), _)| there.is_ok())
        .count();
    let what = format!("random models, {taken} of them taken by embedded and remote alike");
    report(&what, verdicts.len(), 0);
    let differ = verdicts
        .iter()
        .find(|((here, there), _)| *here != there.is_ok());
    if let Some(((here, there), text)) = differ {
        panic!("here: {here}, there: {there:?}\n{text}");
    }
    assert!((100..verdicts.len() - 100).contains(&taken), "{taken}");
}

#[tokio::test]
async fn the_server_refuses_a_relation_that_it_meets_twice() {
    let text = "model
  schema 1.1
type user
type doc
  relations
    define owner: [user]
    define editor: owner
    define reader: editor
    define both: editor and reader
    define viewer: both
";
    let server = OpenFga::start().await;
    let store = server.store().await;
    let model = dsl::parse(text).expect("well formed");
    let refused = server.try_model(&store, &written(&model)).await;
    assert!(refused.is_err_and(|why| why.contains("potential loop")));
    assert_eq!(validate::faults(&model).len(), 1);
}
