//! A store told another way, which must answer the same: conditions and tuples brought along are no more than
//! other ways to say that a tuple is there, or is not.

use std::fmt::Write;

use crate::permission::{
    condition::Json,
    dsl,
    graph::{Builder, Tuple, TupleCondition},
    plan::Plan,
    store::Store,
};

/// The same store told another way: some tuples under a condition that holds, some brought along with the
/// question, and some more under a condition that does not hold.
pub(in crate::permission) struct Disguised<'a> {
    pub(in crate::permission) store: Store,
    along: Vec<(&'a str, usize)>,
    holds: Json,
}

impl<'a> Disguised<'a> {
    pub(in crate::permission) fn new(text: &str, tuples: &'a [String], decoys: &[String]) -> Self {
        let model = format!(
            "model\n  schema 1.1\n{}condition on(x: bool) {{ x }}\n",
            with_conditions(text)
        );
        let plan = Plan::compile(&dsl::parse(&model).expect("well formed"));
        let plan = plan.unwrap_or_else(|faults| panic!("{faults:?}\n{model}"));
        let context = |value: bool| Json::from_iter([("x".to_owned(), value.into())]);
        let (holds, fails) = (context(true), context(false));
        let mut builder = Builder::new(&plan);
        let mut along = Vec::new();
        for (index, text) in tuples.iter().enumerate() {
            match index % 4 {
                0 => builder.add(0, tuple(text, None)),
                1 => builder.add(0, tuple(text, Some(&holds))),
                _ => {
                    along.push((text.as_str(), index));
                    Ok(())
                }
            }
            .unwrap_or_else(|why| panic!("{text}: {why}"));
        }
        for text in decoys.iter().filter(|decoy| !tuples.contains(decoy)) {
            let decoy = builder.add(0, tuple(text, Some(&fails)));
            decoy.unwrap_or_else(|why| panic!("{text}: {why}"));
        }
        let graph = builder.build();
        Self {
            store: Store::new(plan, graph),
            along,
            holds,
        }
    }

    pub(in crate::permission) fn along(&self) -> Vec<Tuple<'_>> {
        let along = self.along.iter();
        along
            .map(|(text, index)| tuple(text, (index % 4 == 2).then_some(&self.holds)))
            .collect()
    }
}

fn tuple<'a>(text: &'a str, context: Option<&'a Json>) -> Tuple<'a> {
    let parts: Vec<&str> = text.split(' ').collect();
    Tuple {
        user: parts[0],
        relation: parts[1],
        object: parts[2],
        condition: context.map(|context| TupleCondition {
            name: "on",
            context: Some(context),
        }),
    }
}

/// Whatever may be assigned may be so under a condition too.
fn with_conditions(model: &str) -> String {
    let mut text = String::new();
    for part in model.split_inclusive(']') {
        match part.split_once('[') {
            Some((before, list)) => {
                let list = list.trim_end_matches(']');
                let conditional: Vec<String> = list
                    .split(", ")
                    .map(|to| format!("{to}, {to} with on"))
                    .collect();
                let _ = write!(text, "{before}[{}]", conditional.join(", "));
            }
            None => text.push_str(part),
        }
    }
    text
}
