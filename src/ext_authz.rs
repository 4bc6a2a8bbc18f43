//! Envoy's door: `envoy.service.auth.v3.Authorization`.
//!
//! Decoding, deciding and encoding are three separate things here, and only the middle one knows
//! policy. What a reader would get wrong: a gRPC error is *not* a denial to Envoy, and a response
//! without a status is an allow. So this service never returns `Err`, and responses are made from
//! [`Reply`] alone, which cannot leave the status out.

mod decode;
mod encode;

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use tonic::{Request, Response};

pub(crate) use self::decode::body_state;
use self::{
    decode::decode,
    encode::{encode, metadata},
};
use crate::{
    admission::{Admission, Arrival, Full},
    check::Check,
    decisions::Recorder,
    dispatch::Lane,
    pipeline::{Decision, Pipeline},
    proto::{Authorization, CheckRequest, CheckResponse},
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
    pub async fn decide(
        &self,
        arrival: &mut Arrival,
        timeout: Option<Duration>,
        read: impl FnOnce(Instant, Limits) -> Check,
    ) -> (Check, Arc<Decision>) {
        // A check finishes on the configuration it began with.
        let serving = self.serving.load_full();
        let limits = serving.limits;
        let span = timeout.map_or(limits.deadline, |theirs| theirs.min(limits.deadline));
        let check = read(arrival.at() + span, limits);
        let refused = match arrival.admit(Lane::Critical) {
            Err(Full(_)) => Some(Reason::Overloaded),
            Ok(()) if Instant::now() > check.deadline => Some(Reason::Deadline),
            Ok(()) => None,
        };
        let decision = serving.pipeline.decide_unless(refused, &check).await;
        let decision = self.recorder.record(&check, decision);
        (check, decision)
    }

    /// Decides one request of Envoy's that arrives now, with `timeout` left to live.
    pub async fn answer(&self, request: CheckRequest, timeout: Option<Duration>) -> CheckResponse {
        self.answer_to(&mut self.arrive(), request, timeout).await
    }

    async fn answer_to(
        &self,
        arrival: &mut Arrival,
        request: CheckRequest,
        timeout: Option<Duration>,
    ) -> CheckResponse {
        let read = |deadline, limits: Limits| decode(request, deadline, limits.max_body_bytes);
        let (check, decision) = self.decide(arrival, timeout, read).await;
        encode(Reply::new(&check, &decision), metadata(&decision))
    }
}

#[tonic::async_trait]
impl Authorization for Door {
    async fn check(
        &self,
        mut request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, tonic::Status> {
        let timeout = request
            .metadata()
            .get("grpc-timeout")
            .and_then(|value| value.to_str().ok())
            .and_then(grpc_timeout);
        let arrival = request.extensions_mut().remove::<Arrival>();
        let mut arrival = arrival.unwrap_or_else(|| self.arrive());
        let answer = self.answer_to(&mut arrival, request.into_inner(), timeout);
        let answer = AssertUnwindSafe(answer);
        // AssertUnwindSafe: what checks share is changed whole, under a lock, or not at all.
        let answer = answer
            .catch_unwind()
            .await
            .unwrap_or_else(|_| encode::broken());
        Ok(Response::new(answer))
    }
}

/// `500m` is half a second: up to eight digits and a unit, as gRPC over HTTP/2 has it.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(amount * 3_600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(grpc_timeout("500m"), Some(Duration::from_millis(500)));
        assert_eq!(grpc_timeout("1S"), Some(Duration::from_secs(1)));
        for bad in ["", "m", "5", "5x", "-5m", "123456789m", "5\u{b5}"] {
            assert_eq!(grpc_timeout(bad), None, "{bad}");
        }
    }
}
