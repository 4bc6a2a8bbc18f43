//! `OpenFGA`'s own semantic cases, for the language and for JSON.

use serde::Deserialize;

use super::*;
use crate::permission::{
    dsl, json,
    plan::Plan,
    suite::{data, report},
    tuple,
};

#[derive(Deserialize)]
struct Case {
    name: String,
    #[serde(alias = "json")]
    dsl: String,
    #[serde(default)]
    expected_errors: Option<Vec<Expected>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    #[serde(default)]
    line: Option<Lines>,
    metadata: Metadata,
}

#[derive(Deserialize)]
struct Lines {
    start: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    error_type: String,
}

/// Cases that come out otherwise here, with the reason.
const EXCEPTIONS: [(&str, &str); 3] = [
    (
        "union does not require all child to have entry",
        SERVER_REFUSES,
    ),
    (
        "union does not require all child to have entry even for intersection child",
        SERVER_REFUSES,
    ),
    (
        "union does not require all child to have entry even for exclusion child",
        SERVER_REFUSES,
    ),
];
const SERVER_REFUSES: &str =
    "OpenFGA skips it too: its server refuses relations computed from themselves";

fn openfga_name(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::AssignableWithoutTypes => "assignable-relation-must-have-type",
        FaultKind::ConditionExpression => "condition-expression",
        FaultKind::ConditionNotDefined => "condition-not-defined",
        FaultKind::ConditionNotUsed => "condition-not-used",
        FaultKind::Duplicated => "duplicated-error",
        FaultKind::InvalidName => "invalid-name",
        FaultKind::InvalidRelationOnTupleset => "invalid-relation-on-tupleset",
        FaultKind::InvalidRelationType => "invalid-relation-type",
        FaultKind::InvalidSchema => "invalid-schema",
        FaultKind::InvalidType => "invalid-type",
        FaultKind::MissingDefinition => "missing-definition",
        FaultKind::NoEntryPoint => "relation-no-entry-point",
        FaultKind::ReservedRelation => "reserved-relation-keywords",
        FaultKind::ReservedType => "reserved-type-keywords",
        FaultKind::SchemaRequired => "schema-version-required",
        FaultKind::Syntax => "syntax",
        FaultKind::TuplesetNotDirect => "tupleuserset-not-direct",
        FaultKind::Unsupported => "unsupported",
    }
}

#[test]
fn every_semantic_case_of_openfga_has_the_same_kinds_of_fault_on_the_same_lines() {
    let cases: Vec<Case> =
        serde_saphyr::from_str(&data("language/dsl-semantic-validation-cases.yaml")).unwrap();
    let (mut run, mut wrong) = (0, Vec::new());
    for case in &cases {
        if EXCEPTIONS.iter().any(|(name, _)| *name == case.name) {
            continue;
        }
        run += 1;
        let mut expected: Vec<(u32, String)> = case
            .expected_errors
            .iter()
            .flatten()
            .map(|error| {
                let line = error.line.as_ref().map_or(0, |line| line.start + 1);
                (line, error.metadata.error_type.clone())
            })
            .collect();
        let faults = dsl::parse(&case.dsl).map_or_else(|faults| faults, |model| faults(&model));
        let mut found: Vec<(u32, String)> = faults
            .iter()
            .map(|fault| (fault.at.line, openfga_name(fault.kind).to_owned()))
            .collect();
        expected.sort();
        found.sort();
        if found != expected {
            wrong.push(format!("{}:\n  {found:?}, not\n  {expected:?}", case.name));
        }
    }
    report("dsl-semantic-validation-cases.yaml", run, EXCEPTIONS.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(run, 88, "the cases were cut short");
}

/// The server is asked about such models in the tests of the remote engine.
#[test]
fn what_the_server_s_own_search_misses_is_told_with_its_place() {
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
    let told = |text: &str| {
        let found = faults(&dsl::parse(text).unwrap());
        let told = found
            .iter()
            .map(|fault| (fault.kind, fault.at.line, fault.at.column));
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(text), [(FaultKind::NoEntryPoint, 10, 12)]);
    let reordered = text.replace("editor and reader", "reader and owner");
    assert_eq!(told(&reordered), []);
}

#[test]
fn json_models_that_openfga_refuses_are_refused() {
    let cases: Vec<Case> =
        serde_saphyr::from_str(&data("language/json-validation-cases.yaml")).unwrap();
    let skipped = [
        (
            "relation def where this is not in first place",
            "a limit of the language only; the server takes it",
        ),
        (
            "file can only include one module",
            "source files of modules are not read",
        ),
    ];
    let mut run = 0;
    for case in &cases {
        if skipped.iter().any(|(name, _)| *name == case.name) {
            continue;
        }
        run += 1;
        let faults = json::parse(&case.dsl).map_or_else(|faults| faults, |model| faults(&model));
        let expected = case.expected_errors.iter().flatten().count() > 0;
        assert_eq!(!faults.is_empty(), expected, "{}: {faults:?}", case.name);
    }
    report("json-validation-cases.yaml", run, skipped.len());
    assert_eq!(run, 3, "the cases were cut short");
}

#[derive(Deserialize)]
struct ObjectId {
    name: String,
    #[serde(rename = "object_id")]
    id: String,
    valid: bool,
}

#[test]
fn object_ids_are_taken_or_refused_as_openfga_does() {
    let cases: Vec<ObjectId> =
        serde_saphyr::from_str(&data("language/object-id-validation-cases.yaml")).unwrap();
    let model = dsl::parse("model\n  schema 1.1\ntype doc\n").unwrap();
    let plan = Plan::compile(&model).unwrap();
    // The tools refuse commas, the server takes them: so such tuples exist.
    let skipped = "invalid: comma (regression - '-' must stay a literal, not a range)";
    for case in cases.iter().filter(|case| case.name != skipped) {
        let object = format!("doc:{}", case.id);
        assert_eq!(
            tuple::object(&plan, &object).is_ok(),
            case.valid,
            "{}",
            case.name
        );
    }
    report("object-id-validation-cases.yaml", cases.len() - 1, 1);
    assert_eq!(cases.len(), 23, "the cases were cut short");
}
