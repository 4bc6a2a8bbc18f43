//! The store by itself, twice in one process on the real server: what one puts there the other finds,
//! and hears of when it changes.

mod tls;
mod topologies;

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use subzero::{
    config::Loaded,
    dispatch::{Dispatcher, Operation},
    store::{Answer, Cache, Error, Metrics, Put, Space, Store},
};
use tokio::{sync::oneshot, time::sleep};

use crate::support::redis::{Redis, text};

const SPACE: Space = Space {
    name: "permission",
    operation: Operation::Permission,
};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Within which a change is heard of.
const HEARD: Duration = Duration::from_secs(1);

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

fn yes(text: &str) -> Answer {
    Answer {
        value: Bytes::copy_from_slice(text.as_bytes()),
        life: Duration::from_mins(1),
    }
}

/// A store on `redis` (YAML), connected.
async fn open(redis: &str) -> Store {
    let store = open_without_waiting(redis);
    until("connect", || {
        store.health().is_some_and(|redis| redis.connected)
    })
    .await;
    store
}

/// A store on `redis` (YAML), whether or not that can be reached.
fn open_without_waiting(redis: &str) -> Store {
    // Kept: the password's file is read for each connection.
    let folder = tempfile::tempdir().expect("a folder").keep();
    let file = folder.join("subzero.yaml");
    fs::write(folder.join("store.key"), "a key of the tests' own").expect("a file");
    fs::write(folder.join("password"), "secret\n").expect("a file");
    let config = format!("store:\n  redis: {{ key_file: store.key, deadline: 500ms, {redis} }}\n");
    fs::write(&file, config).expect("a file");
    let config = Loaded::read(Some(&file)).expect("good").config.store;
    let dispatcher = Dispatcher::in_place();
    Store::open(&config, &folder, Metrics::unread(), dispatcher).expect("good")
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it did not {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// A cache of `store` that Redis can be asked about.
async fn cache(store: &Store) -> Cache {
    let cache = store.cache(SPACE, 1 << 20);
    let key = cache.hasher().key(&[b"nobody"]);
    let start = Instant::now();
    while cache.get(&key, soon()).await != Ok(None) {
        assert!(start.elapsed() < PATIENCE, "redis is not asked");
        sleep(Duration::from_millis(2)).await;
    }
    cache
}

/// What is found under `key` until it is `expected`, for at most a second.
async fn until_found(cache: &Cache, key: &subzero::store::Key, expected: Option<&str>) {
    let start = Instant::now();
    let expected = expected.map(|text| Bytes::copy_from_slice(text.as_bytes()));
    loop {
        let found = cache.get(key, soon()).await;
        if found == Ok(expected.clone()) {
            return;
        }
        assert!(start.elapsed() < HEARD, "{found:?} instead of {expected:?}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// The same, until it is in memory: news of what was there before may still be on their way.
async fn until_kept(cache: &Cache, key: &subzero::store::Key, expected: &str) {
    let start = Instant::now();
    while cache.recall(key) != Some(Bytes::copy_from_slice(expected.as_bytes())) {
        until_found(cache, key, Some(expected)).await;
        assert!(start.elapsed() < HEARD, "it does not stay in memory");
    }
}

/// Answers put, changed, taken away and cleared through `one` reach `other`, whose memory has them.
async fn changes_are_heard_of(one: &Cache, other: &Cache) {
    let key = one.hasher().key(&[b"ann", b"viewer"]);
    for round in 0..5 {
        let texts = [format!("yes {round}"), format!("no {round}")];
        for text in &texts {
            one.put(key, yes(text), soon()).await.expect("kept");
            until_kept(other, &key, text).await;
        }
        one.remove(&key, soon()).await.expect("told");
        until_found(other, &key, None).await;
        assert_eq!(one.recall(&key), None);
    }
    // Both ways, and all at once.
    other.put(key, yes("yes"), soon()).await.expect("kept");
    until_found(one, &key, Some("yes")).await;
    one.clear(soon()).await.expect("told");
    until_found(other, &key, None).await;
    assert_eq!(one.get(&key, soon()).await, Ok(None));
    other.put(key, yes("again"), soon()).await.expect("kept");
    until_kept(one, &key, "again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_heard_of_from_a_server_that_tracks_keys() {
    let redis = Redis::start().await;
    let at = format!("url: '{}'", redis.url());
    let (one, other) = (open(&at).await, open(&at).await);
    changes_are_heard_of(&cache(&one).await, &cache(&other).await).await;
    // By the server itself: nobody told that this one goes.
    let (one, other) = (cache(&one).await, cache(&other).await);
    let key = one.hasher().key(&[b"bob"]);
    one.put(key, yes("yes"), soon()).await.expect("kept");
    until_found(&other, &key, Some("yes")).await;
    redis.ask(&["FLUSHDB"]).await;
    for cache in [&one, &other] {
        let start = Instant::now();
        while cache.recall(&key).is_some() {
            assert!(start.elapsed() < 2 * HEARD, "believed though it is gone");
            sleep(Duration::from_millis(2)).await;
        }
    }
}

/// What docs/store.md says that the user needs.
const ACL: &str = "on >secret ~subzero:* &subzero:* -@all +get +set +del +exists +type +hget +hset \
     +hsetnx +hgetall +hscan +hlen +hdel +evalsha +script|load +publish +subscribe +ping +hello +auth \
     +client|setinfo +client|tracking +select +cluster|slots +cluster|shards +role";

/// A server with the user `subzero`, who may do what `acl` says.
async fn with_user(acl: &str) -> (Redis, String) {
    let redis = Redis::start().await;
    let mut words = vec!["ACL", "SETUSER", "subzero"];
    words.extend(acl.split_whitespace());
    redis.ask(&words).await;
    let at = format!(
        "url: '{}', username: subzero, password_file: password",
        redis.url()
    );
    (redis, at)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_of_the_manual_may_do_all_that_is_needed() {
    let page = include_str!("../../docs/store.md");
    for word in ACL.split_whitespace().filter(|word| word.starts_with('+')) {
        assert!(
            page.contains(&format!("{word} ")) || page.contains(&format!("{word}\n")),
            "{word}"
        );
    }
    let (_redis, at) = with_user(ACL).await;
    let (one, other) = (open(&at).await, open(&at).await);
    changes_are_heard_of(&cache(&one).await, &cache(&other).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_are_heard_of_without_tracking_and_without_resp3() {
    for missing in ["+client|tracking", "+hello"] {
        let (redis, at) = with_user(&ACL.replace(missing, "")).await;
        let (one, other) = (open(&at).await, open(&at).await);
        changes_are_heard_of(&cache(&one).await, &cache(&other).await).await;
        drop((one, other, redis));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_several_that_ask_for_a_mark_one_is_the_first() {
    let mut redis = Redis::start().await;
    let at = format!("url: '{}'", redis.url());
    let stores = [open(&at).await, open(&at).await];
    let marks = stores.each_ref().map(|store| store.once(SPACE, 1 << 20));
    let life = Duration::from_mins(1);
    for round in 0..20_u8 {
        let key = marks[0].hasher().key(&[&[round]]);
        let [one, other] = marks.each_ref().map(|marks| marks.put(key, life, soon()));
        let (one, other) = tokio::join!(one, other);
        let new = [one, other]
            .iter()
            .filter(|put| **put == Ok(Put::New))
            .count();
        assert_eq!(new, 1, "{one:?} {other:?}");
        for marks in &marks {
            assert_eq!(marks.put(key, life, soon()).await, Ok(Put::Known));
        }
    }
    // Nobody knows any more, and that is no "new".
    redis.kill();
    until("notice", || {
        stores[0].health().is_some_and(|redis| !redis.connected)
    })
    .await;
    let key = marks[0].hasher().key(&[b"later"]);
    for _ in 0..2 {
        assert_eq!(marks[0].put(key, life, soon()).await, Err(Error::Away));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_all_replicas_asks_and_the_others_get_its_answer() {
    let redis = Redis::start().await;
    let at = format!("url: '{}'", redis.url());
    let (one, other) = (open(&at).await, open(&at).await);
    let caches = [cache(&one).await, cache(&other).await];
    for round in 0..10_u8 {
        let key = caches[0].hasher().key(&[&[round]]);
        let asked = Arc::new(AtomicUsize::new(0));
        let ask = |cache: &Cache| {
            let (cache, asked) = (cache.clone(), Arc::clone(&asked));
            tokio::spawn(async move {
                let upstream = async || {
                    asked.fetch_add(1, Ordering::SeqCst);
                    sleep(Duration::from_millis(50)).await;
                    Ok(yes("yes"))
                };
                cache.share(key, soon(), || "late", upstream).await
            })
        };
        for asking in [ask(&caches[0]), ask(&caches[1])] {
            let answer = asking.await.expect("no panic");
            assert_eq!(answer, Ok(Bytes::from_static(b"yes")));
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_an_answer_that_does_not_come_asks_itself_or_is_told_in_time() {
    let redis = Redis::start().await;
    let at = format!("url: '{}'", redis.url());
    let (one, other) = (open(&at).await, open(&at).await);
    let caches = [cache(&one).await, cache(&other).await];
    let key = caches[0].hasher().key(&[b"ann"]);
    // Asks with a lease of a second, and goes away.
    let brief = Instant::now() + Duration::from_secs(1);
    let gone = caches[0].clone();
    let (tell, asks) = oneshot::channel();
    let asking = tokio::spawn(async move {
        let upstream = async move || {
            let _ = tell.send(());
            std::future::pending::<Result<Answer, &str>>().await
        };
        gone.share(key, brief, || "late", upstream).await
    });
    asks.await.expect("it asks");
    asking.abort();
    // Too little time to outlast the lease.
    let start = Instant::now();
    let hurried = start + Duration::from_millis(100);
    let late = caches[1]
        .share(key, hurried, || "late", async || Ok(yes("no")))
        .await;
    assert_eq!(late, Err("late"));
    assert!(Instant::now() < brief, "{:?}", start.elapsed());
    // Time enough.
    let answer = caches[1]
        .share(key, soon(), || "late", async || Ok(yes("yes")))
        .await;
    assert_eq!(answer, Ok(Bytes::from_static(b"yes")));
    // An error is nobody's answer: the next one asks.
    let key = caches[0].hasher().key(&[b"bob"]);
    let failed = caches[0]
        .share(key, soon(), || "late", async || Err("down"))
        .await;
    assert_eq!(failed, Err("down"));
    let answer = caches[1]
        .share(key, soon(), || "late", async || Ok(yes("yes")))
        .await;
    assert_eq!(answer, Ok(Bytes::from_static(b"yes")));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_somebody_else_wrote_are_misses() {
    let redis = Redis::start().await;
    let at = format!("url: '{}'", redis.url());
    let (one, other) = (open(&at).await, open(&at).await);
    let (one, other) = (cache(&one).await, cache(&other).await);
    let [ann, bob] = [b"ann", b"bob"].map(|user| one.hasher().key(&[user]));
    let name = |found: &redis::Value, key: &subzero::store::Key| {
        let redis::Value::Array(names) = found else {
            panic!("{found:?}")
        };
        let names = names.iter().map(text);
        names
            .into_iter()
            .find(|name| name.contains(&key.hex()))
            .expect("it is there")
    };
    for poison in [
        "",
        "\u{1}",
        "2 whatever another version keeps",
        "garbage of some length, no seal",
    ] {
        one.put(ann, yes("yes"), soon()).await.expect("kept");
        let keys = redis.ask(&["KEYS", "subzero:*"]).await;
        redis.ask(&["SET", &name(&keys, &ann), poison]).await;
        until_found(&other, &ann, None).await;
        until_found(&one, &ann, None).await;
    }
    // A good one in another's place.
    for (key, said) in [(ann, "no"), (bob, "yes")] {
        one.put(key, yes(said), soon()).await.expect("kept");
    }
    let keys = redis.ask(&["KEYS", "subzero:*"]).await;
    redis
        .ask(&["COPY", &name(&keys, &bob), &name(&keys, &ann), "REPLACE"])
        .await;
    until_found(&other, &ann, None).await;
    until_found(&other, &bob, Some("yes")).await;
    // Of another kind altogether.
    redis.ask(&["DEL", &name(&keys, &ann)]).await;
    redis.ask(&["LPUSH", &name(&keys, &ann), "x"]).await;
    assert_eq!(other.get(&ann, soon()).await, Err(Error::Refused));
    one.put(ann, yes("yes"), soon())
        .await
        .expect("kept all the same");
    until_found(&other, &ann, Some("yes")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_in_memory_before_a_gap_is_read_again_after_it() {
    let mut redis = Redis::start().await;
    let at = format!("url: '{}'", redis.url());
    let store = open(&at).await;
    let cache = cache(&store).await;
    let key = cache.hasher().key(&[b"ann"]);
    cache.put(key, yes("yes"), soon()).await.expect("kept");
    redis.kill();
    until("notice", || {
        store.health().is_some_and(|redis| !redis.connected)
    })
    .await;
    // Believed for a second, and not asked of a Redis that is away.
    let start = Instant::now();
    while cache.recall(&key).is_some() {
        assert!(
            start.elapsed() < 2 * HEARD,
            "believed for {:?}",
            start.elapsed()
        );
        sleep(Duration::from_millis(5)).await;
    }
    let asked = Instant::now();
    assert_eq!(cache.get(&key, soon()).await, Err(Error::Away));
    assert!(
        asked.elapsed() < Duration::from_millis(50),
        "nobody waits for a connection"
    );
    // It comes back empty: what was in memory is no answer any more.
    redis.restart().await;
    until("connect", || {
        store.health().is_some_and(|redis| redis.connected)
    })
    .await;
    let start = Instant::now();
    while cache.get(&key, soon()).await != Ok(None) {
        assert!(start.elapsed() < PATIENCE, "redis is not asked");
        sleep(Duration::from_millis(5)).await;
    }
}
