//! `/`: what an operator wants to see first, on one page, also on a phone and at night.
//!
//! Rendered here in one piece: no script, nothing fetched from elsewhere, so it works wherever the
//! admin port does. It reads what other pages tell as JSON; what a reader would get wrong is that
//! nothing is redacted *here*: decisions come without secrets from the recorder.
//!
//! Cost: some milliseconds, most of it the drawing, on the operator's own thread.

mod timeline;
mod upstreams;
mod view;

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY},
    },
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::Value;

use self::{upstreams::Upstream, view::View};
use super::{Status, readiness::Readiness};
use crate::{
    analytics::{Report, read_window},
    decisions::Filter,
    dispatch::Table,
};

/// What can be asked for in the address.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    #[serde(default = "usual_window")]
    window: String,
    /// Whether the page loads itself again.
    #[serde(default = "usual_refresh")]
    refresh: Refresh,
}

#[derive(Clone, Copy, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Refresh {
    On,
    Off,
}

fn usual_window() -> String {
    "5m".to_owned()
}

fn usual_refresh() -> Refresh {
    Refresh::On
}

/// Everything that is on the page.
struct Home {
    readiness: Readiness,
    window: String,
    refresh: bool,
    report: Report,
    timeline: Vec<crate::analytics::Verdicts>,
    denials: Vec<Value>,
    upstreams: Vec<Upstream>,
    dispatch: Table,
}

/// The page itself.
pub(super) async fn page(
    State(status): State<Arc<Status>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let asked = match asked {
        Ok(Query(asked)) => asked,
        Err(error) => return (StatusCode::BAD_REQUEST, error.body_text()).into_response(),
    };
    let window = match read_window(&asked.window) {
        Ok(window) => window,
        Err(problem) => return (StatusCode::BAD_REQUEST, problem.to_string()).into_response(),
    };
    let page = Home::gather(&status, asked, window);
    let headers = [
        (CACHE_CONTROL, "no-store"),
        // Nothing may run or be fetched, whatever a name in the configuration looks like.
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    ];
    (headers, Html(View(&page).render())).into_response()
}

impl Home {
    fn gather(status: &Status, asked: Asked, window: Duration) -> Self {
        let windows = status.recorder.windows();
        let refused = |verdict: &str| {
            status.recorder.latest(&Filter {
                verdict: Some(verdict.to_owned()),
                limit: Some(DENIALS),
                ..Filter::default()
            })
        };
        let mut denials = refused("deny");
        denials.extend(refused("error"));
        // Newest first: ids begin with their time.
        denials.sort_by(|a, b| b["time"].as_str().cmp(&a["time"].as_str()));
        denials.truncate(DENIALS);
        Self {
            readiness: status.readiness(),
            window: asked.window,
            refresh: asked.refresh == Refresh::On,
            report: windows.report(window),
            timeline: windows.timeline(),
            denials,
            upstreams: upstreams::read(&status.registry.gather()),
            dispatch: status.dispatcher.table(),
        }
    }
}

/// How many of the last refusals are shown.
const DENIALS: usize = 12;
