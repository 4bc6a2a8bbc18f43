//! What grows, and the configuration and question for each size of it.

use std::fmt::Write as _;

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use serde_json::json;

use crate::{
    scene::{ISSUER, STORE, request},
    support::keys::{self, Algorithm, Key, Token},
};

/// What there may be more or less of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    Routes,
    Issuers,
    Tuples,
    Scopes,
    Body,
    InFlight,
}

/// A server to start and what to ask it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) config: String,
    pub(crate) files: Vec<(String, String)>,
    /// Asked in turn.
    pub(crate) questions: Vec<CheckRequest>,
    pub(crate) in_flight: usize,
}

impl Cause {
    pub(crate) const ALL: [Self; 6] = [
        Self::Routes,
        Self::Issuers,
        Self::Tuples,
        Self::Scopes,
        Self::Body,
        Self::InFlight,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Routes => "routes",
            Self::Issuers => "issuers",
            Self::Tuples => "tuples",
            Self::Scopes => "scopes a route asks for",
            Self::Body => "bytes of a prompt",
            Self::InFlight => "checks in flight",
        }
    }

    pub(crate) fn sizes(self) -> &'static [u32] {
        match self {
            Self::Routes => &[10, 100, 1_000, 10_000],
            Self::Issuers | Self::Scopes => &[1, 10, 100],
            Self::Tuples => &[100, 1_000, 10_000, 100_000, 1_000_000],
            Self::Body => &[1_024, 4_096, 16_384, 65_536, 262_144, 1_048_576],
            Self::InFlight => &[1, 10, 100, 1_000, 10_000],
        }
    }

    /// The last of so many, where there is an order.
    pub(crate) fn scene(self, size: u32) -> Scene {
        let key = Key::generate(Algorithm::Rs256, "k");
        let mut scene = Base::new();
        match self {
            Self::Routes => {
                scene.routes.clear();
                for number in 1..=size {
                    let _ = writeln!(
                        scene.routes,
                        "  - {{ name: route-{number}, match: {{ path: '/service-{number}/{{id}}' }}, identity: {{ issuers: [main] }} }}"
                    );
                }
                scene.path = format!("/service-{size}/1");
            }
            Self::Issuers => {
                for number in 1..size {
                    let _ = write!(
                        scene.issuers,
                        ", other-{number}: {{ issuer: '{ISSUER}{number}', jwks_file: keys.json, audiences: any }}"
                    );
                }
            }
            Self::Tuples => {
                for number in 1..size {
                    let _ = writeln!(
                        scene.store,
                        "  - {{ user: 'user:u{}', relation: viewer, object: 'document:d{number}' }}",
                        number % 1_000
                    );
                }
            }
            Self::Scopes => {
                let scopes: Vec<String> =
                    (1..=size).map(|number| format!("part:{number}")).collect();
                scene.token = scene.token.scope(&scopes.join(" "));
                scene.routes = format!(
                    "  - {{ name: scopes, match: {{ path: '/docs/{{id}}' }}, identity: {{ issuers: [main], scopes: [{}] }} }}\n",
                    scopes.join(", ")
                );
            }
            Self::Body => {
                "/chat".clone_into(&mut scene.path);
                // As many as are asked at once and more: what is the same is screened once.
                scene.bodies = (0..48)
                    .map(|first| Some(prompt(first, size as usize)))
                    .collect();
            }
            Self::InFlight => scene.in_flight = size as usize,
        }
        scene.finish(&key)
    }
}

/// A scene that is still being changed.
struct Base {
    issuers: String,
    routes: String,
    store: String,
    token: Token,
    path: String,
    bodies: Vec<Option<String>>,
    in_flight: usize,
}

impl Base {
    fn new() -> Self {
        Self {
            issuers: format!(
                "main: {{ issuer: '{ISSUER}', jwks_file: keys.json, audiences: any }}"
            ),
            routes: ROUTES.to_owned(),
            store: STORE.to_owned(),
            token: Token::new(ISSUER, "api", "alice"),
            path: "/docs/roadmap".to_owned(),
            bodies: vec![None],
            in_flight: 32,
        }
    }

    fn finish(self, key: &Key) -> Scene {
        let bearer = self.token.sign(key);
        Scene {
            config: format!(
                "identity: {{ issuers: {{ {} }} }}\npermission: {{ store_file: store.fga.yaml }}\nscreening: {{ max_body: 2MiB, max_text: 2MiB, cache: 0 }}\nlimits: {{ deadline: 5s }}\nadmission: {{ min: 16384 }}\nroutes:\n{}",
                self.issuers, self.routes
            ),
            files: vec![
                ("keys.json".to_owned(), keys::jwks(&[key]).to_string()),
                ("store.fga.yaml".to_owned(), self.store),
            ],
            questions: self
                .bodies
                .into_iter()
                .map(|body| request(&self.path, Some(&bearer), body))
                .collect(),
            in_flight: self.in_flight,
        }
    }
}

const ROUTES: &str = "  - name: document
    match: { path: '/docs/{id}' }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: viewer, object: 'document:{path.id}' }
  - name: chat
    match: { path: /chat }
    identity: { issuers: [main] }
    screening: { injection: flag, secrets: flag, personal_data: flag }
";

/// A harmless chat of so many bytes, no sentence twice.
fn prompt(first: usize, size: usize) -> String {
    let body = |content: &str| {
        json!({ "model": "small", "messages": [{ "role": "user", "content": content }] })
            .to_string()
    };
    let mut text = String::new();
    for number in first.. {
        if text.len() > size {
            break;
        }
        let _ = write!(
            text,
            "In week {number} of the plan the garden group talked about bed {}, and who looks after it until spring. ",
            number * 7 % 31
        );
    }
    let room = size - body("").len();
    body(&text[..room])
}
