//! `POST /ai/validate-prompt`, its batch and its stream: is this safe to send to a model?
//!
//! A prompt is one user's text; a `body` is a whole request body, read as Envoy's would be. What
//! could not be screened whole is refused (413, 503), and in a batch it is an answer of its own that
//! says so and is never safe.

mod answer;
mod stream;

use std::{convert::Infallible, sync::Arc};

use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{
        HeaderMap, HeaderValue,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use self::stream::Lines;
pub(super) use self::{answer::Answer, stream::Event};
use super::{
    Api,
    access::Place,
    json::Json,
    refusal::Refusal,
    request::{Sent, texts},
};
use crate::{
    dispatch::{Lane, Report},
    screening::{self, Action, Batch, Prompt, Requirement, Screener},
    verdict::Class,
};

/// `agent_id` and `context` say who asks and why; they do not change the answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[serde(default)]
    pub(super) prompt: Option<String>,
    /// Unparsed, so that what is screened is what was written: a parser would drop repeated keys.
    #[serde(default)]
    pub(super) body: Option<Box<RawValue>>,
    #[serde(default, rename = "agent_id")]
    _agent_id: Option<String>,
    #[serde(default, rename = "context")]
    _context: Option<Map<String, Value>>,
}

impl Question {
    pub(super) fn new(prompt: Option<String>, body: Option<Box<RawValue>>) -> Self {
        Self {
            prompt,
            body,
            _agent_id: None,
            _context: None,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Questions {
    #[serde(deserialize_with = "texts")]
    pub(super) prompts: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Answers {
    pub(super) results: Vec<Answer>,
    pub(super) dispatch: Report,
}

pub(super) async fn validate(
    State(api): State<Api>,
    Sent(question): Sent<Question>,
) -> Result<Json<Answer>, Refusal> {
    api.validate(question).await.map(Json)
}

/// One JSON document, or a line an answer when the caller accepts `application/x-ndjson`.
pub(super) async fn validate_batch(
    State(api): State<Api>,
    Extension(place): Extension<Place>,
    headers: HeaderMap,
    Sent(questions): Sent<Questions>,
) -> Result<Response, Refusal> {
    if !wants_lines(&headers) {
        let answers = api.validate_batch(questions).await?;
        return Ok(Json(answers).into_response());
    }
    let mut lines = Lines::default();
    let events = api.validate_stream(questions)?.map(move |event| {
        // The place among the calls in flight is free when the stream is dropped.
        let _ = &place;
        Ok::<_, Infallible>(lines.next(event))
    });
    let kind = [(CONTENT_TYPE, HeaderValue::from_static(NDJSON))];
    Ok((kind, Body::from_stream(events)).into_response())
}

fn wants_lines(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).into_iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|kind| kind.split(';').next())
        .any(|kind| kind.trim().eq_ignore_ascii_case(NDJSON))
}

impl Api {
    /// Screens one prompt or body.
    pub(super) async fn validate(&self, question: Question) -> Result<Answer, Refusal> {
        let prompt = match (question.prompt, question.body) {
            (Some(prompt), None) => Prompt::of_user(prompt),
            (None, Some(body)) => Prompt::Body(body.get().to_owned().into()),
            (None, None) => {
                return Err(Refusal::field("prompt", "is missing; send it, or a `body`"));
            }
            (Some(_), Some(_)) => {
                return Err(Refusal::field(
                    "body",
                    "came with a `prompt`; send one of the two",
                ));
            }
        };
        let deadline = self.settings().deadline();
        let serving = self.serving();
        let found = serving.pipeline.screen_prompt(&prompt, WANT, deadline);
        let findings = found.await?.map_err(|error| refuse(&error))?;
        Ok(Answer::new(prompt.text(), &findings))
    }

    /// Screens many prompts.
    pub(super) async fn validate_batch(&self, questions: Questions) -> Result<Answers, Refusal> {
        let deadline = {
            let settings = self.settings();
            settings.bound("prompts", questions.prompts.len())?;
            settings.deadline()
        };
        let work = self.prompts(questions.prompts);
        let done = self.run(Arc::clone(&work), Lane::Batch, deadline).await?;
        let screened = work.prompts().iter().zip(&done.outputs);
        let results = screened.map(Answer::in_batch);
        Ok(Answers {
            results: results.collect(),
            dispatch: done.report,
        })
    }

    fn prompts(&self, prompts: Vec<String>) -> Arc<Batch> {
        let prompts = prompts.into_iter().map(Prompt::of_user).collect();
        Arc::new(Batch::new(self.screener(), prompts, WANT))
    }

    fn screener(&self) -> Arc<Screener> {
        Arc::clone(self.serving().pipeline.screener())
    }
}

fn refuse(error: &screening::Error) -> Refusal {
    match error.reason().class() {
        Class::Undecided => Refusal::because(error.reason(), error.to_string()),
        Class::Allowed | Class::Denied => Refusal::because(
            error.reason(),
            format!("{error}; send a shorter one, or raise `screening.max_text`"),
        ),
    }
}

/// What is looked for, and what of it makes a prompt unsafe.
const WANT: Requirement = Requirement {
    injection: Action::Deny,
    invisible_text: Action::Flag,
    secrets: Action::Deny,
    personal_data: Action::Flag,
    trust_system: false,
};

/// One JSON document a line.
const NDJSON: &str = "application/x-ndjson";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sent_to_those_who_accept_them() {
        for (accept, expected) in [
            ("application/x-ndjson", true),
            ("application/json, Application/X-NDJSON;q=0.5", true),
            ("application/json", false),
            ("*/*", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            assert_eq!(wants_lines(&headers), expected, "{accept}");
        }
    }
}
