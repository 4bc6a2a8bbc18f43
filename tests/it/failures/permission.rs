//! A permission server that cannot be asked.

use super::*;
use crate::support::openfga::{OpenFga, Setup, viewers};

/// A server where Alice sees `document:own`, its store and its model.
async fn server(setup: Setup, key: Option<&str>) -> (OpenFga, [String; 2]) {
    let server = match key {
        Some(key) => setup.key(key).start().await,
        None => setup.start().await,
    };
    let store = server.store().await;
    let model = server.model(&store, &viewers()).await;
    let own = json!({ "user": "user:alice", "relation": "viewer", "object": "document:own" });
    server.write(&store, &model, &[own]).await;
    (server, [store, model])
}

fn config(proxy: &Proxy, [store, model]: &[String; 2], more: &str) -> String {
    let routes = ["deny", "error", "allow"].map(|setting| {
        format!(
            "  - {{ name: {setting}, match: {{ path: '/{setting}/{{id}}' }}, identity: {{ issuers: [main] }}, on_unavailable: {{ permission: {setting} }}, \
             permission: {{ user: 'user:{{token.sub}}', relation: viewer, object: 'document:{{path.id}}' }} }}\n"
        )
    });
    format!(
        "limits: {{ deadline: 3s }}
upstream: {{ breaker: {{ min_calls: 5, open_for: 500ms }} }}
identity: {{ issuers: {{ main: {{ issuer: '{}', jwks_file: keys.json, audiences: ['{AUDIENCE}'] }} }} }}
permission: {{ openfga: {{ url: 'http://{}', store_id: {store}, model_id: {model}, timeout: 300ms{more} }} }}
routes:
{}",
        world::ISSUER,
        proxy.address,
        routes.concat()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_each_fault_is_decided_as_the_route_says_and_kept_ones_serve() {
    let (server, ids) = server(Setup::default(), None).await;
    let keys = Keys::generate();
    let token = keys.token("alice");
    for (fault, outcomes) in [
        (Fault::Refuse, &["connect", "http"][..]),
        (Fault::Reset, &["connect", "http"]),
        (Fault::ResetAfter(40), &["connect", "http"]),
        (Fault::Garbage, &["http", "parse"]),
        (Fault::BlackHole, &["timeout"]),
        (Fault::Slow(Duration::from_secs(2)), &["timeout"]),
    ] {
        let proxy = Proxy::start(server.http).await;
        let subzero = world::subzero(&config(&proxy, &ids, ""), &keys)
            .start()
            .await;
        let door = Door::dial(subzero.grpc).await;
        let own = ask(&door, "/deny/own", &token).await;
        assert_eq!(own, Answer::Allowed, "before {fault:?}");
        proxy.set(fault);
        assert_undecided(&door, &token, "/other", "permission_unavailable", fault).await;
        let mut seen = 0;
        for outcome in outcomes {
            seen += calls(&subzero, "openfga", outcome).await;
        }
        assert!(seen > 0, "{fault:?} is seen as one of {outcomes:?}");
        let own = ask(&door, "/deny/own", &token).await;
        assert_eq!(own, Answer::Allowed, "kept: {fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_fails_is_left_alone_and_asked_again_when_it_is_well() {
    let (server, ids) = server(Setup::default(), None).await;
    let keys = Keys::generate();
    let token = keys.token("alice");
    let proxy = Proxy::start(server.http).await;
    let subzero = world::subzero(&config(&proxy, &ids, ""), &keys);
    let subzero = subzero.start().await;
    let door = Door::dial(subzero.grpc).await;
    assert_eq!(standing(&subzero, "openfga").await, (0, json!("closed")));
    proxy.set(Fault::BlackHole);
    let undecided = Answer::Denied(503, "permission_unavailable".to_owned());
    let began = Instant::now();
    while calls(&subzero, "openfga", "open").await == 0 {
        assert!(began.elapsed() < PATIENCE, "always asked");
        assert_eq!(ask(&door, "/deny/other", &token).await, undecided);
    }
    assert_eq!(standing(&subzero, "openfga").await.1, json!("open"));
    // Nobody waits for a server that is left alone: many ask, and it hears of a few probes at most.
    let before = calls(&subzero, "openfga", "timeout").await;
    for _ in 0..50 {
        assert_eq!(ask(&door, "/deny/other", &token).await, undecided);
    }
    let probes = calls(&subzero, "openfga", "timeout").await - before;
    assert!(probes < 25, "{probes} of 50 were asked");
    proxy.set(Fault::None);
    until_closed(&subzero, "openfga", async || {
        let id = uuid::Uuid::now_v7().to_string();
        ask(&door, &format!("/deny/{id}"), &token).await;
    })
    .await;
    assert_eq!(ask(&door, "/deny/own", &token).await, Answer::Allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_that_takes_long_is_put_a_second_time_where_that_is_configured() {
    let (server, ids) = server(Setup::default(), None).await;
    let keys = Keys::generate();
    let token = keys.token("alice");
    let proxy = Proxy::start(server.http).await;
    let more = ", hedge_after: 50ms, gather: null, cache: { memory: 0 }";
    let text = config(&proxy, &ids, more).replace("timeout: 300ms", "timeout: 2500ms");
    let subzero = world::subzero(&text, &keys).start().await;
    let door = Door::dial(subzero.grpc).await;
    let hedges = async || {
        let metrics = subzero.metrics().await;
        metrics.count("subzero_permission_hedges_total", &[])
    };
    assert_eq!(ask(&door, "/deny/own", &token).await, Answer::Allowed);
    assert_eq!(hedges().await, 0, "the first was quick");
    // The first question's answer comes after two seconds, the second's at once.
    proxy.set(Fault::Slow(Duration::from_secs(2)));
    let began = Instant::now();
    let (answer, ()) = tokio::join!(ask(&door, "/deny/own", &token), async {
        sleep(Duration::from_millis(25)).await;
        proxy.set(Fault::None);
    });
    assert_eq!(answer, Answer::Allowed);
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(hedges().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_decide_nothing_until_the_file_has_the_right_ones() {
    let (server, ids) = server(Setup::default(), Some("right")).await;
    let keys = Keys::generate();
    let token = keys.token("alice");
    let proxy = Proxy::start(server.http).await;
    let more = ", credentials: { key_file: fga.key }";
    let subzero = world::subzero(&config(&proxy, &ids, more), &keys).file("fga.key", "wrong\n");
    let subzero = subzero.start().await;
    let door = Door::dial(subzero.grpc).await;
    for _ in 0..10 {
        assert_undecided(&door, &token, "/own", "permission_unavailable", Fault::None).await;
    }
    assert!(calls(&subzero, "openfga", "http").await >= 10);
    let closed = (0, json!("closed"));
    assert_eq!(
        standing(&subzero, "openfga").await,
        closed,
        "a no is an answer"
    );
    std::fs::write(subzero.dir().join("fga.key"), "right\n").expect("a file");
    assert_eq!(ask(&door, "/deny/own", &token).await, Answer::Allowed);
}
