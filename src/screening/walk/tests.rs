mod apis;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const LIMITS: Limits = Limits {
    depth: 64,
    text: 100_000,
};

/// JSON, and text that nearly is.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\"a\"",
        "\"role\"",
        "\"content\"",
        "\"x\\n\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud800\"",
        "\"\u{1}\"",
        "1",
        "-0.5e3",
        "01",
        "1.",
        "true",
        "null",
        "nul",
        " ",
        "\n",
        "\\",
        "\"",
    ]);
    prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-z/~]{0,6}|content|role", inner, 0..6)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_valid_json_is_agreed_with_serde_json(text in nearly_json()) {
        let theirs = serde_json::from_str::<Value>(&text).map(drop);
        // Valid, but too large for a double: to us a number is only something to step over.
        let too_large = |error: &serde_json::Error| error.to_string().starts_with("number out of range");
        if !theirs.as_ref().is_err_and(too_large) {
            prop_assert_eq!(walk(&text, Form::One, LIMITS).is_ok(), theirs.is_ok(), "{}", text);
        }
    }

    #[test]
    fn every_string_is_found_where_its_pointer_says(value in json()) {
        let text = value.to_string();
        let document = walk(&text, Form::One, LIMITS).expect("valid");
        let leaves: Vec<usize> = (0..document.leaves.len())
            .filter(|leaf| document.leaves[*leaf].outer.is_none())
            .collect();
        let pointers = pointers(&text, Form::One, LIMITS, &leaves);
        for (leaf, pointer) in leaves.into_iter().zip(pointers) {
            let found = value.pointer(&pointer);
            prop_assert!(found.is_some(), "{pointer}");
            let decoded = &document.text[document.leaves[leaf].text.clone()];
            if document.leaves[leaf].kind == Kind::Text {
                prop_assert_eq!(found.and_then(Value::as_str), Some(decoded));
            }
            let (_, source) = document.locate(leaf, 0..decoded.len());
            prop_assert!(text.get(source).is_some());
        }
    }
}

#[test]
fn lines_are_walked_as_the_batch_they_would_be_in_brackets() {
    let lines = [
        r#"{"messages":[{"role":"user","content":"a\u0062"}]}"#,
        r#"["x",{"k":"y"}]"#,
        r#""z""#,
    ];
    let text = lines.join("\r\n") + "\n";
    let array = format!("[{}]", lines.join(","));
    let walked = walk(&text, Form::Lines, LIMITS).expect("valid");
    let batch = walk(&array, Form::One, LIMITS).expect("valid");
    assert_eq!(walked.text, batch.text);
    let leaves: Vec<usize> = (0..walked.leaves.len()).collect();
    let at = pointers(&text, Form::Lines, LIMITS, &leaves);
    assert_eq!(at, pointers(&array, Form::One, LIMITS, &leaves));
    assert_eq!(at[0], "/0/messages/0/content");
    assert_eq!(at.last().map(String::as_str), Some("/2"));
    for (leaf, other) in walked.leaves.iter().zip(&batch.leaves) {
        assert_eq!((leaf.trust, leaf.kind), (other.trust, other.kind));
        let range = leaf.map.source(&(0..leaf.text.len()));
        assert!(text.get(range).is_some_and(|source| !source.is_empty()));
    }
    for faulty in ["", "\n", "1", "{}\n1", "{}\n{", "{}]", "[}", "{},{}"] {
        assert!(walk(faulty, Form::Lines, LIMITS).is_err(), "{faulty}");
    }
}

#[test]
fn a_key_for_media_hides_no_secret() {
    let secret = "AKIAQX7TR2WNB5LKDJ4M";
    for key in ["data", "url", "images", "bytes", "file_data", "b64_json"] {
        for body in [
            format!(r#"{{"{key}":"{secret}"}}"#),
            format!(r#"{{"{key}":["{secret}"]}}"#),
        ] {
            let document = walk(&body, Form::One, LIMITS).expect("valid");
            assert!(document.text.contains(secret), "{body}");
        }
    }
}
