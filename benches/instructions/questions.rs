//! What is asked, as Envoy sends it with `envoy/raw/sidecar.yaml`: raw headers, restricted to what
//! policies read, and the body as bytes.

use crate::{
    scene::{ISSUER, STORE, prompt},
    support::keys::{self, Algorithm, Key, Token},
};
use envoy_types::pb::envoy::{
    config::core::v3::{HeaderMap, HeaderValue},
    service::auth::v3::{
        AttributeContext, CheckRequest,
        attribute_context::{HttpRequest, Request},
    },
};

const CONFIG: &str = "
permission: { store_file: store.fga.yaml }
routes:
  - { name: open, match: { path: /open }, public: true }
  - { name: token, match: { path: /token }, identity: { issuers: [main] } }
  - name: document
    match: { path: '/docs/{id}' }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: viewer, object: 'document:{path.id}' }
  - name: chat
    match: { path: /chat }
    identity: { issuers: [main] }
    screening: { injection: deny, secrets: deny, personal_data: flag }
";

#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) request: CheckRequest,
    pub(crate) allowed: bool,
}

#[derive(Debug)]
pub(crate) struct All {
    pub(crate) config: String,
    pub(crate) files: [(&'static str, String); 2],
    pub(crate) plain: Question,
    pub(crate) prompt: Question,
    open: Question,
    denied: Question,
    permission: Question,
}

impl All {
    /// Everything that Subzero is asked, in the order of the table.
    pub(crate) fn named(&self) -> [(&'static str, &Question); 5] {
        [
            ("public route", &self.open),
            ("no token: denied", &self.denied),
            ("token seen before", &self.plain),
            ("token + permission", &self.permission),
            ("token + 1 KB prompt", &self.prompt),
        ]
    }
}

pub(crate) fn all() -> All {
    let key = Key::generate(Algorithm::Rs256, "k");
    let token = Token::new(ISSUER, "api", "alice").sign(&key);
    let issuer = format!(
        "identity:\n  issuers: {{ main: {{ issuer: '{ISSUER}', jwks_file: keys.json, audiences: any }} }}\n"
    );
    let bearer = Some(token.as_str());
    let question = |path: &str, bearer, body| Question {
        request: request(path, bearer, body),
        allowed: true,
    };
    All {
        config: issuer + CONFIG,
        files: [
            ("keys.json", keys::jwks(&[&key]).to_string()),
            ("store.fga.yaml", STORE.to_owned()),
        ],
        plain: question("/token", bearer, None),
        prompt: question("/chat", bearer, Some(prompt())),
        open: question("/open", None, None),
        denied: Question {
            allowed: false,
            ..question("/token", None, None)
        },
        permission: question("/docs/roadmap", bearer, None),
    }
}

fn request(path: &str, bearer: Option<&str>, body: Option<String>) -> CheckRequest {
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
