use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use uuid::Uuid;

use super::*;
use crate::{
    check::{Body, Check, Headers, HttpRequest, Removes, RequestPath, Source},
    dispatch::Strategy,
    pipeline::{Outcome, Plan, Ran, Skip, Stage},
    screening::Findings,
    verdict::Reason,
};

fn check(headers: &[(&str, &str)]) -> Check {
    let mut own = Headers::default();
    for (name, value) in headers {
        own.push(name, value.as_bytes().to_vec());
    }
    let http = HttpRequest {
        method: "GET".into(),
        host: String::new(),
        path: RequestPath::parse("/"),
        headers: own,
        body: Body::Absent,
    };
    Check {
        http: Some(http),
        source: Source::default(),
        context: HashMap::new(),
        metadata: HashMap::new(),
        removes: Removes::ALL,
        deadline: Instant::now(),
    }
}

fn decision(outcome: Outcome, reason: Reason) -> Decision {
    Decision {
        id: Uuid::nil(),
        outcome,
        shadowed: false,
        reason,
        route: None,
        subject: Some("a\u{e9}\r\nb%".into()),
        nonce: None,
        permission: None,
        findings: Findings::default(),
        risk: None,
        step_up: false,
        plan: Plan::default(),
        cost: Duration::from_micros(5),
    }
}

fn response(check: &Check, outcome: Outcome, reason: Reason) -> CheckResponse {
    let decision = decision(outcome, reason);
    encode(Reply::new(check, &decision), metadata(&decision))
}

#[test]
fn every_response_has_a_status_that_says_what_the_outcome_says() {
    for reason in Reason::ALL {
        for outcome in Outcome::ALL {
            let response = response(&check(&[]), outcome, reason);
            let code = response.status.expect("a status").code;
            assert_eq!(code == 0, outcome == Outcome::Allow, "{outcome:?} {reason}");
            let refused = match response.http_response.expect("a response") {
                HttpResponse::OkResponse(_) => continue,
                HttpResponse::DeniedResponse(refused) | HttpResponse::ErrorResponse(refused) => {
                    refused
                }
            };
            let http = refused.status.expect("an http status").code;
            assert_eq!(http, i32::from(reason.http_status()));
        }
    }
}

#[test]
fn headers_overwrite_whatever_the_envoy_version() {
    let response = response(&check(&[]), Outcome::Allow, Reason::Ok);
    let Some(HttpResponse::OkResponse(ok)) = response.http_response else {
        panic!("an allow")
    };
    assert_eq!(ok.headers.len(), 2);
    for option in ok.headers {
        #[expect(deprecated, reason = "older versions read it")]
        let append = option.append.expect("written out").value;
        assert!(!append);
        assert_eq!(
            option.append_action,
            HeaderAppendAction::OverwriteIfExistsOrAdd as i32
        );
        let header = option.header.expect("a header");
        assert!(
            header.value.bytes().all(|byte| byte.is_ascii_graphic()),
            "{}",
            header.value
        );
        if header.key == "x-subzero-subject" {
            assert_eq!(header.value, "a%C3%A9%0D%0Ab%25");
        }
    }
}

#[test]
fn our_headers_from_clients_are_removed_in_every_spelling() {
    let sent = [
        ("x-subzero-admin", "1"),
        ("X_Subzero_Subject", "root"),
        ("x-subzero_risk", "0"),
        ("x-subzero-decision", "1"),
        ("x-envoy-auth-failure-mode-allowed", "true"),
        ("x-subzeroes", "kept"),
        ("x-other", "kept"),
    ];
    let response = response(&check(&sent), Outcome::Allow, Reason::Public);
    let Some(HttpResponse::OkResponse(ok)) = response.http_response else {
        panic!("an allow")
    };
    let removed = ok.headers_to_remove;
    for name in [
        "x-subzero-admin",
        "x_subzero_subject",
        "x-subzero_risk",
        "x-subzero-risk",
        "x-envoy-auth-failure-mode-allowed",
    ] {
        assert!(
            removed.iter().any(|own| own == name),
            "{name} in {removed:?}"
        );
    }
    for name in [
        "x-subzeroes",
        "x-other",
        "x-subzero-decision",
        "x-subzero-subject",
    ] {
        assert!(
            removed.iter().all(|own| own != name),
            "{name}: set headers would be gone"
        );
    }
}

#[test]
fn refusals_speak_the_callers_language() {
    let refused = |kind: &str| {
        let response = response(
            &check(&[("content-type", kind)]),
            Outcome::Deny,
            Reason::TokenExpired,
        );
        let Some(HttpResponse::DeniedResponse(refused)) = response.http_response else {
            panic!("a denial")
        };
        let headers: HashMap<_, _> = refused
            .headers
            .into_iter()
            .filter_map(|option| option.header)
            .map(|header| (header.key, header.value))
            .collect();
        (headers, refused.body)
    };
    let (headers, body) = refused("application/json");
    assert_eq!(headers["content-type"], "application/problem+json");
    assert!(headers["www-authenticate"].starts_with("Bearer error=\"invalid_token\""));
    let problem: serde_json::Value = serde_json::from_str(&body).expect("json");
    assert_eq!(
        (&problem["status"], &problem["reason"]),
        (&401.into(), &"token_expired".into())
    );

    let (headers, body) = refused("application/grpc+proto");
    assert!(!headers.contains_key("content-type"));
    assert_eq!(
        (headers["grpc-status"].as_str(), body.as_str()),
        ("16", Reason::TokenExpired.detail())
    );

    let (headers, _) = refused("application/grpc-web-text; charset=x");
    assert_eq!(headers["grpc-status"], "16");
}

#[test]
fn a_step_up_is_401_and_unauthenticated_though_its_reason_is_not() {
    let decision = Decision {
        risk: Some(0.8),
        step_up: true,
        ..decision(Outcome::Deny, Reason::RiskTooHigh)
    };
    for kind in ["application/json", "application/grpc"] {
        let check = check(&[("content-type", kind)]);
        let Reply::Deny(refusal) = Reply::new(&check, &decision) else {
            panic!("a denial")
        };
        assert_eq!((refusal.status, refusal.grpc_code()), (401, 16));
        let code = refusal
            .headers
            .iter()
            .find(|(name, _)| *name == "grpc-status");
        assert_eq!(code.is_some(), kind == "application/grpc");
        assert!(code.is_none_or(|(_, code)| code == "16"));
        let response = encode(Reply::new(&check, &decision), metadata(&decision));
        assert_eq!(response.status.expect("a status").code, 16);
    }
}

#[test]
fn a_plan_in_short_tells_actual_over_predicted_and_what_did_not_run() {
    let ran = |stage, predicted: Option<u64>, actual| Ran {
        stage,
        strategy: Strategy::Inline,
        predicted: predicted.map(Duration::from_micros),
        actual: Duration::from_micros(actual),
    };
    let plan = Plan {
        ran: vec![
            ran(Stage::Identity, Some(10), 12),
            ran(Stage::Permission, None, 3),
        ],
        skipped: vec![(Stage::Screening, Skip::Denied)],
    };
    let expected = "identity=12us/10us permission=3us screening=skipped";
    assert_eq!(in_short(&plan), expected);
    assert_eq!(in_short(&Plan::default()), "");
}
