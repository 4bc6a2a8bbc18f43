//! Histories of risk that replicas share: what a subject did at one, the others hold against it too.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{
    replicas::{replica, until_redis},
    support::{
        client::Request,
        redis::{Redis, text},
        subzero::Subzero,
    },
    world::Keys,
};

/// What was seen at one replica counts at the others after a moment.
const TOLD: Duration = Duration::from_secs(3);

/// Routes that score: at `/strict` hardly anything passes.
fn config(redis: &Redis) -> String {
    format!(
        "
identity:
  issuers:
    main: {{ issuer: 'https://issuer.example/', jwks_file: keys.json, audiences: ['https://api.example'] }}
permission: {{ store_file: store.fga.yaml }}
routes:
  - {{ name: me, match: {{ path: /me }}, identity: {{ issuers: [main] }}, risk: {{ deny_above: 0.95 }} }}
  - {{ name: wary, match: {{ path: /wary }}, identity: {{ issuers: [main] }}, risk: {{ deny_above: 0.95 }}, on_unavailable: {{ risk: deny }} }}
  - name: doc
    match: {{ path: '/docs/{{id}}' }}
    identity: {{ issuers: [main] }}
    permission: {{ user: 'user:{{token.sub}}', relation: can_view, object: 'document:{{path.id}}' }}
store:
  redis: {{ url: '{}', key_file: store.key }}
",
        redis.url()
    )
}

/// A request through a proxy of Traefik's kind: its status, and the score that it was given.
async fn ask(replica: &Subzero, path: &str, token: &str, address: &str) -> (u16, f64) {
    let answer = Request::get("/forward-auth")
        .header("host", "localhost")
        .header("x-forwarded-method", "GET")
        .header("x-forwarded-proto", "http")
        .header("x-forwarded-host", "service.example")
        .header("x-forwarded-uri", path)
        .header("x-forwarded-for", address)
        .bearer(token)
        .send(replica.http)
        .await;
    let score = answer.header("x-subzero-risk").unwrap_or("0");
    (answer.status, score.parse().expect("a number"))
}

/// Asks until the score fits; the score.
async fn until_score(
    replica: &Subzero,
    (token, address): (&str, &str),
    fits: impl Fn(f64) -> bool,
) -> f64 {
    let start = Instant::now();
    loop {
        let (_, score) = ask(replica, "/me", token, address).await;
        if fits(score) {
            return score;
        }
        assert!(start.elapsed() < TOLD, "still {score}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until Redis has a history; its name.
async fn until_told(redis: &Redis) -> String {
    let start = Instant::now();
    loop {
        let redis::Value::Array(names) = redis.ask(&["KEYS", "subzero:*:risk:*"]).await else {
            panic!("no list")
        };
        if let Some(name) = names.first() {
            return text(name);
        }
        assert!(start.elapsed() < TOLD, "nothing was told");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_saw_of_a_subject_the_others_know() {
    let mut redis = Redis::start().await;
    let (keys, config) = (Keys::generate(), config(&redis));
    let one = replica(&config, &keys).start().await;
    let other = replica(&config, &keys).start().await;
    let (home, away) = ("203.0.113.7", "198.51.100.9");

    // At home at one replica; somewhere else at the other is strange.
    let ann = keys.token("ann");
    assert_eq!(ask(&one, "/me", &ann, home).await, (200, 0.0));
    until_told(&redis).await;
    let (status, strange) = ask(&other, "/me", &ann, away).await;
    assert!((status, strange > 0.0) == (200, true), "{status} {strange}");
    // Let pass, so it is the subject's own from now on, everywhere.
    let told = until_score(&one, (&ann, away), |score| score < strange);
    assert!(told.await < strange);

    // Denied at one, remembered at the other.
    let mallory = keys.token("mallory");
    assert_eq!(ask(&other, "/me", &mallory, home).await, (200, 0.0));
    for _ in 0..10 {
        let (status, _) = ask(&one, "/docs/roadmap", &mallory, home).await;
        assert_eq!(status, 403);
    }
    until_score(&other, (&mallory, home), |score| score > 0.1).await;

    // A newcomer, who was there for none of it.
    let newcomer = replica(&config, &keys).start().await;
    let (_, score) = ask(&newcomer, "/me", &mallory, home).await;
    assert!(score > 0.1, "{score}");
    let (_, score) = ask(&newcomer, "/me", &ann, "192.0.2.1").await;
    assert!(score > 0.0, "{score}");

    // Away: by what is known here, and nobody is taken for new who may not be.
    redis.kill();
    until_redis(&newcomer, false).await;
    let (status, score) = ask(&newcomer, "/wary", &mallory, home).await;
    assert!((status, score > 0.1) == (200, true), "{status} {score}");
    let stranger = keys.token("stranger");
    assert_eq!(ask(&newcomer, "/wary", &stranger, home).await.0, 503);
    assert_eq!(
        ask(&newcomer, "/me", &stranger, home).await.0,
        200,
        "as configured"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_is_not_ours_is_none_and_nobody_is_kept_in_clear() {
    let redis = Redis::start().await;
    let (keys, config) = (Keys::generate(), config(&redis));
    let one = replica(&config, &keys).start().await;
    let ann = keys.token("ann@example.org");
    ask(&one, "/me", &ann, "203.0.113.7").await;
    let name = until_told(&redis).await;
    let history = text(&redis.ask(&["GET", &name]).await);
    assert!(history.starts_with("1 "), "{history}");
    for clear in ["ann", "203.0.113"] {
        assert!(
            !name.contains(clear) && !history.contains(clear),
            "{name} {history}"
        );
    }
    for poison in ["2 1 2", "1 x y z 0 /", "1 1 nan inf 1 ,,,,,,/", "garbage"] {
        redis.ask(&["SET", &name, poison]).await;
        let newcomer = replica(&config, &keys).start().await;
        assert_eq!(
            ask(&newcomer, "/me", &ann, "203.0.113.7").await,
            (200, 0.0),
            "{poison}"
        );
        // And it is written over by what is ours.
        let start = Instant::now();
        loop {
            let now = text(&redis.ask(&["GET", &name]).await);
            if now != poison && now.starts_with("1 ") {
                break;
            }
            assert!(start.elapsed() < TOLD, "{now}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}
