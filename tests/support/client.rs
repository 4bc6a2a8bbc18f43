//! An HTTP/1.1 client that sends exactly the bytes it is given.
//!
//! One connection a request. The target goes out as it is written, headers are neither sorted nor
//! merged, and chunk boundaries are the caller's: `curl` and every library would tidy them up.

use std::{
    fmt::Write as _,
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpSocket, TcpStream},
    time::{sleep, timeout},
};

use super::{
    tls::{Authority, Identity},
    wire::{self, Unframed},
};

/// A request that has no answer after this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request to be sent. `host` and `connection: close` are added unless they are given.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Body,
}

#[derive(Clone, Debug)]
enum Body {
    Absent,
    Chunked(Vec<Vec<u8>>, Duration),
    Whole(Vec<u8>),
}

impl Request {
    /// A request without a body; the target is sent as it stands.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Body::Absent,
        }
    }

    /// `GET target`.
    pub(crate) fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// `POST target` with a JSON body.
    pub(crate) fn post(target: &str, body: &Value) -> Self {
        Self::new("POST", target)
            .header("content-type", "application/json")
            .body(body.to_string())
    }

    /// Adds a header; the same name may be added again.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds `authorization: Bearer TOKEN`.
    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// A body announced by its `content-length`.
    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Body::Whole(body.into());
        self
    }

    /// A chunked body in exactly these chunks, with a pause before each but the first, so that they
    /// arrive one at a time.
    pub(crate) fn chunks(mut self, chunks: &[&[u8]], pause: Duration) -> Self {
        self.body = Body::Chunked(chunks.iter().map(|chunk| chunk.to_vec()).collect(), pause);
        self
    }

    /// Sends it and reads the answer.
    ///
    /// # Panics
    ///
    /// When there is no answer: through Envoy there always has to be one.
    pub(crate) async fn send(&self, to: SocketAddr) -> Response {
        self.try_send(to)
            .await
            .unwrap_or_else(|error| panic!("{} {} to {to}: {error}", self.method, self.target))
    }

    /// Sends it from this address of the loopback network and reads the answer.
    ///
    /// # Panics
    ///
    /// When there is no answer.
    pub(crate) async fn send_from(&self, from: Ipv4Addr, to: SocketAddr) -> Response {
        let connected = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(SocketAddr::from((from, 0)))?;
            self.exchange(socket.connect(to).await?).await
        };
        connected
            .await
            .unwrap_or_else(|error| panic!("{} {} from {from}: {error}", self.method, self.target))
    }

    /// Sends it over TLS, showing `identity` if there is one.
    pub(crate) async fn send_tls(
        &self,
        to: SocketAddr,
        authority: &Authority,
        identity: Option<&Identity>,
    ) -> io::Result<Response> {
        let stream = authority
            .connect(TcpStream::connect(to).await?, identity)
            .await?;
        self.exchange(stream).await
    }

    /// Sends it and reads the answer, or says why there is none.
    pub(crate) async fn try_send(&self, to: SocketAddr) -> io::Result<Response> {
        let stream = TcpStream::connect(to).await?;
        stream.set_nodelay(true)?;
        self.exchange(stream).await
    }

    async fn exchange(&self, stream: impl AsyncRead + AsyncWrite) -> io::Result<Response> {
        match &self.body {
            Body::Absent => exchange(stream, &[self.head("").as_bytes()], Duration::ZERO).await,
            Body::Chunked(chunks, pause) => {
                let head = self.head("transfer-encoding: chunked\r\n").into_bytes();
                let mut pieces: Vec<Vec<u8>> = chunks.iter().map(|chunk| framed(chunk)).collect();
                pieces.push(b"0\r\n\r\n".to_vec());
                pieces[0] = [head, pieces[0].clone()].concat();
                let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
                exchange(stream, &pieces, *pause).await
            }
            Body::Whole(body) => {
                let head = self.head(&format!("content-length: {}\r\n", body.len()));
                exchange(stream, &[&[head.as_bytes(), body].concat()], Duration::ZERO).await
            }
        }
    }

    fn head(&self, framing: &str) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in [("host", "service.example"), ("connection", "close")] {
            if wire::find(&self.headers, name).is_none() {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head + framing + "\r\n"
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite,
    pieces: &[&[u8]],
    pause: Duration,
) -> io::Result<Response> {
    let (read, mut write) = tokio::io::split(stream);
    let sending = async {
        for (index, piece) in pieces.iter().enumerate() {
            if index > 0 {
                sleep(pause).await;
            }
            // The peer may answer and close before it has read all: the answer counts.
            if write.write_all(piece).await.is_err() || write.flush().await.is_err() {
                break;
            }
        }
    };
    let mut read = BufReader::new(read);
    let both = async { tokio::join!(sending, wire::read(&mut read, Unframed::UntilClosed)) };
    let ((), message) = timeout(PATIENCE, both).await?;
    Response::from_message(message?.ok_or(io::ErrorKind::UnexpectedEof)?)
}

/// Opens a connection, sends `bytes`, and returns what comes back until the peer closes.
pub(crate) async fn send_tcp(to: SocketAddr, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let exchange = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(answer)
    };
    timeout(PATIENCE, exchange).await.map_err(io::Error::from)?
}

fn framed(chunk: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{:x}\r\n", chunk.len()).into_bytes();
    bytes.extend_from_slice(chunk);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// gRPC's last word; empty over HTTP/1.1.
    pub(crate) trailers: Vec<(String, String)>,
}

impl Response {
    fn from_message(message: wire::Message) -> io::Result<Self> {
        let status = message
            .first_line
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok());
        Ok(Self {
            status: status.ok_or(io::ErrorKind::InvalidData)?,
            headers: message.headers,
            body: message.body,
            trailers: Vec::new(),
        })
    }

    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        wire::find(&self.headers, name)
    }

    /// The body as JSON; `null` when it is not.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// `x-subzero-reason`; empty when there is none.
    pub(crate) fn reason(&self) -> &str {
        self.header("x-subzero-reason").unwrap_or_default()
    }

    /// What the echo service says it received in the header of this name, if it got any.
    ///
    /// # Panics
    ///
    /// When the answer is not the echo service's.
    pub(crate) fn echoed(&self, name: &str) -> Vec<String> {
        let json = self.json();
        let headers = json["headers"]
            .as_array()
            .expect("the echo service's answer");
        let hits = headers.iter().filter(|header| header[0] == name);
        hits.map(|header| header[1].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}
