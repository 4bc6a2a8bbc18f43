//! One line in the process's own log for each check that was not plainly allowed, for those who keep
//! no decision log.
//!
//! No token, no prompt and no header value is written; the path is, without its query, because
//! an operator cannot look into a denial without it. Control characters cannot occur in it: such a
//! path has been refused and is not logged.

use super::entry::short;
use crate::{
    check::Check,
    pipeline::{Decision, Outcome},
    verdict::Class,
};

/// Logs a denial, an error, and what shadow mode or `on_unavailable: allow` let pass.
pub(super) fn tell(check: &Check, decision: &Decision) {
    if decision.reason.class() == Class::Allowed {
        return;
    }
    let request = check.http.as_ref();
    let path = request
        .and_then(|request| request.path.as_ref().ok())
        .map(|path| short(path.raw()));
    let bad_path = request
        .and_then(|request| request.path.as_ref().err())
        .map(ToString::to_string);
    let line = match decision.outcome {
        Outcome::Allow => "passed although not allowed",
        Outcome::Deny => "denied",
        Outcome::Error => "could not decide",
    };
    let findings = (!decision.findings.is_empty()).then(|| decision.findings.summary());
    tracing::info!(
        target: "subzero::decision",
        decision = %decision.id.simple(),
        reason = decision.reason.as_str(),
        route = decision.route.as_ref().map(|route| route.name.as_str()),
        method = request.map(|request| short(&request.method)),
        host = request.map(|request| short(&request.host)),
        path,
        bad_path,
        source = check.source.address.map(|address| address.to_string()),
        findings,
        risk = decision.risk.map(|risk| format!("{risk:.2}")),
        cost_us = u64::try_from(decision.cost.as_micros()).unwrap_or(u64::MAX),
        "{line}",
    );
}
