//! What many checks over many subjects leave in memory, with the bounds that are set by default.

use std::{env, fmt::Write as _};

use envoy_types::pb::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use tokio::process::Command;
use tonic::transport::Endpoint;

use crate::{
    causes::Scene,
    results,
    scene::{ISSUER, request},
    server::Server,
    support::keys::Token,
};

const CHECKS: u32 = 10_000_000;
const SUBJECTS: u32 = 1_000_000;
const PARTS: u32 = 10;
const IN_FLIGHT: u32 = 32;
const LIMIT_MIB: f64 = 64.0;
/// Shared with the server: a token of a million subjects each is made while it is asked for.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) async fn measure() {
    let scene = Scene {
        config: format!(
            "identity: {{ issuers: {{ main: {{ issuer: '{ISSUER}', secret_file: secret, algorithms: [HS256], audiences: any }} }} }}\n{ROUTES}"
        ),
        files: vec![
            ("secret".to_owned(), SECRET.to_owned()),
            ("store.fga.yaml".to_owned(), STORE.to_owned()),
        ],
        questions: Vec::new(),
        in_flight: IN_FLIGHT as usize,
    };
    let server = Server::start(&scene).await;
    let mut text = format!(
        "{CHECKS} checks of token, \
        permission and risk, over {SUBJECTS} subjects in turn, each with a token of its own; what is kept of \
        them has the bounds that are set by default.\n\n| checks | resident MiB |\n|---|---|\n"
    );
    let mut resident = resident_mib(&server);
    let mut row = |checks: u32, resident: f64| {
        println!("{checks:>9} checks: {resident:.1} MiB");
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| {checks} | {resident:.1} |");
    };
    row(0, resident);
    for part in 0..PARTS {
        let socket = format!("unix://{}", server.socket().display());
        let each = CHECKS / PARTS;
        let status = Command::new("taskset")
            .args(["-c", "0"])
            .arg(env::current_exe().expect("a path"))
            .args(["ask-many", &socket])
            .args([(part * each).to_string(), each.to_string()])
            .status()
            .await
            .expect("run this program on core 0 (taskset is in util-linux)");
        assert!(status.success(), "asking: {status}");
        resident = resident_mib(&server);
        row((part + 1) * each, resident);
    }
    let verdict = format!(
        "{resident:.1} MiB are resident after {CHECKS} checks over {SUBJECTS} subjects (limit {LIMIT_MIB})."
    );
    let command = "cargo bench --bench growth -- memory";
    let begin = results::begin("Memory after many checks", command);
    println!("\n{verdict}");
    results::keep("memory.md", &format!("{begin}{text}\n{verdict}\n"));
    results::show("README.md", "growth/memory.rs", &verdict);
}

/// The client's side: `ask-many PEER FROM COUNT`, allowed each.
pub(crate) fn ask_many(arguments: &[String]) {
    let [peer, from, count] = arguments else {
        panic!("ask-many PEER FROM COUNT")
    };
    let (from, count): (u32, u32) = (
        from.parse().expect("a number"),
        count.parse().expect("a number"),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let endpoint = Endpoint::from_shared(peer.clone()).expect("an address");
        let client = AuthorizationClient::new(endpoint.connect().await.expect("connects"));
        let tasks = (0..IN_FLIGHT).map(|task| {
            let mut client = client.clone();
            tokio::task::spawn_local(async move {
                for number in (from + task..from + count).step_by(IN_FLIGHT as usize) {
                    let subject = format!("user-{}", number % SUBJECTS);
                    let token = Token::new(ISSUER, "api", &subject).sign_hs256(SECRET.as_bytes());
                    let question = request("/docs/roadmap", Some(&token), None);
                    let answer = client.check(question).await.expect("an answer");
                    let status = answer.into_inner().status.expect("a status");
                    assert_eq!(status.code, 0, "not allowed: {status:?}");
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.expect("asks");
        }
    });
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn resident_mib(server: &Server) -> f64 {
    server.process().resident_bytes() as f64 / f64::from(1 << 20)
}

const ROUTES: &str = "permission: { store_file: store.fga.yaml }
routes:
  - name: document
    match: { path: '/docs/{id}' }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: viewer, object: 'document:{path.id}' }
    risk: { deny_above: 0.99 }
";

const STORE: &str = "name: bench
model: |
  model
    schema 1.1
  type user
  type document
    relations
      define viewer: [user, user:*]
tuples:
  - { user: 'user:*', relation: viewer, object: 'document:roadmap' }
";
