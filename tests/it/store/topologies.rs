//! The store on more than one server: a cluster while its slots move, and Sentinels after a death.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{PATIENCE, SPACE, cache, changes_are_heard_of, open, soon, until_found, yes};
use crate::support::redis::{Cluster, Redis, Watched, text};

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_one_store_while_its_slots_move() {
    let cluster = Cluster::start().await;
    let at = format!(
        "topology: cluster, url: '{}', nodes: ['{}']",
        cluster.nodes[0].url(),
        cluster.nodes[1].url()
    );
    let (one, other, third) = (open(&at).await, open(&at).await, open(&at).await);
    let (one, other) = (cache(&one).await, cache(&other).await);
    changes_are_heard_of(&one, &other).await;
    let keys: Vec<_> = (0..30_u8)
        .map(|number| one.hasher().key(&[&[number]]))
        .collect();
    for key in &keys {
        one.put(*key, yes("yes"), soon()).await.expect("kept");
    }
    // All of the first node's answers move to the second, one slot after the other.
    let moving = async {
        let mut moved = 0;
        let found = cluster.nodes[0]
            .ask(&["KEYS", "subzero:*permission*"])
            .await;
        let redis::Value::Array(names) = found else {
            panic!("{found:?}")
        };
        for name in names.iter().map(text) {
            cluster.migrate(&name, 0, 1).await;
            moved += 1;
        }
        moved
    };
    // Without a memory of its own, so that each look goes to the cluster.
    let forgetful = third.cache(SPACE, 1);
    let asking = async {
        for _ in 0..20 {
            for key in &keys {
                until_found(&forgetful, key, Some("yes")).await;
            }
        }
    };
    let (moved, ()) = tokio::join!(moving, asking);
    assert!(moved > 0, "the first node had none of 30");
    changes_are_heard_of(&one, &other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_lead_to_the_new_server_when_the_old_one_dies() {
    let mut watched = Watched::start().await;
    let nodes: Vec<String> = watched.sentinels.iter().map(Redis::url).collect();
    let at = format!(
        "topology: sentinel, master: {}, url: '{}', nodes: ['{}', '{}']",
        Watched::MASTER,
        nodes[0].clone(),
        nodes[1],
        nodes[2]
    );
    let (one, other) = (open(&at).await, open(&at).await);
    let (one, other) = (cache(&one).await, cache(&other).await);
    changes_are_heard_of(&one, &other).await;
    watched.servers[0].kill();
    watched.sentinels[0].kill();
    let key = one.hasher().key(&[b"after"]);
    let start = Instant::now();
    while one.put(key, yes("yes"), soon()).await.is_err() {
        assert!(start.elapsed() < PATIENCE, "no new server");
        sleep(Duration::from_millis(20)).await;
    }
    while other.get(&key, soon()).await.is_err() {
        assert!(start.elapsed() < PATIENCE, "no new server");
        sleep(Duration::from_millis(20)).await;
    }
    changes_are_heard_of(&one, &other).await;
}
