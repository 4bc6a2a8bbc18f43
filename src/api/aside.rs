//! Long calls, on threads that give way to checks.
//!
//! Reading megabytes of JSON and writing them takes milliseconds. On a door's own thread that would hold up
//! whatever else the thread answers, and at a check's priority it would take a core from checks. So a call
//! that brings much is read, carried out and answered on other threads, which run only where no check
//! wants to; the door's thread moves bytes.
//!
//! # What a reader would get wrong
//!
//! How long a call is shows before it is read: in `content-length`, or before the message in gRPC. A call that
//! does not tell is taken for a long one.
//!
//! # Cost
//!
//! Some tens of microseconds for each long call; nothing but a look for a short one.

use std::future::Future;

use axum::{
    body::{Body, HttpBody},
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use tokio::{runtime::Handle, sync::mpsc, task::JoinSet};
use tokio_stream::wrappers::ReceiverStream;

use super::{Api, refusal::Refusal};
use crate::dispatch::Refused;

/// Answers a JSON call here when it is short, elsewhere when it may be long.
pub(super) async fn json(State(api): State<Api>, request: Request, next: Next) -> Response {
    let most = request.body().size_hint().upper();
    if most.is_some_and(|most| most <= SHORT_BYTES) {
        return next.run(request).await;
    }
    let answer = elsewhere(api.patient(), next.run(request)).await;
    answer.unwrap_or_else(|| Refusal::from(Refused::Panicked).into_response())
}

/// The same for a gRPC call.
pub(super) async fn grpc(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (head, mut body) = request.into_parts();
    let first = body.frame().await;
    let is_short = first.as_ref().is_none_or(|first| match first {
        Ok(frame) => frame.data_ref().is_some_and(|data| is_short(data)),
        // Broken already, as without a first one there is nothing to read.
        Err(_) => true,
    });
    let body = StreamBody::new(stream::iter(first).chain(BodyStream::new(body)));
    let request = Request::from_parts(head, Body::new(body));
    if is_short {
        return next.run(request).await;
    }
    let answer = elsewhere(api.patient(), next.run(request)).await;
    answer.unwrap_or_else(|| tonic::Status::from(Refusal::from(Refused::Panicked)).into_http())
}

/// Whether the message that begins with `data` is: one byte that tells whether it is compressed, and its length
/// in four.
fn is_short(data: &[u8]) -> bool {
    matches!(data, [_, a, b, c, d, ..] if u64::from(u32::from_be_bytes([*a, *b, *c, *d])) <= SHORT_BYTES)
}

/// What `answering` answers on the threads behind `patient`; `None` after a panic. Whoever stops waiting
/// stops it.
async fn elsewhere(
    patient: &Handle,
    answering: impl Future<Output = Response> + Send + 'static,
) -> Option<Response> {
    let mut tasks = JoinSet::new();
    tasks.spawn_on(async { answering.await.map(drawn) }, patient);
    tasks.join_next().await?.ok()
}

/// `body`, made by a task of the runtime that this is called on where it is made bit by bit.
fn drawn(mut body: Body) -> Body {
    if body.size_hint().exact().is_some() {
        return body;
    }
    let (sender, frames) = mpsc::channel(1);
    tokio::spawn(async move {
        // Whoever asked may have gone.
        while let Ok(place) = sender.reserve().await
            && let Some(frame) = body.frame().await
        {
            place.send(frame);
        }
    });
    Body::new(StreamBody::new(ReceiverStream::new(frames)))
}

/// A call of so many bytes is read and answered within the time that a piece of a batch may take.
const SHORT_BYTES: u64 = 32 << 10;

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, thread};

    use axum::body::Bytes;

    use super::*;

    #[test]
    fn a_message_tells_how_long_it_is_before_it_comes() {
        for (data, expected) in [
            (&[0, 0, 0, 0, 0][..], true),
            (&[0, 0, 0, 0x80, 0], true),
            (&[1, 0, 0, 0x80, 0, b'x'], true),
            (&[0, 0, 0, 0x80, 1], false),
            (&[0, 0xff, 0xff, 0xff, 0xff], false),
            (&[0, 0, 0, 0], false),
            (&[], false),
        ] {
            assert_eq!(is_short(data), expected, "{data:?}");
        }
    }

    /// Threads that ran what was asked for, first the answer and then each part of its body.
    async fn threads(patient: &Handle) -> Vec<String> {
        let name = || thread::current().name().unwrap_or_default().to_owned();
        let answering = async move {
            let begun = name();
            let parts = (0..2).map(move |_| Ok::<_, Infallible>(Bytes::from(name())));
            let parts = stream::iter([Ok(Bytes::from(begun))]).chain(stream::iter(parts));
            Response::new(Body::from_stream(parts))
        };
        let answer = elsewhere(patient, answering).await.expect("no panic");
        let parts = answer.into_body().into_data_stream();
        let parts: Vec<_> = parts.map(|part| part.expect("a part")).collect().await;
        let text = |part: Bytes| String::from_utf8(part.to_vec()).expect("text");
        parts.into_iter().map(text).collect()
    }

    #[test]
    fn an_answer_and_every_part_of_it_are_made_elsewhere() {
        let patient = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("elsewhere")
            .build()
            .expect("a runtime");
        let here = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let told = here.block_on(threads(patient.handle()));
        assert_eq!(told, ["elsewhere"; 3]);
        let failed = here.block_on(elsewhere(patient.handle(), async { panic!("a defect") }));
        assert!(failed.is_none(), "a panic is told, not passed on");
    }
}
