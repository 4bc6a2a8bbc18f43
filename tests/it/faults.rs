//! The proxy that the tests of failures stand on does what it says.

use std::{
    io,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::support::{
    client::{Request, Response},
    faults::{Fault, Proxy},
    upstream::Upstream,
};

async fn ask(proxy: &Proxy) -> io::Result<Response> {
    let request = Request::get("/");
    timeout(Duration::from_millis(500), request.try_send(proxy.address)).await?
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_shows_as_what_it_is_and_passes() {
    let service = Upstream::start().await;
    let proxy = Proxy::start(service.address).await;
    let passes = async || assert_eq!(ask(&proxy).await.expect("an answer").status, 200);
    passes().await;
    for (fault, kind) in [
        (Fault::BlackHole, Some(io::ErrorKind::TimedOut)),
        (Fault::Refuse, Some(io::ErrorKind::ConnectionRefused)),
        (Fault::Reset, Some(io::ErrorKind::ConnectionReset)),
        (Fault::ResetAfter(10), None),
        (Fault::Garbage, None),
    ] {
        proxy.set(fault);
        // A closed listener is seen a moment later.
        sleep(Duration::from_millis(20)).await;
        let error = ask(&proxy).await.expect_err("no answer");
        assert!(
            kind.is_none_or(|kind| kind == error.kind()),
            "{fault:?}: {error:?}"
        );
        proxy.set(Fault::None);
        sleep(Duration::from_millis(50)).await;
        passes().await;
    }
    proxy.set(Fault::Says(
        "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n",
    ));
    assert_eq!(ask(&proxy).await.expect("an answer").status, 429);
    let slow = Duration::from_millis(200);
    proxy.set(Fault::Slow(slow));
    let began = Instant::now();
    passes().await;
    assert!(began.elapsed() >= slow);

    proxy.set(Fault::Flapping(Duration::from_millis(150)));
    let (mut good, mut bad) = (0, 0);
    for _ in 0..30 {
        match ask(&proxy).await {
            Ok(_) => good += 1,
            Err(_) => bad += 1,
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert!(good > 3 && bad > 3, "{good} good, {bad} bad");
    assert!(proxy.accepted() > 30);
    assert_eq!(proxy.open(), 0, "nothing is left open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_lost_bytes_carries_no_more() {
    let service = Upstream::start().await;
    let proxy = Proxy::start(service.address).await;
    proxy.set(Fault::BlackHole);
    let mut stream = TcpStream::connect(proxy.address).await.expect("connects");
    let request = b"GET / HTTP/1.1\r\nhost: service.example\r\n\r\n";
    stream.write_all(request).await.expect("sent");
    sleep(Duration::from_millis(200)).await;
    proxy.set(Fault::None);
    stream.write_all(request).await.expect("sent");
    let answer = timeout(Duration::from_secs(20), stream.read(&mut [0; 16])).await;
    let error = answer.expect("in time").expect_err("an answer to what?");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_open_can_be_cut() {
    let service = Upstream::start().await;
    let proxy = Proxy::start(service.address).await;
    proxy.set(Fault::Trickle(Duration::from_secs(1)));
    let request = Request::get("/");
    let (answer, ()) = tokio::join!(request.try_send(proxy.address), async {
        sleep(Duration::from_millis(200)).await;
        assert_eq!(proxy.open(), 1);
        proxy.cut();
    });
    assert!(answer.is_err());
}
