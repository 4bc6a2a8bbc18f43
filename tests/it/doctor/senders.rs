//! What shows a token's sender has to arrive: the doctor finds where it cannot, and no more than that.

use std::{fs, path::Path};

use super::{envoy, examine, says};
use crate::support::{
    keys::{self, Algorithm, Key},
    tls::Authority,
    tools,
};

/// A configuration with one route of each kind, as a file.
fn config(folder: &Path, routes: &str) -> String {
    let key = Key::generate(Algorithm::Es256, "k");
    let keys = keys::jwks(&[&key]).to_string();
    fs::write(folder.join("keys.json"), keys).expect("write a file");
    let text = format!(
        "identity: {{ issuers: {{ main: {{ issuer: 'https://main.example/', jwks_file: keys.json, audiences: any }} }} }}\nroutes:\n{routes}"
    );
    let path = folder.join("subzero.yaml");
    fs::write(&path, text).expect("write a file");
    path.to_str().expect("UTF-8").to_owned()
}

fn route(name: &str, sender: &str) -> String {
    format!(
        "  - {{ name: {name}, match: {{ path: /{name} }}, identity: {{ issuers: [main], sender: {sender} }} }}\n"
    )
}

#[tokio::test]
async fn a_proof_that_envoy_keeps_to_itself_is_missed() {
    let folder = tempfile::tempdir().expect("make a folder");
    let config = config(folder.path(), &route("bound", "dpop"));
    let whole = envoy(|setup| setup).await;
    let admin = format!("http://{}", whole.admin);
    let (code, found) = examine(&[&admin, "--config", &config]).await;
    assert!(found.iter().all(|[how, ..]| how == "good"), "{found:#?}");
    assert_eq!(code, 0);

    let kept = envoy(|setup| setup.with("- exact: dpop", "- exact: x-else")).await;
    let admin = format!("http://{}", kept.admin);
    let (code, found) = examine(&[&admin, "--config", &config]).await;
    let words = "leaves `dpop` out: tokens that are bound to a key come without their proof: routes that need it (`bound`)";
    assert!(says(&found, "wrong", words), "{found:#?}");
    assert_eq!(code, 1);
    // Without our configuration nobody knows whether that is meant.
    let (code, found) = examine(&[&admin]).await;
    assert!(says(&found, "look", "leaves `dpop` out"), "{found:#?}");
    assert_eq!(code, 0);
}

#[tokio::test]
async fn a_certificate_needs_tls_here_a_listener_that_asks_and_a_filter_that_tells() {
    let folder = tempfile::tempdir().expect("make a folder");
    let routes = route("bound", "mtls")
        + "  - { name: mesh, match: { path: /mesh }, permission: { user: 'user:{source.principal}', relation: viewer, object: 'document:1' } }\n";
    let store = "model: |\n  model\n    schema 1.1\n  type user\n  type document\n    relations\n      define viewer: [user]\n";
    fs::write(folder.path().join("store.fga.yaml"), store).expect("write a file");
    let routes = format!("{routes}permission: {{ store_file: store.fga.yaml }}\n");
    let config = config(folder.path(), &routes);
    let authority = Authority::new();

    let plain = envoy(|setup| setup).await;
    let admin = format!("http://{}", plain.admin);
    let (code, found) = examine(&[&admin, "--config", &config]).await;
    for route in ["`bound`", "`mesh`"] {
        let of_it = |found: &&[String; 3]| found[2].contains(route);
        let said = found
            .iter()
            .find(of_it)
            .unwrap_or_else(|| panic!("{found:#?}"));
        assert!(
            said[0] == "wrong" && said[2].contains("has no TLS"),
            "{said:?}"
        );
    }
    assert_eq!(code, 1);

    let guarded = envoy(|setup| authority.guard(setup)).await;
    let admin = format!("http://{}", guarded.admin);
    let (code, found) = examine(&[&admin, "--config", &config]).await;
    assert!(found.iter().all(|[how, ..]| how == "good"), "{found:#?}");
    assert_eq!(code, 0);

    let kept = envoy(|setup| {
        let setup = authority.guard(setup);
        setup.with("include_peer_certificate: true\n", "\n")
    })
    .await;
    let admin = format!("http://{}", kept.admin);
    let (code, found) = examine(&[&admin, "--config", &config]).await;
    assert!(
        says(&found, "wrong", "`include_peer_certificate` is off"),
        "{found:#?}"
    );
    // The principal comes without the certificate.
    assert!(!says(&found, "wrong", "`mesh`"), "{found:#?}");
    assert_eq!(code, 1);
}

#[tokio::test]
async fn over_http_no_certificate_can_be_told_but_either_proof_will_do() {
    let folder = tempfile::tempdir().expect("make a folder");
    let over_http = tools::root().join("envoy/raw/http.yaml");
    let over_http = over_http.to_str().expect("UTF-8");
    let mtls = config(folder.path(), &route("bound", "mtls"));
    let (code, found) = examine(&[over_http, "--config", &mtls]).await;
    assert!(says(&found, "wrong", "asks over HTTP"), "{found:#?}");
    assert_eq!(code, 1);
    let either = config(folder.path(), &route("bound", "any"));
    let (code, found) = examine(&[over_http, "--config", &either]).await;
    assert!(found.iter().all(|[how, ..]| how == "good"), "{found:#?}");
    assert_eq!(code, 0);
}

#[tokio::test]
async fn a_service_that_is_told_what_clients_say_of_their_certificates_is_shown() {
    let stat = "stat_prefix: ingress\n";
    let forwards =
        format!("{stat}                forward_client_cert_details: ALWAYS_FORWARD_ONLY\n");
    let envoy = envoy(|setup| setup.with(stat, &forwards)).await;
    let (code, found) = examine(&[&format!("http://{}", envoy.admin)]).await;
    assert!(
        says(&found, "look", "any client can tell your service"),
        "{found:#?}"
    );
    assert_eq!(code, 0);
}

#[tokio::test]
async fn what_one_listener_cannot_carry_another_may() {
    let folder = tempfile::tempdir().expect("make a folder");
    let config = config(folder.path(), &route("bound", "mtls"));
    let text = fs::read_to_string(tools::root().join("envoy/raw/sidecar.yaml")).expect("is there");
    let both: serde_json::Value = serde_saphyr::from_str(&text).expect("YAML");
    let mut guarded = both["static_resources"]["listeners"][0].clone();
    guarded["name"] = "guarded".into();
    let tls = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
    for (asks, severity) in [(true, "look"), (false, "wrong")] {
        guarded["filter_chains"][0]["transport_socket"]["typed_config"] =
            serde_json::json!({ "@type": tls, "require_client_certificate": asks });
        let mut both = both.clone();
        both["static_resources"]["listeners"]
            .as_array_mut()
            .expect("listeners")
            .push(guarded.clone());
        let path = folder.path().join("envoy.json");
        fs::write(&path, both.to_string()).expect("write a file");
        let path = path.to_str().expect("UTF-8");
        let (code, found) = examine(&[path, "--config", &config]).await;
        assert!(says(&found, severity, "has no TLS"), "{found:#?}");
        assert_eq!(says(&found, "wrong", "does not ask clients"), !asks);
        assert_eq!(code, i32::from(!asks));
    }
}
