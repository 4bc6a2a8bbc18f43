//! Answers in memory alone; those in Redis are tested on the real server.

use super::*;
use crate::{
    dispatch::Operation,
    store::{Space, Store},
};

const SPACE: Space = Space {
    name: "permission",
    operation: Operation::Permission,
};

fn answer(text: &'static str) -> Answer {
    Answer {
        value: Bytes::from_static(text.as_bytes()),
        life: Duration::from_mins(1),
    }
}

#[tokio::test]
async fn an_answer_is_found_again_until_it_is_taken_away() {
    let store = Store::in_memory().expect("random numbers");
    let cache = store.cache(SPACE, 1 << 20);
    let soon = Instant::now() + Duration::from_secs(5);
    let key = |user: &str| cache.hasher().key(&[user.as_bytes(), b"viewer"]);
    assert_eq!(cache.get(&key("ann"), soon).await, Ok(None));
    for user in ["ann", "bob"] {
        let kept = cache.put(key(user), answer("yes"), soon).await;
        assert_eq!(kept, Ok(()));
    }
    let yes = Some(Bytes::from_static(b"yes"));
    assert_eq!(cache.get(&key("ann"), soon).await, Ok(yes));
    cache.remove(&key("ann"), soon).await.expect("in memory");
    assert_eq!(cache.recall(&key("ann")), None);
    assert!(cache.recall(&key("bob")).is_some());
    cache.clear(soon).await.expect("in memory");
    assert_eq!(cache.recall(&key("bob")), None);
    let past = Instant::now();
    assert_eq!(cache.get(&key("ann"), past).await, Err(Error::Cancelled));
}

#[tokio::test]
async fn what_is_not_known_is_asked_for_once_and_errors_are_not_kept() {
    let store = Store::in_memory().expect("random numbers");
    let cache = store.cache(SPACE, 1 << 20);
    let soon = Instant::now() + Duration::from_secs(5);
    let key = cache.hasher().key(&[b"ann"]);
    let late = || "late";
    let failed = cache.share(key, soon, late, async || Err("down")).await;
    assert_eq!(failed, Err("down"));
    for said in ["yes", "never asked"] {
        let shared = cache
            .share(key, soon, late, async || Ok(answer(said)))
            .await;
        assert_eq!(shared, Ok(Bytes::from_static(b"yes")));
    }
}

#[test]
fn what_changed_while_it_was_asked_for_is_not_kept() {
    let store = Store::in_memory().expect("random numbers");
    let cache = store.cache(SPACE, 1 << 20);
    let key = cache.hasher().key(&[b"ann"]);
    let inner = &cache.inner;
    let until = (Instant::now(), Duration::from_mins(1));
    let before = inner.moment(&key);
    inner.is_gone(&key);
    inner.keep(key, Bytes::from_static(b"old"), until, before);
    assert_eq!(cache.recall(&key), None, "taken away meanwhile");
    let before = inner.moment(&key);
    inner.is_of(7);
    inner.keep(key, Bytes::from_static(b"old"), until, before);
    assert_eq!(cache.recall(&key), None, "of another generation");
    inner.keep(key, Bytes::from_static(b"new"), until, inner.moment(&key));
    assert!(cache.recall(&key).is_some());
}
