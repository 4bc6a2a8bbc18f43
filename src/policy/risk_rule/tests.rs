use super::*;
use crate::{check::Source, policy::config::MatchConfig};

fn rule(risk: &str) -> Result<RiskRule, Vec<Problem>> {
    compile(risk, true)
}

fn compile(risk: &str, has_identity: bool) -> Result<RiskRule, Vec<Problem>> {
    let identity = "{ issuers: [main] }";
    let route = RouteConfig {
        name: "a".into(),
        matches: MatchConfig::default(),
        public: false,
        identity: has_identity.then(|| serde_saphyr::from_str(identity).expect("identity")),
        permission: None,
        screening: None,
        risk: None,
        on_unavailable: None,
        mode: None,
        allow_cors_preflight: None,
    };
    let config: RiskConfig = serde_saphyr::from_str(risk).expect("a risk section");
    let mut problems = Vec::new();
    let rule = compile_risk(&config, &route, None, &mut problems);
    assert_eq!(rule.is_none(), !problems.is_empty(), "{problems:?}");
    rule.ok_or(problems)
}

fn somebody() -> Identity {
    Identity::from_peer(&Source {
        principal: Some("ann".into()),
        ..Source::default()
    })
    .expect("a peer")
}

#[test]
fn a_score_at_a_threshold_passes_and_one_above_it_does_not() {
    let both =
        rule("{ deny_above: 0.9, step_up_above: 0.6, acr_values: strong }").expect("a good rule");
    let judged = |score| both.judge(score, &somebody(), 0);
    for (score, expected) in [
        (0.0, Judgement::Pass),
        (0.6, Judgement::Pass),
        (0.61, Judgement::StepUp),
        (0.9, Judgement::StepUp),
        (0.91, Judgement::Deny),
        (1.0, Judgement::Deny),
    ] {
        assert_eq!(judged(score), expected, "{score}");
    }
    assert!((both.passes_up_to() - 0.6).abs() < f32::EPSILON);
    let deny = rule("{ deny_above: 0.9 }").expect("a good rule");
    assert_eq!(deny.judge(0.9, &somebody(), 0), Judgement::Pass);
    assert!((deny.passes_up_to() - 0.9).abs() < f32::EPSILON);
    assert_eq!(deny.step_up(), None);
}

#[test]
fn a_step_up_is_satisfied_by_all_that_the_route_asks_for() {
    let step_up = |text: &str| {
        let text = format!("{{ step_up_above: 0, {text} }}");
        rule(&text)
            .expect("a good rule")
            .step_up
            .expect("a step-up")
    };
    let now = 1_000_000;
    let acr = step_up("acr_values: 'phr phrh'");
    for (sent, expected) in [
        (Some("phr"), true),
        (Some("phrh"), true),
        (Some("ph"), false),
        (Some("phr phrh"), false),
        (Some(""), false),
        (None, false),
    ] {
        assert_eq!(acr.is_satisfied(sent, Some(now), now), expected, "{sent:?}");
    }
    let age = step_up("max_age: 5m");
    for (since, expected) in [
        (Some(now), true),
        (Some(now - 300), true),
        (Some(now - 301), false),
        (Some(now + 30), true),
        (Some(now + 31), false),
        (Some(UnixSeconds::MAX), false),
        (Some(0), false),
        (None, false),
    ] {
        assert_eq!(
            age.is_satisfied(Some("phr"), since, now),
            expected,
            "{since:?}"
        );
    }
    let both = step_up("acr_values: phr, max_age: 5m");
    assert!(both.is_satisfied(Some("phr"), Some(now), now));
    assert!(!both.is_satisfied(Some("phr"), None, now));
    assert!(!both.is_satisfied(None, Some(now), now));
    assert_eq!(both.parameters(), "acr_values=\"phr\", max_age=\"300\"");
}

#[test]
fn mistakes_are_told_with_key_and_cure() {
    for (risk, key, says) in [
        ("{}", "risk", "set `deny_above`"),
        (
            "{ deny_above: 1 }",
            "risk.deny_above",
            "`1` is not a number",
        ),
        ("{ deny_above: -0.1 }", "risk.deny_above", "`-0.1`"),
        ("{ deny_above: .nan }", "risk.deny_above", "`NaN`"),
        (
            "{ deny_above: 0.5, step_up_above: 0.5, max_age: 5m }",
            "risk.step_up_above",
            "not below",
        ),
        (
            "{ step_up_above: 0.5 }",
            "risk.step_up_above",
            "needs `acr_values` or `max_age`",
        ),
        (
            "{ deny_above: 0.9, max_age: 5m }",
            "risk.max_age",
            "set `step_up_above`",
        ),
        (
            "{ deny_above: 0.9, acr_values: a }",
            "risk.acr_values",
            "set `step_up_above`",
        ),
        (
            "{ step_up_above: 0.5, max_age: 1500ms }",
            "risk.max_age",
            "whole seconds",
        ),
        (
            "{ step_up_above: 0.5, acr_values: 'a\"b' }",
            "risk.acr_values",
            "without quotes",
        ),
        (
            "{ step_up_above: 0.5, acr_values: 'a  b' }",
            "risk.acr_values",
            "one space",
        ),
        (
            "{ step_up_above: 0.5, acr_values: \"a\\r\\nb\" }",
            "risk.acr_values",
            "visible",
        ),
        (
            "{ step_up_above: 0.5, acr_values: '' }",
            "risk.acr_values",
            "not a list",
        ),
    ] {
        let problems = rule(risk).expect_err(risk);
        assert_eq!(problems.len(), 1, "{risk}: {problems:?}");
        assert_eq!(problems[0].key, key, "{risk}");
        assert!(problems[0].message.contains(says), "{risk}: {problems:?}");
    }
    let nobody = compile("{ deny_above: 0.9 }", false).expect_err("nobody to know");
    assert!(nobody[0].message.contains("add `identity"), "{nobody:?}");
}
