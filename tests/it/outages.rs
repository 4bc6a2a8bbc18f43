//! What can happen to a Redis that replicas share, while they answer: no wrong verdict, no crash, and
//! nobody waits for it.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{task::JoinHandle, time::sleep};

use crate::{
    replicas::{replica, revoke, sharing, until, until_redis, verdict},
    support::{
        redis::{Cluster, Redis, Watched},
        subzero::Subzero,
    },
    world::{Keys, token},
};

/// As configured: a question to Redis waits no longer.
const DEADLINE: Duration = Duration::from_millis(50);

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Checks without end, each judged: a good token passes, a revoked one does not.
struct Load {
    stop: Arc<AtomicBool>,
    asking: JoinHandle<Vec<Duration>>,
}

impl Load {
    fn start(replica: &Arc<Subzero>, good: &str, revoked: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, replica) = (Arc::clone(&stop), Arc::clone(replica));
        let (good, revoked) = (good.to_owned(), revoked.to_owned());
        let asking = tokio::spawn(async move {
            let mut times = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                assert_eq!(verdict(&replica, &good).await, "ok");
                times.push(start.elapsed());
                assert_eq!(verdict(&replica, &revoked).await, "token_revoked");
                sleep(Duration::from_millis(2)).await;
            }
            times
        });
        Self { stop, asking }
    }

    /// All that was asked, slowest last.
    async fn finish(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let mut times = self.asking.await.expect("every verdict was right");
        times.sort_unstable();
        times
    }
}

/// What half of them took at most: whoever waits for Redis does so in every check of an outage, and a
/// busy machine holds up one of many.
fn usual(times: &[Duration]) -> Duration {
    times[times.len() / 2]
}

struct Fleet {
    replicas: Vec<Arc<Subzero>>,
    keys: Keys,
}

impl Fleet {
    /// Two replicas on `redis` (YAML) with this password in its file.
    async fn start(redis: &str, password: &str) -> Self {
        let keys = Keys::generate();
        let config = sharing(redis);
        let mut replicas = Vec::new();
        for _ in 0..2 {
            let setup = replica(&config, &keys).file("password", password);
            replicas.push(Arc::new(setup.start().await));
        }
        Self { replicas, keys }
    }

    fn token(&self, jti: &str) -> String {
        token("alice")
            .claim("jti", json!(jti))
            .sign(&self.keys.rs256)
    }

    /// Revokes at one what the other refuses then.
    async fn revoke(&self, jti: &str) {
        let start = Instant::now();
        loop {
            let answer = revoke(&self.replicas[0], json!({ "jti": jti })).await;
            if answer.status == 204 {
                break;
            }
            assert_eq!(answer.status, 503, "{}", answer.text());
            assert!(start.elapsed() < PATIENCE, "{}", answer.text());
            sleep(Duration::from_millis(50)).await;
        }
        let within = Duration::from_secs(1);
        until(&self.replicas[1], &self.token(jti), "token_revoked", within).await;
    }

    /// Load on both while `fault` does its worst; then everything works again.
    async fn through(&self, fault: impl Future<Output = ()>) {
        self.revoke("before").await;
        let (good, revoked) = (self.token("good"), self.token("before"));
        let calm = Load::start(&self.replicas[1], &good, &revoked);
        sleep(Duration::from_millis(500)).await;
        let calm = calm.finish().await;
        let loads = self.replicas.iter();
        let loads: Vec<Load> = loads
            .map(|replica| Load::start(replica, &good, &revoked))
            .collect();
        fault.await;
        for load in loads {
            let times = load.finish().await;
            let (during, calm) = (usual(&times), usual(&calm));
            assert!(
                during <= calm + 2 * DEADLINE + Duration::from_millis(100),
                "{} checks took {during:?} instead of {calm:?}",
                times.len()
            );
        }
        self.revoke("after").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_delays_no_check() {
    let redis = Redis::start().await;
    let fleet = Fleet::start(&format!("url: '{}'", redis.url()), "").await;
    let hang = async {
        redis.process.signal("STOP");
        for replica in &fleet.replicas {
            until_redis(replica, false).await;
        }
        // In force at once where it is asked for, and no promise for the others.
        let start = Instant::now();
        let answer = revoke(&fleet.replicas[0], json!({"jti": "meanwhile"})).await;
        assert_eq!(answer.status, 503);
        assert!(start.elapsed() < 10 * DEADLINE, "{:?}", start.elapsed());
        sleep(Duration::from_millis(500)).await;
        redis.process.signal("CONT");
        for replica in &fleet.replicas {
            until_redis(replica, true).await;
        }
    };
    fleet.through(hang).await;
    let token = fleet.token("meanwhile");
    until(
        &fleet.replicas[1],
        &token,
        "token_revoked",
        Duration::from_secs(2),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_does_not_end_delays_no_check() {
    let redis = Redis::start().await;
    let fleet = Fleet::start(&format!("url: '{}'", redis.url()), "").await;
    let slow = async {
        let script = "local t = redis.call('TIME'); local till = t[1] * 1000 + t[2] / 1000 + 1500 \
                      repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > till";
        redis.ask(&["EVAL", script, "0"]).await;
    };
    fleet.through(slow).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_changes_is_read_again() {
    let redis = Redis::start().await;
    let allow = ["~subzero:*", "&subzero:*", "+@all", "-@dangerous"];
    let set = async |password: &str| {
        let mut words = vec!["ACL", "SETUSER", "subzero", "on", "resetpass", password];
        words.extend(allow);
        redis.ask(&words).await;
    };
    set(">one").await;
    let at = format!(
        "url: '{}', username: subzero, password_file: password",
        redis.url()
    );
    let fleet = Fleet::start(&at, "one\n").await;
    let rotate = async {
        set(">two").await;
        redis.ask(&["CLIENT", "KILL", "USER", "subzero"]).await;
        for replica in &fleet.replicas {
            until_redis(replica, false).await;
        }
        sleep(Duration::from_millis(300)).await;
        for replica in &fleet.replicas {
            let refused = [("upstream", "redis"), ("outcome", "refused")];
            let metrics = replica.metrics().await;
            assert!(metrics.count("subzero_upstream_requests_total", &refused) > 0);
            fs::write(replica.dir().join("password"), "two\n").expect("a file");
        }
        for replica in &fleet.replicas {
            until_redis(replica, true).await;
            let log = replica.process.stderr() + &replica.process.stdout();
            assert!(log.contains("WRONGPASS"), "{log}");
        }
    };
    fleet.through(rotate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_refuses_what_is_new_and_forgets_nothing() {
    let redis = Redis::start().await;
    let fleet = Fleet::start(&format!("url: '{}'", redis.url()), "").await;
    let fill = async {
        redis.ask(&["CONFIG", "SET", "maxmemory", "1"]).await;
        let answer = revoke(&fleet.replicas[0], json!({"jti": "one more"})).await;
        assert_eq!(answer.status, 507, "{}", answer.text());
        sleep(Duration::from_secs(1)).await;
        redis.ask(&["CONFIG", "SET", "maxmemory", "0"]).await;
    };
    fleet.through(fill).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_with_other_things_in_it_is_read_as_far_as_it_is_ours() {
    let redis = Redis::start().await;
    let fleet = Fleet::start(&format!("url: '{}'", redis.url()), "").await;
    fleet.revoke("first").await;
    let redis::Value::Array(keys) = redis.ask(&["KEYS", "subzero:*:revocations"]).await else {
        panic!("no list")
    };
    let list = crate::support::redis::text(&keys[0]);
    let redis::Value::Array(names) = redis.ask(&["HKEYS", &list]).await else {
        panic!("no entries")
    };
    let mut names = names.iter().map(crate::support::redis::text);
    let entry = names.find(|name| name != "v").expect("an entry");
    let poison = async {
        // The entry itself as another version would have it, other names, and a version of nobody's.
        redis.ask(&["HSET", &list, &entry, "2 1 2"]).await;
        redis.ask(&["HSET", &list, "short", "1 1 2 3 4"]).await;
        redis
            .ask(&["HSET", &list, &"f".repeat(64), "1 99 99999999999 0 0"])
            .await;
        redis.ask(&["HSET", &list, "v", "nobody's"]).await;
        sleep(Duration::from_millis(1_500)).await;
        let revoked = fleet.token("first");
        for replica in &fleet.replicas {
            assert_eq!(verdict(replica, &revoked).await, "token_revoked");
            let unusable = [("cache", "redis"), ("outcome", "unusable")];
            let metrics = replica.metrics().await;
            assert!(metrics.count("subzero_cache_requests_total", &unusable) > 0);
        }
        // Not a list at all.
        redis.ask(&["SET", &list, "garbage"]).await;
        sleep(Duration::from_millis(1_500)).await;
        let answer = revoke(&fleet.replicas[0], json!({"jti": "meanwhile"})).await;
        assert_eq!(answer.status, 503, "{}", answer.text());
        redis.ask(&["DEL", &list]).await;
        for replica in &fleet.replicas {
            until_redis(replica, true).await;
        }
    };
    fleet.through(poison).await;
    for jti in ["first", "meanwhile"] {
        let within = Duration::from_secs(5);
        until(
            &fleet.replicas[1],
            &fleet.token(jti),
            "token_revoked",
            within,
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_whose_slot_moves_loses_nothing() {
    let cluster = Cluster::start().await;
    let at = format!(
        "topology: cluster, url: '{}', nodes: ['{}']",
        cluster.nodes[0].url(),
        cluster.nodes[1].url()
    );
    let fleet = Fleet::start(&at, "").await;
    let moves = async {
        for round in 0..6 {
            let (from, list) = cluster.holder_of("subzero:*:revocations").await;
            cluster.migrate(&list, from, (from + 1) % 3).await;
            fleet.revoke(&format!("round {round}")).await;
        }
    };
    fleet.through(moves).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failover_loses_no_revocation_and_delays_no_check() {
    let mut watched = Watched::start().await;
    let at = format!(
        "topology: sentinel, master: {}, url: '{}', nodes: ['{}', '{}']",
        Watched::MASTER,
        watched.sentinels[0].url(),
        watched.sentinels[1].url(),
        watched.sentinels[2].url()
    );
    let fleet = Fleet::start(&at, "").await;
    fleet
        .through(async {
            watched.servers[0].kill();
            for replica in &fleet.replicas {
                until_redis(replica, false).await;
            }
            for replica in &fleet.replicas {
                until_redis(replica, true).await;
            }
        })
        .await;
    until(
        &fleet.replicas[1],
        &fleet.token("before"),
        "token_revoked",
        PATIENCE,
    )
    .await;
}
