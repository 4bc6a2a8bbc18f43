//! How often a check asks for memory: a bound that a change cannot pass unseen.
//!
//! Counted from the question's bytes to the answer's. HTTP/2 around it has its own: a dozen a call, in
//! `hyper` and `h2`, which hold headers, trailers and the task.

use std::{fs, time::Duration};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use prost::Message as _;

use super::door;

#[path = "../../benches/envoy/scene.rs"]
mod scene;

use crate::support::keys::{self, Algorithm, Key, Token};

const ROUTES: &str = "
routes:
  - { name: public, match: { path: '/public' }, public: true }
  - name: token
    match: { path: '/me' }
    identity: { issuers: [main] }
  - name: docs
    match: { path: '/docs/{id}' }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: viewer, object: 'document:{path.id}' }
  - name: chat
    match: { path: '/chat' }
    identity: { issuers: [main] }
    screening: {}
";

#[test]
fn a_check_of_what_is_known_asks_for_memory_a_few_times() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = Key::generate(Algorithm::Es256, "k");
    let token = Token::new(scene::ISSUER, "api", "alice").sign(&key);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text);
    write("keys.json", &keys::jwks(&[&key]).to_string()).expect("writes");
    write("store.fga.yaml", scene::STORE).expect("writes");
    let issuer = scene::ISSUER;
    let config = format!(
        "identity: {{ issuers: {{ main: {{ issuer: '{issuer}', jwks_file: keys.json, audiences: any }} }} }}
permission: {{ store_file: store.fga.yaml }}
{ROUTES}"
    );
    write("subzero.yaml", &config).expect("writes");
    let door = door(&folder.path().join("subzero.yaml")).expect("a good configuration");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let prompt = scene::prompt();
    let mut over = Vec::new();
    for (path, token, body, most) in [
        ("/public", None, None, 9),
        ("/me", Some(&*token), None, 9),
        ("/docs/roadmap", Some(&*token), None, 12),
        ("/chat", Some(&*token), Some(prompt), 40),
    ] {
        let question = scene::request(path, token, body).encode_to_vec();
        let question = Bytes::from(question);
        let ask = || {
            // On the heap before anything is counted: a runtime puts what is large there itself.
            let mut answering = Box::pin(async {
                let mut arrival = door.arrive();
                let patience = Some(Duration::from_secs(1));
                door.answer(&mut arrival, &question, patience).await
            });
            let mut answer = None;
            let counted = allocation_counter::measure(|| {
                answer = Some(runtime.block_on(answering.as_mut()));
            });
            let frame = answer.expect("an answer").expect("a question");
            let told = CheckResponse::decode(&frame[FRAME..]).expect("a response");
            assert_eq!(told.status.expect("a status").code, 0, "{path}");
            counted.count_total
        };
        (0..100).for_each(|_| {
            ask();
        });
        let counts: Vec<u64> = (0..9).map(|_| ask()).collect();
        // Now and then a table grows.
        let usual = counts.iter().min().copied().unwrap_or_default();
        if usual > most {
            over.push(format!("{path}: {usual}, and {most} are its bound"));
        }
    }
    assert!(over.is_empty(), "{over:#?}");
}

/// What stands before a message in gRPC.
const FRAME: usize = 5;
