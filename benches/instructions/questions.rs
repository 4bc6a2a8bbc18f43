//! What is asked, and what comes of it.

use crate::{
    scene::{ISSUER, STORE, prompt, request},
    support::keys::{self, Algorithm, Key, Token},
};
use envoy_types::pb::envoy::service::auth::v3::CheckRequest;

const CONFIG: &str = "
permission: { store_file: store.fga.yaml }
screening: { cache: 0 }
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
