//! Tokens, risk and analytics: the same answers and refusals through both doors.

use std::fmt::Debug;

use serde_json::{Value, json};
use subzero::proto::v1::{
    AuthenticateRequest, AuthenticateResponse, Figures, Latency, Record, ReportRequest,
    RevokeRequest, RiskEvent, ScoreRequest, SumUpRequest, VerifyBatchRequest,
    analytics_client::AnalyticsClient, risk_client::RiskClient, tokens_client::TokensClient,
};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use super::{super::local, channel, dispatch, good, refused};
use crate::{
    api::{answer, ask, start},
    support::{client::Request, subzero::Subzero},
    world::{self, AUDIENCE, Keys, data, token},
};

fn login(told: &AuthenticateResponse) -> Value {
    json!({
        "authenticated": told.authenticated, "user_id": told.user_id, "scopes": told.scopes,
        "risk_score": told.risk_score, "reason": told.reason,
    })
}

async fn with_keys() -> (Subzero, Keys) {
    let keys = Keys::generate();
    let running = world::subzero(&data("subzero.yaml"), &keys).start().await;
    (running, keys)
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_judged_and_taken_back_the_same() {
    let (running, keys) = with_keys().await;
    let mut client = TokensClient::new(channel(&running).await);
    let good_one = token("alice").scope("chat docs").sign(&keys.rs256);
    for (user, scopes, address) in [
        (None, vec![], None),
        (Some("alice"), vec!["chat"], Some("192.0.2.7")),
        (Some("bob"), vec![], None),
        (None, vec!["admin"], None),
    ] {
        let json = json!({
            "token": good_one, "user_id": user, "scopes": scopes, "source_ip": address,
            "user_agent": "curl/8", "device_fingerprint": "ja4",
        });
        let mut json = answer(&running, "/auth/authenticate", &json).await;
        let told = good(
            client
                .authenticate(AuthenticateRequest {
                    token: good_one.clone(),
                    user_id: user.map(str::to_owned),
                    scopes: scopes.into_iter().map(str::to_owned).collect(),
                    source_ip: address.map(str::to_owned),
                    user_agent: Some("curl/8".to_owned()),
                    device_fingerprint: Some("ja4".to_owned()),
                })
                .await,
        );
        let left = json.as_object_mut().expect("fields").remove("expires_in");
        let left = left.and_then(|left| left.as_u64()).expect("seconds");
        assert!(left.abs_diff(told.expires_in) <= 1, "{left} {told:?}");
        assert_eq!(json, login(&told));
    }

    let foreign = token("bob").claim("iss", json!(world::PARTNER));
    let tokens = vec![
        good_one.clone(),
        "nonsense".to_owned(),
        foreign.claim("aud", json!("partner")).sign(&keys.es256),
    ];
    for issuers in [vec![], vec!["main".to_owned()]] {
        let mut json = json!({"tokens": tokens});
        if !issuers.is_empty() {
            json["issuers"] = json!(issuers);
        }
        let json = answer(&running, "/auth/verify/batch", &json).await;
        let tokens = tokens.clone();
        let told = good(
            client
                .verify_batch(VerifyBatchRequest { tokens, issuers })
                .await,
        );
        let one = |told: subzero::proto::v1::TokenVerdict| json!({"valid": told.valid, "subject": told.subject, "reason": told.reason});
        let results: Vec<Value> = told.results.into_iter().map(one).collect();
        assert_eq!(
            json,
            json!({"results": results, "dispatch": dispatch(told.dispatch)})
        );
    }

    let sub = Some("alice".to_owned());
    let revoked = client.revoke(RevokeRequest {
        sub,
        ..RevokeRequest::default()
    });
    good(revoked.await);
    let token = json!({"token": good_one});
    let json = answer(&running, "/auth/authenticate", &token).await;
    assert_eq!(json["reason"], "token_revoked", "by gRPC, and JSON knows");
}

#[tokio::test(flavor = "multi_thread")]
async fn scores_and_sums_are_the_same() {
    let running = start("{}").await;
    let channel = channel(&running).await;
    let events = [
        (0.0, "a", "x", 0.5),
        (3_600.0, "b", "x", 0.0),
        (7_200.0, "b", "y", 2.0),
    ];
    let json = events.map(|(timestamp, ip, device, behavior)| {
        json!({"timestamp": timestamp, "ip": ip, "device": device, "behavior": behavior})
    });
    let json = answer(&running, "/risk/score", &json!({"events": json})).await;
    let events = events.map(|(timestamp, ip, device, behavior)| RiskEvent {
        timestamp: Some(timestamp),
        ip: ip.to_owned(),
        device: device.to_owned(),
        behavior,
    });
    let events = events.to_vec();
    let mut client = RiskClient::new(channel.clone());
    let told = good(client.score(ScoreRequest { events }).await);
    let scores: Vec<f32> = serde_json::from_value(json["scores"].clone()).expect("scores");
    assert_eq!(
        (scores, &json["dispatch"]),
        (told.scores, &dispatch(told.dispatch))
    );

    let mut analytics = AnalyticsClient::new(channel);
    let json = json!({"records": [
        {"throughput_rps": 0.5, "latency_ms": 7, "total_requests": 10, "errors": 1},
        {"throughput_rps": 1.5, "cache_hits": 3, "coalesced_requests": 2, "total_requests": 30},
    ]});
    let json = answer(&running, "/analytics", &json).await;
    let records = vec![
        Record {
            throughput_rps: 0.5,
            latency_ms: 7.0,
            total_requests: 10,
            errors: 1,
            ..Record::default()
        },
        Record {
            throughput_rps: 1.5,
            cache_hits: 3,
            coalesced_requests: 2,
            total_requests: 30,
            ..Record::default()
        },
    ];
    let told = good(analytics.sum_up(SumUpRequest { records }).await);
    assert_eq!(
        json,
        json!({
            "throughput": told.throughput, "latency": told.latency, "efficiency": told.efficiency,
            "error_rate": told.error_rate, "cache_hit_ratio": told.cache_hit_ratio,
            "records": told.records, "dispatch": dispatch(told.dispatch),
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_the_same() {
    let running = start("{}").await;
    let mut analytics = AnalyticsClient::new(channel(&running).await);
    for path in ["/healthz", "/healthz", "/me"] {
        local(Request::get(&format!("/forward-auth{path}")))
            .send(running.http)
            .await;
    }
    let json = local(Request::get("/analytics?window=1m"))
        .send(running.http)
        .await
        .json();
    let window = Some("1m".to_owned());
    let told = good(analytics.report(ReportRequest { window }).await);
    assert_eq!((told.window_s, &json["checks"]), (60.0, &json!(3)));
    let reasons: Vec<Value> = told
        .reasons
        .into_iter()
        .map(|told| json!({"reason": told.reason, "checks": told.checks, "share": told.share}))
        .collect();
    assert_eq!(json["reasons"], json!(reasons));
    same_figures(&json, told.total);
    assert_eq!(
        json["routes"].as_array().expect("routes").len(),
        told.routes.len()
    );
    for (json, told) in json["routes"]
        .as_array()
        .expect("routes")
        .iter()
        .zip(told.routes)
    {
        assert_eq!(json["route"], json!(told.route));
        same_figures(json, told.total);
        for (json, told) in json["reasons"]
            .as_array()
            .expect("reasons")
            .iter()
            .zip(told.reasons)
        {
            assert_eq!(
                (
                    &json["reason"],
                    &json["verdict"],
                    &json["checks"],
                    &json["share"]
                ),
                (
                    &json!(told.reason),
                    &json!(told.verdict),
                    &json!(told.checks),
                    &json!(told.share)
                )
            );
            assert_eq!(json["latency"], latency(told.latency));
        }
    }
}

/// All but the rate, which falls while we look.
fn same_figures(json: &Value, told: Option<Figures>) {
    let told = told.expect("figures");
    let verdicts = told.verdicts.expect("verdicts");
    let verdicts = json!({"allow": verdicts.allow, "deny": verdicts.deny, "error": verdicts.error});
    assert_eq!(
        (&json["checks"], &json["verdicts"], &json["denied_share"]),
        (&json!(told.checks), &verdicts, &json!(told.denied_share))
    );
    assert_eq!(json["undecided_share"], json!(told.undecided_share));
    assert_eq!(json["latency"], latency(told.latency));
}

fn latency(told: Option<Latency>) -> Value {
    let told = told.expect("quantiles");
    json!({"p50_us": told.p50_us, "p95_us": told.p95_us, "p99_us": told.p99_us, "max_us": told.max_us})
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_named_the_same() {
    let running = start("{ max_items: 2 }").await;
    let channel = channel(&running).await;
    let mut client = TokensClient::new(channel.clone());
    let login = AuthenticateRequest {
        source_ip: Some("nowhere".to_owned()),
        ..AuthenticateRequest::default()
    };
    let json = json!({"token": "", "source_ip": "nowhere"});
    let told = client.authenticate(login).await;
    named(&running, "/auth/authenticate", &json, told).await;
    let stranger = VerifyBatchRequest {
        tokens: vec![],
        issuers: vec![AUDIENCE.to_owned()],
    };
    let json = json!({"tokens": [], "issuers": [AUDIENCE]});
    let told = client.verify_batch(stranger).await;
    named(&running, "/auth/verify/batch", &json, told).await;
    let future = u64::MAX >> 12;
    for (before, jti, json) in [
        (Some(future), None, json!({"before": future})),
        (None, Some(String::new()), json!({"jti": ""})),
    ] {
        let revocation = RevokeRequest {
            before,
            jti,
            ..RevokeRequest::default()
        };
        let told = client.revoke(revocation).await;
        named(&running, "/auth/revoke", &json, told).await;
    }

    let mut client = RiskClient::new(channel.clone());
    let event = |timestamp, behavior| RiskEvent {
        timestamp,
        behavior,
        ..RiskEvent::default()
    };
    for (events, json) in [
        (
            vec![event(Some(0.0), -1.0)],
            json!([{"timestamp": 0, "behavior": -1}]),
        ),
        (
            vec![event(Some(9.0), 0.0), event(Some(2.0), 0.0)],
            json!([{"timestamp": 9}, {"timestamp": 2}]),
        ),
    ] {
        let told = client.score(ScoreRequest { events }).await;
        named(&running, "/risk/score", &json!({"events": json}), told).await;
    }
    let events = vec![event(None, 0.0)];
    let (code, detail, _) = refused(client.score(ScoreRequest { events }).await);
    assert_eq!(code, Code::InvalidArgument);
    assert!(detail.starts_with("events[0].timestamp: "), "{detail}");

    let mut client = AnalyticsClient::new(channel);
    let negative = Record {
        latency_ms: -1.0,
        ..Record::default()
    };
    let records = vec![Record::default(), negative];
    let told = client.sum_up(SumUpRequest { records }).await;
    let json = json!({"records": [{}, {"latency_ms": -1}]});
    named(&running, "/analytics", &json, told).await;
    let records = vec![Record::default(); 3];
    let (code, ..) = refused(client.sum_up(SumUpRequest { records }).await);
    assert_eq!(code, Code::ResourceExhausted);
    let window = Some("2h".to_owned());
    let (code, detail, _) = refused(client.report(ReportRequest { window }).await);
    let json = local(Request::get("/analytics?window=2h"));
    let json = json.send(running.http).await.json();
    assert_eq!(
        (code, &json!(detail)),
        (Code::InvalidArgument, &json["detail"])
    );
}

/// Both doors refuse, and name the same field: gRPC in the status's details.
async fn named<T: Debug>(
    running: &Subzero,
    path: &str,
    body: &Value,
    told: Result<Response<T>, Status>,
) {
    let problem = ask(running, path, body).await;
    let (status, problem) = (problem.status, problem.json());
    let told = told.expect_err("refused");
    assert_eq!(
        (status, told.code()),
        (400, Code::InvalidArgument),
        "{told}"
    );
    let details = told.get_error_details();
    let named = &details.bad_request().expect("a field").field_violations[0];
    assert_eq!(problem["field"], *named.field, "{problem}");
    assert_eq!(named.description, told.message());
}
