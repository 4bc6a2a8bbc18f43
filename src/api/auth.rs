//! Tokens by JSON: signing in, verifying many at once, taking them back.
//!
//! What a reader would get wrong: a token that does not do is an answer (200, with its reason), not
//! a failure. A failure is that nothing could be decided, and then no answer is made up.
//!
//! Nothing asked here is logged, since all of it is credentials.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{StatusCode, header::RETRY_AFTER},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};

use super::{Refusal, Shared, read};
use crate::{
    clock::UnixSeconds,
    dispatch::{self, Dispatcher, Lane},
    identity::{
        self, Authenticated, Batch, Login, Refused, Revocation, RevocationError, Unauthenticated,
    },
    verdict::{Class, Reason},
};

pub(super) fn router() -> Router<Shared> {
    Router::new()
        .route("/auth/authenticate", post(authenticate))
        .route("/auth/revoke", post(revoke))
        .route("/auth/verify/batch", post(verify_batch))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginQuestion {
    token: String,
    #[serde(default)]
    user_id: Option<String>,
    #[serde(default)]
    scopes: Vec<String>,
    /// What risk is worked out from; it proves nothing.
    #[serde(default, rename = "source_ip")]
    _source_ip: Option<IpAddr>,
    #[serde(default, rename = "user_agent")]
    _user_agent: Option<String>,
    #[serde(default, rename = "device_fingerprint")]
    _device_fingerprint: Option<String>,
}

#[derive(Serialize)]
struct LoginAnswer {
    authenticated: bool,
    user_id: Option<String>,
    expires_in: UnixSeconds,
    scopes: Vec<String>,
    /// From 0 to 1; `null` where risk is not scored.
    risk_score: Option<f64>,
    reason: &'static str,
    /// The issuer's answer, where it is asked for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<String>,
}

impl LoginAnswer {
    fn yes(authenticated: &Authenticated, risk_score: Option<f64>) -> Self {
        let scopes = authenticated.identity.scopes().into_iter();
        Self {
            authenticated: true,
            user_id: Some(authenticated.identity.subject().to_owned()),
            expires_in: authenticated.expires_in,
            scopes: scopes.map(str::to_owned).collect(),
            risk_score,
            reason: Reason::Ok.as_str(),
            access_token: authenticated
                .access_token
                .as_ref()
                .map(|given| given.token.expose().to_owned()),
        }
    }

    fn no(reason: Reason) -> Self {
        Self {
            authenticated: false,
            user_id: None,
            expires_in: 0,
            scopes: Vec::new(),
            risk_score: None,
            reason: reason.as_str(),
            access_token: None,
        }
    }
}

async fn authenticate(
    State(serving): State<Shared>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<LoginAnswer>, Refusal> {
    let question: LoginQuestion = read(body)?;
    let login = Login {
        user_id: question.user_id,
        token: question.token,
        scopes: question.scopes,
    };
    let serving = serving.load_full();
    let deadline = Instant::now() + serving.limits.deadline;
    let verifier = serving.pipeline.verifier();
    let answer = match verifier.authenticate(&login, deadline).await {
        Ok(authenticated) => LoginAnswer::yes(&authenticated, None),
        Err(error) => LoginAnswer::no(denied(&error)?),
    };
    Ok(Json(answer))
}

/// The reason to answer with, if there is an answer.
fn denied(error: &Unauthenticated) -> Result<Reason, Refusal> {
    let reason = error.reason();
    let detail = match error {
        Unauthenticated::Exchange(error) => {
            tracing::warn!(%error, "no token in exchange for a good one");
            "The issuer's token endpoint gave no token."
        }
        Unauthenticated::OtherUser | Unauthenticated::Token(_) => reason.detail(),
    };
    match reason.class() {
        Class::Undecided => Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, detail)),
        Class::Allowed | Class::Denied => Ok(reason),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevocationQuestion {
    #[serde(default)]
    jti: Option<String>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    sid: Option<String>,
    #[serde(default)]
    before: Option<UnixSeconds>,
    #[serde(default)]
    issuer: Option<String>,
}

async fn revoke(
    State(serving): State<Shared>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Refusal> {
    let question: RevocationQuestion = read(body)?;
    let verifier = Arc::clone(serving.load_full().pipeline.verifier());
    let revoked = verifier.revoke(Revocation {
        jti: question.jti,
        sub: question.sub,
        sid: question.sid,
        before: question.before,
        issuer: question.issuer,
    });
    revoked.map_err(|error| {
        let status = match error {
            RevocationError::Full => StatusCode::INSUFFICIENT_STORAGE,
            RevocationError::Empty
            | RevocationError::Future
            | RevocationError::Issuer
            | RevocationError::Text(_) => StatusCode::BAD_REQUEST,
        };
        Refusal::new(status, error.to_string())
    })?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchQuestion {
    tokens: Vec<String>,
    #[serde(default)]
    issuers: Option<Vec<String>>,
}

#[derive(Serialize)]
struct BatchAnswer {
    results: Vec<Verdict>,
    dispatch: dispatch::Report,
}

#[derive(Serialize)]
struct Verdict {
    valid: bool,
    subject: Option<String>,
    reason: &'static str,
}

impl From<Result<identity::Identity, identity::Error>> for Verdict {
    fn from(verdict: Result<identity::Identity, identity::Error>) -> Self {
        match verdict {
            Ok(identity) => Self {
                valid: true,
                subject: Some(identity.subject().to_owned()),
                reason: Reason::Ok.as_str(),
            },
            Err(error) => Self {
                valid: false,
                subject: None,
                reason: error.reason().as_str(),
            },
        }
    }
}

async fn verify_batch(
    State(serving): State<Shared>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<BatchAnswer>, Response> {
    let question: BatchQuestion = read(body).map_err(IntoResponse::into_response)?;
    let serving = serving.load_full();
    let verifier = Arc::clone(serving.pipeline.verifier());
    let deadline = Instant::now() + serving.limits.deadline;
    let issuers = question.issuers.as_deref();
    let batch = Batch::prepare(verifier, question.tokens, issuers, deadline).await;
    let batch = batch.map_err(|refused| not_taken(&refused).into_response())?;
    let deadline = Instant::now() + BATCH_TIME;
    let done = Dispatcher::in_place()
        .run(Arc::new(batch), Lane::Batch, Some(deadline))
        .await
        .map_err(not_done)?;
    Ok(Json(BatchAnswer {
        results: done.outputs.into_iter().map(Verdict::from).collect(),
        dispatch: done.report,
    }))
}

fn not_taken(refused: &Refused) -> Refusal {
    match refused {
        Refused::TooMany(_) => {
            Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("tokens: {refused}"))
        }
        Refused::UnknownIssuer(_) => {
            Refusal::new(StatusCode::BAD_REQUEST, format!("issuers: {refused}"))
        }
    }
}

fn not_done(refused: dispatch::Refused) -> Response {
    let text = refused.to_string();
    match refused {
        dispatch::Refused::Deadline => {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
        dispatch::Refused::Overloaded(pause) => {
            let seconds = pause.as_secs_f64().ceil().max(1.0).to_string();
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, text);
            ([(RETRY_AFTER, seconds)], refusal).into_response()
        }
        dispatch::Refused::Panicked => {
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, text).into_response()
        }
    }
}

/// Longest time for one batch: the largest takes some seconds on one core.
const BATCH_TIME: Duration = Duration::from_secs(30);
