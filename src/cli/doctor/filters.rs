//! Is Subzero asked, by every listener, at the right place in the chain, and does its answer count.

use serde_json::Value;

use super::{
    finding::Finding,
    headers,
    proxy::{Chain, Filter, Proxy},
};

pub(super) fn examine(proxy: &Proxy) -> Vec<Finding> {
    let mut found = Vec::new();
    let nobody = proxy.chains.iter().all(|chain| chain.ext_authz().is_none());
    if nobody {
        found.push(Finding::wrong(
            "Envoy",
            "no listener has an `ext_authz` filter: nothing is asked about",
            FILTER,
        ));
    }
    for chain in &proxy.chains {
        match chain.ext_authz() {
            None if nobody => {}
            None => found.push(Finding::look(
                &chain.place,
                "has no `ext_authz` filter: what comes in here passes unasked",
                FILTER,
            )),
            Some(filter) => {
                found.push(Finding::good(&chain.place, "asks"));
                found.extend(failing(chain, filter));
                found.extend(timeouts(chain, filter));
                found.extend(headers::examine(chain, filter));
                found.extend(order(chain));
                found.extend(off(chain));
            }
        }
    }
    for other in &proxy.others {
        let what = "does not speak HTTP, so nothing is asked about it here";
        found.push(Finding::new(super::Severity::Look, other, what, None));
    }
    found
}

pub(super) fn is(settings: &Value, key: &str) -> bool {
    settings[key].as_bool() == Some(true)
}

fn failing(chain: &Chain, filter: &Filter) -> Vec<Finding> {
    let (place, settings) = (&chain.place, &filter.settings);
    let mut found = Vec::new();
    if is(settings, "failure_mode_allow") {
        found.push(Finding::wrong(
            place,
            "`failure_mode_allow: true`: whenever Subzero cannot be asked, everything passes",
            "failure_mode_allow: false",
        ));
    }
    if settings.pointer("/status_on_error/code").is_none() {
        found.push(Finding::look(
            place,
            "no `status_on_error`: \"could not be asked\" looks like \"denied\" (403)",
            "status_on_error: { code: ServiceUnavailable }",
        ));
    }
    if !is(settings, "validate_mutations") && settings.get("grpc_service").is_some() {
        found.push(Finding::look(
            place,
            "`validate_mutations` is off: a header that cannot be sent would be answered 503 by the codec and counted as `ok`",
            "validate_mutations: true",
        ));
    }
    for (key, cure) in [
        (
            "filter_enabled",
            "# remove `filter_enabled`, or set `deny_at_disable`",
        ),
        (
            "shadow_mode",
            "# remove `shadow_mode`; a route's own `mode: shadow` in Subzero counts what it would have done",
        ),
    ] {
        if settings
            .get(key)
            .is_some_and(|value| value != &Value::Bool(false))
        {
            let what =
                format!("`{key}` is set: for some or all requests the answer does not count");
            found.push(Finding::look(place, what, cure));
        }
    }
    found
}

fn timeouts(chain: &Chain, filter: &Filter) -> Vec<Finding> {
    let (place, settings) = (&chain.place, &filter.settings);
    let mut found = Vec::new();
    let Some(service) = settings.get("grpc_service") else {
        return found;
    };
    if service.get("timeout").is_none() {
        found.push(Finding::look(
            place,
            "`grpc_service` has no `timeout`: Envoy waits 200 ms, and fetching a key may take longer",
            "grpc_service: { timeout: 0.5s }",
        ));
    }
    if service.get("retry_policy").is_some()
        || service.pointer("/envoy_grpc/retry_policy").is_some()
    {
        found.push(Finding::wrong(
            place,
            "a retry policy is set: it silently caps each try at its back-off interval",
            "# remove `retry_policy` from `grpc_service`",
        ));
    }
    found
}

/// Filters that change what was asked about, after it was.
const CHANGERS: [&str; 8] = [
    "HeaderMutation",
    "Lua",
    "LuaPerRoute",
    "ExternalProcessor",
    "Wasm",
    "GrpcJsonTranscoder",
    "JsonToMetadata",
    "FilterConfig",
];

fn order(chain: &Chain) -> Vec<Finding> {
    let place = &chain.place;
    let mut found = Vec::new();
    let at = |kind: &str| chain.filters.iter().position(|filter| filter.kind == kind);
    let Some(asks) = at("ExtAuthz") else {
        return found;
    };
    if at("Router").is_some_and(|router| router < asks) {
        found.push(Finding::wrong(
            place,
            "`ext_authz` stands after the router: it is never reached",
            "# put `envoy.filters.http.ext_authz` before `envoy.filters.http.router`",
        ));
    }
    if at("GrpcWeb").is_some_and(|web| web > asks) {
        found.push(Finding::look(
            place,
            "`grpc_web` stands after `ext_authz`: denied gRPC-web callers get a plain HTTP answer",
            "# put `envoy.filters.http.grpc_web` before `envoy.filters.http.ext_authz`",
        ));
    }
    for filter in &chain.filters[asks + 1..] {
        if CHANGERS.contains(&&*filter.kind) {
            let what = format!(
                "`{}` stands after `ext_authz`: what it changes was not asked about",
                filter.kind
            );
            found.push(Finding::look(
                place,
                what,
                "# put `envoy.filters.http.ext_authz` after it, last before the router",
            ));
        }
    }
    found
}

/// Routes that switch the filter off.
fn off(chain: &Chain) -> Vec<Finding> {
    let disabled = chain.routes.iter().filter(|route| {
        route
            .ext_authz
            .iter()
            .any(|settings| is(settings, "disabled"))
    });
    let found = disabled.map(|route| {
        let place = format!("{}, route {}", chain.place, route.matches);
        Finding::look(
            &place,
            "`disabled: true`: nothing is asked here",
            "# remove it and add a route with `public: true` to Subzero, which counts what passes",
        )
    });
    found.collect()
}

const FILTER: &str = "\
http_filters:   # before envoy.filters.http.router
  - name: envoy.filters.http.ext_authz
    typed_config:
      \"@type\": type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz
      transport_api_version: V3
      grpc_service: { envoy_grpc: { cluster_name: subzero }, timeout: 0.5s }
      failure_mode_allow: false
      status_on_error: { code: ServiceUnavailable }
      validate_mutations: true
      encode_raw_headers: true
      with_request_body: { max_request_bytes: 65536, allow_partial_message: true, pack_as_bytes: true }";
