//! Does Subzero see the headers that it needs, as they were sent.

use regex::RegexBuilder;
use serde_json::Value;

use super::{
    filters::is,
    finding::Finding,
    proxy::{Chain, Filter},
};
use crate::{ext_authz::SHOWS_OURS, reply::FORGEABLE};

pub(super) fn examine(chain: &Chain, filter: &Filter) -> Vec<Finding> {
    let (place, settings) = (&chain.place, &filter.settings);
    let mut found = Vec::new();
    if !shows(settings, "authorization") {
        found.push(Finding::wrong(
            place,
            "`allowed_headers` leaves `authorization` out: Subzero never sees a token",
            "allowed_headers: { patterns: [{ exact: authorization }] }",
        ));
    }
    found.extend(forgeries(place, settings));
    for name in ["content-type", "content-encoding"] {
        if settings.get("with_request_body").is_some() && !shows(settings, name) {
            let what = format!(
                "`allowed_headers` leaves `{name}` out: how the body is to be read is a guess"
            );
            found.push(Finding::wrong(place, what, "allowed_headers: { patterns: [{ exact: content-type }, { exact: content-encoding }] }"));
        }
    }
    if !is(settings, "encode_raw_headers") && settings.get("grpc_service").is_some() {
        found.push(Finding::look(
            place,
            "`encode_raw_headers` is off: repeated headers arrive joined, bytes that are no UTF-8 as `!`, and Subzero spends a third more time on each check",
            "encode_raw_headers: true",
        ));
    }
    if !is(&chain.manager, "use_remote_address") {
        found.push(Finding::look(
            place,
            "`use_remote_address` is off: headers that steer Envoy, `x-envoy-*` and `x-forwarded-for`, are taken from whoever connects; right only behind a proxy of yours",
            "use_remote_address: true",
        ));
    }
    found
}

/// Names of ours that a client may say and that reach the service.
fn forgeries(place: &str, settings: &Value) -> Option<Finding> {
    let hidden: Vec<&str> = FORGEABLE
        .into_iter()
        .filter(|name| !shows(settings, name))
        .collect();
    let authority = settings.pointer("/grpc_service/envoy_grpc/authority");
    if authority.is_some_and(|says| says == SHOWS_OURS) && !hidden.is_empty() {
        let what = format!(
            "`authority: {SHOWS_OURS}` says that all our headers are shown, and {} are not: a client can forge them",
            hidden.join(", ")
        );
        return Some(Finding::wrong(place, what, SHOWN));
    }
    // Those of the contract are removed unseen; what else begins like them is not.
    let unseen = ["x-subzero-else", "x_subzero_else"];
    let what = "`allowed_headers` leaves `x-subzero-*` out: Subzero cannot remove what it does not see, and a client can forge its answers";
    unseen
        .into_iter()
        .any(|name| !shows(settings, name))
        .then(|| Finding::wrong(place, what, SHOWN))
}

/// Whether the filter sends this header; without a list every one is sent.
pub(super) fn shows(settings: &Value, name: &str) -> bool {
    let listed = |key: &str| {
        let patterns = settings.get(key)?.get("patterns")?.as_array()?;
        Some(patterns.iter().any(|pattern| matches(pattern, name)))
    };
    listed("allowed_headers").unwrap_or(true) && !listed("disallowed_headers").unwrap_or(false)
}

/// An Envoy `StringMatcher` against a name in lower case. One of a kind that we do not know matches
/// nothing.
fn matches(pattern: &Value, name: &str) -> bool {
    let ignores_case = is(pattern, "ignore_case");
    let word = |key: &str| {
        let word = pattern[key].as_str()?;
        Some(if ignores_case {
            word.to_ascii_lowercase()
        } else {
            word.to_owned()
        })
    };
    if let Some(word) = word("exact") {
        return name == word;
    }
    if let Some(word) = word("prefix") {
        return name.starts_with(&word);
    }
    if let Some(word) = word("suffix") {
        return name.ends_with(&word);
    }
    if let Some(word) = word("contains") {
        return name.contains(&word);
    }
    let regex = pattern.pointer("/safe_regex/regex").and_then(Value::as_str);
    regex.is_some_and(|regex| {
        let whole = RegexBuilder::new(&format!("^(?:{regex})$"))
            .size_limit(MAX_REGEX_BYTES)
            .build();
        whole.is_ok_and(|regex| regex.is_match(name))
    })
}

const MAX_REGEX_BYTES: usize = 1 << 20;

const SHOWN: &str = "\
allowed_headers: { patterns: [{ prefix: x-subzero }, { prefix: x_subzero }, { prefix: x-envoy-auth }, { prefix: x-envoy_auth }, { prefix: x_envoy }] }";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_header_is_shown_when_a_pattern_of_any_kind_says_so_and_none_forbids_it() {
        assert!(shows(&json!({}), "dpop"), "without a list every one is");
        for pattern in [
            json!({ "exact": "dpop" }),
            json!({ "prefix": "dp" }),
            json!({ "suffix": "op" }),
            json!({ "contains": "po" }),
            json!({ "exact": "DPoP", "ignore_case": true }),
            json!({ "safe_regex": { "regex": "d(p|q)op" } }),
        ] {
            let settings = json!({ "allowed_headers": { "patterns": [pattern] } });
            assert!(shows(&settings, "dpop"), "{settings}");
            assert!(!shows(&settings, "authorization"), "{settings}");
        }
        for pattern in [
            json!({ "exact": "DPoP" }),
            json!({ "safe_regex": { "regex": "dp" } }),
            json!({ "safe_regex": { "regex": "(" } }),
            json!({ "custom": {} }),
        ] {
            let settings = json!({ "allowed_headers": { "patterns": [pattern] } });
            assert!(!shows(&settings, "dpop"), "{settings}");
        }
        let forbidden = json!({ "disallowed_headers": { "patterns": [{ "prefix": "d" }] } });
        assert!(!shows(&forbidden, "dpop") && shows(&forbidden, "authorization"));
    }
}
