//! Envoy's door: `envoy.service.auth.v3.Authorization`.
//!
//! Decoding, deciding and encoding are three separate things here, and only the middle one knows
//! policy. What a reader would get wrong: a gRPC error is *not* a denial to Envoy, and a response
//! without a status is an allow. So whatever is a question gets an answer, and answers are made from
//! [`Reply`] alone, which cannot leave the status out.
//!
//! # Cost
//!
//! The door stands on HTTP/2 itself (`server`, `service`), since a router and a codec made for any
//! service cost as much as a decision; what is not Envoy's question goes to them.

mod body;
mod decode;
mod encode;
mod server;
mod service;
mod wire;

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use futures_util::FutureExt;

pub(crate) use self::{decode::body_state, service::SHOWS_OURS};
pub use self::{
    server::{Limits as ConnectionLimits, Server},
    wire::Malformed,
};
use crate::{
    admission::{Admission, Arrival, Full},
    check::Check,
    decisions::Recorder,
    dispatch::Lane,
    pipeline::{Decision, Pipeline},
    reply::Reply,
    verdict::Reason,
};

/// What the door itself must know, besides the pipeline it asks.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest time for one check; the proxy's own `grpc-timeout` may shorten it.
    pub deadline: Duration,
    /// The proxy's `max_request_bytes`: a body this long may have been cut, so it counts as cut.
    pub max_body_bytes: usize,
}

/// What a call says besides the question.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Call {
    /// It had so long to live when it arrived.
    pub timeout: Option<Duration>,
    /// The proxy says that it shows each header that a client sent under a name of ours.
    pub shows_ours: bool,
}

/// One compiled configuration as the door uses it.
#[derive(Debug)]
pub struct Serving {
    /// Decides.
    pub pipeline: Pipeline,
    /// Bounds.
    pub limits: Limits,
}

/// The gRPC service. Clones share the configuration in force, which a reload replaces whole.
#[derive(Clone, Debug)]
pub struct Door {
    serving: Arc<ArcSwap<Serving>>,
    recorder: Recorder,
    admission: Admission,
}

impl Door {
    /// A door onto whatever `serving` holds at the time of each check. `recorder` keeps what was
    /// decided.
    #[must_use]
    pub fn new(serving: Arc<ArcSwap<Serving>>, recorder: Recorder, admission: Admission) -> Self {
        Self {
            serving,
            recorder,
            admission,
        }
    }

    /// Counts a question that was seen just now.
    #[must_use]
    pub fn arrive(&self) -> Arrival {
        self.admission.arrive()
    }

    /// The bounds in force now.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.serving.load().limits
    }

    /// Decides what `read` makes of the bounds in force, and records it. It had `timeout` left to live
    /// when it arrived, and what has waited longer than that is not begun. Every door that asks the
    /// pipeline goes through here.
    ///
    /// # Errors
    ///
    /// What `read` says: then nothing was asked, and nothing is recorded.
    pub async fn decide<E>(
        &self,
        arrival: &mut Arrival,
        timeout: Option<Duration>,
        read: impl FnOnce(Instant, Limits) -> Result<Check, E>,
    ) -> Result<(Check, Arc<Decision>), E> {
        // A check finishes on the configuration it began with.
        let serving = self.serving.load_full();
        let limits = serving.limits;
        let span = timeout.map_or(limits.deadline, |theirs| theirs.min(limits.deadline));
        let check = read(arrival.at() + span, limits)?;
        let refused = match arrival.admit(Lane::Critical) {
            Err(Full(_)) => Some(Reason::Overloaded),
            Ok(()) if Instant::now() > check.deadline => Some(Reason::Deadline),
            Ok(()) => None,
        };
        let decision = serving.pipeline.decide_unless(refused, &check).await;
        let decision = self.recorder.record(&check, decision);
        Ok((check, decision))
    }

    /// Decides one question of Envoy's, a `CheckRequest` that came with `call`. The answer is a gRPC frame: five bytes, and a `CheckResponse`.
    ///
    /// # Errors
    ///
    /// When it is no `CheckRequest`; there is nothing to be decided then.
    pub async fn answer(
        &self,
        arrival: &mut Arrival,
        message: &Bytes,
        call: Call,
    ) -> Result<Bytes, Malformed> {
        let answer = async {
            let read = |deadline, limits: Limits| {
                let mut check = decode::decode(message, deadline, limits.max_body_bytes)?;
                check.shows_ours = call.shows_ours;
                Ok(check)
            };
            let (check, decision) = self.decide(arrival, call.timeout, read).await?;
            Ok(encode::answer(&Reply::new(&check, &decision), &decision))
        };
        // AssertUnwindSafe: what checks share is changed whole, under a lock, or not at all.
        let answer = AssertUnwindSafe(answer).catch_unwind().await;
        answer
            .unwrap_or_else(|_| Ok(encode::broken()))
            .map(Bytes::from)
    }
}
