//! Whom a call is for: Envoy's question is answered here, by the shortest way, and everything else by
//! services on a router.

use std::{convert::Infallible, future::Future, pin::Pin, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, header::CONTENT_TYPE};
use hyper::{body::Incoming, service::Service as HyperService};
use hyper_util::service::TowerToHyperService;
use tokio::time::timeout;
use tonic::{Status, service::Routes};

use super::{
    Call, Door,
    body::{self, Body},
};
use crate::admission::Arrival;

/// What answers on a connection. Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) door: Arc<Door>,
    pub(super) others: TowerToHyperService<Routes>,
    /// Longest question that is read.
    pub(super) max_message_bytes: usize,
}

impl HyperService<Request<Incoming>> for Service {
    type Response = Response<Body>;
    type Error = Infallible;
    // On the heap at once: HTTP/2 moves a call's future twice before its task runs.
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        // Counted when its head has been read, before its task runs: see `admission`.
        let arrival = self.door.arrive();
        let call = Call::of(&request);
        if request.uri().path() == CHECK {
            let door = Arc::clone(&self.door);
            let most = self.max_message_bytes;
            let body = request.into_body();
            return Box::pin(async move { Ok(check(&door, arrival, call, body, most).await) });
        }
        request.extensions_mut().insert(arrival);
        let answer = self.others.call(request);
        Box::pin(async move {
            let answer = match call.timeout {
                None => answer.await?,
                Some(left) => match timeout(left, answer).await {
                    Ok(answer) => answer?,
                    Err(_) => Status::deadline_exceeded("not answered in time").into_http(),
                },
            };
            Ok(answer.map(Body::Other))
        })
    }
}

/// `/SERVICE/METHOD` of the question.
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

async fn check(
    door: &Door,
    mut arrival: Arrival,
    call: Call,
    body: Incoming,
    most: usize,
) -> Response<Body> {
    let message = match body::message(body, most).await {
        Ok(message) => message,
        Err(status) => return status.into_http().map(Body::Other),
    };
    match door.answer(&mut arrival, &message, call).await {
        Ok(frame) => {
            let mut response = Response::new(Body::Answer(frame));
            let kind = HeaderValue::from_static("application/grpc");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        Err(malformed) => Status::invalid_argument(malformed.to_string())
            .into_http()
            .map(Body::Other),
    }
}

impl Call {
    fn of<B>(request: &Request<B>) -> Self {
        let timeout = request.headers().get("grpc-timeout");
        let authority = request.uri().authority();
        Self {
            timeout: timeout.and_then(|text| grpc_timeout(text.to_str().ok()?)),
            shows_ours: authority.is_some_and(|says| says == SHOWS_OURS),
        }
    }
}

/// The call's `:authority`, from a proxy that shows us each header that a client sent under a name of
/// ours. Whoever configures the proxy sets it, beside the list of headers that are shown; no client
/// can. A header of the call (`initial_metadata`) would take Envoy 4 µs, more than it saves.
pub(crate) const SHOWS_OURS: &str = "x-subzero-shown";

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
    #[test]
    fn a_call_says_what_its_proxy_shows_by_its_authority() {
        let shows_ours = |uri: &str| {
            let request = Request::builder().uri(uri).body(());
            Call::of(&request.expect("a request")).shows_ours
        };
        assert!(shows_ours("http://x-subzero-shown/"));
        for other in ["http://subzero/", "http://x-subzero-shown.example/", "/"] {
            assert!(!shows_ours(other), "{other}");
        }
    }
}
