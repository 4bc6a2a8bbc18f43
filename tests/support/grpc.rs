//! A gRPC or gRPC-web call over HTTP/2 without TLS, to see what status such a caller gets.

use std::{io, net::SocketAddr, time::Duration};

use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, body::Bytes, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{net::TcpStream, time::timeout};

use super::client::Response;

const PATIENCE: Duration = Duration::from_secs(20);

/// Calls `path` (`/package.Service/Method`) with one frame that carries `message`.
///
/// `content_type` chooses gRPC (`application/grpc`) or gRPC-web (`application/grpc-web+proto`). Where a
/// call is denied, `grpc-status` is a header of the answer; where it is served, a trailer.
pub(crate) async fn call(
    to: SocketAddr,
    path: &str,
    content_type: &str,
    headers: &[(&str, &str)],
    message: &[u8],
) -> Response {
    let call = try_call(to, path, content_type, headers, message);
    let answer = timeout(PATIENCE, call).await.map_err(io::Error::from);
    answer
        .and_then(|answer| answer)
        .unwrap_or_else(|error| panic!("call {path} at {to}: {error}"))
}

async fn try_call(
    to: SocketAddr,
    path: &str,
    content_type: &str,
    headers: &[(&str, &str)],
    message: &[u8],
) -> io::Result<Response> {
    let stream = TcpStream::connect(to).await?;
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    // It ends when `sender` is dropped.
    tokio::spawn(connection);
    let mut request = hyper::Request::post(format!("http://service.example{path}"))
        .header("content-type", content_type)
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request
        .body(Full::new(frame(message)))
        .map_err(io::Error::other)?;
    let (head, body) = sender
        .send_request(request)
        .await
        .map_err(io::Error::other)?
        .into_parts();
    let body = body.collect().await.map_err(io::Error::other)?;
    let trailers = body.trailers().map(pairs).unwrap_or_default();
    Ok(Response {
        status: head.status.as_u16(),
        headers: pairs(&head.headers),
        body: body.to_bytes().to_vec(),
        trailers,
    })
}

/// Not compressed, the length in four bytes, the message.
fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("a short message");
    [&[0], &length.to_be_bytes()[..], message].concat().into()
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text =
        |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers
        .iter()
        .map(|(name, value)| (name.to_string(), text(value)))
        .collect()
}
