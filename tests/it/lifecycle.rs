//! Starting, reloading, being killed and leaving, under load where it matters.

use std::{fs, time::Duration};

use tokio::time::sleep;

use crate::{
    support::{client::Request, load::Load},
    world::{World, data, subzero},
};

const PUBLIC: &str = "routes: [{ name: open, match: { path: /open }, public: true }]\n";
const CLOSED: &str = "routes: [{ name: shut, match: { path: /other }, public: true }]\n";

/// Long enough that a loss would show, short enough for every run.
const LOAD_SECONDS: u16 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_takes_over_under_load_and_no_request_is_lost() {
    let mut world = World::with(PUBLIC, |envoy| envoy).await;
    let load = Load::start(world.envoy.address, "/open", &[], 32, LOAD_SECONDS);
    sleep(Duration::from_secs(3)).await;
    let successor = subzero(PUBLIC, &world.keys)
        .socket(&world.subzero.socket)
        .start()
        .await;
    world.subzero.process.signal("TERM");
    let status = world.subzero.process.ended(Duration::from_secs(15)).await;
    assert!(status.success(), "left with {status}");
    let outcome = load.outcome().await;
    assert!(outcome.answers > 1_000, "{outcome:?}");
    assert_eq!((outcome.refused, outcome.lost), (0, 0), "{outcome:?}");
    let taken_over = successor
        .metrics()
        .await
        .count("subzero_checks_total", &[("route", "open")]);
    assert!(taken_over > 100, "the successor answered {taken_over}");
    assert!(
        world.subzero.socket.exists(),
        "the path belongs to the successor now"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn checks_in_flight_are_answered_before_it_leaves() {
    let provider = crate::support::oidc::Oidc::start().await;
    let config = format!(
        "limits: {{ deadline: 450ms }}
drain: {{ delay: 1ms, timeout: 5s }}
identity: {{ issuers: {{ slow: {{ issuer: '{}', allow_private_addresses: true, audiences: any }} }} }}
routes: [{{ name: me, match: {{ path: /me }}, identity: {{ issuers: [slow] }} }}]
",
        provider.issuer
    );
    let good = provider.token("alice", "docs").await;
    provider.jwks_mode("slow").await;
    let mut world = World::with(&config, |envoy| envoy).await;
    let address = world.envoy.address;
    // Waits for the key set, which does not come, until its deadline.
    let waiting =
        tokio::spawn(async move { Request::get("/me").bearer(&good).send(address).await });
    sleep(Duration::from_millis(150)).await;
    world.subzero.process.signal("TERM");
    let answer = waiting.await.expect("an answer");
    assert_ne!(answer.reason(), "", "Subzero's own answer, not Envoy's");
    assert!(
        world
            .subzero
            .process
            .ended(Duration::from_secs(6))
            .await
            .success()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_under_load_nothing_passes_that_should_not() {
    let mut world = World::with(CLOSED, |envoy| envoy).await;
    let load = Load::start(world.envoy.address, "/open", &[], 16, 4);
    sleep(Duration::from_secs(1)).await;
    world.subzero.process.kill();
    let outcome = load.outcome().await;
    assert!(outcome.answers > 100, "{outcome:?}");
    assert_eq!(outcome.refused, outcome.answers, "{outcome:?}");
    assert_eq!(
        world.service.received().len(),
        0,
        "nothing reached the service"
    );
    let stats = world.envoy.stats().await;
    let (denied, errors) = (
        stats["http.ingress.ext_authz.denied"],
        stats["http.ingress.ext_authz.error"],
    );
    assert!(
        denied > 0 && errors > 0,
        "{denied} denied before, {errors} errors after"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_takes_over_at_once_and_a_bad_one_changes_nothing() {
    let mut world = World::with(PUBLIC, |envoy| envoy).await;
    let reason = async |world: &World| world.send(Request::get("/open")).await.reason().to_owned();
    let reloads = |outcome: &'static str, count: u64| {
        move |metrics: &crate::support::metrics::Metrics| {
            metrics.count("subzero_config_reloads_total", &[("outcome", outcome)]) >= count
        }
    };
    assert_eq!(reason(&world).await, "");

    world.subzero.reload(CLOSED);
    world
        .subzero
        .until_metrics("reload", reloads("ok", 1))
        .await;
    assert_eq!(reason(&world).await, "no_route");

    world
        .subzero
        .reload("routes: [{ name: open, match: { path: open }, public: true }]\n");
    world
        .subzero
        .until_metrics("refuse a bad reload", reloads("failed", 1))
        .await;
    assert_eq!(
        reason(&world).await,
        "no_route",
        "the old one stays in force"
    );
    let page = Request::get("/readyz")
        .send(world.subzero.admin)
        .await
        .json();
    assert_eq!(page["status"], "degraded");
    let why = page["last_reload"]["failed"][0]
        .as_str()
        .expect("why")
        .to_owned();
    assert!(
        why.contains("subzero.yaml:5: routes[0].match.path: `open` must begin with `/`"),
        "{why}"
    );
    assert!(
        world.subzero.process.stdout().contains("must begin with"),
        "the log says it too"
    );

    // Without a signal: the file is looked at once a second.
    let path = world.subzero.dir().join("subzero.yaml");
    let text = fs::read_to_string(&path).expect("the configuration");
    fs::write(&path, text.replace("path: open", "path: /open")).expect("write it");
    world
        .subzero
        .until_metrics("notice a changed file", reloads("ok", 2))
        .await;
    assert_eq!(reason(&world).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_store_file_is_taken_over_and_a_bad_one_is_not() {
    let mut world = World::start().await;
    let secret = || Request::get("/docs/secret").bearer(&world.keys.token("alice"));
    assert_eq!(world.send(secret()).await.reason(), "permission_denied");
    let path = world.subzero.dir().join("store.fga.yaml");
    let tuple = "  - { user: \"user:alice\", relation: viewer, object: \"document:secret\" }\n";
    fs::write(&path, data("store.fga.yaml") + tuple).expect("write the store");
    let address = world.envoy.address;
    let request = secret();
    let passes = async || request.send(address).await.status == 200;
    world
        .subzero
        .process
        .until("take over the store", Duration::from_secs(10), passes)
        .await;

    fs::write(&path, data("store.fga.yaml") + "  - { user: nonsense }\n").expect("write the store");
    let log = world.subzero.dir().join("subzero.out");
    let told = async || {
        fs::read_to_string(&log).is_ok_and(|log| log.contains("relationships not reloaded"))
    };
    world
        .subzero
        .process
        .until("refuse the bad store", Duration::from_secs(10), told)
        .await;
    assert_eq!(
        world.send(secret()).await.status,
        200,
        "the old one stays in force"
    );
}
