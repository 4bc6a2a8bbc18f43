//! The JSON door: single questions for services that do not stand behind Envoy.
//!
//! It listens on loopback only: whoever reaches it may ask anything. It runs on a runtime and a
//! thread of its own, so what is asked here never delays a check of Envoy's. Nothing asked here is
//! logged, since it may be a prompt.

use std::{net::TcpListener, sync::Arc};

use arc_swap::ArcSwap;
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    ext_authz::Serving,
    permission::{Ask, Tuple, TupleCondition},
    screening::{Report, Requirement},
    verdict::{Class, Reason},
};

type Shared = Arc<ArcSwap<Serving>>;

/// Serves the API until the process ends, with `forward_auth` beside it. `max_body_bytes` bounds
/// every request to the API.
pub async fn serve(
    listener: TcpListener,
    serving: Shared,
    forward_auth: Router,
    max_body_bytes: usize,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let paths = Router::new()
        .route("/authz/check", post(check_permission))
        .route("/ai/validate-prompt", post(validate_prompt))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "no such path"))
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this path answers POST")
        })
        .layer(DefaultBodyLimit::max(max_body_bytes))
        .with_state(serving)
        .merge(forward_auth);
    axum::serve(listener, paths).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PermissionQuestion {
    user: String,
    relation: String,
    object: String,
    #[serde(default)]
    context: Option<Map<String, Value>>,
    #[serde(default)]
    contextual_tuples: Vec<ContextualTuple>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextualTuple {
    user: String,
    relation: String,
    object: String,
    #[serde(default)]
    condition: Option<ContextualCondition>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContextualCondition {
    name: String,
    #[serde(default)]
    context: Option<Map<String, Value>>,
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

async fn check_permission(
    State(serving): State<Shared>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, Refusal> {
    let question: PermissionQuestion = read(body)?;
    let tuples: Vec<Tuple<'_>> = question
        .contextual_tuples
        .iter()
        .map(ContextualTuple::as_tuple)
        .collect();
    let serving = serving.load_full();
    let allowed = serving.pipeline.authorizer().check(&Ask {
        user: &question.user,
        relation: &question.relation,
        object: &question.object,
        context: question.context.as_ref(),
        contextual_tuples: &tuples,
    });
    let allowed = allowed.map_err(|error| {
        // The question itself is wrong (an unknown type or relation, a user that is no `type:id`, a
        // condition that the context does not suffice for), or the engine could not answer.
        let status = match error.reason().class() {
            Class::Undecided => StatusCode::SERVICE_UNAVAILABLE,
            Class::Allowed | Class::Denied => StatusCode::BAD_REQUEST,
        };
        Refusal::new(status, error.to_string())
    })?;
    let reason = if allowed {
        Reason::Ok
    } else {
        Reason::PermissionDenied
    };
    Ok(Json(
        json!({ "allowed": allowed, "reason": reason.as_str(), "source": "embedded" }),
    ))
}

/// Fields of the predecessor's call that name who asks; they do not change the answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromptQuestion {
    prompt: String,
    #[serde(default, rename = "agent_id")]
    _agent_id: Option<String>,
    #[serde(default, rename = "context")]
    _context: Option<Value>,
}

async fn validate_prompt(
    State(serving): State<Shared>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Report>, Refusal> {
    let question: PromptQuestion = read(body)?;
    let want = Requirement::default();
    let findings = serving
        .load_full()
        .pipeline
        .screener()
        .screen_text(&question.prompt, &want)
        .map_err(|error| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, error.to_string()))?;
    Ok(Json(Report::new(&findings, &want, Some(&question.prompt))))
}

fn read<T: DeserializeOwned>(body: Result<Bytes, BytesRejection>) -> Result<T, Refusal> {
    let body = body.map_err(|error| Refusal::new(error.status(), error.body_text()))?;
    let mut json = serde_json::Deserializer::from_slice(&body);
    let wrong = |message: String| Refusal::new(StatusCode::BAD_REQUEST, message);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let message = error.inner().to_string();
        wrong(if path == "." {
            message
        } else {
            format!("{path}: {message}")
        })
    })?;
    json.end().map_err(|error| wrong(error.to_string()))?;
    Ok(value)
}

/// An answer that is no answer, as RFC 9457 has it.
struct Refusal {
    status: StatusCode,
    detail: String,
}

impl Refusal {
    fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            status,
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
