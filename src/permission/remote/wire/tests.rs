//! What is written and read, without a server.

use super::*;
use crate::permission::TupleCondition;

#[test]
fn a_question_is_written_with_all_it_brings_along() {
    let context: Json = serde_json::from_str(r#"{"x":1}"#).unwrap();
    let brought = Tuple {
        user: "user:b",
        relation: "viewer",
        object: "doc:1",
        condition: Some(TupleCondition {
            name: "on",
            context: Some(&context),
        }),
    };
    let ask = Ask {
        context: Some(&context),
        contextual_tuples: &[brought],
        ..Ask::new("user:\"a", "viewer", "doc:1")
    };
    let item = Item::new(&ask).unwrap();
    let read = |text: String| serde_json::from_str::<serde_json::Value>(&text).unwrap();
    let alone = read(item.alone("M", Consistency::HigherConsistency));
    let expected = serde_json::json!({
        "tuple_key": {"user": "user:\"a", "relation": "viewer", "object": "doc:1"},
        "contextual_tuples": {"tuple_keys": [{
            "user": "user:b", "relation": "viewer", "object": "doc:1",
            "condition": {"name": "on", "context": {"x": 1}},
        }]},
        "context": {"x": 1},
        "authorization_model_id": "M",
        "consistency": "HIGHER_CONSISTENCY",
    });
    assert_eq!(alone, expected);
    let plain = Item::new(&Ask::new("user:a", "r", "doc:2")).unwrap();
    let both = read(together(&[item, plain], "M", Consistency::MinimizeLatency));
    assert_eq!(both["checks"][0]["context"], expected["context"]);
    assert_eq!(both["checks"][1]["correlation_id"], "1");
    assert_eq!(both["checks"][1]["tuple_key"]["object"], "doc:2");
    assert_eq!(both["consistency"], serde_json::Value::Null);
}

#[test]
fn what_is_no_whole_answer_is_no_answer() {
    assert_eq!(
        read_alone(br#"{"allowed":true, "resolution":""}"#),
        Ok(true)
    );
    assert_eq!(read_alone(br#"{"allowed":false}"#), Ok(false));
    for bad in [
        "",
        "{}",
        r#"{"allowed":"true"}"#,
        r#"{"allowed":null}"#,
        "<html>",
        r#"{"allowed":tr"#,
    ] {
        assert!(read_alone(bad.as_bytes()).is_err(), "{bad}");
    }
    let good = br#"{"result":{"1":{"allowed":false},"0":{"allowed":true}}}"#;
    assert_eq!(read_together(good, 2), Ok(vec![Ok(true), Ok(false)]));
    for bad in [
        r#"{"result":{"0":{"allowed":true}}}"#,
        r#"{"result":{"0":{},"1":{}}}"#,
        r#"{"result":[true,true]}"#,
        "{}",
        "",
    ] {
        assert!(read_together(bad.as_bytes(), 2).is_err(), "{bad}");
    }
}

#[test]
fn errors_of_a_batch_are_each_check_s_own() {
    let body = br#"{"result":{
        "0":{"error":{"input_error":"validation_error","message":"no such type"}},
        "1":{"error":{"internal_error":"deadline_exceeded","message":"slow"}},
        "2":{"allowed":true,"error":{"internal_error":"internal_error"}}
    }}"#;
    let answers = read_together(body, 3).unwrap();
    assert_eq!(answers[0], Err(Error::Invalid("no such type".to_owned())));
    assert!(matches!(&answers[1], Err(Error::Unavailable(why)) if why.ends_with("slow")));
    assert!(matches!(answers[2], Err(Error::Unavailable(_))));
}

#[test]
fn only_what_a_caller_chooses_denies() {
    for (code, denies) in [
        ("validation_error", true),
        ("invalid_tuple", true),
        ("duplicate_contextual_tuple", true),
        ("type_not_found", true),
        ("some_code_of_tomorrow", true),
        ("authorization_model_not_found", false),
        ("latest_authorization_model_not_found", false),
        ("authorization_model_resolution_too_complex", false),
    ] {
        let reason = refused(code, "").reason();
        let denied = reason == crate::verdict::Reason::MissingInput;
        assert_eq!(denied, denies, "{code}");
    }
    assert!(read_refusal(br#"{"code":"a b","message":""}"#).is_none());
    assert!(read_refusal(b"<html>").is_none());
}
