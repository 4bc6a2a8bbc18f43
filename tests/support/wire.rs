//! HTTP/1.1 messages read as they are: no header is merged, no target is normalised.
//!
//! Used on both ends, because a library would refuse the very requests that the tests are about.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt};

/// Longest head and body that are read: tests send less, and a runaway peer ends here.
const MAX: u64 = 16 * 1024 * 1024;

/// A message, its first line apart.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) first_line: String,
    /// In the order of arrival, repeats kept, names as they were spelt.
    pub(crate) headers: Vec<(String, String)>,
    /// Chunks joined.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }
}

/// The first header of this name in `headers`.
pub(crate) fn find<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    let hit = headers
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name));
    hit.map(|(_, value)| value.as_str())
}

/// What tells where a body ends when neither length nor chunks do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unframed {
    /// There is none: a request, or an answer that has no body by its nature.
    Empty,
    /// The end of the connection: an answer.
    UntilClosed,
}

/// Reads one message; `None` when the peer closed before it began.
pub(crate) async fn read(
    from: &mut (impl AsyncBufRead + Unpin),
    unframed: Unframed,
) -> io::Result<Option<Message>> {
    let Some(first_line) = line(from).await? else {
        return Ok(None);
    };
    let mut headers = Vec::new();
    loop {
        let text = line(from).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if text.is_empty() {
            break;
        }
        let (name, value) = text.split_once(':').ok_or(io::ErrorKind::InvalidData)?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut message = Message {
        first_line,
        headers,
        body: Vec::new(),
    };
    message.body = body(from, &message, unframed).await?;
    Ok(Some(message))
}

async fn body(
    from: &mut (impl AsyncBufRead + Unpin),
    head: &Message,
    unframed: Unframed,
) -> io::Result<Vec<u8>> {
    let chunked = head
        .header("transfer-encoding")
        .is_some_and(|coding| coding.contains("chunked"));
    if chunked {
        return chunks(from).await;
    }
    let mut body = Vec::new();
    if let Some(length) = head.header("content-length") {
        let length: u64 = length.parse().map_err(|_| io::ErrorKind::InvalidData)?;
        from.take(length.min(MAX)).read_to_end(&mut body).await?;
        if body.len() as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    } else if unframed == Unframed::UntilClosed {
        from.take(MAX).read_to_end(&mut body).await?;
    }
    Ok(body)
}

async fn chunks(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(from).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let size = size.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| io::ErrorKind::InvalidData)?;
        if size == 0 {
            // Trailers, then the empty line.
            while line(from).await?.is_some_and(|line| !line.is_empty()) {}
            return Ok(body);
        }
        from.take(size.min(MAX)).read_to_end(&mut body).await?;
        line(from).await?;
    }
}

/// One line without its end; `None` at the end of the stream.
async fn line(from: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    if from.take(MAX).read_until(b'\n', &mut bytes).await? == 0 {
        return Ok(None);
    }
    while bytes
        .last()
        .is_some_and(|byte| matches!(byte, b'\r' | b'\n'))
    {
        bytes.pop();
    }
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}
