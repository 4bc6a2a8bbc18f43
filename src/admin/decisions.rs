//! Why something was decided, and what decisions add up to.
//!
//! What a reader would get wrong: nothing here is asked of the threads that answer checks. The
//! pages read what the recorder has kept; see [`crate::decisions`].

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Status;
use crate::{
    analytics::{Report, read_window},
    decisions::Filter,
};

type Shared = State<Arc<Status>>;

pub(super) fn pages() -> Router<Arc<Status>> {
    Router::new()
        .route("/decisions", get(latest))
        .route("/decisions/{id}", get(explain))
        .route("/analytics", get(analytics))
}

async fn latest(
    State(status): Shared,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Value>, Refusal> {
    let Query(filter) = filter.map_err(|error| Refusal::bad(error.body_text()))?;
    filter
        .check()
        .map_err(|problem| Refusal::bad(problem.to_string()))?;
    let (most, now) = status.recorder.kept();
    let decisions = status.recorder.latest(&filter);
    Ok(Json(
        json!({ "keep": most, "kept": now, "decisions": decisions }),
    ))
}

async fn explain(State(status): Shared, Path(id): Path<String>) -> Result<Json<Value>, Refusal> {
    let id: Uuid = id.parse().map_err(|_| {
        let why = "id: is not a decision's id; it is in the response header x-subzero-decision";
        Refusal::bad(why)
    })?;
    let explained = status.recorder.explain(id);
    explained.map(Json).ok_or_else(|| {
        let (most, now) = status.recorder.kept();
        Refusal {
            status: StatusCode::NOT_FOUND,
            detail: format!(
                "no such decision among the last {now}; decisions.keep says how many are kept, now {most}"
            ),
        }
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default = "usual_window")]
    window: String,
}

fn usual_window() -> String {
    "5m".to_owned()
}

async fn analytics(
    State(status): Shared,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Report>, Refusal> {
    let Query(asked) = asked.map_err(|error| Refusal::bad(error.body_text()))?;
    let window = read_window(&asked.window).map_err(|problem| Refusal::bad(problem.to_string()))?;
    Ok(Json(status.recorder.windows().report(window)))
}

/// An answer that is no answer, as RFC 9457 has it.
struct Refusal {
    status: StatusCode,
    detail: String,
}

impl Refusal {
    fn bad(detail: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            detail: detail.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let problem = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let kind = [(CONTENT_TYPE, "application/problem+json")];
        (self.status, kind, problem.to_string()).into_response()
    }
}
