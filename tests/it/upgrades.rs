//! Upgrades to a web socket, through Envoy as shipped: the opening request is checked like any other, and nothing waits
//! for a body that never comes.

use std::time::{Duration, Instant};

use crate::{
    support::client::Request,
    world::{Exchange, World},
};

fn upgrade(path: &str) -> Request {
    Request::get(path)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "c3ViemVybyBpcyBjb2xkIQ==")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_opening_request_is_checked_and_not_held_up() {
    let world = World::start().await;
    // The second is a route on which Envoy buffers bodies.
    for (path, status) in [
        ("/open/live", 200),
        ("/v1/chat/completions", 403),
        ("/me", 401),
    ] {
        let began = Instant::now();
        let (answer, received) = world.exchange(path, upgrade(path)).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.reason());
        assert!(began.elapsed() < Duration::from_secs(5), "{path}");
        let passed: Vec<_> = received
            .iter()
            .map(|request| request.header("upgrade"))
            .collect();
        if status == 200 {
            assert_eq!(passed, [Some("websocket")], "{path}");
        } else {
            assert!(passed.is_empty(), "{path}");
        }
    }
}
