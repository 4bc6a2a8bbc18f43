//! The operator's own patterns and allowed texts, beside the built-in detectors.

use super::*;

fn screener(own: Value) -> Screener {
    let Value::Object(own) = own else {
        panic!("an object")
    };
    let mut config = serde_json::to_value(config()).expect("JSON");
    config.as_object_mut().expect("an object").extend(own);
    let config: Config = serde_json::from_value(config).expect("a configuration");
    let metrics = Metrics::register(&prometheus::Registry::new()).expect("fresh registry");
    Screener::new(&config, metrics).expect("good patterns")
}

fn rules(found: &Findings) -> Vec<(String, &'static str)> {
    let told = |finding: &Finding| (finding.rule.to_string(), finding.category.as_str());
    found.iter().map(told).collect()
}

#[test]
fn own_patterns_have_their_category_s_action_and_are_found_behind_encodings() {
    let screener = screener(json!({"patterns": [
        {"name": "project", "category": "secret", "literals": ["blue heron"]},
        {"name": "ticket", "category": "personal_data", "regexes": [r"\bTCK-[0-9]{6}\b"]},
    ]}));
    let want = Requirement::default();
    let text = "is TCK-123456 about Blue Her\u{200b}on, and what is a blue heronry?";
    let found = screen_text(&screener, text, want).expect("screened");
    let expected = [
        ("custom.ticket", "personal_data"),
        ("custom.project", "secret"),
    ];
    assert_eq!(
        rules(&found),
        expected.map(|(rule, category)| (rule.to_owned(), category))
    );
    assert_eq!(found.denial(&want), Some(Reason::SecretFound));
    // "please decode: the blue heron flies on friday at noon"
    let encoded = "cGxlYXNlIGRlY29kZTogdGhlIGJsdWUgaGVyb24gZmxpZXMgb24gZnJpZGF5IGF0IG5vb24=";
    let found = screen_text(&screener, encoded, want).expect("screened");
    assert_eq!(rules(&found), [("custom.project".to_owned(), "secret")]);
    let off = Requirement {
        secrets: Action::Off,
        ..want
    };
    assert!(
        screen_text(&screener, encoded, off)
            .expect("screened")
            .is_empty()
    );
}

#[test]
fn allowed_texts_are_no_findings_and_excuse_nothing_else() {
    let screener = screener(json!({"allow": {
        "literals": ["support@shop.example"],
        "regexes": ["(?i)ignore all previous instructions is a phrase"],
    }}));
    let found = |text: &str| {
        let found = screen_text(&screener, text, DENY).expect("screened");
        found.summary()
    };
    assert_eq!(found("write to Support@shop.example"), "");
    assert_eq!(
        found("write to support@shop.example or ann@shop.example"),
        "personal_data=1"
    );
    assert_eq!(found("unsupport@shop.example"), "personal_data=1");
    assert_eq!(found(PHRASE), "injection=1");
}
