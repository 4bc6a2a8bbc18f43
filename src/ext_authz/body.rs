//! Bodies of gRPC calls: the one message that comes, and the one that goes.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use tonic::Status;

use super::wire::FRAME;

/// Reads the one message of a call, of `most` bytes at most. It comes as one piece unless it is long,
/// and is not copied then.
pub(super) async fn message(mut body: Incoming, most: usize) -> Result<Bytes, Status> {
    let mut read = next(&mut body).await?.unwrap_or_default();
    if read.len() < FRAME {
        read = at_least(read, FRAME, &mut body).await?;
    }
    if read[0] != 0 {
        return Err(Status::unimplemented("compressed messages are not taken"));
    }
    let length = u32::from_be_bytes([read[1], read[2], read[3], read[4]]);
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > most {
        return Err(Status::out_of_range(format!(
            "the message has {length} bytes, and {most} are the most that is taken"
        )));
    }
    read.advance(FRAME);
    if read.len() < length {
        read = at_least(read, length, &mut body).await?;
    }
    if read.len() > length || next(&mut body).await?.is_some() {
        return Err(Status::invalid_argument("a call has one message"));
    }
    Ok(read)
}

/// Goes on reading until there is so much.
async fn at_least(begun: Bytes, wanted: usize, body: &mut Incoming) -> Result<Bytes, Status> {
    // A length is only claimed: the room for it grows as its bytes come.
    let mut read = BytesMut::from(begun);
    while read.len() < wanted {
        let more = next(body).await?;
        let more = more.ok_or_else(|| Status::invalid_argument("the message was cut short"))?;
        read.extend_from_slice(&more);
    }
    Ok(read.freeze())
}

/// The next bytes that are not none.
async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Status> {
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else {
            break;
        };
        let frame = frame.map_err(|error| Status::cancelled(error.to_string()))?;
        match frame.into_data() {
            Ok(data) if !data.is_empty() => return Ok(Some(data)),
            // Trailers of a caller mean nothing.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(None)
}

/// What is sent back.
#[derive(Debug)]
pub(super) enum Body {
    /// A message in its frame, and then that all went well.
    Answer(Bytes),
    /// That all went well.
    Good,
    /// Nothing more.
    Sent,
    /// What another service says.
    Other(tonic::body::Body),
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let next = match &mut *self {
            Self::Answer(frame) => {
                let frame = std::mem::take(frame);
                *self = Self::Good;
                Some(Ok(Frame::data(frame)))
            }
            Self::Good => {
                *self = Self::Sent;
                let mut trailers = HeaderMap::with_capacity(1);
                trailers.insert("grpc-status", HeaderValue::from_static("0"));
                Some(Ok(Frame::trailers(trailers)))
            }
            Self::Sent => None,
            Self::Other(body) => return Pin::new(body).poll_frame(context),
        };
        Poll::Ready(next)
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Answer(_) | Self::Good => false,
            Self::Sent => true,
            Self::Other(body) => body.is_end_stream(),
        }
    }

    /// An answer's is not told: it would become a `content-length`, which gRPC has no use for.
    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Answer(_) | Self::Good | Self::Sent => SizeHint::default(),
            Self::Other(body) => body.size_hint(),
        }
    }
}
