//! What the operator says in Envoy's own configuration: context extensions and route metadata.

use serde_json::json;

use crate::{
    cases::{deny, pass, run},
    support::client::Request,
    world::World,
};

const RULES: &str = "
identity:
  issuers:
    main: { issuer: 'https://issuer.example/', jwks_file: keys.json, audiences: any }
permission: { store_file: store.fga.yaml }
routes:
  - name: matched
    match: { path: /matched, context: { tenant: acme } }
    public: true
  - name: other-tenant
    match: { path: /other, context: { tenant: other } }
    public: true
  - name: from-context
    match: { path: /context }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: can_view, object: 'document:{context.document}' }
  - name: from-metadata
    match: { path: /metadata }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: can_view, object: 'document:{metadata.com.example.policy.document}' }
  - name: not-sent
    match: { path: /not-sent }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: can_view, object: 'document:{metadata.com.example.secret.document}' }
";

#[tokio::test(flavor = "multi_thread")]
async fn context_extensions_and_route_metadata_are_read() {
    let extensions = json!({"tenant": "acme", "document": "own"});
    let metadata = json!({"filter_metadata": {
        "com.example.policy": {"document": "direct"},
        "com.example.secret": {"document": "direct"},
    }});
    let world = World::with(RULES, |envoy| {
        envoy
            .with(
                "check_settings: { disable_request_body_buffering: true }",
                &format!("check_settings: {{ disable_request_body_buffering: true, context_extensions: {extensions} }}"),
            )
            .with(
                "route: { cluster: service }\n",
                &format!("route: {{ cluster: service }}\n                          metadata: {metadata}\n"),
            )
            .with(
                "encode_raw_headers: true",
                "encode_raw_headers: true\n                      route_metadata_context_namespaces: [com.example.policy]",
            )
    })
    .await;
    let alice = |path: &str| Request::get(path).bearer(&world.keys.token("alice"));
    let bob = |path: &str| Request::get(path).bearer(&world.keys.token("bob"));
    let cases = vec![
        pass(
            "matched by an extension",
            Request::get("/matched"),
            "/matched",
        ),
        deny("another tenant's", Request::get("/other"), 403, "no_route"),
        deny(
            "extension by header",
            Request::get("/other").header("tenant", "other"),
            403,
            "no_route",
        ),
        pass("object from an extension", alice("/context"), "/context").subject("alice"),
        deny(
            "object from an extension, not for bob",
            bob("/context"),
            403,
            "permission_denied",
        ),
        pass("object from metadata", alice("/metadata"), "/metadata").subject("alice"),
        deny(
            "object from metadata, not for bob",
            bob("/metadata"),
            403,
            "permission_denied",
        ),
        deny(
            "metadata that Envoy does not send",
            alice("/not-sent"),
            403,
            "missing_input",
        ),
    ];
    run(&world, cases, 8).await;
}
