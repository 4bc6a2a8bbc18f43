//! Replicas that share a Redis: what one revokes the others refuse within a second, known tokens
//! included, and none of what can happen to Redis makes any of them wrong.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    support::{
        client::{Request, Response},
        door::{Answer, Door},
        faults::{Fault, Proxy},
        oidc::Oidc,
        redis::Redis,
        subzero::{Setup, Subzero},
    },
    world::{self, Keys, data, token},
};

/// Within which every replica is to refuse.
const EVERYWHERE: Duration = Duration::from_secs(1);

/// Two replicas and their Redis.
struct Fleet {
    redis: Redis,
    replicas: Vec<Subzero>,
    keys: Keys,
}

/// The tests' configuration with `redis` (YAML) as what is shared.
pub(crate) fn sharing(redis: &str) -> String {
    format!(
        "{}store:\n  redis: {{ key_file: store.key, {redis} }}\n",
        data("subzero.yaml")
    )
}

/// A replica with this configuration, not started yet.
pub(crate) fn replica(config: &str, keys: &Keys) -> Setup {
    world::subzero(config, keys).file("store.key", "a key of the tests' own")
}

impl Fleet {
    async fn start() -> Self {
        Self::with(Redis::start().await, "").await
    }

    async fn with(redis: Redis, more: &str) -> Self {
        let keys = Keys::generate();
        let config = sharing(&format!("url: '{}'{more}", redis.url()));
        let mut replicas = Vec::new();
        for _ in 0..2 {
            replicas.push(replica(&config, &keys).start().await);
        }
        Self {
            redis,
            replicas,
            keys,
        }
    }

    fn token(&self, jti: &str) -> String {
        token("alice")
            .claim("jti", json!(jti))
            .sign(&self.keys.rs256)
    }
}

/// What `replica` makes of `token`: the reason, or `ok`.
pub(crate) async fn verdict(replica: &Subzero, token: &str) -> String {
    let body = json!({ "tokens": [token] });
    let asked = Request::post("/auth/verify/batch", &body).header("host", "localhost");
    let answer = asked.send(replica.http).await.json();
    answer["results"][0]["reason"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

pub(crate) async fn revoke(replica: &Subzero, what: Value) -> Response {
    let asked = Request::post("/auth/revoke", &what).header("host", "localhost");
    asked.send(replica.http).await
}

/// Waits until `replica` says `reason` of `token`; how long it took.
pub(crate) async fn until(
    replica: &Subzero,
    token: &str,
    reason: &str,
    within: Duration,
) -> Duration {
    let start = Instant::now();
    loop {
        let said = verdict(replica, token).await;
        if said == reason {
            return start.elapsed();
        }
        assert!(start.elapsed() < within, "still `{said}` after {within:?}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until `/readyz` says that Redis is there, or that it is not.
pub(crate) async fn until_redis(replica: &Subzero, is_there: bool) {
    let start = Instant::now();
    loop {
        let page = Request::get("/readyz").send(replica.admin).await.json();
        if page["redis"]["ready"] == json!(is_there) {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "{page}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_replica_revokes_the_other_refuses_within_a_second_known_or_not() {
    let fleet = Fleet::start().await;
    let [one, other] = &fleet.replicas[..] else {
        unreachable!("two were started")
    };
    for round in 0..10 {
        let jti = format!("t{round}");
        let token = fleet.token(&jti);
        // Twice: the second time it is known.
        for replica in [one, other, one, other] {
            assert_eq!(verdict(replica, &token).await, "ok");
        }
        assert_eq!(revoke(one, json!({ "jti": jti })).await.status, 204);
        assert_eq!(verdict(one, &token).await, "token_revoked");
        until(other, &token, "token_revoked", EVERYWHERE).await;
    }
    let bystander = fleet.token("another");
    for replica in [one, other] {
        assert_eq!(verdict(replica, &bystander).await, "ok");
        let metrics = replica.metrics().await;
        assert_eq!(metrics.count("subzero_revocations", &[]), 10);
        let asked = [("upstream", "redis"), ("outcome", "ok")];
        assert!(metrics.count("subzero_upstream_requests_total", &asked) > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_forgets_no_revocation() {
    let mut fleet = Fleet::start().await;
    let token = fleet.token("t1");
    assert_eq!(
        revoke(&fleet.replicas[0], json!({"jti": "t1"}))
            .await
            .status,
        204
    );
    // Both go, and only Redis is left to tell.
    fleet.replicas.clear();
    let config = sharing(&format!("url: '{}'", fleet.redis.url()));
    let again = replica(&config, &fleet.keys).start().await;
    assert_eq!(
        verdict(&again, &token).await,
        "token_revoked",
        "from the first check on"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_dies_and_comes_back_empty_is_told_everything_again() {
    let mut fleet = Fleet::start().await;
    let tokens = [fleet.token("t1"), fleet.token("t2")];
    let good = fleet.token("good");
    assert_eq!(
        revoke(&fleet.replicas[0], json!({"jti": "t1"}))
            .await
            .status,
        204
    );
    until(&fleet.replicas[1], &tokens[0], "token_revoked", EVERYWHERE).await;
    fleet.redis.kill();
    for replica in &fleet.replicas {
        until_redis(replica, false).await;
        assert_eq!(verdict(replica, &tokens[0]).await, "token_revoked");
        assert_eq!(verdict(replica, &good).await, "ok");
    }
    // In force where it was asked for, and no promise for the others.
    let refused = revoke(&fleet.replicas[0], json!({"jti": "t2"})).await;
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(
        verdict(&fleet.replicas[0], &tokens[1]).await,
        "token_revoked"
    );
    assert_eq!(verdict(&fleet.replicas[1], &tokens[1]).await, "ok");

    fleet.redis.restart().await;
    for token in &tokens {
        let within = Duration::from_secs(5);
        until(&fleet.replicas[1], token, "token_revoked", within).await;
    }
    // The server had lost everything; a newcomer learns it all from there again.
    let config = sharing(&format!("url: '{}'", fleet.redis.url()));
    let newcomer = replica(&config, &fleet.keys).start().await;
    for token in &tokens {
        assert_eq!(verdict(&newcomer, token).await, "token_revoked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_starts_without_redis_lets_no_token_pass_until_it_knows_the_list() {
    let mut fleet = Fleet::start().await;
    let (revoked, good) = (fleet.token("t1"), fleet.token("good"));
    assert_eq!(
        revoke(&fleet.replicas[0], json!({"jti": "t1"}))
            .await
            .status,
        204
    );
    let there = until(&fleet.replicas[1], &revoked, "token_revoked", EVERYWHERE);
    there.await;
    fleet.redis.kill();
    let config = sharing(&format!("url: '{}'", fleet.redis.url()));
    let newcomer = replica(&config, &fleet.keys).start().await;
    for token in [&revoked, &good] {
        assert_eq!(verdict(&newcomer, token).await, "keys_unavailable");
    }
    fleet.redis.restart().await;
    let within = Duration::from_secs(5);
    until(&newcomer, &good, "ok", within).await;
    until(&newcomer, &revoked, "token_revoked", within).await;

    // Where the operator would rather go on.
    fleet.redis.kill();
    let lenient = config.replace(
        "identity:\n",
        "identity:\n  revocation: { max_stale: null }\n",
    );
    let lenient = replica(&lenient, &fleet.keys).start().await;
    assert_eq!(verdict(&lenient, &good).await, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_while_its_issuer_is_asked_about_it_is_refused_by_both() {
    const CALLERS: usize = 50;
    let (redis, provider, keys) = (Redis::start().await, Oidc::start().await, Keys::generate());
    let proxy = Proxy::start(provider.address).await;
    let config = format!(
        "limits: {{ deadline: 10s }}
admission: {{ min: 2048 }}
store: {{ redis: {{ key_file: store.key, url: '{}' }} }}
identity:
  issuers:
    provider:
      issuer: '{}'
      allow_private_addresses: true
      audiences: ['{}']
      introspection: {{ client_id: bob, client_secret_file: secret, secret_by: post, introspection_endpoint: 'http://{}/token/introspection' }}
routes:
  - {{ name: me, match: {{ path: /me }}, identity: {{ issuers: [provider] }} }}
",
        redis.url(),
        provider.issuer,
        provider.audience,
        proxy.address
    );
    let start = async || {
        let setup = replica(&config, &keys).file("secret", "bob-secret");
        let subzero = setup.start().await;
        until_redis(&subzero, true).await;
        let door = Door::dial(subzero.grpc).await;
        (subzero, door)
    };
    let ((one, here), (_other, there)) = (start().await, start().await);
    let ask = async |door: &Door, token: &str| {
        let bearer = format!("Bearer {token}");
        door.ask("/me", &[("authorization", &bearer)], b"").await
    };
    let revoked = Answer::Denied(401, "token_revoked".to_owned());
    for round in 0..3 {
        let asked = provider.count("introspection").await;
        let token = provider.token("carol", "docs").await;
        proxy.set(Fault::Slow(Duration::from_millis(400)));
        let crowd = |door: &Door| {
            let (door, token) = (door.clone(), token.clone());
            tokio::spawn(async move {
                let bearer = format!("Bearer {token}");
                let headers = [("authorization", bearer.as_str())];
                join_all((0..CALLERS).map(|_| door.ask("/me", &headers, b""))).await
            })
        };
        let (mine, theirs) = (crowd(&here), crowd(&there));
        sleep(Duration::from_millis(150)).await;
        let answer = revoke(&one, json!({ "sub": "carol" })).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        let since = Instant::now();
        // Both wait for the issuer, which says that the token is good.
        for answer in mine.await.expect("no panic") {
            assert_eq!(answer, revoked, "round {round}");
        }
        theirs.await.expect("no panic");
        assert_eq!(provider.count("introspection").await - asked, 2, "one each");
        proxy.set(Fault::None);
        sleep(EVERYWHERE.saturating_sub(since.elapsed())).await;
        for door in [&here, &there] {
            assert_eq!(ask(door, &token).await, revoked, "round {round}");
        }
        // What is issued from now on is another token.
        sleep(Duration::from_millis(1_100)).await;
    }
}
