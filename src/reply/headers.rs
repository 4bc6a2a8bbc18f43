//! Headers that the upstream gets, and those that are taken away.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::{check::Check, identity::Stripped, pipeline::Decision};

pub(super) fn headers_for_upstream(
    decision: &Decision,
) -> SmallVec<[(&'static str, Cow<'_, str>); 4]> {
    let mut set = SmallVec::new();
    set.push((
        "x-subzero-decision",
        decision.id.simple().to_string().into(),
    ));
    if let Some(subject) = &decision.subject {
        set.push(("x-subzero-subject", visible(subject)));
    }
    if let Some(risk) = decision.risk {
        set.push(("x-subzero-risk", format!("{risk:.2}").into()));
    }
    if !decision.findings.is_empty() {
        set.push((
            "x-subzero-findings",
            visible(&decision.findings.summary()).into_owned().into(),
        ));
    }
    set
}

/// The credential, when the route keeps it from the upstream.
pub(super) fn stripped(decision: &Decision) -> Option<Stripped<'_>> {
    decision.route.as_ref()?.identity.as_ref()?.stripped()
}

/// Every spelling of our own headers, so that what a client sent never reaches the upstream, also
/// on an anonymous allow. `_` and `-` are the same to many upstreams.
pub(super) fn headers_to_remove(
    check: &Check,
    set: &[(&str, Cow<'_, str>)],
) -> SmallVec<[Cow<'static, str>; 14]> {
    let is_set = |name: &str| set.iter().any(|(own, _)| *own == name);
    let unseen: &[&str] = if check.shows_ours { &[] } else { &FORGEABLE };
    let always = [NEVER_SHOWN].into_iter().chain(unseen.iter().copied());
    let mut remove: SmallVec<[Cow<'static, str>; 14]> = always
        .filter(|name| !is_set(name))
        .map(Cow::Borrowed)
        .collect();
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
    let spells = |(sent, own)| sent == own || (own == b'-' && sent == b'_');
    PREFIXES
        .iter()
        .any(|prefix| name.len() >= prefix.len() && name.bytes().zip(prefix.bytes()).all(spells))
}

/// Of our own headers, and of Envoy's words about authorization, which it forwards when a client says
/// them.
const PREFIXES: [&str; 2] = ["x-subzero-", "x-envoy-auth-"];

/// Taken away unseen from a proxy that may show us other headers only: those of the contract, and
/// Envoy's words. Envoy spends 3 µs a check on them, so one that shows them says so.
pub(crate) const FORGEABLE: [&str; 11] = [
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
    "x-envoy-auth-failure-mode-allowed",
];

/// Envoy tells us of a cut body under this name, so what a client says under it is kept from us, yet
/// reaches the upstream.
const NEVER_SHOWN: &str = "x-envoy-auth-partial-body";

/// Percent-encodes everything but visible ASCII, and bounds the length: a header value made from
/// input must never carry CR, LF or NUL, nor fill the upstream's header limit.
fn visible(text: &str) -> Cow<'_, str> {
    let is_visible = |byte: u8| matches!(byte, b'!'..=b'~') && byte != b'%';
    if text.len() <= MAX_VALUE_BYTES && text.bytes().all(is_visible) {
        return Cow::Borrowed(text);
    }
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes().take(MAX_VALUE_BYTES) {
        if is_visible(byte) {
            value.push(char::from(byte));
        } else {
            value.extend(['%', hex_digit(byte >> 4), hex_digit(byte & 15)]);
        }
    }
    Cow::Owned(value)
}

fn hex_digit(nibble: u8) -> char {
    char::from_digit(nibble.into(), 16)
        .unwrap_or_default()
        .to_ascii_uppercase()
}

const MAX_VALUE_BYTES: usize = 512;
