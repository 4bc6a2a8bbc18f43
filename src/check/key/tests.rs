//! Keys are equal exactly when what they are made of is.

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Anything that can be put in.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Bytes(Vec<u8>),
    Flag(bool),
    Json(Value),
    List(Vec<Field>),
    Maybe(Option<String>),
    Number(u64),
    Text(String),
}

impl Field {
    fn put(&self, fields: &mut Fields) {
        match self {
            Self::Bytes(bytes) => fields.bytes(bytes),
            Self::Flag(flag) => fields.flag(*flag),
            Self::Json(value) => fields.json(value),
            Self::List(items) => fields.list(items, |fields, item| item.put(fields)),
            Self::Maybe(text) => fields.maybe(text.as_deref()),
            Self::Number(number) => fields.number(*number),
            Self::Text(text) => fields.text(text),
        };
    }

    /// The same for what is put in the same: a present text is a text, JSON's lists are lists.
    fn settled(&self) -> Self {
        match self {
            Self::Maybe(Some(text)) | Self::Json(Value::String(text)) => Self::Text(text.clone()),
            Self::Json(Value::Bool(truth)) => Self::Flag(*truth),
            Self::Json(Value::Array(items)) => Self::List(
                items
                    .iter()
                    .map(|item| Self::Json(item.clone()).settled())
                    .collect(),
            ),
            Self::List(items) => Self::List(items.iter().map(Self::settled).collect()),
            other => other.clone(),
        }
    }
}

fn key(fields: &[Field]) -> Key {
    Key::of("test", |into| {
        for field in fields {
            field.put(into);
        }
    })
}

fn settled(fields: &[Field]) -> Vec<Field> {
    fields.iter().map(Field::settled).collect()
}

/// Few characters and small numbers, so that equal and nearly equal ones come up often.
fn fields() -> impl Strategy<Value = Vec<Field>> {
    let text = || "[a,\u{80}\u{ff}]{0,3}";
    let json = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-2_i64..3).prop_map(Value::from),
        prop_oneof![Just(1.0), Just(-0.0), Just(0.0), Just(1e300)].prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    let json = json.prop_recursive(3, 8, 3, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    let field = prop_oneof![
        prop::collection::vec(prop_oneof![Just(b'a'), 0x80_u8..0x8d], 0..3).prop_map(Field::Bytes),
        any::<bool>().prop_map(Field::Flag),
        json.prop_map(Field::Json),
        prop::option::of(text()).prop_map(Field::Maybe),
        (0_u64..3).prop_map(Field::Number),
        text().prop_map(Field::Text),
    ];
    let field = field.prop_recursive(2, 6, 3, |inner| {
        prop::collection::vec(inner, 0..3).prop_map(Field::List)
    });
    prop::collection::vec(field, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn keys_are_equal_exactly_when_their_fields_are(one in fields(), other in fields()) {
        prop_assert_eq!(key(&one), key(&one));
        prop_assert_eq!(key(&one) == key(&other), settled(&one) == settled(&other));
    }

    #[test]
    fn changing_any_one_field_changes_the_key(
        before in fields(), one in fields(), other in fields(), after in fields(),
    ) {
        prop_assume!(settled(&one) != settled(&other));
        let around = |middle: Vec<Field>| {
            let row = [before.clone(), vec![Field::List(middle)], after.clone()].concat();
            key(&row)
        };
        prop_assert_ne!(around(one), around(other));
    }

}

proptest! {
    #[test]
    fn changing_any_one_byte_of_a_long_field_changes_the_key(
        mut bytes in prop::collection::vec(any::<u8>(), 1..5_000),
        at in any::<prop::sample::Index>(),
        change in 1_u8..,
    ) {
        let before = Key::of("test", |fields| { fields.bytes(&bytes); });
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        let after = Key::of("test", |fields| { fields.bytes(&bytes); });
        prop_assert_ne!(before, after);
        bytes[at] ^= change;
        let again = Key::of("test", |fields| { fields.bytes(&bytes); });
        prop_assert_eq!(before, again);
    }
}

#[test]
fn what_can_be_cut_differently_has_different_keys() {
    let of = |texts: &[&str]| {
        Key::of("test", |fields| {
            fields.list(texts, |fields, text| {
                fields.text(text);
            });
        })
    };
    let keys = [
        of(&[]),
        of(&[""]),
        of(&["", ""]),
        of(&["a,b"]),
        of(&["a", "b"]),
        of(&["ab"]),
        of(&["a", "", "b"]),
    ];
    for (at, one) in keys.iter().enumerate() {
        assert!(keys[at + 1..].iter().all(|other| other != one), "{at}");
    }
}

#[test]
fn a_short_and_a_long_text_with_the_same_beginning_differ() {
    let long = "eyJhbGciOiJSUzI1NiJ9.".repeat(1_000);
    let of = |text: &str| {
        Key::of("test", |fields| {
            fields.text(text);
        })
    };
    for end in [20, 21, long.len() - 1] {
        assert_ne!(of(&long), of(&long[..end]));
    }
}

#[test]
fn kinds_of_things_share_no_key() {
    let nothing = |_: &mut Fields| {};
    assert_ne!(Key::of("token", nothing), Key::of("prompt", nothing));
    let text = |fields: &mut Fields| {
        fields.text("prompt");
    };
    assert_ne!(Key::of("token", text), Key::of("prompt", text));
}

#[test]
fn members_in_another_order_are_the_same_object() {
    let of = |text: &str| {
        let value = serde_json::from_str(text).expect("JSON");
        Key::of("test", |fields| {
            fields.json(&value);
        })
    };
    assert_eq!(of(r#"{"a": 1, "b": [2]}"#), of(r#"{"b": [2], "a": 1}"#));
    assert_ne!(of(r#"{"a": 1}"#), of(r#"{"a": 1.0}"#));
    assert_ne!(of(r#"{"a": 1}"#), of(r#"{"a": "1"}"#));
}

#[test]
fn a_key_may_be_made_while_another_is() {
    let inner = |text: &str| {
        Key::of("inner", |fields| {
            fields.text(text);
        })
    };
    let outer = |text: &str| {
        Key::of("outer", |fields| {
            fields.number(1).key(inner(text)).number(2);
        })
    };
    assert_eq!(outer("a"), outer("a"));
    assert_ne!(outer("a"), outer("b"));
}

#[test]
fn nothing_of_a_key_is_printed() {
    let key = Key::of("test", |fields| {
        fields.text("eyJ");
        assert_eq!(format!("{fields:?}"), "Fields");
    });
    assert_eq!(format!("{key:?}"), "Key");
}

#[test]
fn a_row_that_was_long_leaves_no_memory_behind() {
    let long = vec![7; KEPT_CAPACITY + 1];
    let _key = Key::of("test", |fields| {
        fields.bytes(&long).json(&json!({}));
    });
    SCRATCH.with(|scratch| assert_eq!(scratch.borrow().capacity(), 0));
}

proptest! {
    #[test]
    fn a_text_alone_is_no_row_and_every_character_of_it_counts(one in ".{0,40}", other in ".{0,40}") {
        prop_assert_eq!(Key::of_text(&one) == Key::of_text(&other), one == other);
        let put = |fields: &mut Fields| { fields.text(&one).number(1); };
        prop_assert_ne!(Key::of_text(&one), Key::of("", put));
        // Read as a text, a row would be none.
        prop_assert!(String::from_utf8(Fields::row(put, <[u8]>::to_vec)).is_err());
    }
}

#[test]
fn no_field_begins_as_a_text_may() {
    let begin = |fill: fn(&mut Fields)| Fields::row(fill, |row| row[0]);
    for byte in [
        begin(|row| {
            row.text("a");
        }),
        begin(|row| {
            row.bytes(b"a");
        }),
        begin(|row| {
            row.number(1);
        }),
        begin(|row| {
            row.flag(true);
        }),
        begin(|row| {
            row.flag(false);
        }),
        begin(|row| {
            row.maybe(None);
        }),
        begin(|row| {
            row.key(Key::of_text(""));
        }),
        begin(|row| {
            row.json(&json!(1));
        }),
        begin(|row| {
            row.json(&json!(null));
        }),
        begin(|row| {
            row.json(&json!({}));
        }),
        begin(|row| {
            row.json(&json!([]));
        }),
    ] {
        assert!(str::from_utf8(&[byte]).is_err() && byte & 0b1100_0000 == 0b1000_0000);
    }
}
