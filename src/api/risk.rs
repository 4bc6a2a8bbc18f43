//! `POST /risk/score`: the scores of one subject's events, in the order in which they happened.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    Api,
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
    events: Vec<Event>,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    scores: Vec<f32>,
    dispatch: Report,
}

pub(super) async fn score(
    State(api): State<Api>,
    Sent(question): Sent<Question>,
) -> Result<Json<Answer>, Refusal> {
    let settings = api.settings();
    settings.bound("events", question.events.len())?;
    let batch = Batch::new(&question.events)
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let done = api
        .run(Arc::new(batch), Lane::Batch, settings.deadline())
        .await?;
    Ok(Json(Answer {
        scores: done.outputs,
        dispatch: done.report,
    }))
}
