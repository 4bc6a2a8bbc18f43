//! The service behind Envoy: it tells each caller what it received, and remembers it.
//!
//! HTTP/1.1 is read by hand, so that whatever Envoy lets through is seen as it is; HTTP/2 without TLS
//! (prior knowledge) is for gRPC. A denied request must not be in [`Upstream::received`].

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, body::Bytes, body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::wire::{self, Unframed};

/// What every HTTP/2 connection begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2";

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) version: &'static str,
    pub(crate) method: String,
    /// The request target, byte for byte.
    pub(crate) path: String,
    /// In the order of arrival, repeats kept.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        wire::find(&self.headers, name)
    }

    fn to_json(&self) -> Value {
        json!({
            "version": self.version,
            "method": self.method,
            "path": self.path,
            "headers": self.headers,
            "body_length": self.body.len(),
            "body": String::from_utf8_lossy(&self.body),
        })
    }
}

type Log = Arc<Mutex<Vec<Received>>>;

/// The running service.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    log: Log,
    accepting: JoinHandle<()>,
}

impl Upstream {
    /// Starts it on a free port.
    pub(crate) async fn start() -> Self {
        Self::start_on(super::ports::free()).await
    }

    /// Starts it on this port of 127.0.0.1. It needs the runtime that it was started on.
    pub(crate) async fn start_on(port: u16) -> Self {
        let address = super::ports::local(port);
        let listener = TcpListener::bind(address).await;
        let listener = listener.unwrap_or_else(|error| panic!("listen on {address}: {error}"));
        let log = Log::default();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&log)));
        Self {
            address,
            log,
            accepting,
        }
    }

    /// All that has arrived.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// What has arrived with this header: tests that share the service mark their requests.
    pub(crate) fn received_with(&self, name: &str, value: &str) -> Vec<Received> {
        let mut hits = self.received();
        hits.retain(|request| request.header(name) == Some(value));
        hits
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, log: Log) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&log)));
    }
}

async fn serve(stream: TcpStream, log: Log) {
    let mut start = [0; PREFACE.len()];
    // Nothing else begins with `PRI`, so three bytes tell.
    let length = stream.peek(&mut start).await.unwrap_or_default();
    // A connection that breaks is the other side's matter: whoever waits for its answer sees it.
    if length >= 3 && PREFACE.starts_with(&start[..length]) {
        let service = service_fn(move |request| answer_http2(request, Arc::clone(&log)));
        let connection = http2::Builder::new(TokioExecutor::new());
        let _ = connection
            .serve_connection(TokioIo::new(stream), service)
            .await;
    } else {
        let _ = serve_http1(stream, &log).await;
    }
}

async fn serve_http1(stream: TcpStream, log: &Log) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(message) = wire::read(&mut stream, Unframed::Empty).await? {
        let mut words = message.first_line.splitn(2, ' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default();
        let path = target
            .strip_suffix(" HTTP/1.1")
            .unwrap_or(target)
            .to_owned();
        let received = Received {
            version: "HTTP/1.1",
            method,
            path,
            headers: message.headers,
            body: message.body,
        };
        let answer = remember(log, received).to_string();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            answer.len()
        );
        stream.write_all([head, answer].concat().as_bytes()).await?;
    }
    Ok(())
}

/// Answers gRPC with `grpc-status: 0` in the trailers, and anything else as over HTTP/1.1.
async fn answer_http2(
    request: hyper::Request<Incoming>,
    log: Log,
) -> Result<hyper::Response<impl hyper::body::Body<Data = Bytes, Error = Infallible>>, hyper::Error>
{
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes().to_vec();
    let text =
        |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)));
    let is_grpc = head
        .headers
        .get("content-type")
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    let received = Received {
        version: "HTTP/2",
        method: head.method.to_string(),
        path: head
            .uri
            .path_and_query()
            .map(ToString::to_string)
            .unwrap_or_default(),
        headers: headers.collect(),
        body,
    };
    let answer = remember(&log, received).to_string();
    let trailers = is_grpc.then(|| {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", "0".parse().expect("a header value"));
        Ok(trailers)
    });
    let kind = if is_grpc {
        "application/grpc"
    } else {
        "application/json"
    };
    let body = Full::new(Bytes::from(answer)).with_trailers(std::future::ready(trailers));
    let response = hyper::Response::builder()
        .header("content-type", kind)
        .body(body);
    Ok(response.expect("a valid head"))
}

fn remember(log: &Log, received: Received) -> Value {
    let answer = received.to_json();
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(received);
    answer
}
