use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use prost::Message as _;
use uuid::Uuid;

use super::*;
use crate::{
    check::{Body, Check, Headers, HttpRequest, Removes, RequestPath, Source},
    dispatch::Strategy,
    ext_authz::wire::FRAME,
    permission::Origin,
    pipeline::{Outcome, Plan, Ran, Skip, Stage},
    proto::{CheckResponse, HttpResponse, Kind},
    screening::Findings,
    verdict::Reason,
};

fn check(headers: &[(&str, &str)]) -> Check {
    let mut own = Headers::default();
    for (name, value) in headers {
        own.push(name, value);
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
        shows_ours: false,
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
    response_to(check, &decision(outcome, reason))
}

/// As the generated types read it.
fn response_to(check: &Check, decision: &Decision) -> CheckResponse {
    read(&answer(&Reply::new(check, decision), decision))
}

fn read(frame: &[u8]) -> CheckResponse {
    CheckResponse::decode(&frame[FRAME..]).expect("a check response")
}

/// The fields of `subzero` in the dynamic metadata.
fn metadata_of(decision: &Decision) -> HashMap<String, Kind> {
    let mut metadata = response_to(&check(&[]), decision)
        .dynamic_metadata
        .expect("metadata");
    let own = metadata.fields.remove("subzero").expect("our namespace");
    let Some(Kind::StructValue(own)) = own.kind else {
        panic!("a struct")
    };
    let fields = own.fields.into_iter();
    fields
        .map(|(name, value)| (name, value.kind.expect("a value")))
        .collect()
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
fn from_a_proxy_that_shows_our_headers_only_those_that_were_sent_are_removed() {
    let removed = |sent: &[(&str, &str)]| {
        let mut check = check(sent);
        check.shows_ours = true;
        let response = response(&check, Outcome::Allow, Reason::Public);
        match response.http_response {
            Some(HttpResponse::OkResponse(ok)) => ok.headers_to_remove,
            _ => panic!("an allow"),
        }
    };
    let hidden = "x-envoy-auth-partial-body";
    assert_eq!(removed(&[("accept", "kept")]), [hidden]);
    let forged = [
        ("x-subzero-decision", "1"),
        ("X_Subzero-Risk", "0"),
        ("x-subzero-reason", "ok"),
        ("x_envoy_auth_partial_body", "false"),
    ];
    let expected = [
        hidden,
        "x_subzero-risk",
        "x-subzero-reason",
        "x_envoy_auth_partial_body",
    ];
    assert_eq!(removed(&forged), expected, "and what is set overwrites");
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
        let response = response_to(&check, &decision);
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
        ran: smallvec::smallvec![
            ran(Stage::Identity, Some(10), 12),
            ran(Stage::Permission, None, 3),
        ],
        skipped: vec![(Stage::Screening, Skip::Denied)],
    };
    let told = |plan| {
        let decision = Decision {
            plan,
            ..decision(Outcome::Deny, Reason::PermissionDenied)
        };
        metadata_of(&decision).remove("plan")
    };
    let expected = "identity=12us/10us permission=3us screening=skipped";
    assert_eq!(told(plan), Some(Kind::StringValue(expected.into())));
    let empty = Some(Kind::StringValue(String::new()));
    assert_eq!(told(Plan::default()), empty);
}

#[test]
fn metadata_tells_what_is_known() {
    let text = |text: &str| Kind::StringValue(text.into());
    let plain = metadata_of(&decision(Outcome::Deny, Reason::NoRoute));
    assert_eq!(plain["decision_id"], text(&"0".repeat(32)));
    assert_eq!(plain["reason"], text("no_route"));
    assert_eq!(plain["cost_us"], Kind::NumberValue(5.0));
    assert_eq!(plain.len(), 4, "{plain:?}");
    let known = metadata_of(&Decision {
        permission: Some(Origin::Cache(Duration::from_millis(1_500))),
        risk: Some(0.07),
        shadowed: true,
        ..decision(Outcome::Allow, Reason::Ok)
    });
    assert_eq!(known["permission_source"], text("cache"));
    assert_eq!(known["permission_age_ms"], Kind::NumberValue(1_500.0));
    assert_eq!(known["risk"], Kind::NumberValue(0.07));
    assert_eq!(known["shadow"], Kind::BoolValue(true));
    let embedded = metadata_of(&Decision {
        permission: Some(Origin::Embedded),
        ..decision(Outcome::Allow, Reason::Ok)
    });
    assert_eq!(embedded.len(), 4, "{embedded:?}");
}

#[test]
fn when_our_own_code_fails_the_answer_is_a_denial() {
    let response = read(&broken());
    assert_ne!(response.status.expect("a status").code, 0);
    assert!(matches!(
        response.http_response,
        Some(HttpResponse::DeniedResponse(_))
    ));
}
