//! A real OIDC provider (`oidc-provider`, certified) on loopback: discovery, keys that rotate, tokens.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use base64_simd::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::time::sleep;

use super::{client::Request, keys::Algorithm, process::Process, tools};

/// Node takes about half a second to load it.
const START: Duration = Duration::from_secs(15);

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Audience of every token.
    pub(crate) audience: String,
    /// Scopes that may be asked for, separated by spaces.
    pub(crate) scopes: String,
    /// Client ids; a token's `sub` is its client.
    pub(crate) clients: Vec<String>,
    /// Those that send their secret in a header.
    pub(crate) basic: Vec<String>,
    /// Those that prove themselves with a key: id and public JWK.
    pub(crate) signing: Vec<(String, Value)>,
    /// Those whose tokens say nothing themselves.
    pub(crate) opaque: Vec<String>,
    /// Other audiences, for tokens that are asked for with `audience`.
    pub(crate) named: Vec<String>,
    pub(crate) algorithm: Algorithm,
    /// A token's life in seconds.
    pub(crate) ttl: u32,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            audience: "https://api.example".to_owned(),
            scopes: "chat docs".to_owned(),
            clients: vec!["alice".to_owned(), "bob".to_owned()],
            basic: Vec::new(),
            signing: Vec::new(),
            opaque: vec!["carol".to_owned()],
            named: Vec::new(),
            algorithm: Algorithm::Rs256,
            ttl: 600,
        }
    }
}

impl Setup {
    /// Starts it and waits until it answers.
    pub(crate) async fn start(self) -> Oidc {
        let dir = tempfile::Builder::new()
            .prefix("subzero-oidc-")
            .tempdir()
            .expect("make a folder");
        let settings = json!({
            "state": dir.path().join("keys.json"),
            "resource": self.audience,
            "scopes": self.scopes,
            "clients": self.clients,
            "algorithm": self.algorithm.name(),
            "ttl": self.ttl,
            "basic": self.basic,
            "opaque": self.opaque,
            "named": self.named,
            "signing": self.signing.into_iter().collect::<Map<String, Value>>(),
        });
        let (issuer, process) = start(&settings, dir.path()).await;
        let address = issuer
            .trim_start_matches("http://")
            .parse()
            .expect("an address");
        Oidc {
            issuer,
            audience: self.audience,
            address,
            process,
            settings,
            dir,
        }
    }
}

/// Starts it with `settings` until it prints its issuer.
async fn start(settings: &Value, dir: &Path) -> (String, Process) {
    let once = || {
        let mut command = Command::new(tools::path("oidc", "bin/node"));
        command
            .arg(tools::root().join("tests/oidc/provider.mjs"))
            .arg(tools::path("oidc", "oidc"))
            .arg(settings.to_string());
        Process::start("oidc", command, dir)
    };
    let out = dir.join("oidc.out");
    let mut process = once();
    if let Some(issuer) = first_line(&out).await {
        return (issuer, process);
    }
    // Node 20 hangs at its start once in some hundred times; a second one does not.
    process = once();
    let again = first_line(&out).await;
    let issuer = again
        .unwrap_or_else(|| panic!("oidc did not print its issuer, twice\n{}", process.stderr()));
    (issuer, process)
}

/// The issuer in the first line that it prints, once there is one.
async fn first_line(out: &Path) -> Option<String> {
    let printed = || -> Option<String> {
        let text = fs::read_to_string(out).ok()?;
        let line: Value = serde_json::from_str(text.lines().next()?).ok()?;
        Some(line["issuer"].as_str()?.to_owned())
    };
    let start = Instant::now();
    while start.elapsed() < START {
        if let Some(issuer) = printed() {
            return Some(issuer);
        }
        sleep(Duration::from_millis(10)).await;
    }
    None
}

/// What a token says, unproven.
pub(crate) fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_default();
    let payload = URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap_or_default();
    serde_json::from_slice(&payload).unwrap_or_default()
}

/// A running provider.
#[derive(Debug)]
pub(crate) struct Oidc {
    /// Its URL, without a slash at the end; also `iss` in its tokens.
    pub(crate) issuer: String,
    pub(crate) audience: String,
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    settings: Value,
    dir: TempDir,
}

impl Oidc {
    /// One with the default settings.
    pub(crate) async fn start() -> Self {
        Setup::default().start().await
    }

    /// An access token for `client` with these scopes.
    pub(crate) async fn token(&self, client: &str, scopes: &str) -> String {
        self.token_with(client, scopes, |request| request).await
    }

    /// The same, asked for with changes to the request.
    pub(crate) async fn token_with(
        &self,
        client: &str,
        scopes: &str,
        change: impl FnOnce(Request) -> Request,
    ) -> String {
        let body = format!(
            "grant_type=client_credentials&client_id={client}&client_secret={client}-secret&resource={}&scope={}",
            self.audience.replace(':', "%3A").replace('/', "%2F"),
            scopes.replace(' ', "+"),
        );
        let request = Request::new("POST", "/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = self.ask(change(request)).await;
        let token = answer["access_token"].as_str();
        token
            .unwrap_or_else(|| panic!("no token for {client}: {answer}"))
            .to_owned()
    }

    /// Signs with a new key from now on, and publishes the old one no longer unless `keep_old`.
    pub(crate) async fn rotate(&self, keep_old: bool) {
        self.rotate_keeping(if keep_old { 100 } else { 0 }).await;
    }

    /// The same, with so many of the old keys still published.
    pub(crate) async fn rotate_keeping(&self, old: usize) {
        let path = format!("/control/rotate?keep={old}");
        self.ask(Request::new("POST", &path)).await;
    }

    /// Starts it again, after it was killed, at the same address and with the same keys.
    pub(crate) async fn revive(&mut self) {
        self.settings["port"] = self.address.port().into();
        let (issuer, process) = start(&self.settings, self.dir.path()).await;
        assert_eq!(issuer, self.issuer);
        self.process = process;
    }

    /// Sends the logout token of `client` about `subject` (and this session) to `to`, and says what the
    /// answer's status was.
    pub(crate) async fn log_out(
        &self,
        client: &str,
        subject: &str,
        session: Option<&str>,
        to: &str,
    ) -> Value {
        let session = session.map_or_else(String::new, |session| format!("&sid={session}"));
        let path = format!("/control/logout?client={client}&sub={subject}{session}&to={to}");
        self.ask(Request::new("POST", &path)).await["status"].clone()
    }

    /// How `/jwks` answers from now on: `ok`, `error`, `garbage`, `slow` or `hangup`.
    pub(crate) async fn jwks_mode(&self, mode: &str) {
        self.ask(Request::new("POST", &format!("/control/jwks?mode={mode}")))
            .await;
    }

    /// How often `what` (`jwks`, `discovery`, `token` or `introspection`) was asked for.
    pub(crate) async fn count(&self, what: &str) -> u64 {
        self.ask(Request::get("/control/counts")).await[what]
            .as_u64()
            .unwrap_or_default()
    }

    async fn ask(&self, request: Request) -> Value {
        // Its issuer and its answers are bound to the host it is asked under.
        request
            .header("host", &self.address.to_string())
            .send(self.address)
            .await
            .json()
    }
}
