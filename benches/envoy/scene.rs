//! What the benches of a whole check ask about: one issuer, one store, one harmless prompt.

use envoy_types::pb::envoy::{
    config::core::v3::{HeaderMap, HeaderValue},
    service::auth::v3::{
        AttributeContext, CheckRequest,
        attribute_context::{HttpRequest, Request},
    },
};
use serde_json::json;

pub(crate) const ISSUER: &str = "https://issuer.example/";

pub(crate) const STORE: &str = "name: bench
model: |
  model
    schema 1.1
  type user
  type group
    relations
      define member: [user]
  type document
    relations
      define owner: [user]
      define viewer: [user, group#member] or owner
tuples:
  - { user: 'user:alice', relation: member, object: 'group:staff' }
  - { user: 'group:staff#member', relation: viewer, object: 'document:roadmap' }
";

/// A harmless chat of a kilobyte.
pub(crate) fn prompt() -> String {
    let text = "Please sum up the minutes of our last meeting for the new colleagues: we talked about \
        the plan for spring, the two open positions, and who looks after the garden. ";
    let body = |content: &str| {
        json!({ "model": "small", "messages": [
            { "role": "system", "content": "You are a friendly clerk." },
            { "role": "user", "content": content },
        ] })
        .to_string()
    };
    let room = 1024 - body("").len();
    body(&text.repeat(10)[..room])
}

/// As Envoy asks with `envoy/raw/sidecar.yaml`: raw headers, restricted to what policies read, and the
/// body as bytes.
pub(crate) fn request(path: &str, bearer: Option<&str>, body: Option<String>) -> CheckRequest {
    let mut headers = vec![
        (":authority", "service.example".to_owned()),
        (
            ":method",
            if body.is_some() { "POST" } else { "GET" }.to_owned(),
        ),
        (":path", path.to_owned()),
        ("content-type", "application/json".to_owned()),
        ("user-agent", "bench/1.0".to_owned()),
        (
            "x-request-id",
            "6b1f3c1e-7f0e-4d8f-9c38-0d2f7a0a2d5c".to_owned(),
        ),
    ];
    headers.extend(bearer.map(|token| ("authorization", format!("Bearer {token}"))));
    headers.extend(
        body.as_ref()
            .map(|body| ("content-length", body.len().to_string())),
    );
    let header = |(key, value): (&str, String)| HeaderValue {
        key: key.to_owned(),
        raw_value: value.into_bytes(),
        ..HeaderValue::default()
    };
    let http = HttpRequest {
        id: "1234567890123456789".into(),
        method: if body.is_some() { "POST" } else { "GET" }.into(),
        path: path.into(),
        host: "service.example".into(),
        scheme: "http".into(),
        protocol: "HTTP/1.1".into(),
        size: body
            .as_ref()
            .map_or(0, |body| i64::try_from(body.len()).expect("short")),
        header_map: Some(HeaderMap {
            headers: headers.into_iter().map(header).collect(),
        }),
        raw_body: body.map(String::into_bytes).unwrap_or_default(),
        ..HttpRequest::default()
    };
    let attributes = AttributeContext {
        request: Some(Request {
            http: Some(http),
            ..Request::default()
        }),
        ..AttributeContext::default()
    };
    CheckRequest {
        attributes: Some(attributes),
    }
}
