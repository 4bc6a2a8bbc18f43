//! A Redis that cannot be asked, or not in time.

use super::*;
use crate::{
    replicas::{replica, revoke, until, until_redis, verdict},
    senders::bound_to,
    support::{proofs::proof, redis::Redis},
};

/// Subzero on a Redis behind `proxy`, which has so long for an answer.
async fn start(proxy: &Proxy, deadline: &str, keys: &Keys) -> Subzero {
    let config = format!(
        "limits: {{ deadline: 3s }}
upstream: {{ breaker: {{ min_calls: 5, open_for: 500ms, slow_call: 100ms }} }}
store: {{ redis: {{ key_file: store.key, url: 'redis://{}', deadline: {deadline} }} }}
identity: {{ issuers: {{ provider: {{ issuer: '{}', jwks_file: keys.json, audiences: ['{AUDIENCE}'] }} }} }}
{ROUTES}",
        proxy.address,
        world::ISSUER,
    );
    let subzero = replica(&config, keys).start().await;
    until_redis(&subzero, true).await;
    subzero
}

/// Shows the token with a proof that was never shown before.
async fn show(door: &Door, path: &str, token: &str, holder: &Key) -> Answer {
    let url = format!("https://service.example{path}");
    let proof = proof(holder, "POST", &url, Some(token));
    let scheme = format!("DPoP {token}");
    door.ask(path, &[("authorization", &scheme), ("dpop", &proof)], b"")
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn away_revocations_hold_and_proofs_are_decided_as_the_route_says() {
    let (redis, keys) = (Redis::start().await, Keys::generate());
    let proxy = Proxy::start(redis.address).await;
    let subzero = start(&proxy, "100ms", &keys).await;
    let door = Door::dial(subzero.grpc).await;
    let holder = Key::generate(Algorithm::Es256, "");
    let bound = bound_to(&holder, &keys);
    let revoked = world::token("alice").claim("jti", json!("gone"));
    let (revoked, good) = (revoked.sign(&keys.rs256), keys.token("alice"));
    assert_eq!(revoke(&subzero, json!({ "jti": "gone" })).await.status, 204);
    for fault in [
        Fault::Refuse,
        Fault::Reset,
        Fault::Garbage,
        Fault::BlackHole,
        Fault::Slow(Duration::from_secs(1)),
    ] {
        let began = Instant::now();
        // The breaker lets go a while after the fault is over.
        while show(&door, "/deny", &bound, &holder).await != Answer::Allowed {
            assert!(began.elapsed() < PATIENCE, "before {fault:?}");
            sleep(Duration::from_millis(50)).await;
        }
        proxy.set(fault);
        for (path, expected) in [
            ("/deny", Answer::Denied(503, "keys_unavailable".to_owned())),
            ("/error", Answer::Error(503, "keys_unavailable".to_owned())),
            ("/allow", Answer::Allowed),
        ] {
            let shown = show(&door, path, &bound, &holder).await;
            assert_eq!(shown, expected, "{fault:?} {path}");
            assert_eq!(ask(&door, path, &good).await, Answer::Allowed, "{fault:?}");
            let refused = Answer::Denied(401, "token_revoked".to_owned());
            assert_eq!(ask(&door, path, &revoked).await, refused, "{fault:?}");
        }
        let asked = revoke(&subzero, json!({ "jti": format!("{fault:?}") })).await;
        assert_eq!(asked.status, 503, "{fault:?}: {}", asked.text());
        proxy.set(Fault::None);
        until_redis(&subzero, true).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_dawdles_is_left_alone_while_revocations_go_on() {
    let (redis, keys) = (Redis::start().await, Keys::generate());
    let proxy = Proxy::start(redis.address).await;
    let (one, other) = (
        start(&proxy, "2s", &keys).await,
        start(&proxy, "2s", &keys).await,
    );
    let door = Door::dial(one.grpc).await;
    let holder = Key::generate(Algorithm::Es256, "");
    let bound = bound_to(&holder, &keys);
    assert_eq!(standing(&one, "redis").await, (0, json!("closed")));
    proxy.set(Fault::Slow(Duration::from_millis(200)));
    let began = Instant::now();
    while calls(&one, "redis", "open").await == 0 {
        assert!(began.elapsed() < PATIENCE, "always asked");
        let shown = show(&door, "/deny", &bound, &holder).await;
        let undecided = Answer::Denied(503, "keys_unavailable".to_owned());
        assert!(shown == Answer::Allowed || shown == undecided, "{shown:?}");
    }
    assert_eq!(standing(&one, "redis").await.1, json!("open"));
    let token = world::token("alice").claim("jti", json!("meanwhile"));
    let token = token.sign(&keys.rs256);
    assert_eq!(verdict(&other, &token).await, "ok");
    let asked = revoke(&one, json!({ "jti": "meanwhile" })).await;
    assert_eq!(asked.status, 204, "{}", asked.text());
    until(&other, &token, "token_revoked", PATIENCE).await;
    proxy.set(Fault::None);
    until_closed(&one, "redis", async || {
        show(&door, "/deny", &bound, &holder).await;
    })
    .await;
    assert_eq!(show(&door, "/deny", &bound, &holder).await, Answer::Allowed);
}
