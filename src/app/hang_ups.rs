//! Many clients hang up at once: Envoy takes their checks back, and everybody else's are answered.

use std::{fs, future::poll_fn, task::Poll};

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{io::duplex, sync::watch, task::yield_now};
use tonic::service::Routes;

use super::{door, runtime::LIMITS};
use crate::ext_authz::Server;

/// As many as a client may open before it has heard from the server.
const CROWD: usize = 100;

fn check() -> Request<Full<Bytes>> {
    // Five bytes of a frame, and an empty question in it: of no route, and so refused.
    let frame = Bytes::from_static(&[0; 5]);
    Request::post("http://subzero/envoy.service.auth.v3.Authorization/Check")
        .header("content-type", "application/grpc")
        .body(Full::new(frame))
        .expect("a request")
}

#[tokio::test]
async fn a_crowd_that_hangs_up_takes_nobody_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("subzero.yaml");
    fs::write(
        &file,
        "routes: [{ name: open, match: { path: / }, public: true }]",
    )
    .expect("writes");
    let door = door(&file).expect("a good configuration");
    let (ours, theirs) = duplex(1 << 20);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(theirs))
        .await
        .expect("shakes hands");
    tokio::spawn(connection);
    let settle = async || {
        for _ in 0..10 {
            yield_now().await;
        }
    };

    // All of it is on the line before the server reads a byte.
    let mut crowd: Vec<_> = (0..CROWD)
        .map(|_| Box::pin(sender.send_request(check())))
        .collect();
    poll_fn(|context| {
        for one in &mut crowd {
            assert!(one.as_mut().poll(context).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    settle().await;
    drop(crowd);
    settle().await;
    let (_stop, stopping) = watch::channel(false);
    let server = Server::new(door, Routes::default(), LIMITS);
    tokio::spawn(async move { server.serve(ours, stopping).await });

    let answer = sender.send_request(check()).await.expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
    assert!(answer.headers().get("grpc-status").is_none(), "{answer:?}");
}
