//! Analytics: what a caller's records come to, and our own decisions.

use std::sync::Arc;

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};

use super::{
    Api,
    json::Json,
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
    pub(super) records: Vec<Record>,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer {
    #[serde(flatten)]
    pub(super) summary: Summary,
    pub(super) dispatch: dispatch::Report,
}

pub(super) async fn sum_up(
    State(api): State<Api>,
    Sent(question): Sent<Question>,
) -> Result<Json<Answer>, Refusal> {
    api.sum_up(question).await.map(Json)
}

impl Api {
    /// Means and shares of records.
    pub(super) async fn sum_up(&self, question: Question) -> Result<Answer, Refusal> {
        let settings = self.settings();
        settings.bound("records", question.records.len())?;
        let work = Arc::new(Batch::new(question.records));
        let done = self.run(work, Lane::Batch, settings.deadline()).await?;
        Ok(Answer {
            summary: Summary::merge(done.outputs),
            dispatch: done.report,
        })
    }

    /// Our own decisions over a window such as `5m`.
    pub(super) fn report(&self, asked: &Window) -> Result<Report, Refusal> {
        let window =
            read_window(&asked.window).map_err(|wrong| Refusal::field("window", &wrong.message))?;
        Ok(self.recorder().windows().report(window))
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    #[serde(default = "five_minutes")]
    pub(super) window: String,
}

pub(super) fn five_minutes() -> String {
    "5m".to_owned()
}

pub(super) async fn decisions(
    State(api): State<Api>,
    asked: Result<Query<Window>, QueryRejection>,
) -> Result<Json<Report>, Refusal> {
    let Query(asked) =
        asked.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    api.report(&asked).map(Json)
}
