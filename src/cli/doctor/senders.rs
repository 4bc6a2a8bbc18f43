//! Does what shows a token's sender arrive: the proof (`DPoP`) or the connection's certificate.
//!
//! What a reader would get wrong: a certificate that another proxy tells of in
//! `x-forwarded-client-cert` is not believed by Subzero, since whoever reaches it could write one. TLS has
//! to end at the Envoy that asks. And which of Subzero's routes a listener serves is not known here, so a
//! listener that cannot carry a proof is only `wrong` where no other one can either.

use super::{
    finding::{Finding, Severity},
    headers::shows,
    proxy::{Chain, Filter, Proxy},
};
use crate::config::Loaded;

pub(super) fn examine(proxy: &Proxy, loaded: Option<&Loaded>) -> Vec<Finding> {
    let asking: Vec<(&Chain, &Filter)> = proxy
        .chains
        .iter()
        .filter_map(|chain| Some((chain, chain.ext_authz()?)))
        .collect();
    let mut found = Vec::new();
    for (chain, filter) in &asking {
        found.extend(forwarded(chain));
        if loaded.is_none() {
            found.extend(
                proof(filter).map(|lack| Finding::look(&chain.place, lack.what, lack.cure)),
            );
        }
    }
    let wants = loaded.map(Wants::read).unwrap_or_default();
    let of =
        |names: &[String], lack: fn(&Chain, &Filter) -> Option<Lack>| lacking(&asking, names, lack);
    found.extend(of(&wants.dpop, |_, filter| proof(filter)));
    found.extend(of(&wants.mtls, certificate));
    found.extend(of(&wants.principal, |chain, _| asks_for_one(chain)));
    // Either will do, so both have to be missing.
    found.extend(of(&wants.any, |chain, filter| {
        proof(filter).filter(|_| certificate(chain, filter).is_some())
    }));
    found
}

/// Why something does not arrive, and the YAML that cures it.
struct Lack {
    what: &'static str,
    cure: &'static str,
}

/// Names of Subzero's routes, by what they want to be shown.
#[derive(Default)]
struct Wants {
    any: Vec<String>,
    dpop: Vec<String>,
    mtls: Vec<String>,
    principal: Vec<String>,
}

impl Wants {
    fn read(loaded: &Loaded) -> Self {
        let mut wants = Self::default();
        for route in &loaded.config.routes {
            let Ok(written) = serde_json::to_value(route) else {
                continue;
            };
            let name = format!("`{}`", written["name"].as_str().unwrap_or_default());
            let sender = written.pointer("/identity/sender");
            match sender.and_then(serde_json::Value::as_str) {
                Some("any") => wants.any.push(name.clone()),
                Some("dpop") => wants.dpop.push(name.clone()),
                Some("mtls") => wants.mtls.push(name.clone()),
                _ => {}
            }
            if written.to_string().contains("{source.principal}") {
                wants.principal.push(name);
            }
        }
        wants
    }
}

/// Listeners over which `lack` says that these routes' callers can never pass.
fn lacking(
    asking: &[(&Chain, &Filter)],
    routes: &[String],
    lack: fn(&Chain, &Filter) -> Option<Lack>,
) -> Vec<Finding> {
    if routes.is_empty() {
        return Vec::new();
    }
    let lacks: Vec<(&str, Lack)> = asking
        .iter()
        .filter_map(|(chain, filter)| Some((&*chain.place, lack(chain, filter)?)))
        .collect();
    let severity = if lacks.len() == asking.len() {
        Severity::Wrong
    } else {
        Severity::Look
    };
    let say = |(place, lack): (&str, Lack)| {
        let what = format!(
            "{}: routes that need it ({}) refuse every request that comes in here",
            lack.what,
            routes.join(", ")
        );
        Finding::new(severity, place, what, Some(lack.cure))
    };
    lacks.into_iter().map(say).collect()
}

fn proof(filter: &Filter) -> Option<Lack> {
    (!shows(&filter.settings, "dpop")).then_some(Lack {
        what: "`allowed_headers` leaves `dpop` out: tokens that are bound to a key come without their proof",
        cure: "allowed_headers: { patterns: [{ exact: dpop }] }",
    })
}

/// From the client to Envoy, and from Envoy to Subzero.
fn certificate(chain: &Chain, filter: &Filter) -> Option<Lack> {
    if filter.settings.get("http_service").is_some() {
        return Some(Lack {
            what: "asks over HTTP, where the client's certificate cannot be told",
            cure: "# ask over gRPC: `grpc_service`, as in envoy/raw/sidecar.yaml",
        });
    }
    if filter.settings["include_peer_certificate"].as_bool() != Some(true) {
        return Some(Lack {
            what: "`include_peer_certificate` is off: the client's certificate stays with Envoy",
            cure: "include_peer_certificate: true",
        });
    }
    asks_for_one(chain)
}

fn asks_for_one(chain: &Chain) -> Option<Lack> {
    let Some(tls) = &chain.tls else {
        return Some(Lack {
            what: "has no TLS, so no client shows a certificate; one in `x-forwarded-client-cert` is not believed",
            cure: TLS,
        });
    };
    let validates = [
        "validation_context",
        "validation_context_sds_secret_config",
        "combined_validation_context",
    ];
    let common = &tls["common_tls_context"];
    let asks = tls["require_client_certificate"].as_bool() == Some(true)
        || validates.iter().any(|key| common.get(key).is_some());
    (!asks).then_some(Lack {
        what: "does not ask clients for a certificate",
        cure: TLS,
    })
}

/// What the service is told of certificates is Envoy's own word, or somebody else's.
fn forwarded(chain: &Chain) -> Option<Finding> {
    let how = chain.manager["forward_client_cert_details"].as_str()?;
    let what = match how {
        "ALWAYS_FORWARD_ONLY" => {
            "passes `x-forwarded-client-cert` on as it came: any client can tell your service that it has any certificate"
        }
        "FORWARD_ONLY" => {
            "passes `x-forwarded-client-cert` on as it came over mTLS: any client with a certificate can claim another's"
        }
        _ => return None,
    };
    let what = format!("`forward_client_cert_details: {how}` {what}");
    Some(Finding::look(&chain.place, what, FORWARDED))
}

const TLS: &str = "\
transport_socket:   # of the listener's filter chain
  name: envoy.transport_sockets.tls
  typed_config:
    \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
    require_client_certificate: true   # false: who has none gets in, and is refused where one is needed
    common_tls_context:
      tls_certificates: [{ certificate_chain: { filename: tls.crt }, private_key: { filename: tls.key } }]
      validation_context: { trusted_ca: { filename: client-ca.crt } }";

const FORWARDED: &str = "\
forward_client_cert_details: SANITIZE_SET
set_current_client_cert_details: { subject: true, uri: true }";
