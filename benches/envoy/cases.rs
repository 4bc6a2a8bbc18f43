//! What is compared, and the servers that are asked.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use envoy_types::pb::envoy::service::auth::v3::CheckRequest;
use tempfile::TempDir;

use crate::{
    ask::Peer,
    floor::RICH,
    opa::{self, Opa},
    openfga_envoy::{self, OpenfgaEnvoy},
    pinned::subzero_on_core_1,
    remote::{self, Remote},
    scene::{ISSUER, STORE, prompt, request},
    support::{
        keys::{self, Algorithm, Key, Token},
        ports,
        process::Process,
        subzero::{Setup, Subzero},
    },
    table::AT_LENGTH,
};

/// The routes that are asked for; all but the first need the token. Each prompt counts as new.
const ROUTES: &str = "screening: { cache: 0 }
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
  - name: all
    match: { path: '/all/{id}' }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: viewer, object: 'document:{path.id}' }
    screening: { injection: deny, secrets: deny, personal_data: flag }
    risk: { deny_above: 0.99 }
";

/// What stands between the client and the answer.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    None,
    JwtAuthn {
        jwks: String,
        cached: bool,
    },
    ExtAuthz(Peer),
    /// As the last, with headers as text: a peer may not read raw ones.
    ExtAuthzText(Peer),
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) filter: Filter,
    pub(crate) path: &'static str,
    pub(crate) token: Option<String>,
    pub(crate) body: Option<String>,
    /// The process whose CPU time is told.
    pub(crate) server: Option<u32>,
}

/// The servers under test, all on core 1; only one of them has work at a time.
#[derive(Debug)]
pub(crate) struct Servers {
    floor: Floor,
    warm: Subzero,
    cold: Subzero,
    /// Answers of `OpenFGA`, kept for a while.
    kept: Subzero,
    /// The same, asked for each time.
    asked: Subzero,
    opa: Option<Opa>,
    openfga_envoy: Option<OpenfgaEnvoy>,
    jwks: String,
    token: String,
    _remote: Remote,
    _dir: TempDir,
}

#[derive(Debug)]
struct Floor {
    process: Process,
    tcp: SocketAddr,
    unix: PathBuf,
}

impl Servers {
    pub(crate) async fn start() -> Self {
        let dir = tempfile::tempdir().expect("make a folder");
        let key = Key::generate(Algorithm::Rs256, "k");
        let jwks = keys::jwks(&[&key]).to_string();
        let token = Token::new(ISSUER, "api", "alice").sign(&key);
        let (path, remote) = (dir.path(), remote::start().await);
        let embedded = "{ store_file: store.fga.yaml }";
        let (kept, asked) = (remote.permission("16MiB"), remote.permission("0"));
        Self {
            floor: floor(path).await,
            warm: subzero(path, &jwks, "16MiB", embedded).await,
            cold: subzero(path, &jwks, "0", embedded).await,
            kept: subzero(path, &jwks, "16MiB", &kept).await,
            asked: subzero(path, &jwks, "16MiB", &asked).await,
            opa: opa::start(path, &jwks).await,
            openfga_envoy: openfga_envoy::start(path, &remote).await,
            jwks,
            token,
            _remote: remote,
            _dir: dir,
        }
    }
}

async fn floor(dir: &Path) -> Floor {
    let (tcp, unix) = (ports::local(ports::free()), dir.join("floor.sock"));
    let mut command = Command::new("taskset");
    command
        .args(["-c", "1"])
        .arg(env::current_exe().expect("a path"))
        .args(["floor", &tcp.to_string()])
        .arg(&unix);
    let mut process = Process::start("floor", command, dir);
    process.until_accepting(tcp, Duration::from_secs(10)).await;
    Floor { process, tcp, unix }
}

async fn subzero(dir: &Path, jwks: &str, token_cache: &str, permission: &str) -> Subzero {
    let config = format!(
        "identity:\n  token_cache: {token_cache}\n  issuers: {{ main: {{ issuer: '{ISSUER}', jwks_file: keys.json, audiences: any }} }}\npermission: {permission}\n{ROUTES}"
    );
    Setup::new(subzero_on_core_1(dir), &config)
        .file("keys.json", jwks)
        .file("store.fga.yaml", STORE)
        .start()
        .await
}

impl Servers {
    fn case(
        &self,
        name: &'static str,
        filter: Filter,
        path: &'static str,
        body: bool,
        server: Option<&Process>,
    ) -> Case {
        Case {
            name,
            filter,
            path,
            token: (path != "/open").then(|| self.token.clone()),
            body: body.then(prompt),
            server: server.map(Process::pid),
        }
    }
}

/// Every row, in the order of the table.
pub(crate) fn all(servers: &Servers) -> Vec<Case> {
    let mut cases = others(servers);
    cases.extend(ours(servers));
    cases.extend(servers.opa.as_ref().map(|opa| {
        let filter = Filter::ExtAuthzText(Peer::Unix(opa.socket.clone()));
        servers.case(
            opa::NAME,
            filter,
            "/docs/roadmap",
            false,
            Some(&opa.process),
        )
    }));
    cases.extend(servers.openfga_envoy.as_ref().map(|peer| {
        let filter = Filter::ExtAuthzText(Peer::Tcp(peer.tcp));
        let path = "/docs/roadmap";
        servers.case(
            openfga_envoy::NAME,
            filter,
            path,
            false,
            Some(&peer.process),
        )
    }));
    cases
}

fn others(servers: &Servers) -> Vec<Case> {
    let jwt = |cached| Filter::JwtAuthn {
        jwks: servers.jwks.clone(),
        cached,
    };
    let floor = Some(&servers.floor.process);
    let unix = || Filter::ExtAuthz(Peer::Unix(servers.floor.unix.clone()));
    let tcp = Filter::ExtAuthz(Peer::Tcp(servers.floor.tcp));
    let case = |name, filter, body, server| servers.case(name, filter, "/token", body, server);
    vec![
        case("no filter", Filter::None, false, None),
        case("no filter, 1 KB body", Filter::None, true, None),
        case("jwt_authn", jwt(false), false, None),
        case("jwt_authn, its cache on", jwt(true), false, None),
        case("allow everything", unix(), false, floor),
        servers.case(AT_LENGTH, unix(), RICH, false, floor),
        case("allow everything, TCP", tcp, false, floor),
        case("allow everything, 1 KB body", unix(), true, floor),
    ]
}

fn ours(servers: &Servers) -> Vec<Case> {
    let unix = |subzero: &Subzero| Filter::ExtAuthz(Peer::Unix(subzero.socket.clone()));
    let case = |name, subzero: &Subzero, path, body| {
        servers.case(name, unix(subzero), path, body, Some(&subzero.process))
    };
    let over_tcp = |name, subzero: &Subzero, path| {
        let filter = Filter::ExtAuthz(Peer::Tcp(subzero.grpc));
        servers.case(name, filter, path, false, Some(&subzero.process))
    };
    let (warm, document) = (&servers.warm, "/docs/roadmap");
    vec![
        case("public route", warm, "/open", false),
        case("token", warm, "/token", false),
        over_tcp("token, TCP", warm, "/token"),
        case("token, never cached", &servers.cold, "/token", false),
        case("token + permission", warm, document, false),
        over_tcp("token + permission, TCP", warm, document),
        case("token + 1 KB prompt", warm, "/chat", true),
        case(
            "token + permission + prompt + risk",
            warm,
            "/all/roadmap",
            true,
        ),
        case(
            "token + permission, OpenFGA's answer kept",
            &servers.kept,
            document,
            false,
        ),
        case(
            "token + permission, OpenFGA asked",
            &servers.asked,
            document,
            false,
        ),
    ]
}

/// What is asked without Envoy.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) name: &'static str,
    pub(crate) peer: Peer,
    pub(crate) question: CheckRequest,
    pub(crate) server: u32,
}

/// Every row of the second table.
pub(crate) fn direct(servers: &Servers) -> Vec<Direct> {
    let bearer = Some(servers.token.as_str());
    let document = || request("/docs/roadmap", bearer, None);
    let chat = || request("/chat", bearer, Some(prompt()));
    let row = |name, socket: &Path, question, process: &Process| Direct {
        name,
        peer: Peer::Unix(socket.to_owned()),
        question,
        server: process.pid(),
    };
    let (floor, warm) = (&servers.floor, &servers.warm);
    let mut rows = vec![
        row("allow everything", &floor.unix, document(), &floor.process),
        row(
            "token + permission",
            &warm.socket,
            document(),
            &warm.process,
        ),
        row("token + 1 KB prompt", &warm.socket, chat(), &warm.process),
    ];
    rows.extend(servers.opa.as_ref().map(|opa| {
        let question = opa::with_text_headers(document());
        row(opa::NAME, &opa.socket, question, &opa.process)
    }));
    rows
}
