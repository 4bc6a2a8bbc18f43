//! Risk: the scores of one subject's events, in the order in which they happened.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    Api,
    json::Json,
    refusal::Refusal,
    request::{Sent, objects},
};
use crate::{
    dispatch::{Lane, Report},
    risk::{Batch, Event},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[serde(deserialize_with = "objects")]
    pub(super) events: Vec<Event>,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    pub(super) scores: Vec<f32>,
    pub(super) dispatch: Report,
}

pub(super) async fn score(
    State(api): State<Api>,
    Sent(question): Sent<Question>,
) -> Result<Json<Answer>, Refusal> {
    api.score(question).await.map(Json)
}

impl Api {
    /// Scores one subject's events.
    pub(super) async fn score(&self, question: Question) -> Result<Answer, Refusal> {
        let settings = self.settings();
        settings.bound("events", question.events.len())?;
        let batch = Batch::new(&question.events).map_err(|error| {
            let refusal = Refusal::new(StatusCode::BAD_REQUEST, error.to_string());
            refusal.about(error.field())
        })?;
        let done = self
            .run(Arc::new(batch), Lane::Batch, settings.deadline())
            .await?;
        Ok(Answer {
            scores: done.outputs,
            dispatch: done.report,
        })
    }
}
