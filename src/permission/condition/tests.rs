//! What conditions make of values, and what of expressions is refused at load.

use serde_json::json;

use super::*;
use crate::permission::{dsl, model::Place};

fn def(parameters: &str, expression: &str) -> ConditionDef {
    let text = format!(
        "model\n  schema 1.1\ntype user\ncondition c({parameters}) {{\n  {expression}\n}}\n"
    );
    let mut model = dsl::parse(&text).unwrap_or_else(|faults| panic!("{faults:?}"));
    model.conditions.remove(0)
}

fn compile(parameters: &str, expression: &str) -> Result<Condition, String> {
    Condition::compile(&def(parameters, expression))
}

fn ask(parameters: &str, expression: &str, context: &serde_json::Value) -> Result<bool, String> {
    let condition = compile(parameters, expression)?;
    let context = context.as_object().expect("an object");
    let values = condition.bind_request(context)?;
    condition.holds(None, Some(&values), u64::MAX).0
}

#[test]
fn values_are_taken_as_their_parameters_are_declared() {
    for (kind, expression, value, expected) in [
        ("int", "x == 5", json!("5"), Some(true)),
        ("int", "x == 5", json!(5.0), Some(true)),
        ("int", "x == 5", json!(5.5), None),
        ("int", "x == 5", json!("five"), None),
        (
            "int",
            "x > 0",
            json!(9_223_372_036_854_775_807_u64),
            Some(true),
        ),
        ("int", "x > 0", json!(9_223_372_036_854_775_808_u64), None),
        ("uint", "x == 5u", json!(5), Some(true)),
        ("uint", "x == 5u", json!(-5), None),
        ("double", "x == 0.5", json!("0.5"), Some(true)),
        ("double", "x > 0.0", json!("inf"), None),
        ("double", "x > 0.0", json!("1e309"), None),
        ("bool", "x", json!(true), Some(true)),
        ("bool", "x", json!("true"), None),
        ("string", "x == 'a'", json!("a"), Some(true)),
        ("string", "x == 'a'", json!(1), None),
        (
            "duration",
            "x == duration('90m')",
            json!("1h30m"),
            Some(true),
        ),
        ("duration", "x == duration('90m')", json!("soon"), None),
        (
            "timestamp",
            "x == timestamp('2023-10-11T10:00:00Z')",
            json!("2023-10-11T12:00:00+02:00"),
            Some(true),
        ),
        (
            "timestamp",
            "x > timestamp('2023-10-11T10:00:00Z')",
            json!("today"),
            None,
        ),
        ("list<string>", "'a' in x", json!(["b", "a"]), Some(true)),
        ("list<int>", "x.all(i, i < 3)", json!([1, "2"]), Some(true)),
        ("list<int>", "x.exists(i, i > 3)", json!([1, 2.5]), None),
        ("map<string>", "x.k == 'v'", json!({ "k": "v" }), Some(true)),
        ("map<string>", "x.other == 'v'", json!({ "k": "v" }), None),
        (
            "map<string>",
            "has(x.other)",
            json!({ "k": "v" }),
            Some(false),
        ),
    ] {
        let found = ask(&format!("x: {kind}"), expression, &json!({ "x": value }));
        assert_eq!(found.clone().ok(), expected, "{kind} {value}: {found:?}");
    }
}

#[test]
fn addresses_are_in_ranges_or_not() {
    for (address, range, expected) in [
        ("192.168.0.1", "192.168.0.0/24", Some(true)),
        ("192.168.1.1", "192.168.0.0/24", Some(false)),
        ("::ffff:192.168.0.1", "192.168.0.0/24", Some(true)),
        ("1.2.3.4", "0.0.0.0/0", Some(true)),
        ("2001:db8::1", "2001:db8::/32", Some(true)),
        ("2001:db9::1", "2001:db8::/32", Some(false)),
        ("2001:db8::1", "0.0.0.0/0", Some(false)),
        ("192.168.0.1", "192.168.0.0/33", None),
        ("192.168.0.1", "192.168.0.0", None),
        ("192.168.0", "192.168.0.0/24", None),
    ] {
        let context = json!({ "ip": address, "range": range });
        let found = ask(
            "ip: ipaddress, range: string",
            "ip.in_cidr(range)",
            &context,
        );
        assert_eq!(found.ok(), expected, "{address} in {range}");
    }
    let context = json!({ "ip": "10.0.0.1" });
    let same = ask("ip: ipaddress", "ip == ipaddress('10.0.0.1')", &context);
    assert_eq!(same, Ok(true));
}

#[test]
fn a_missing_parameter_is_an_error_even_if_it_is_never_read() {
    let context = json!({ "x": 1 });
    let unread = ask("x: int, y: int", "x < 10 || y < 10", &context);
    assert!(unread.unwrap_err().contains("`y` is missing"));
    assert!(ask("x: int, z: int", "true", &context).is_err());
    assert_eq!(
        ask("x: int", "x < 10", &json!({ "x": 1, "more": [] })),
        Ok(true)
    );
}

#[test]
fn what_the_tuple_brings_along_counts_before_the_request() {
    let condition = compile("x: int, y: int", "x == 1 && y == 2").unwrap();
    let object = |value: serde_json::Value| value.as_object().expect("an object").clone();
    let tuple = condition.bind_tuple(&object(json!({ "x": 1 }))).unwrap();
    let request = condition
        .bind_request(&object(json!({ "x": "unfit", "y": 2 })))
        .unwrap();
    assert_eq!(
        condition.holds(Some(&tuple), Some(&request), u64::MAX).0,
        Ok(true)
    );
    assert!(condition.bind_tuple(&object(json!({ "z": 1 }))).is_err());
    assert!(
        condition
            .bind_tuple(&object(json!({ "x": "one" })))
            .is_err()
    );
}

#[test]
fn what_is_certainly_wrong_is_refused_at_load() {
    for (expression, part) in [
        ("x +", "yntax"),
        ("x", "neither true nor false"),
        ("z == 1", "`z` is not declared"),
        ("x == 'a'", "unlike types"),
        ("x && true", "bools"),
        ("x.startsWith('a')", "another type"),
        ("x.field == 1", "no map"),
        ("frob(x)", "not a function"),
        ("l.exists(i, j == 1)", "`j` is not declared"),
        ("x in x", "neither list nor map"),
        ("x ? true : false", "bools"),
    ] {
        let why = compile("x: int, l: list<int>", expression).unwrap_err();
        assert!(why.contains(part), "{expression}: {why}");
    }
}

#[test]
fn expressions_that_would_exhaust_the_stack_are_refused() {
    let refused = |expression: String| {
        let def = ConditionDef {
            name: "c".to_owned(),
            parameters: Vec::new(),
            expression,
            at: Place::default(),
        };
        Condition::compile(&def).unwrap_err()
    };
    refused("(".repeat(3_000));
    refused("[".repeat(3_000));
    refused("!".repeat(3_000));
    refused("-".repeat(3_000));
    refused("true ? ".repeat(500));
    refused(format!("1{} == 1", "+1".repeat(2_000)));
    refused(format!("1{} == 1", "[0]".repeat(1_000)));
    refused(format!("a{} == 1", ".a".repeat(1_000)));
    refused("a".repeat(MAX_EXPRESSION_BYTES + 1));
}

#[test]
fn an_evaluation_that_would_take_long_is_an_error() {
    let cubic = "l.all(a, l.all(b, l.all(c, a + b + c >= 0)))";
    let list = |count: usize| json!({ "l": vec![1; count] });
    assert_eq!(ask("l: list<int>", cubic, &list(5)), Ok(true));
    let long = ask("l: list<int>", cubic, &list(1_000)).unwrap_err();
    assert!(long.contains("too long"), "{long}");
    let chained = "l.map(a, l).map(b, b.map(c, l)).all(d, d.size() > 0)";
    assert!(ask("l: list<int>", chained, &list(1_000)).is_err());
}
