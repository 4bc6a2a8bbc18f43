use proptest::prelude::*;
use serde_json::json;

use super::{super::super::token::json::Unique, *};

impl Claims {
    /// All of them, in no order that means anything.
    pub(in crate::identity) fn iter(&self) -> impl Iterator<Item = (&str, Claim<'_>)> {
        let members = self.members.iter();
        members.map(|(name, held)| (name.as_str(), self.seen(held)))
    }

    /// All of them as the library holds them.
    pub(in crate::identity) fn to_map(&self) -> Map<String, Value> {
        let value = |claim: Claim<'_>| match claim {
            Claim::Text(text) => json!(text),
            Claim::List(List::Values(values)) => json!(values),
            Claim::List(list) => list.iter().map(|text| json!(text)).collect(),
            Claim::Value(value) => value.clone(),
        };
        let members = self.iter();
        members
            .map(|(name, claim)| (name.to_owned(), value(claim)))
            .collect()
    }
}

fn read(text: &str) -> Option<Map<String, Value>> {
    Claims::read(text.into()).map(|claims| claims.to_map())
}

#[test]
fn every_claim_is_found_and_no_other() {
    let few = r#"{"sub":"ann","iss":"i","aud":["a"],"permissions":[],"x":{"sub":1},"":0}"#;
    let many: Vec<String> = (0..100).map(|number| format!("\"{number}\":0")).collect();
    for text in [few, &format!("{{{},{}", many.join(","), &few[1..])] {
        let claims = Claims::read(text.into()).expect("good");
        let map: Map<String, Value> = serde_json::from_str(text).expect("good");
        assert_eq!(claims.to_map(), map);
        for name in map.keys() {
            assert!(claims.contains_key(name), "{name}");
        }
        for name in ["su", "suc", "subs", "SUB", "y"] {
            assert!(!claims.contains_key(name), "{name}");
        }
        assert_eq!(claims.text("sub"), Some("ann"));
        assert_eq!(claims.text("aud"), None);
        assert_eq!(Claims::from(map.clone()).to_map(), map);
    }
    assert!(!Claims::default().contains_key(""));
}

#[test]
fn a_claim_is_added_once() {
    for count in [0, FEW - 1, FEW, FEW + 1] {
        let map = (0..count).map(|number| (number.to_string(), json!(number)));
        let mut claims = Claims::from(map.collect::<Map<_, _>>());
        claims.insert("sub", "ann".to_owned());
        claims.insert("sub", "bob".to_owned());
        assert_eq!(claims.text("sub"), Some("ann"));
        assert_eq!(claims.iter().count(), count + 1);
        assert!((0..count).all(|number| claims.contains_key(&number.to_string())));
    }
}

#[test]
fn a_claim_twice_is_refused_however_it_is_spelt() {
    assert!(read(r#"{"a":{"b":1},"b":1}"#).is_some());
    for text in [
        r#"{"a":1,"b":2,"a":1}"#,
        r#"{"a":1,"\u0061":1}"#,
        r#"{"x":{"a":1,"a":2}}"#,
        r#"{"a very long name indeed":1,"a very long name indeed":1}"#,
        "[]",
        "null",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
    let many: Vec<String> = (0..3_000).map(|number| format!("\"{number}\":0")).collect();
    assert!(read(&format!("{{{}}}", many.join(","))).is_some());
    assert_eq!(read(&format!("{{{},\"7\":1}}", many.join(","))), None);
}

#[test]
fn what_is_no_json_is_refused() {
    for text in [
        "",
        "{",
        "{}}",
        "{} x",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a":"b}"#,
        r#"{"a":["b",]}"#,
        r#"{"a":["b"}"#,
        r#"{"a":01}"#,
        r#"{"a":1x}"#,
        r#"{"a":-}"#,
        r#"{"a":1e400}"#,
        r#"{"a":12345678901234567890x}"#,
        r#"{"a":nul}"#,
        "{\"a\":\"\n\"}",
        r#"{"a":"\x"}"#,
        "\u{feff}{}",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
    assert!(Claims::read(b"{\"a\":\"\xff\"}".to_vec()).is_none());
}

/// Values of every kind, texts with whatever must be escaped among them.
fn value() -> impl Strategy<Value = Value> {
    let text = || prop_oneof![2 => "[a-z:/. ]{0,12}", 1 => "\\PC{0,6}", 1 => "[\"\\\\\n\t]{0,3}"];
    let number = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f32>().prop_map(|float| json!(float)),
    ];
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        3 => number,
        4 => text().prop_map(Value::from),
        2 => prop::collection::vec(text(), 0..4).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..4).prop_map(|members| json!(members)),
        ]
    })
}

proptest! {
    /// Whoever reads it, and however it is laid out: the claims are those the library finds.
    #[test]
    fn claims_are_those_that_the_library_finds(
        members in prop::collection::btree_map("[a-zé._]{0,20}", value(), 0..24),
        spaces in prop::collection::vec("[ \n]{0,2}", 4),
    ) {
        let [before, colon, comma, after] = &spaces[..] else { unreachable!("four") };
        let members: Vec<String> = members
            .iter()
            .map(|(name, value)| format!("{}{colon}:{colon}{value}", json!(name)))
            .collect();
        let separator = format!("{comma},{comma}");
        let text = format!("{before}{{{before}{}{after}}}{after}", members.join(&separator));
        let theirs: Map<String, Value> = serde_json::from_str(&text).expect("JSON");
        prop_assert_eq!(read(&text), Some(theirs));
    }

    /// A text that is cut or changed anywhere is refused, or it means what the library reads.
    #[test]
    fn a_damaged_payload_is_read_as_the_library_reads_it(
        at in 0_usize..1000,
        put in "[ \"{}\\[\\]:,0-9a-e.\\\\-]{0,2}",
        drop in 0_usize..3,
    ) {
        let good = r#"{"iss":"https://a.example","aud":["b","c"],"exp":17,"n":-1.5e3,"x":{"y":[1,"z"]},"v":true}"#;
        let at = at % good.len();
        let text = format!("{}{put}{}", &good[..at], &good[(at + drop).min(good.len())..]);
        let theirs = serde_json::from_str::<Unique>(&text).ok().and_then(|Unique(value)| match value {
            Value::Object(members) => Some(members),
            _ => None,
        });
        prop_assert_eq!(read(&text), theirs, "{}", text);
    }
}
