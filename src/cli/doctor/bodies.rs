//! Do bodies arrive, as bytes, in the length that Subzero expects, and only where they are read.

use serde_json::Value;

use super::{
    finding::Finding,
    proxy::{Chain, Proxy, Route},
};
use crate::config::Loaded;

pub(super) fn examine(proxy: &Proxy, loaded: Option<&Loaded>) -> Vec<Finding> {
    let mut found = Vec::new();
    let reads = loaded.map(readers).unwrap_or_default();
    for chain in &proxy.chains {
        let Some(filter) = chain.ext_authz() else {
            continue;
        };
        match filter.settings.get("with_request_body") {
            None if reads.is_empty() => {}
            None => {
                let what = format!(
                    "no body is sent, but Subzero's routes read one ({}): they answer 400 `body_missing`",
                    reads.join(", ")
                );
                found.push(Finding::wrong(&chain.place, what, BODY));
            }
            Some(body) => {
                found.extend(shape(&chain.place, body));
                found.extend(loaded.and_then(|loaded| length(&chain.place, body, loaded)));
                found.extend(upgrades(chain));
            }
        }
        for route in &chain.routes {
            found.extend(own_body(chain, route));
        }
    }
    found
}

/// Names of Subzero's routes that read a body.
fn readers(loaded: &Loaded) -> Vec<String> {
    let routes = loaded.config.routes.iter().filter_map(|route| {
        let written = serde_json::to_value(route).ok()?;
        let screens = ["injection", "invisible_text", "secrets", "personal_data"]
            .iter()
            .any(|detector| {
                let action = written.pointer(&format!("/screening/{detector}"));
                action.is_some_and(|action| action != "off" && !action.is_null())
            });
        let name = format!("`{}`", written["name"].as_str().unwrap_or_default());
        (screens || written.to_string().contains("{body.")).then_some(name)
    });
    routes.collect()
}

fn shape(place: &str, body: &Value) -> Vec<Finding> {
    let is = |key: &str| body[key].as_bool() == Some(true);
    let mut found = Vec::new();
    if !is("pack_as_bytes") {
        found.push(Finding::wrong(
            place,
            "`pack_as_bytes` is off: Envoy replaces what is no UTF-8 by `!`, so something else is screened than your service receives",
            "with_request_body: { pack_as_bytes: true }",
        ));
    }
    if !is("allow_partial_message") {
        found.push(Finding::look(
            place,
            "`allow_partial_message` is off: Envoy answers longer bodies with 413 itself, on every route that buffers, and Subzero does not count them",
            "with_request_body: { allow_partial_message: true }",
        ));
    }
    found
}

fn length(place: &str, body: &Value, loaded: &Loaded) -> Option<Finding> {
    let sent = usize::try_from(body["max_request_bytes"].as_u64()?).ok()?;
    let limit = loaded.config.screening.max_body.get();
    if sent == limit {
        return None;
    }
    let what = format!(
        "Envoy sends up to {sent} bytes and `screening.max_body` is {limit}: they must be equal, because a body that fills Envoy's buffer exactly may have been cut"
    );
    Some(Finding::wrong(
        place,
        what,
        "# set `max_request_bytes` and `screening.max_body` to the same number",
    ))
}

/// Envoy 1.40 takes a route's own body settings but not its `pack_as_bytes`.
fn own_body(chain: &Chain, route: &Route) -> Option<Finding> {
    let sets = |settings: &Value| {
        settings
            .pointer("/check_settings/with_request_body")
            .is_some()
    };
    if !route.ext_authz.iter().any(sets) {
        return None;
    }
    let place = format!("{}, route {}", chain.place, route.matches);
    Some(Finding::wrong(
        &place,
        "sets `with_request_body` itself, and of that Envoy ignores `pack_as_bytes`: the body arrives as text, bytes replaced",
        "# set `with_request_body` on the filter, and on routes that need no body:\ncheck_settings: { disable_request_body_buffering: true }",
    ))
}

/// Bodies are waited for on every route that does not say otherwise.
fn upgrades(chain: &Chain) -> Option<Finding> {
    let streams = |route: &&Route| {
        let off = |settings: &Value| {
            settings["disabled"].as_bool() == Some(true)
                || settings.pointer("/check_settings/disable_request_body_buffering")
                    == Some(&Value::Bool(true))
        };
        !route.ext_authz.iter().any(off)
    };
    let all = !chain.routes.is_empty()
        && chain.routes.iter().filter(streams).count() == chain.routes.len();
    all.then(|| {
        Finding::look(
            &chain.place,
            "every route waits for its body before it is forwarded: uploads and gRPC streams stall until the buffer is full",
            "# on routes that are not screened:\ntyped_per_filter_config:\n  envoy.filters.http.ext_authz:\n    \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute\n    check_settings: { disable_request_body_buffering: true }",
        )
    })
}

const BODY: &str = "with_request_body: { max_request_bytes: 65536, allow_partial_message: true, pack_as_bytes: true }";
