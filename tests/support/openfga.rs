//! A real `OpenFGA` server on loopback, with its store in memory unless a file is given.
//!
//! Stores and models are written through its own API, as its users do.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    client::{Request, Response},
    ports,
    process::Process,
    tools,
};

/// It listens after some 50 ms; a busy machine takes longer.
const START: Duration = Duration::from_secs(20);

/// How often it is started when it does not come up, which on a busy machine may take longer than
/// there is time.
const STARTS: usize = 3;

/// As many tuples as one write takes.
const MOST_WRITTEN: usize = 100;

/// What to start.
#[derive(Debug, Default)]
pub(crate) struct Setup {
    key: Option<String>,
    issuer: Option<[String; 2]>,
    file: Option<PathBuf>,
    http: Option<u16>,
}

/// A model in which users may be viewers of documents.
pub(crate) fn viewers() -> Value {
    json!({
        "schema_version": "1.1",
        "type_definitions": [
            { "type": "user" },
            {
                "type": "document",
                "relations": { "viewer": { "this": {} } },
                "metadata": { "relations": { "viewer": {
                    "directly_related_user_types": [{ "type": "user" }],
                } } },
            },
        ],
    })
}

impl Setup {
    /// Asks every caller for this preshared key.
    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Asks every caller for a token of `issuer` for `audience`; the tests' own calls show `token`.
    pub(crate) fn issuer(mut self, issuer: &str, audience: &str, token: &str) -> Self {
        self.issuer = Some([issuer, audience].map(str::to_owned));
        self.key = Some(token.to_owned());
        self
    }

    /// Keeps everything in this `SQLite` file, so that another server can go on with it.
    pub(crate) fn file(mut self, path: &Path) -> Self {
        self.file = Some(path.to_owned());
        self
    }

    /// Listens on this port.
    pub(crate) fn http(mut self, port: u16) -> Self {
        self.http = Some(port);
        self
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(self) -> OpenFga {
        if let Some(file) = &self.file {
            let mut migrate = Command::new(tools::openfga());
            let migrated = migrate.arg("migrate").args(stored_in(file)).output();
            let migrated = migrated.expect("run openfga");
            assert!(migrated.status.success(), "{migrated:?}");
        }
        let mut failures = Vec::new();
        while failures.len() < STARTS {
            match self.try_start().await {
                Ok(server) => return server,
                Err(why) => failures.push(why),
            }
        }
        panic!("{}", failures.join("\n"));
    }

    async fn try_start(&self) -> Result<OpenFga, String> {
        let dir = tempfile::Builder::new()
            .prefix("subzero-openfga-")
            .tempdir()
            .expect("make a folder");
        let http = ports::local(self.http.unwrap_or_else(ports::free));
        let mut command = Command::new(tools::openfga());
        command.args([
            "run",
            "--playground-enabled=false",
            "--metrics-enabled=false",
        ]);
        command.args(["--log-level", "warn"]);
        command.args(["--http-addr", &http.to_string()]);
        command.args(["--grpc-addr", &ports::local(ports::free()).to_string()]);
        match &self.file {
            Some(file) => command.args(stored_in(file)),
            None => command.args(["--datastore-engine", "memory"]),
        };
        match (&self.issuer, &self.key) {
            (Some([issuer, audience]), _) => {
                command.args(["--authn-method", "oidc", "--authn-oidc-issuer", issuer]);
                command.args(["--authn-oidc-audience", audience]);
            }
            (None, Some(key)) => {
                command.args(["--authn-method", "preshared", "--authn-preshared-keys", key]);
            }
            (None, None) => {}
        }
        let mut process = Process::start("openfga", command, dir.path());
        let ready = async || {
            let answer = Request::get("/healthz").try_send(http).await;
            answer.is_ok_and(|answer| answer.status == 200)
        };
        process.try_until("answer", START, ready).await?;
        Ok(OpenFga {
            http,
            key: self.key.clone(),
            process,
            _dir: dir,
        })
    }
}

fn stored_in(file: &Path) -> [String; 4] {
    let uri = format!("file:{}", file.display());
    ["--datastore-engine", "sqlite", "--datastore-uri", &uri].map(str::to_owned)
}

/// A running server.
#[derive(Debug)]
pub(crate) struct OpenFga {
    pub(crate) http: SocketAddr,
    key: Option<String>,
    pub(crate) process: Process,
    _dir: TempDir,
}

impl OpenFga {
    /// One with the default settings.
    pub(crate) async fn start() -> Self {
        Setup::default().start().await
    }

    /// A new store's id.
    pub(crate) async fn store(&self) -> String {
        id(
            &self.post("/stores", &json!({ "name": "tests" })).await,
            "id",
        )
    }

    /// The id of a model, written in JSON.
    pub(crate) async fn model(&self, store: &str, model: &Value) -> String {
        let written = self.try_model(store, model).await;
        written.unwrap_or_else(|why| panic!("{why}\n{model}"))
    }

    /// As [`OpenFga::model`], for one that may not be valid.
    pub(crate) async fn try_model(&self, store: &str, model: &Value) -> Result<String, String> {
        let path = format!("/stores/{store}/authorization-models");
        let answer = self.ask(&path, model).await;
        match answer.status {
            201 => Ok(id(&answer.json(), "authorization_model_id")),
            _ => Err(answer.text()),
        }
    }

    /// Writes tuples, each as the API has it.
    pub(crate) async fn write(&self, store: &str, model: &str, tuples: &[Value]) {
        for tuples in tuples.chunks(MOST_WRITTEN) {
            let body = json!({
                "authorization_model_id": model,
                "writes": { "tuple_keys": tuples, "on_duplicate": "ignore" },
            });
            self.post(&format!("/stores/{store}/write"), &body).await;
        }
    }

    /// Takes a tuple away.
    pub(crate) async fn delete(&self, store: &str, tuple: &Value) {
        let body = json!({ "deletes": { "tuple_keys": [tuple] } });
        self.post(&format!("/stores/{store}/write"), &body).await;
    }

    /// # Panics
    ///
    /// When the answer is not a good one.
    async fn post(&self, path: &str, body: &Value) -> Value {
        let answer = self.ask(path, body).await;
        let status = answer.status;
        assert!(
            (200..300).contains(&status),
            "{path}: {status} {}",
            answer.text()
        );
        answer.json()
    }

    /// Any answer to a `POST`.
    pub(crate) async fn ask(&self, path: &str, body: &Value) -> Response {
        let mut request = Request::post(path, body);
        if let Some(key) = &self.key {
            request = request.bearer(key);
        }
        request.send(self.http).await
    }
}

fn id(answer: &Value, member: &str) -> String {
    let id = answer[member].as_str();
    id.unwrap_or_else(|| panic!("no `{member}` in {answer}"))
        .to_owned()
}
