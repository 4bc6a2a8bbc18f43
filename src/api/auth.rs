//! Tokens: signing in, verifying many at once, taking them back.
//!
//! What a reader would get wrong: a token that does not do is an answer (200, with its reason), not
//! a failure. A failure is that nothing could be decided, and then no answer is made up.
//!
//! Nothing asked here is logged, since all of it is credentials.

use std::{net::IpAddr, sync::Arc, time::Instant};

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    Api,
    json::Json,
    refusal::Refusal,
    request::{Sent, texts},
};
use crate::{
    clock::UnixSeconds,
    dispatch::{self, Lane},
    identity::{
        self, Authenticated, Batch, Login, Refused, Revocation, RevocationError, Unauthenticated,
    },
    risk::Assessor,
    verdict::{Class, Reason},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginQuestion {
    pub(super) token: String,
    #[serde(default)]
    pub(super) user_id: Option<String>,
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    /// What risk is worked out from; it proves nothing.
    #[serde(default, rename = "source_ip")]
    pub(super) address: Option<IpAddr>,
    #[serde(default, rename = "user_agent")]
    pub(super) _user_agent: Option<String>,
    #[serde(default, rename = "device_fingerprint")]
    pub(super) device: Option<String>,
}

#[derive(Serialize)]
pub(super) struct LoginAnswer {
    pub(super) authenticated: bool,
    pub(super) user_id: Option<String>,
    pub(super) expires_in: UnixSeconds,
    pub(super) scopes: Vec<String>,
    /// From 0 to 1; `null` where risk is not scored.
    pub(super) risk_score: Option<f32>,
    pub(super) reason: &'static str,
    /// The issuer's answer, where it is asked for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access_token: Option<String>,
}

impl LoginAnswer {
    fn yes(authenticated: &Authenticated, risk_score: Option<f32>) -> Self {
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

pub(super) async fn authenticate(
    State(api): State<Api>,
    Sent(question): Sent<LoginQuestion>,
) -> Result<Json<LoginAnswer>, Refusal> {
    api.authenticate(question).await.map(Json)
}

impl Api {
    /// Lets in whoever shows a good token.
    pub(super) async fn authenticate(
        &self,
        question: LoginQuestion,
    ) -> Result<LoginAnswer, Refusal> {
        let login = Login {
            user_id: question.user_id,
            token: question.token,
            scopes: question.scopes,
        };
        let serving = self.serving();
        let deadline = Instant::now() + serving.limits.deadline;
        let verifier = serving.pipeline.verifier();
        Ok(match verifier.authenticate(&login, deadline).await {
            Ok(authenticated) => {
                let assessor = serving.pipeline.assessor();
                let risk = risk(assessor, &authenticated, question.address, question.device).await;
                LoginAnswer::yes(&authenticated, risk)
            }
            Err(error) => LoginAnswer::no(denied(&error)?),
        })
    }

    /// Takes tokens back.
    pub(super) async fn revoke(&self, question: RevocationQuestion) -> Result<(), Refusal> {
        let (serving, deadline) = (self.serving(), self.settings().deadline());
        let what = Revocation {
            jti: question.jti,
            sub: question.sub,
            sid: question.sid,
            before: question.before,
            issuer: question.issuer,
        };
        let verifier = serving.pipeline.verifier();
        let revoked = verifier.revoke_everywhere(what, deadline).await;
        revoked.map_err(|error| {
            let bad = || Refusal::new(StatusCode::BAD_REQUEST, error.to_string());
            match error {
                RevocationError::Full => {
                    Refusal::new(StatusCode::INSUFFICIENT_STORAGE, error.to_string())
                }
                RevocationError::Empty => bad(),
                RevocationError::Future => bad().about("before"),
                RevocationError::Issuer => bad().about("issuer"),
                RevocationError::Text(field) => bad().about(field),
                RevocationError::Unshared(_) => {
                    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
                }
            }
        })
    }

    /// Judges many tokens.
    pub(super) async fn verify_tokens(
        &self,
        question: BatchQuestion,
    ) -> Result<BatchAnswer, Refusal> {
        let settings = self.settings();
        settings.bound("tokens", question.tokens.len())?;
        let deadline = settings.deadline();
        let verifier = Arc::clone(self.serving().pipeline.verifier());
        let issuers = question.issuers.as_deref();
        let batch = Batch::prepare(verifier, question.tokens, issuers, deadline).await;
        let batch = batch.map_err(|refused| match refused {
            Refused::TooMany(_) => Refusal::too_many("tokens", &refused.to_string()),
            Refused::UnknownIssuer(_) => Refusal::field("issuers", &refused.to_string()),
        })?;
        let done = self.run(Arc::new(batch), Lane::Batch, deadline).await?;
        Ok(BatchAnswer {
            results: done.outputs.into_iter().map(Verdict::from).collect(),
            dispatch: done.report,
        })
    }
}

/// What this caller's history makes of the place and the device named; nothing is learnt from it,
/// since whoever asks can name what they like.
async fn risk(
    assessor: &Assessor,
    authenticated: &Authenticated,
    address: Option<IpAddr>,
    device: Option<String>,
) -> Option<f32> {
    let device = device.as_deref().map(str::as_bytes);
    let encounter = assessor.meet_at(&authenticated.identity, address, device);
    assessor.assess(Some(&encounter)).await.ok()
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
        Class::Undecided => Err(Refusal::because(reason, detail)),
        Class::Allowed | Class::Denied => Ok(reason),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RevocationQuestion {
    #[serde(default)]
    pub(super) jti: Option<String>,
    #[serde(default)]
    pub(super) sub: Option<String>,
    #[serde(default)]
    pub(super) sid: Option<String>,
    #[serde(default)]
    pub(super) before: Option<UnixSeconds>,
    #[serde(default)]
    pub(super) issuer: Option<String>,
}

pub(super) async fn revoke(
    State(api): State<Api>,
    Sent(question): Sent<RevocationQuestion>,
) -> Result<StatusCode, Refusal> {
    api.revoke(question).await.map(|()| StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BatchQuestion {
    #[serde(deserialize_with = "texts")]
    pub(super) tokens: Vec<String>,
    #[serde(default)]
    pub(super) issuers: Option<Vec<String>>,
}

#[derive(Serialize)]
pub(super) struct BatchAnswer {
    pub(super) results: Vec<Verdict>,
    pub(super) dispatch: dispatch::Report,
}

#[derive(Serialize)]
pub(super) struct Verdict {
    pub(super) valid: bool,
    pub(super) subject: Option<String>,
    pub(super) reason: &'static str,
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

pub(super) async fn verify_batch(
    State(api): State<Api>,
    Sent(question): Sent<BatchQuestion>,
) -> Result<Json<BatchAnswer>, Refusal> {
    api.verify_tokens(question).await.map(Json)
}
