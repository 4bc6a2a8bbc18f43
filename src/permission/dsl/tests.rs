//! `OpenFGA`'s own syntax cases and its pairs of language and JSON, then our own bounds.

mod fuzz;

use serde::Deserialize;

use super::*;
use crate::permission::{
    json,
    plan::Plan,
    suite::{data, report},
};

#[derive(Deserialize)]
struct Case {
    name: String,
    dsl: String,
    #[serde(default)]
    expected_errors: Option<Vec<Expected>>,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(default)]
    line: Option<Lines>,
}

#[derive(Deserialize)]
struct Lines {
    start: u32,
}

#[test]
fn every_syntax_case_of_openfga_passes_or_fails_on_the_same_line() {
    let cases: Vec<Case> =
        serde_saphyr::from_str(&data("language/dsl-syntax-validation-cases.yaml")).unwrap();
    let (mut run, mut wrong) = (0, Vec::new());
    for case in &cases {
        run += 1;
        let expected = case.expected_errors.iter().flatten().next();
        let expected = expected.map(|error| error.line.as_ref().map_or(0, |line| line.start) + 1);
        let found = parse(&case.dsl).err().map(|faults| faults[0].at.line);
        if found != expected {
            wrong.push(format!("{}: {found:?}, not {expected:?}", case.name));
        }
    }
    report("dsl-syntax-validation-cases.yaml", run, 0);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(run, 81, "the cases were cut short");
}

/// `OpenFGA`'s pairs hold conditions that its own server would refuse.
const PAIR_FAULTS: [(&str, &str); 1] = [(
    "11-multiple-conditions",
    "condition `doc_viewer_condition`: `document_attributes` is not declared",
)];

#[test]
fn the_language_and_json_say_the_same() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/openfga/language/transformer"
    );
    let mut run = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let read = |file| {
            data(&format!(
                "language/transformer/{name}/authorization-model.{file}"
            ))
        };
        let mut written = parse(&read("fga")).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
        let mut json =
            json::parse(&read("json")).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
        for model in [&mut written, &mut json] {
            forget_places(model);
        }
        assert_eq!(written, json, "{name}");
        let faults = Plan::compile(&written).err().unwrap_or_default();
        let mut faults: Vec<_> = faults.iter().map(|fault| fault.message.as_str()).collect();
        faults.retain(|message| message.starts_with("condition `") && message.contains("`: "));
        let expected = PAIR_FAULTS.iter().filter(|(pair, _)| *pair == name);
        let expected: Vec<_> = expected.map(|(_, fault)| *fault).collect();
        assert_eq!(faults, expected, "{name}");
        run += 1;
    }
    report("language to JSON pairs", run, 0);
    assert_eq!(run, 29, "the pairs were cut short");
}

/// JSON keeps neither places nor the order of what it names.
pub(in crate::permission) fn forget_places(model: &mut Model) {
    model.schema_at = Place::default();
    model.conditions.sort_by(|a, b| a.name.cmp(&b.name));
    for condition in &mut model.conditions {
        condition.at = Place::default();
        condition.parameters.sort_by(|a, b| a.name.cmp(&b.name));
    }
    for definition in &mut model.types {
        definition.at = Place::default();
        definition.relations.sort_by(|a, b| a.name.cmp(&b.name));
        for relation in &mut definition.relations {
            relation.at = Place::default();
            forget_rewrite(&mut relation.rewrite);
            for restriction in &mut relation.restrictions {
                restriction.at = Place::default();
            }
        }
    }
}

fn forget_rewrite(rewrite: &mut Rewrite) {
    match rewrite {
        Rewrite::Computed { at, .. } | Rewrite::FromTupleset { at, .. } => *at = Place::default(),
        Rewrite::Difference(base, subtract) => {
            forget_rewrite(base);
            forget_rewrite(subtract);
        }
        Rewrite::Intersection(parts) | Rewrite::Union(parts) => {
            parts.iter_mut().for_each(forget_rewrite);
        }
        Rewrite::This => {}
    }
}

fn model_with(definition: &str) -> String {
    format!("model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define r: {definition}\n")
}

#[test]
fn a_fault_names_line_and_column() {
    let faults = parse(&model_with("[user] or a and b")).unwrap_err();
    assert_eq!(
        faults[0].at,
        Place {
            file: 0,
            line: 6,
            column: 27
        }
    );
    assert!(faults[0].message.contains("parentheses"), "{faults:?}");
}

#[test]
fn parentheses_nest_only_so_deep() {
    let nested = |depth| model_with(&format!("{}a{}", "(".repeat(depth), ")".repeat(depth)));
    assert!(parse(&nested(32)).is_ok());
    assert!(parse(&nested(33)).is_err());
    assert!(parse(&nested(100_000)).is_err());
}

#[test]
fn a_model_longer_than_the_limit_is_refused() {
    let faults = parse(&" ".repeat(MAX_MODEL_BYTES + 1)).unwrap_err();
    assert_eq!(faults[0].kind, FaultKind::Syntax);
}

#[test]
fn no_text_makes_the_parser_panic() {
    let whole = data("language/transformer/102-conditions-data-types/authorization-model.fga");
    for end in 0..whole.len() {
        if let Some(cut) = whole.get(..end) {
            let _ = parse(cut);
            let _ = parse(&format!("{cut}\u{1f9ca}{}", &whole[end..]));
        }
    }
}
