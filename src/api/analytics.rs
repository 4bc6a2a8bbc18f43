//! `/analytics`: what a caller's records come to (POST), and our own decisions (GET).

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};

use super::{
    Api,
    refusal::Refusal,
    request::{Sent, objects},
};
use crate::{
    analytics::{Batch, Record, Report, Summary, read_window},
    dispatch::{self, Lane},
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[serde(deserialize_with = "objects")]
    records: Vec<Record>,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    summary: Summary,
    dispatch: dispatch::Report,
}

pub(super) async fn sum_up(
    State(api): State<Api>,
    Sent(question): Sent<Question>,
) -> Result<Json<Answer>, Refusal> {
    let settings = api.settings();
    settings.bound("records", question.records.len())?;
    let work = Arc::new(Batch::new(question.records));
    let done = api.run(work, Lane::Batch, settings.deadline()).await?;
    Ok(Json(Answer {
        summary: Summary::merge(done.outputs),
        dispatch: done.report,
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    #[serde(default = "five_minutes")]
    window: String,
}

fn five_minutes() -> String {
    "5m".to_owned()
}

pub(super) async fn decisions(
    State(api): State<Api>,
    asked: Result<Query<Window>, QueryRejection>,
) -> Result<Json<Report>, Refusal> {
    let Query(asked) =
        asked.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let window =
        read_window(&asked.window).map_err(|wrong| Refusal::field("window", &wrong.message))?;
    Ok(Json(api.recorder().windows().report(window)))
}
