//! `POST /authz/check` and `/authz/check/batch`: relationship checks.
//!
//! A single question that does not fit the model is refused (400); in a batch it is an answer of its
//! own, so that one bad question does not cost the others theirs. `allowed` is true for reason `ok`
//! alone; only `permission_denied` is the model's no.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    Api,
    json::Json,
    refusal::Refusal,
    request::{Sent, collected},
};
use crate::{
    dispatch::{Lane, Report},
    permission::{self, Authorizer, Batch, Origin, Question},
    verdict::{Class, Reason},
};

/// One question, by either door.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(super) struct Single(pub(super) Question);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Questions {
    #[serde(deserialize_with = "collected::<Question, _, _>")]
    pub(super) checks: permission::Questions,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    pub(super) reason: &'static str,
    pub(super) source: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Answers {
    pub(super) results: Vec<Answer>,
    pub(super) dispatch: Report,
}

impl Answer {
    /// `engine` is the source of errors.
    fn new(result: Result<permission::Answer, permission::Error>, engine: Origin) -> Self {
        let (source, reason, error) = match result {
            Ok(answer) if answer.allowed => (answer.origin, Reason::Ok, None),
            Ok(answer) => (answer.origin, Reason::PermissionDenied, None),
            Err(error) => (engine, error.reason(), Some(error.to_string())),
        };
        Self {
            allowed: reason == Reason::Ok,
            reason: reason.as_str(),
            source: source.as_str(),
            error,
        }
    }
}

pub(super) async fn check(
    State(api): State<Api>,
    Sent(question): Sent<Single>,
) -> Result<Json<Answer>, Refusal> {
    api.check_permission(question).await.map(Json)
}

pub(super) async fn check_batch(
    State(api): State<Api>,
    Sent(questions): Sent<Questions>,
) -> Result<Json<Answers>, Refusal> {
    api.check_permissions(questions).await.map(Json)
}

impl Api {
    /// The engine's answer to one question.
    pub(super) async fn check_permission(&self, question: Single) -> Result<Answer, Refusal> {
        let deadline = self.settings().deadline();
        let authorizer = self.authorizer();
        let result = if authorizer.is_remote() {
            authorizer.ask(&question.0, deadline).await
        } else {
            let work = Arc::new(self.checks([question.0].into_iter().collect())?);
            let done = self.run(work, Lane::High, deadline).await?;
            let result = done.outputs.into_iter().next();
            let none = || Refusal::because(Reason::Internal, "the question has no answer");
            embedded(result.ok_or_else(none)?)
        };
        if let Err(error) = &result
            && *error != permission::Error::Denied
        {
            // The question itself is wrong (an unknown type or relation, a user that is no
            // `type:id`, a condition that the context does not suffice for), or the engine could
            // not answer.
            return Err(match error.reason().class() {
                Class::Undecided => Refusal::because(error.reason(), error.to_string()),
                Class::Allowed | Class::Denied => {
                    Refusal::new(StatusCode::BAD_REQUEST, error.to_string())
                }
            });
        }
        Ok(Answer::new(result, engine(&authorizer)))
    }

    /// The engine's answer to each question.
    pub(super) async fn check_permissions(&self, questions: Questions) -> Result<Answers, Refusal> {
        let deadline = {
            let settings = self.settings();
            settings.bound("checks", questions.checks.len())?;
            settings.deadline()
        };
        let authorizer = self.authorizer();
        let asked = authorizer.ask_server(&questions.checks, deadline).await;
        let (results, dispatch) = if let Some(answered) = asked {
            answered
        } else {
            let work = Arc::new(self.checks(questions.checks)?);
            let done = self.run(work, Lane::Batch, deadline).await?;
            (
                done.outputs.into_iter().map(embedded).collect(),
                done.report,
            )
        };
        let engine = engine(&authorizer);
        let results = results.into_iter();
        Ok(Answers {
            results: results.map(|result| Answer::new(result, engine)).collect(),
            dispatch,
        })
    }

    fn checks(&self, questions: permission::Questions) -> Result<Batch, Refusal> {
        Batch::new(&self.authorizer(), questions)
            .map_err(|error| Refusal::because(error.reason(), error.to_string()))
    }
}

fn embedded(
    result: Result<bool, permission::Error>,
) -> Result<permission::Answer, permission::Error> {
    result.map(|allowed| permission::Answer {
        allowed,
        origin: Origin::Embedded,
    })
}

/// Who answers when nothing is kept.
fn engine(authorizer: &Authorizer) -> Origin {
    if authorizer.is_remote() {
        Origin::Remote
    } else {
        Origin::Embedded
    }
}
