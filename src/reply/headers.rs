//! Headers that the upstream gets, and those that are taken away.

use std::borrow::Cow;

use crate::{check::Check, identity::Stripped, pipeline::Decision};

pub(super) fn headers_for_upstream(decision: &Decision) -> Vec<(&'static str, String)> {
    let mut set = Vec::with_capacity(4);
    set.push(("x-subzero-decision", decision.id.simple().to_string()));
    if let Some(subject) = &decision.subject {
        set.push(("x-subzero-subject", visible(subject)));
    }
    if let Some(risk) = decision.risk {
        set.push(("x-subzero-risk", format!("{risk:.2}")));
    }
    if !decision.findings.is_empty() {
        set.push(("x-subzero-findings", visible(&decision.findings.summary())));
    }
    set
}

/// The credential, when the route keeps it from the upstream.
pub(super) fn stripped(decision: &Decision) -> Option<Stripped<'_>> {
    decision.route.as_ref()?.identity.as_ref()?.stripped()
}

/// Every spelling of our own headers, so that what a client sent never reaches the upstream, also
/// on an anonymous allow. `_` and `-` are the same to many upstreams.
pub(super) fn headers_to_remove(check: &Check, set: &[(&str, String)]) -> Vec<Cow<'static, str>> {
    let is_set = |name: &str| set.iter().any(|(own, _)| *own == name);
    let always = ALWAYS.into_iter().filter(|name| !is_set(name));
    let mut remove: Vec<Cow<'static, str>> = Vec::with_capacity(ALWAYS.len());
    remove.extend(always.map(Cow::Borrowed));
    let names = check
        .http
        .iter()
        .flat_map(|request| request.headers.names());
    for name in names.filter(|name| is_ours(name) && !is_set(name)) {
        if remove.iter().all(|known| known != name) {
            remove.push(Cow::Owned(name.to_owned()));
        }
    }
    remove
}

fn is_ours(name: &str) -> bool {
    name.len() >= PREFIX.len()
        && name
            .bytes()
            .zip(PREFIX.bytes())
            .all(|(sent, own)| sent == own || (own == b'-' && sent == b'_'))
}

const PREFIX: &str = "x-subzero-";

/// Taken away whether or not they are seen, since a proxy can be told to show us some headers only:
/// those of the contract, and Envoy's own words about authorization, which it forwards when a client
/// says them.
const ALWAYS: [&str; 12] = [
    "x-subzero-subject",
    "x_subzero_subject",
    "x-subzero-decision",
    "x_subzero_decision",
    "x-subzero-risk",
    "x_subzero_risk",
    "x-subzero-findings",
    "x_subzero_findings",
    "x-subzero-reason",
    "x_subzero_reason",
    "x-envoy-auth-partial-body",
    "x-envoy-auth-failure-mode-allowed",
];

/// Percent-encodes everything but visible ASCII, and bounds the length: a header value made from
/// input must never carry CR, LF or NUL, nor fill the upstream's header limit.
fn visible(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes().take(MAX_VALUE_BYTES) {
        match byte {
            b'!'..=b'~' if byte != b'%' => value.push(char::from(byte)),
            _ => value.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]),
        }
    }
    value
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16)
        .unwrap_or_default()
        .to_ascii_uppercase()
}

const MAX_VALUE_BYTES: usize = 512;
