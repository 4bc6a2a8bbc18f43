//! An answer that is no answer, for both doors: problem details (RFC 9457) and a gRPC status.
//!
//! `detail` names what is wrong and the cure, and goes to the caller: it may quote what the caller
//! sent as a name (a relation, a key of the request), never a prompt, a token or a key.

use std::time::Duration;

use axum::{
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde::Serialize;
use tonic::Code;
use tonic_types::{ErrorDetails, StatusExt};

use crate::{dispatch, verdict::Reason};

/// Why there is no answer.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    reason: Option<Reason>,
    field: Option<String>,
    detail: String,
    retry_after: Option<Duration>,
}

/// A [`Refusal`] as JSON.
#[derive(Debug, Serialize)]
pub(super) struct Problem<'a> {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
            reason: None,
            field: None,
            detail: detail.into(),
            retry_after: None,
        }
    }

    /// 400: `field` is not what it has to be.
    pub(super) fn field(field: impl Into<String>, wrong: &str) -> Self {
        Self::at(StatusCode::BAD_REQUEST, field.into(), wrong)
    }

    /// 413: more than `api.max_items` in `field`, or than another bound allows.
    pub(super) fn too_many(field: &str, wrong: &str) -> Self {
        Self::at(StatusCode::PAYLOAD_TOO_LARGE, field.to_owned(), wrong)
    }

    /// This refusal, about `field`; the detail stays as it is.
    pub(super) fn about(self, field: impl Into<String>) -> Self {
        Self {
            field: Some(field.into()),
            ..self
        }
    }

    fn at(status: StatusCode, field: String, wrong: &str) -> Self {
        Self {
            detail: format!("{field}: {wrong}"),
            field: Some(field),
            ..Self::new(status, "")
        }
    }

    /// What a step could not do, with the status that its reason has everywhere.
    pub(super) fn because(reason: Reason, detail: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(reason.http_status());
        Self {
            reason: Some(reason),
            ..Self::new(status.unwrap_or(StatusCode::SERVICE_UNAVAILABLE), detail)
        }
    }

    /// 429: later.
    pub(super) fn overloaded(retry_after: Duration) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            retry_after: Some(retry_after),
            ..Self::because(
                Reason::Overloaded,
                "too much work is waiting; try again after `retry-after` seconds",
            )
        }
    }

    pub(super) fn problem(&self) -> Problem<'_> {
        Problem {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or_default(),
            status: self.status.as_u16(),
            detail: &self.detail,
            reason: self.reason.map(Reason::as_str),
            field: self.field.as_deref(),
        }
    }

    /// Whole seconds, rounded up: 0 would say "at once".
    fn retry_seconds(&self) -> Option<u64> {
        let after = self.retry_after?;
        Some(after.as_secs() + u64::from(after.subsec_nanos() > 0).max(u64::from(after.is_zero())))
    }

    fn code(&self) -> Code {
        match (self.status, self.reason) {
            (_, Some(Reason::Deadline)) => Code::DeadlineExceeded,
            (StatusCode::UNAUTHORIZED, _) => Code::Unauthenticated,
            (StatusCode::FORBIDDEN, _) => Code::PermissionDenied,
            (
                StatusCode::PAYLOAD_TOO_LARGE
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::INSUFFICIENT_STORAGE,
                _,
            ) => Code::ResourceExhausted,
            (status, _) if status.is_server_error() => Code::Unavailable,
            _ => Code::InvalidArgument,
        }
    }
}

impl From<dispatch::Refused> for Refusal {
    fn from(refused: dispatch::Refused) -> Self {
        match refused {
            dispatch::Refused::Deadline => Self::because(Reason::Deadline, refused.to_string()),
            dispatch::Refused::Overloaded(wait) => Self::overloaded(wait),
            dispatch::Refused::Panicked => Self::because(Reason::Internal, refused.to_string()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // Plain strings and numbers: this cannot fail.
        let body = serde_json::to_string(&self.problem()).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, kind);
        if let Some(seconds) = self.retry_seconds() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(reason) = self.reason {
            let name = HeaderName::from_static(REASON);
            headers.insert(name, HeaderValue::from_static(reason.as_str()));
        }
        response
    }
}

impl From<Refusal> for tonic::Status {
    fn from(refusal: Refusal) -> Self {
        let mut details = ErrorDetails::new();
        if let Some(field) = &refusal.field {
            details.add_bad_request_violation(field, &refusal.detail);
        }
        if refusal.retry_after.is_some() {
            let seconds = refusal.retry_seconds();
            details.set_retry_info(seconds.map(Duration::from_secs));
        }
        let mut status = Self::with_error_details(refusal.code(), refusal.detail, details);
        if let Some(reason) = refusal.reason {
            let value = reason.as_str().parse();
            if let Ok(value) = value {
                status.metadata_mut().insert(REASON, value);
            }
        }
        status
    }
}

/// Where programs read a refusal's reason.
const REASON: &str = "x-subzero-reason";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_doors_say_the_same_of_every_kind_of_refusal() {
        for (refusal, status, code) in [
            (
                Refusal::field("items", "missing"),
                400,
                Code::InvalidArgument,
            ),
            (
                Refusal::new(StatusCode::UNAUTHORIZED, "no key"),
                401,
                Code::Unauthenticated,
            ),
            (
                Refusal::new(StatusCode::FORBIDDEN, "scope"),
                403,
                Code::PermissionDenied,
            ),
            (
                Refusal::too_many("items", "too many"),
                413,
                Code::ResourceExhausted,
            ),
            (
                Refusal::overloaded(Duration::from_millis(1)),
                429,
                Code::ResourceExhausted,
            ),
            (
                Refusal::from(dispatch::Refused::Deadline),
                503,
                Code::DeadlineExceeded,
            ),
            (
                Refusal::from(dispatch::Refused::Panicked),
                503,
                Code::Unavailable,
            ),
            (
                Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "full"),
                507,
                Code::ResourceExhausted,
            ),
        ] {
            assert_eq!((refusal.status.as_u16(), refusal.code()), (status, code));
            let told = serde_json::to_value(refusal.problem()).expect("JSON");
            let waits = refusal.retry_seconds().map(Duration::from_secs);
            let status = tonic::Status::from(refusal);
            assert_eq!(status.message(), told["detail"]);
            let details = status.get_error_details();
            let field = details
                .bad_request()
                .map(|bad| &*bad.field_violations[0].field);
            assert_eq!(field, told["field"].as_str());
            let retry = details.retry_info().and_then(|info| info.retry_delay);
            assert_eq!(retry, waits);
        }
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_as_none() {
        for (wait, told) in [(0, 1), (1, 1), (1_000, 1), (1_001, 2)] {
            let refusal = Refusal::overloaded(Duration::from_millis(wait));
            assert_eq!(refusal.retry_seconds(), Some(told), "{wait} ms");
            let response = refusal.into_response();
            assert_eq!(response.headers()[RETRY_AFTER], told.to_string());
            assert_eq!(response.headers()[REASON], "overloaded");
        }
    }
}
