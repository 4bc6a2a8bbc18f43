//! How often a check asks for memory: a table in the documentation that a change cannot pass unseen.
//!
//! Counted from the question's bytes to the answer's. HTTP/2 around it has its own: a dozen a call, in
//! `hyper` and `h2`, which hold headers, trailers and the task. `SUBZERO_WRITE_DOCS=1` writes the table anew.

use std::{env, fmt::Write as _, fs, path::Path, time::Duration};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::CheckResponse;
use prost::Message as _;

use super::door;
use crate::ext_authz::{Call, Door};

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
  - name: all
    match: { path: '/all/{id}' }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: viewer, object: 'document:{path.id}' }
    screening: {}
    risk: { deny_above: 0.99 }
";

#[test]
fn a_check_asks_for_memory_no_more_often_than_the_page_tells() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = Key::generate(Algorithm::Es256, "k");
    let token = Token::new(scene::ISSUER, "api", "alice").sign(&key);
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text);
    write("keys.json", &keys::jwks(&[&key]).to_string()).expect("writes");
    write("store.fga.yaml", scene::STORE).expect("writes");
    let [warm, cold] = ["16MiB", "0"].map(|cache| {
        let issuer = scene::ISSUER;
        let config = format!(
            "identity: {{ token_cache: {cache}, issuers: {{ main: {{ issuer: '{issuer}', jwks_file: keys.json, audiences: any }} }} }}
permission: {{ store_file: store.fga.yaml }}
{ROUTES}"
        );
        let name = format!("{cache}.yaml");
        write(&name, &config).expect("writes");
        door(&folder.path().join(name)).expect("a good configuration")
    });
    let (token, prompt) = (Some(&*token), Some(scene::prompt()));
    let mut table = String::from("| check | allocations |\n|---|---|\n");
    for (name, door, (path, token, body)) in [
        ("public route", &warm, ("/public", None, None)),
        ("token seen before", &warm, ("/me", token, None)),
        ("token, new", &cold, ("/me", token, None)),
        ("token + permission", &warm, ("/docs/roadmap", token, None)),
        (
            "token + 1 KB prompt",
            &warm,
            ("/chat", token, prompt.clone()),
        ),
        (
            "token + permission + prompt + risk",
            &warm,
            ("/all/roadmap", token, prompt),
        ),
    ] {
        let question = scene::request(path, token, body).encode_to_vec();
        // Writing to a String cannot fail.
        let _ = writeln!(
            table,
            "| {name} | {} |",
            allocations(door, &question.into())
        );
    }
    hold(&table);
}

/// Of one check that is allowed, once it has been asked often.
fn allocations(door: &Door, question: &Bytes) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let ask = || {
        // On the heap before anything is counted: a runtime puts what is large there itself.
        let mut answering = Box::pin(async {
            let mut arrival = door.arrive();
            let call = Call {
                timeout: Some(Duration::from_secs(1)),
                shows_ours: true,
            };
            door.answer(&mut arrival, question, call).await
        });
        let mut answer = None;
        let counted = allocation_counter::measure(|| {
            answer = Some(runtime.block_on(answering.as_mut()));
        });
        let frame = answer.expect("an answer").expect("a question");
        let told = CheckResponse::decode(&frame[FRAME..]).expect("a response");
        assert_eq!(told.status.expect("a status").code, 0, "{question:?}");
        counted.count_total
    };
    (0..100).for_each(|_| {
        ask();
    });
    // Now and then a table grows.
    (0..9).map(|_| ask()).min().unwrap_or_default()
}

/// Holds `table` against the page: no row may need more than is told there.
fn hold(table: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/sizing.md");
    let page = fs::read_to_string(&path).expect("the page");
    let (head, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (told, tail) = rest.split_once(END).expect("where it ends");
    if env::var_os("SUBZERO_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{table}{END}{tail}")).expect("writes");
        return;
    }
    let rows = |text: &str| -> Vec<(String, u64)> {
        let rows = text.lines().skip(2);
        rows.filter_map(|row| {
            let mut cells = row.trim_matches('|').split('|').map(str::trim);
            Some((cells.next()?.to_owned(), cells.next()?.parse().ok()?))
        })
        .collect()
    };
    let (told, measured) = (rows(told), rows(table));
    assert_eq!(told.len(), measured.len(), "{table}");
    for (told, measured) in told.iter().zip(&measured) {
        assert_eq!(told.0, measured.0);
        assert!(
            measured.1 <= told.1,
            "{measured:?}, and {} are told",
            told.1
        );
    }
}

const BEGIN: &str = "<!-- written by src/app/allocations.rs -->\n\n";
const END: &str = "\n<!-- end -->";

/// What stands before a message in gRPC.
const FRAME: usize = 5;
