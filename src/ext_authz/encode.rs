//! A reply into Envoy's `CheckResponse`.
//!
//! Three facts about Envoy shape this file. A status that is absent or zero is an allow, so the
//! response is made from [`Reply`], each variant of which sets it. How a header we set meets one
//! the client sent depends on the Envoy version, so both switches that say "overwrite" are set.
//! And headers are removed after they are set, so one we set must not be removed too.
//!
//! It is written as it goes out (see `wire`): field numbers are those of
//! `envoy/service/auth/v3/external_auth.proto` and what it imports.

use std::io::Write as _;

use super::wire::Writer;
use crate::{
    permission::Origin,
    pipeline::{Decision, Plan},
    proto::HeaderAppendAction,
    reply::{Passage, Refusal, Reply},
};

/// The answer when our own code failed.
pub(super) fn broken() -> Vec<u8> {
    encode(&Reply::broken(), |_| {})
}

/// What `decision` means to the one who asked, `reply`, as a gRPC frame that Envoy reads.
pub(super) fn answer(reply: &Reply<'_>, decision: &Decision) -> Vec<u8> {
    encode(reply, |fields| metadata(fields, decision))
}

fn encode(reply: &Reply<'_>, metadata: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let (code, field) = match reply {
        Reply::Allow(_) => (GRPC_OK, 3),
        Reply::Deny(refusal) => (refusal.grpc_code(), 2),
        Reply::Error(refusal) => (refusal.grpc_code(), 5),
    };
    let mut response = Writer::new();
    response.message(1, |status| status.number(1, u64::from(code)));
    response.message(field, |response| match reply {
        Reply::Allow(passage) => passed(response, passage),
        Reply::Deny(refusal) | Reply::Error(refusal) => refused(response, refusal),
    });
    response.message(4, metadata);
    response.finish()
}

fn passed(ok: &mut Writer, passage: &Passage<'_>) {
    for (name, value) in &passage.set {
        overwrite(ok, name, value);
    }
    for name in &passage.remove {
        ok.bytes(5, name.as_bytes());
    }
    for name in &passage.remove_query {
        ok.bytes(8, name.as_bytes());
    }
}

fn refused(denied: &mut Writer, refusal: &Refusal) {
    denied.message(1, |status| status.number(1, u64::from(refusal.status)));
    for (name, value) in &refusal.headers {
        overwrite(denied, name, value);
    }
    denied.bytes(3, refusal.body.as_bytes());
}

fn overwrite(response: &mut Writer, name: &str, value: &str) {
    response.message(2, |option| {
        option.message(1, |header| {
            header.bytes(1, name.as_bytes());
            header.bytes(2, value.as_bytes());
        });
        // `append: false`, the switch that every Envoy version honours; deprecated.
        option.message(2, |_| {});
        option.number(3, HeaderAppendAction::OverwriteIfExistsOrAdd as u64);
    });
}

/// `subzero: { decision_id, route, reason, … }`, readable in access logs as
/// `%DYNAMIC_METADATA(envoy.filters.http.ext_authz:subzero:reason)%`.
fn metadata(metadata: &mut Writer, decision: &Decision) {
    entry(metadata, "subzero", |value| {
        value.message(5, |own| facts(own, decision));
    });
}

fn facts(own: &mut Writer, decision: &Decision) {
    let text = |own: &mut Writer, name, text: &str| {
        entry(own, name, |value| value.bytes(3, text.as_bytes()));
    };
    let number = |own: &mut Writer, name, number| {
        entry(own, name, |value| value.double(2, number));
    };
    let micros = decision.cost.as_secs_f64() * 1e6;
    let mut id = [0; 32];
    text(
        own,
        "decision_id",
        decision.id.simple().encode_lower(&mut id),
    );
    text(own, "reason", decision.reason.as_str());
    number(own, "cost_us", (micros * 10.0).round() / 10.0);
    entry(own, "plan", |value| {
        value.message(3, |text| in_short(text, &decision.plan));
    });
    if let Some(route) = &decision.route {
        text(own, "route", &route.name);
    }
    // Each fact costs Envoy half a microsecond: only what differs from one check to the next.
    if let Some(origin) = decision.permission.filter(|from| *from != Origin::Embedded) {
        text(own, "permission_source", origin.as_str());
        if let Some(age) = origin.age() {
            number(own, "permission_age_ms", (age.as_secs_f64() * 1e3).round());
        }
    }
    if !decision.findings.is_empty() {
        text(own, "findings", &decision.findings.summary());
    }
    if let Some(risk) = decision.risk {
        // A score has two decimals; the nearest double of an f32 has more.
        let hundredths = f64::from((risk * 100.0).round());
        number(own, "risk", hundredths / 100.0);
    }
    if decision.shadowed {
        entry(own, "shadow", |value| value.number(4, 1));
    }
}

/// A field of a `Struct`; `fill` writes its `Value`: 2 is a number, 3 a text, 4 a truth, 5 a struct.
fn entry(fields: &mut Writer, name: &str, fill: impl FnOnce(&mut Writer)) {
    fields.message(1, |entry| {
        entry.bytes(1, name.as_bytes());
        entry.message(2, fill);
    });
}

/// `identity=12us/10us permission=3us screening=skipped`: what each step took, what it was expected
/// to take where that was foretold, and what did not run.
fn in_short(text: &mut Writer, plan: &Plan) {
    let mut blank = "";
    for ran in &plan.ran {
        let (stage, actual) = (ran.stage.as_str(), ran.actual.as_micros());
        // Writing to memory cannot fail.
        let _ = write!(text, "{blank}{stage}={actual}us");
        if let Some(predicted) = ran.predicted {
            let _ = write!(text, "/{}us", predicted.as_micros());
        }
        blank = " ";
    }
    for (stage, _) in &plan.skipped {
        let _ = write!(text, "{blank}{}=skipped", stage.as_str());
        blank = " ";
    }
}

const GRPC_OK: u8 = 0;

#[cfg(test)]
mod tests;
