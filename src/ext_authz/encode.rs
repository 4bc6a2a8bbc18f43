//! A reply into Envoy's `CheckResponse`.
//!
//! Three facts about Envoy shape this file. A status that is absent or zero is an allow, so the
//! response is made from [`Reply`], each variant of which sets it. How a header we set meets one
//! the client sent depends on the Envoy version, so both switches that say "overwrite" are set.
//! And headers are removed after they are set, so one we set must not be removed too.

use std::fmt::Write as _;

use crate::{
    pipeline::{Decision, Plan},
    proto::{
        BoolValue, CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue,
        HeaderValueOption, HttpResponse, HttpStatus, Kind, OkHttpResponse, Status, Struct, Value,
    },
    reply::{Passage, Refusal, Reply},
};

/// The answer when our own code failed.
pub(super) fn broken() -> CheckResponse {
    encode(Reply::broken(), Struct::default())
}

/// `reply` as Envoy reads it.
pub(super) fn encode(reply: Reply, metadata: Struct) -> CheckResponse {
    let (code, http_response) = match reply {
        Reply::Allow(passage) => (GRPC_OK, HttpResponse::OkResponse(passed(passage))),
        Reply::Deny(refusal) => (
            refusal.grpc_code(),
            HttpResponse::DeniedResponse(refused(refusal)),
        ),
        Reply::Error(refusal) => (
            refusal.grpc_code(),
            HttpResponse::ErrorResponse(refused(refusal)),
        ),
    };
    CheckResponse {
        status: Some(Status {
            code,
            ..Status::default()
        }),
        http_response: Some(http_response),
        dynamic_metadata: Some(metadata),
    }
}

fn passed(passage: Passage) -> OkHttpResponse {
    OkHttpResponse {
        headers: passage.set.into_iter().map(overwrite).collect(),
        headers_to_remove: passage.remove,
        query_parameters_to_remove: passage.remove_query,
        ..OkHttpResponse::default()
    }
}

fn refused(refusal: Refusal) -> DeniedHttpResponse {
    DeniedHttpResponse {
        status: Some(HttpStatus {
            code: i32::from(refusal.status),
        }),
        headers: refusal.headers.into_iter().map(overwrite).collect(),
        body: refusal.body,
    }
}

fn overwrite((key, value): (&'static str, String)) -> HeaderValueOption {
    let header = HeaderValue {
        key: key.to_owned(),
        value,
        ..HeaderValue::default()
    };
    #[expect(deprecated, reason = "the switch that every Envoy version honours")]
    HeaderValueOption {
        header: Some(header),
        append: Some(BoolValue { value: false }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

/// `subzero: { decision_id, route, reason, … }`, readable in access logs as
/// `%DYNAMIC_METADATA(envoy.filters.http.ext_authz:subzero:reason)%`.
pub(super) fn metadata(decision: &Decision) -> Struct {
    let text = |text: &str| Kind::StringValue(text.to_owned());
    let micros = decision.cost.as_secs_f64() * 1e6;
    let mut fields = vec![
        ("decision_id", text(&decision.id.simple().to_string())),
        ("verdict", text(decision.outcome.as_str())),
        ("reason", text(decision.reason.as_str())),
        ("cost_us", Kind::NumberValue((micros * 10.0).round() / 10.0)),
        ("plan", Kind::StringValue(in_short(&decision.plan))),
    ];
    if let Some(route) = &decision.route {
        fields.push(("route", text(&route.name)));
    }
    if let Some(origin) = decision.permission {
        fields.push(("permission_source", text(origin.as_str())));
        if let Some(age) = origin.age() {
            let millis = (age.as_secs_f64() * 1e3).round();
            fields.push(("permission_age_ms", Kind::NumberValue(millis)));
        }
    }
    if !decision.findings.is_empty() {
        fields.push(("findings", text(&decision.findings.summary())));
    }
    if let Some(risk) = decision.risk {
        // A score has two decimals; the nearest double of an f32 has more.
        let hundredths = f64::from((risk * 100.0).round());
        fields.push(("risk", Kind::NumberValue(hundredths / 100.0)));
    }
    if decision.shadowed {
        fields.push(("shadow", Kind::BoolValue(true)));
    }
    let value = |kind| Value { kind: Some(kind) };
    let own = Struct {
        fields: fields
            .into_iter()
            .map(|(name, kind)| (name.to_owned(), value(kind)))
            .collect(),
    };
    Struct {
        fields: [("subzero".to_owned(), value(Kind::StructValue(own)))].into(),
    }
}

/// `identity=12us/10us permission=3us screening=skipped`: what each step took, what it was expected
/// to take where that was foretold, and what did not run.
fn in_short(plan: &Plan) -> String {
    let mut text = String::with_capacity(24 * (plan.ran.len() + plan.skipped.len()));
    // Writing to a String cannot fail.
    for ran in &plan.ran {
        let (stage, actual) = (ran.stage.as_str(), ran.actual.as_micros());
        let _ = match ran.predicted {
            None => write!(text, "{stage}={actual}us "),
            Some(predicted) => write!(text, "{stage}={actual}us/{}us ", predicted.as_micros()),
        };
    }
    for (stage, _) in &plan.skipped {
        let _ = write!(text, "{}=skipped ", stage.as_str());
    }
    text.truncate(text.trim_end().len());
    text
}

const GRPC_OK: i32 = 0;

#[cfg(test)]
mod tests;
