//! Replicas that ask one permission server and share a Redis: one of them asks, and what it is told the
//! others know.

use std::time::Duration;

use futures_util::future::join_all;
use serde_json::json;

use crate::{
    replicas::{replica, until_redis},
    support::{
        door::{Answer, Door},
        faults::{Fault, Proxy},
        openfga::{OpenFga, Setup, viewers},
        redis::Redis,
        subzero::Subzero,
    },
    world::{self, AUDIENCE, Keys},
};

/// A server where Alice sees every document with an even number, its store and its model.
async fn server() -> (OpenFga, [String; 2]) {
    let server = Setup::default().start().await;
    let store = server.store().await;
    let model = server.model(&store, &viewers()).await;
    let viewer = |id: usize| json!({ "user": "user:alice", "relation": "viewer", "object": format!("document:{id}") });
    let tuples: Vec<_> = (0..100).step_by(2).map(viewer).collect();
    server.write(&store, &model, &tuples).await;
    (server, [store, model])
}

/// Two replicas that ask through `proxy`.
async fn fleet(
    proxy: &Proxy,
    [store, model]: &[String; 2],
    redis: &Proxy,
    keys: &Keys,
) -> [(Subzero, Door); 2] {
    let config = format!(
        "limits: {{ deadline: 20s }}
admission: {{ min: 2048 }}
store: {{ redis: {{ key_file: store.key, url: 'redis://{}' }} }}
identity: {{ issuers: {{ main: {{ issuer: '{}', jwks_file: keys.json, audiences: ['{AUDIENCE}'] }} }} }}
permission: {{ openfga: {{ url: 'http://{}', store_id: {store}, model_id: {model}, timeout: 10s }} }}
routes:
  - name: doc
    match: {{ path: '/docs/{{id}}' }}
    identity: {{ issuers: [main] }}
    permission: {{ user: 'user:{{token.sub}}', relation: viewer, object: 'document:{{path.id}}' }}
",
        redis.address,
        world::ISSUER,
        proxy.address
    );
    let start = async || {
        let subzero = replica(&config, keys).start().await;
        until_redis(&subzero, true).await;
        let door = Door::dial(subzero.grpc).await;
        (subzero, door)
    };
    [start().await, start().await]
}

async fn ask(door: &Door, keys: &Keys, id: usize) -> Answer {
    let bearer = format!("Bearer {}", keys.token("alice"));
    let path = format!("/docs/{id}");
    door.ask(&path, &[("authorization", &bearer)], b"").await
}

fn right(id: usize) -> Answer {
    match id % 2 {
        0 => Answer::Allowed,
        _ => Answer::Denied(403, "permission_denied".to_owned()),
    }
}

/// Questions that either put to the server; looking its model up is none.
async fn asked(fleet: &[(Subzero, Door); 2]) -> u64 {
    let mut asked = 0;
    for (replica, _) in fleet {
        let metrics = replica.metrics().await;
        for choice in ["alone", "gathered"] {
            let labels = [("choice", choice)];
            asked += metrics.count("subzero_permission_gather_total", &labels);
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_was_told_the_other_does_not_ask() {
    let ((server, ids), redis, keys) = (server().await, Redis::start().await, Keys::generate());
    let (proxy, way) = (
        Proxy::start(server.http).await,
        Proxy::start(redis.address).await,
    );
    let fleet = fleet(&proxy, &ids, &way, &keys).await;
    let [(_, here), (there_too, there)] = &fleet;
    // Told a moment later, since nobody waits for what is for others.
    for id in 0..10 {
        assert_eq!(ask(here, &keys, id).await, right(id));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = asked(&fleet).await;
    for id in 0..10 {
        assert_eq!(ask(there, &keys, id).await, right(id), "{id}");
    }
    assert_eq!(asked(&fleet).await, before, "the other knew");
    let found = [("cache", "answers"), ("outcome", "shared")];
    let metrics = there_too.metrics().await;
    assert_eq!(metrics.count("subzero_cache_requests_total", &found), 10);

    // Both at once, fifty callers each: one of all asks.
    proxy.set(Fault::Slow(Duration::from_millis(300)));
    let crowd = async |door: &Door| join_all((0..50).map(|_| ask(door, &keys, 50))).await;
    let _warm = (ask(here, &keys, 20).await, ask(there, &keys, 21).await);
    let before = asked(&fleet).await;
    let (mine, theirs) = tokio::join!(crowd(here), crowd(there));
    assert!(
        mine.iter()
            .chain(&theirs)
            .all(|answer| *answer == Answer::Allowed)
    );
    assert_eq!(asked(&fleet).await - before, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_asks_for_itself_and_nobody_is_wrong() {
    let ((server, ids), redis, keys) = (server().await, Redis::start().await, Keys::generate());
    let (proxy, way) = (
        Proxy::start(server.http).await,
        Proxy::start(redis.address).await,
    );
    let fleet = fleet(&proxy, &ids, &way, &keys).await;
    for (_, door) in &fleet {
        assert_eq!(ask(door, &keys, 98).await, right(98));
    }
    let mut id = 0;
    for fault in [
        Fault::Slow(Duration::from_millis(200)),
        Fault::BlackHole,
        Fault::Garbage,
        Fault::Reset,
        Fault::Refuse,
    ] {
        way.set(fault);
        for _ in 0..10 {
            let before = asked(&fleet).await;
            for (_, door) in &fleet {
                assert_eq!(ask(door, &keys, id).await, right(id), "{fault:?} {id}");
            }
            assert_eq!(asked(&fleet).await - before, 2, "{fault:?} {id}");
            id += 1;
        }
    }
    way.set(Fault::None);
    for (replica, door) in &fleet {
        until_redis(replica, true).await;
        assert_eq!(ask(door, &keys, 99).await, right(99));
    }
}
