//! What is compared, and the servers that are asked.

use std::{
    env, fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use tempfile::TempDir;

use crate::{
    scene::{ISSUER, STORE, prompt},
    support::{
        keys::{self, Algorithm, Key, Token},
        ports,
        process::Process,
        subzero::{Setup, Subzero},
    },
};

/// The routes that are asked for; all but the first need the token.
const ROUTES: &str = "permission: { store_file: store.fga.yaml }
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

/// Where a filter asks.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// What stands between the client and the answer.
#[derive(Clone, Debug)]
pub(crate) enum Filter {
    None,
    JwtAuthn { jwks: String, cached: bool },
    ExtAuthz(Peer),
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
    jwks: String,
    token: String,
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
        Self {
            floor: floor(dir.path()).await,
            warm: subzero(dir.path(), &jwks, "16MiB").await,
            cold: subzero(dir.path(), &jwks, "0").await,
            jwks,
            token,
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

async fn subzero(dir: &Path, jwks: &str, token_cache: &str) -> Subzero {
    // Affinity has to be there from the start: it decides the number of threads.
    let pinned = dir.join("subzero-on-core-1");
    let script = format!(
        "#!/bin/sh\nexec taskset -c 1 {} \"$@\"\n",
        env!("CARGO_BIN_EXE_subzero")
    );
    fs::write(&pinned, script).expect("write a script");
    fs::set_permissions(&pinned, fs::Permissions::from_mode(0o755)).expect("make it a program");
    let config = format!(
        "identity:\n  token_cache: {token_cache}\n  issuers: {{ main: {{ issuer: '{ISSUER}', jwks_file: keys.json, audiences: any }} }}\n{ROUTES}"
    );
    Setup::new(pinned, &config)
        .file("keys.json", jwks)
        .file("store.fga.yaml", STORE)
        .start()
        .await
}

/// Every row, in the order of the table.
pub(crate) fn all(servers: &Servers) -> Vec<Case> {
    let unix = |subzero: &Subzero| Filter::ExtAuthz(Peer::Unix(subzero.socket.clone()));
    let tcp = |subzero: &Subzero| Filter::ExtAuthz(Peer::Tcp(subzero.grpc));
    let case = |name, filter, path, body: bool, server: Option<&Process>| Case {
        name,
        filter,
        path,
        token: (path != "/open").then(|| servers.token.clone()),
        body: body.then(prompt),
        server: server.map(Process::pid),
    };
    let (warm, cold) = (&servers.warm, &servers.cold);
    let jwt = |cached| Filter::JwtAuthn {
        jwks: servers.jwks.clone(),
        cached,
    };
    let floor = Some(&servers.floor.process);
    let floor_unix = || Filter::ExtAuthz(Peer::Unix(servers.floor.unix.clone()));
    let floor_tcp = Filter::ExtAuthz(Peer::Tcp(servers.floor.tcp));
    vec![
        case("no filter", Filter::None, "/token", false, None),
        case("no filter, 1 KB body", Filter::None, "/token", true, None),
        case("jwt_authn", jwt(false), "/token", false, None),
        case("jwt_authn, its cache on", jwt(true), "/token", false, None),
        case("allow everything", floor_unix(), "/token", false, floor),
        case("allow everything, TCP", floor_tcp, "/token", false, floor),
        case(
            "allow everything, 1 KB body",
            floor_unix(),
            "/token",
            true,
            floor,
        ),
        case(
            "public route",
            unix(warm),
            "/open",
            false,
            Some(&warm.process),
        ),
        case("token", unix(warm), "/token", false, Some(&warm.process)),
        case(
            "token, TCP",
            tcp(warm),
            "/token",
            false,
            Some(&warm.process),
        ),
        case(
            "token, never cached",
            unix(cold),
            "/token",
            false,
            Some(&cold.process),
        ),
        case(
            "token + permission",
            unix(warm),
            "/docs/roadmap",
            false,
            Some(&warm.process),
        ),
        case(
            "token + permission, TCP",
            tcp(warm),
            "/docs/roadmap",
            false,
            Some(&warm.process),
        ),
        case(
            "token + 1 KB prompt",
            unix(warm),
            "/chat",
            true,
            Some(&warm.process),
        ),
        case(
            "token + permission + prompt + risk",
            unix(warm),
            "/all/roadmap",
            true,
            Some(&warm.process),
        ),
    ]
}
