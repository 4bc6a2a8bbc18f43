//! Envoy as shipped, Subzero as built, a service that tells what reached it, and keys to sign with.

use std::fs;

use serde_json::json;

use crate::support::{
    client::{Request, Response},
    envoy::{self, Envoy},
    keys::{self, Algorithm, Key, Token},
    subzero::{self, Subzero},
    upstream::{Received, Upstream},
};

pub(crate) const ISSUER: &str = "https://issuer.example/";
pub(crate) const AUDIENCE: &str = "https://api.example";
pub(crate) const PARTNER: &str = "https://partner.example/";

/// Everything running.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) subzero: Subzero,
    pub(crate) envoy: Envoy,
    pub(crate) service: Upstream,
    pub(crate) keys: Keys,
}

/// One key of each default algorithm, all in the key set.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) rs256: Key,
    pub(crate) es256: Key,
    pub(crate) eddsa: Key,
}

impl Keys {
    pub(crate) fn generate() -> Self {
        Self {
            rs256: Key::generate(Algorithm::Rs256, "rs"),
            es256: Key::generate(Algorithm::Es256, "es"),
            eddsa: Key::generate(Algorithm::EdDsa, "ed"),
        }
    }

    pub(crate) fn jwks(&self) -> String {
        keys::jwks(&[&self.rs256, &self.es256, &self.eddsa]).to_string()
    }

    /// A good token about `subject`.
    pub(crate) fn token(&self, subject: &str) -> String {
        token(subject).sign(&self.rs256)
    }
}

/// A good token about `subject`, yet to be changed and signed.
pub(crate) fn token(subject: &str) -> Token {
    Token::new(ISSUER, AUDIENCE, subject)
}

/// A file of `tests/it/data`.
pub(crate) fn data(name: &str) -> String {
    let path = format!("{}/tests/it/data/{name}", env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("read {path}: {error}"))
}

/// Subzero with this configuration, the tests' store and `keys`; not started yet.
pub(crate) fn subzero(config: &str, keys: &Keys) -> subzero::Setup {
    subzero::Setup::new(env!("CARGO_BIN_EXE_subzero"), config)
        .file("keys.json", keys.jwks())
        .file("store.fga.yaml", data("store.fga.yaml"))
}

impl World {
    /// With the tests' configuration behind `envoy/raw/sidecar.yaml` as it stands.
    pub(crate) async fn start() -> Self {
        Self::with(&data("subzero.yaml"), |envoy| envoy).await
    }

    /// With this configuration, and with changes to Envoy's.
    pub(crate) async fn with(
        config: &str,
        change: impl FnOnce(envoy::Setup) -> envoy::Setup,
    ) -> Self {
        let keys = Keys::generate();
        let service = Upstream::start().await;
        let subzero = subzero(config, &keys).start().await;
        let setup = envoy::Setup::new("sidecar.yaml", service.address, &subzero.socket);
        let envoy = change(setup).start().await;
        Self {
            subzero,
            envoy,
            service,
            keys,
        }
    }

    /// With this configuration and the files that it names beside those of every world.
    pub(crate) async fn with_files(config: &str, files: &[(&str, &str)]) -> Self {
        let keys = Keys::generate();
        let service = Upstream::start().await;
        let setup = files
            .iter()
            .fold(subzero(config, &keys), |setup, (name, text)| {
                setup.file(name, text)
            });
        let subzero = setup.start().await;
        let envoy = envoy::Setup::new("sidecar.yaml", service.address, &subzero.socket);
        let envoy = envoy.start().await;
        Self {
            subzero,
            envoy,
            service,
            keys,
        }
    }

    /// Sends through Envoy.
    pub(crate) async fn send(&self, request: Request) -> Response {
        request.send(self.envoy.address).await
    }
}

/// Something that stands before a service.
pub(crate) trait Exchange {
    /// Sends through it, and what the service received of it.
    async fn exchange(&self, mark: &str, request: Request) -> (Response, Vec<Received>);
}

impl Exchange for World {
    async fn exchange(&self, mark: &str, request: Request) -> (Response, Vec<Received>) {
        let response = self.send(request.header("x-case", mark)).await;
        (response, self.service.received_with("x-case", mark))
    }
}

/// A chat completion with one user message.
pub(crate) fn chat(text: &str) -> Request {
    Request::post(
        "/v1/chat/completions",
        &json!({"model": "gpt-test", "messages": [{"role": "user", "content": text}]}),
    )
}
