//! Envoy on core 0 with one listener a case, each with the filter that the case is about.

use std::{
    collections::BTreeMap, fs, net::SocketAddr, path::PathBuf, process::Command, time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    ask::Peer,
    cases::{Case, Filter},
    support::{ports, process::Process, tools},
};

const START: Duration = Duration::from_secs(20);
const HTTP: &str = "type.googleapis.com/envoy.extensions.filters.http";

/// A running Envoy.
#[derive(Debug)]
pub(crate) struct Envoy {
    pub(crate) process: Process,
    /// One a case, in the cases' order.
    pub(crate) listeners: Vec<SocketAddr>,
    _dir: TempDir,
}

/// Starts it and waits until every listener accepts.
pub(crate) async fn start(cases: &[Case]) -> Envoy {
    let dir = tempfile::tempdir().expect("make a folder");
    let listeners: Vec<SocketAddr> = cases.iter().map(|_| ports::local(ports::free())).collect();
    let path = dir.path().join("envoy.json");
    fs::write(&path, configuration(cases, &listeners).to_string()).expect("write a file");
    let mut command = Command::new("taskset");
    command
        .args(["-c", "0"])
        .arg(tools::envoy())
        .arg("-c")
        .arg(path)
        .args([
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--log-level",
            "error",
        ]);
    let mut process = Process::start("envoy", command, dir.path());
    for listener in &listeners {
        process.until_accepting(*listener, START).await;
    }
    Envoy {
        process,
        listeners,
        _dir: dir,
    }
}

fn configuration(cases: &[Case], listeners: &[SocketAddr]) -> Value {
    let mut peers: BTreeMap<String, &Peer> = BTreeMap::new();
    for case in cases {
        if let Filter::ExtAuthz(peer) | Filter::ExtAuthzText(peer) = &case.filter {
            peers.insert(cluster_name(peer), peer);
        }
    }
    let clusters: Vec<Value> = peers
        .iter()
        .map(|(name, peer)| cluster(name, peer))
        .collect();
    let listeners: Vec<Value> = cases
        .iter()
        .zip(listeners)
        .map(|(case, address)| listener(case, *address))
        .collect();
    json!({ "static_resources": { "listeners": listeners, "clusters": clusters } })
}

fn listener(case: &Case, address: SocketAddr) -> Value {
    let mut filters: Vec<Value> = Vec::new();
    match &case.filter {
        Filter::None => {}
        Filter::JwtAuthn { jwks, cached } => filters.push(jwt_authn(jwks, *cached)),
        Filter::ExtAuthz(peer) => filters.push(ext_authz(peer, case.body.is_some(), true)),
        Filter::ExtAuthzText(peer) => filters.push(ext_authz(peer, case.body.is_some(), false)),
    }
    // So that the cases with a body wait for it where nothing else does.
    if case.body.is_some() && !matches!(case.filter, Filter::ExtAuthz(_)) {
        filters.insert(
            0,
            filter(
                "buffer",
                "buffer.v3.Buffer",
                &json!({ "max_request_bytes": 65536 }),
            ),
        );
    }
    filters.push(filter("router", "router.v3.Router", &json!({})));
    json!({
        "name": case.name,
        "address": socket(&Peer::Tcp(address)),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                "stat_prefix": "ingress",
                "codec_type": "HTTP1",
                "http_filters": filters,
                "route_config": { "virtual_hosts": [{
                    "name": "all", "domains": ["*"],
                    "routes": [{ "match": { "prefix": "/" }, "direct_response": { "status": 200, "body": { "inline_string": "ok" } } }],
                }] },
            },
        }] }],
    })
}

/// As in `envoy/raw/sidecar.yaml`.
fn ext_authz(peer: &Peer, body: bool, raw: bool) -> Value {
    let ours = [
        "x-subzero",
        "x_subzero",
        "x-envoy-auth",
        "x-envoy_auth",
        "x_envoy",
    ];
    let patterns: Vec<Value> = [
        "authorization",
        "content-type",
        "content-length",
        "content-encoding",
        "x-request-id",
        "user-agent",
    ]
    .iter()
    .map(|name| json!({ "exact": name }))
    .chain(ours.map(|prefix| json!({ "prefix": prefix })))
    .collect();
    let mut settings = json!({
        "transport_api_version": "V3",
        "grpc_service": {
            "envoy_grpc": { "cluster_name": cluster_name(peer), "authority": "x-subzero-shown" },
            "timeout": "2s",
        },
        "failure_mode_allow": false,
        "status_on_error": { "code": "ServiceUnavailable" },
        "validate_mutations": true,
        "encode_raw_headers": raw,
        "allowed_headers": { "patterns": patterns },
    });
    if body {
        settings["with_request_body"] = json!({
            "max_request_bytes": 65536, "allow_partial_message": true, "pack_as_bytes": true,
        });
    }
    filter("ext_authz", "ext_authz.v3.ExtAuthz", &settings)
}

fn jwt_authn(jwks: &str, cached: bool) -> Value {
    let mut provider = json!({
        "issuer": crate::scene::ISSUER,
        "local_jwks": { "inline_string": jwks },
        "forward": true,
    });
    if cached {
        provider["jwt_cache_config"] = json!({ "jwt_cache_size": 100 });
    }
    filter(
        "jwt_authn",
        "jwt_authn.v3.JwtAuthentication",
        &json!({
            "providers": { "main": provider },
            "rules": [{ "match": { "prefix": "/" }, "requires": { "provider_name": "main" } }],
        }),
    )
}

fn filter(name: &str, kind: &str, settings: &Value) -> Value {
    let mut typed = settings.clone();
    typed["@type"] = json!(format!("{HTTP}.{kind}"));
    json!({ "name": format!("envoy.filters.http.{name}"), "typed_config": typed })
}

fn cluster(name: &str, peer: &Peer) -> Value {
    let thresholds =
        json!([{ "max_connections": 1024, "max_pending_requests": 16384, "max_requests": 16384 }]);
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "0.25s",
        "circuit_breakers": { "thresholds": thresholds },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": {} },
            },
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": socket(peer) } }] }],
        },
    })
}

fn cluster_name(peer: &Peer) -> String {
    match peer {
        Peer::Tcp(address) => address.to_string(),
        // Envoy sends it as the authority, which cannot have slashes.
        Peer::Unix(path) => path.display().to_string().replace('/', "-"),
    }
}

fn socket(peer: &Peer) -> Value {
    match peer {
        Peer::Tcp(address) => json!({ "socket_address": {
            "address": address.ip().to_string(), "port_value": address.port(),
        } }),
        Peer::Unix(path) => json!({ "pipe": { "path": PathBuf::from(path) } }),
    }
}
