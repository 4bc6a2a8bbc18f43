//! Can Subzero be reached: the cluster is there, speaks HTTP/2, and lets enough checks through.

use serde_json::Value;

use super::{finding::Finding, proxy::Proxy};
use crate::config::Loaded;

pub(super) fn examine(proxy: &Proxy, loaded: Option<&Loaded>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (name, settings) in proxy.asked() {
        let place = format!("cluster `{name}`");
        let Some(cluster) = proxy.clusters.get(name) else {
            found.push(Finding::wrong(
                &place,
                "is asked, but there is no such cluster",
                CLUSTER,
            ));
            continue;
        };
        let is_grpc = settings.get("grpc_service").is_some();
        if is_grpc && !speaks_http2(cluster) {
            found.push(Finding::wrong(
                &place,
                "does not speak HTTP/2, and gRPC needs it",
                HTTP2,
            ));
        }
        if cluster.pointer("/circuit_breakers/thresholds").is_none() {
            found.push(Finding::look(
                &place,
                "has Envoy's default circuit breaker: of more than 1,024 checks at a time the rest are refused without being asked",
                BREAKER,
            ));
        }
        found.extend(loaded.and_then(|loaded| waits(&place, settings, loaded)));
    }
    found
}

fn speaks_http2(cluster: &Value) -> bool {
    let options = cluster.get("typed_extension_protocol_options");
    cluster.get("http2_protocol_options").is_some()
        || options.is_some_and(|options| options.to_string().contains("http2_protocol_options"))
}

/// Envoy must not give up before Subzero does: its answer could not be told apart from a failure.
fn waits(place: &str, settings: &Value, loaded: &Loaded) -> Option<Finding> {
    let text = settings.pointer("/grpc_service/timeout")?.as_str()?;
    let seconds: f64 = text.strip_suffix('s')?.parse().ok()?;
    let deadline = loaded.config.limits.deadline.get().as_secs_f64();
    (seconds < deadline).then(|| {
        let what = format!(
            "Envoy waits {seconds} s and `limits.deadline` is {deadline} s: Subzero shortens its own to what Envoy grants, so set them alike to see the same number in both"
        );
        Finding::look(place, what, "# grpc_service.timeout = limits.deadline")
    })
}

const HTTP2: &str = "\
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: { http2_protocol_options: { connection_keepalive: { interval: 10s, timeout: 2s } } }";

const BREAKER: &str = "circuit_breakers: { thresholds: [{ max_connections: 1024, max_pending_requests: 16384, max_requests: 16384 }] }";

const CLUSTER: &str = "\
clusters:
  - name: subzero
    type: STATIC
    connect_timeout: 0.25s
    load_assignment:
      cluster_name: subzero
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: /run/subzero/subzero.sock } } } }] }]
    # and HTTP/2, see envoy/raw/sidecar.yaml";
