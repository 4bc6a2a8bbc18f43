//! Where issuers tell that a session has ended (OIDC Back-Channel Logout 1.0).
//!
//! What a reader would get wrong: anybody who reaches the listener may send one, keys or not, since
//! a logout token proves itself and an issuer cannot be given a key of ours. So it is read like any
//! hostile input, and what it may cost is bounded as for tokens of checks.

use std::time::Instant;

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use tokio::time::timeout;

use super::{Api, access::RETRY_AFTER, refusal::Refusal};
use crate::{
    check::RequestPath,
    identity::{LogoutError, RevocationError},
};

pub(super) async fn logout(State(api): State<Api>, request: Request) -> Response {
    let answer = match end(&api, request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err(refusal) => refusal.into_response(),
    };
    ([(CACHE_CONTROL, "no-store")], answer).into_response()
}

async fn end(api: &Api, request: Request) -> Result<(), Refusal> {
    let place = api.places().try_acquire();
    let _place = place.map_err(|_| Refusal::overloaded(RETRY_AFTER))?;
    let token = read(api, request).await?;
    let deadline = Instant::now() + api.serving().limits.deadline;
    let serving = api.serving();
    let ended = serving.pipeline.verifier().log_out(&token, deadline).await;
    ended.map_err(|error| {
        tracing::info!(%error, "logout token refused");
        match (&error, error.undecided()) {
            (_, Some(reason)) => Refusal::because(reason, reason.detail()),
            (LogoutError::Revocation(RevocationError::Full), None) => {
                Refusal::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string())
            }
            (LogoutError::Revocation(RevocationError::Unshared(_)), None) => {
                Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            _ => Refusal::field("logout_token", &error.to_string()),
        }
    })
}

/// The one field of the form.
async fn read(api: &Api, mut request: Request) -> Result<String, Refusal> {
    if !is_form(request.headers()) {
        let detail = "send the token with `content-type: application/x-www-form-urlencoded`";
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
    let patience = api.settings().deadline;
    let body = timeout(patience, Bytes::from_request(request, api)).await;
    let body = body.map_err(|_| {
        let detail = "the body did not arrive in time";
        Refusal::new(StatusCode::REQUEST_TIMEOUT, detail)
    })?;
    let body = body.map_err(|error| Refusal::new(error.status(), error.body_text()))?;
    let form = str::from_utf8(&body).unwrap_or_default();
    let mut tokens = form
        .split('&')
        .filter_map(|pair| pair.strip_prefix("logout_token="));
    match (tokens.next(), tokens.next()) {
        // Its characters need no escapes; where one is escaped all the same, it is the same.
        (Some(token), None) => RequestPath::decode(token)
            .ok_or_else(|| Refusal::field("logout_token", "is not a form's value")),
        (Some(_), Some(_)) => Err(Refusal::field("logout_token", "is there twice; send one")),
        (None, _) => Err(Refusal::field("logout_token", "is missing")),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let essence = kind.unwrap_or_default().split(|byte| *byte == b';').next();
    essence.is_some_and(|kind| {
        kind.trim_ascii()
            .eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
    })
}

/// The longest token, each of its characters escaped.
const MAX_BODY: usize = 64 << 10;
