//! `POST /authz/check` and `/authz/check/batch`: relationship checks.
//!
//! A single question that does not fit the model is refused (400); in a batch it is an answer of its
//! own, so that one bad question does not cost the others theirs. `allowed` is true for reason `ok`
//! alone; only `permission_denied` is the model's no.

mod work;

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::work::Checks;
use super::{
    Api,
    refusal::Refusal,
    request::{Sent, object_or_null, objects},
};
use crate::{
    dispatch::{Lane, Report},
    permission::{self, MAX_CONTEXTUAL_TUPLES, Tuple, TupleCondition},
    verdict::{Class, Reason},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    pub(super) user: String,
    pub(super) relation: String,
    pub(super) object: String,
    #[serde(default)]
    pub(super) context: Option<Map<String, Value>>,
    #[serde(default, deserialize_with = "objects")]
    pub(super) contextual_tuples: Vec<ContextualTuple>,
}

impl Question {
    /// Refuses more tuples than the engine takes; `index` is its place in a batch.
    fn bound(&self, index: Option<usize>) -> Result<(), Refusal> {
        let count = self.contextual_tuples.len();
        if count <= MAX_CONTEXTUAL_TUPLES {
            return Ok(());
        }
        let wrong = format!(
            "{count} tuples are more than the {MAX_CONTEXTUAL_TUPLES} that one question may have"
        );
        let place = index.map(|index| format!("checks[{index}]."));
        let field = format!("{}contextual_tuples", place.unwrap_or_default());
        Err(Refusal::too_many(&field, &wrong))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContextualTuple {
    pub(super) user: String,
    pub(super) relation: String,
    pub(super) object: String,
    #[serde(default, deserialize_with = "object_or_null")]
    pub(super) condition: Option<Condition>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    pub(super) name: String,
    #[serde(default)]
    pub(super) context: Option<Map<String, Value>>,
}

impl ContextualTuple {
    fn as_tuple(&self) -> Tuple<'_> {
        let condition = self.condition.as_ref();
        Tuple {
            user: &self.user,
            relation: &self.relation,
            object: &self.object,
            condition: condition.map(|condition| TupleCondition {
                name: &condition.name,
                context: condition.context.as_ref(),
            }),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Questions {
    #[serde(deserialize_with = "objects")]
    pub(super) checks: Vec<Question>,
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
    fn new(result: Result<bool, permission::Error>) -> Self {
        let (reason, error) = match result {
            Ok(true) => (Reason::Ok, None),
            Ok(false) => (Reason::PermissionDenied, None),
            Err(error) => (error.reason(), Some(error.to_string())),
        };
        Self {
            allowed: reason == Reason::Ok,
            reason: reason.as_str(),
            source: SOURCE,
            error,
        }
    }
}

pub(super) async fn check(
    State(api): State<Api>,
    Sent(question): Sent<Question>,
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
    pub(super) async fn check_permission(&self, question: Question) -> Result<Answer, Refusal> {
        question.bound(None)?;
        let deadline = self.settings().deadline();
        let work = Arc::new(Checks::new(&self.authorizer(), vec![question]));
        let done = self.run(work, Lane::High, deadline).await?;
        let result = done.outputs.into_iter().next();
        let result = result
            .ok_or_else(|| Refusal::because(Reason::Internal, "the question has no answer"))?;
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
        Ok(Answer::new(result))
    }

    /// The engine's answer to each question.
    pub(super) async fn check_permissions(&self, questions: Questions) -> Result<Answers, Refusal> {
        let deadline = {
            let settings = self.settings();
            settings.bound("checks", questions.checks.len())?;
            settings.deadline()
        };
        for (index, question) in questions.checks.iter().enumerate() {
            question.bound(Some(index))?;
        }
        let work = Arc::new(Checks::new(&self.authorizer(), questions.checks));
        let done = self.run(work, Lane::Batch, deadline).await?;
        Ok(Answers {
            results: done.outputs.into_iter().map(Answer::new).collect(),
            dispatch: done.report,
        })
    }
}

/// Who answers: the engine in this process.
const SOURCE: &str = "embedded";
