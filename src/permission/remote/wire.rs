//! What `OpenFGA`'s HTTP API is sent and what it answers.
//!
//! Answers are read strictly: an `allowed` that is not there, or a check of a batch without its
//! result, is no answer. A proxy's page or a cut body must not be a yes, and neither a no.

use std::{collections::HashMap, fmt::Write};

use serde::{Deserialize, Serialize};

use crate::permission::{Ask, Consistency, Error, Tuple, condition::Json};

/// The part of a question that a single check and a batch spell alike: JSON members without braces.
#[derive(Clone, Debug)]
pub(super) struct Item(String);

#[derive(Serialize)]
struct Members<'a> {
    tuple_key: Key<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contextual_tuples: Option<Along<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a Json>,
}

#[derive(Serialize)]
struct Along<'a> {
    tuple_keys: Vec<Key<'a>>,
}

#[derive(Serialize)]
struct Key<'a> {
    user: &'a str,
    relation: &'a str,
    object: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    condition: Option<Condition<'a>>,
}

#[derive(Serialize)]
struct Condition<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    context: Option<&'a Json>,
}

impl<'a> From<&Tuple<'a>> for Key<'a> {
    fn from(tuple: &Tuple<'a>) -> Self {
        Self {
            user: tuple.user,
            relation: tuple.relation,
            object: tuple.object,
            condition: tuple.condition.map(|condition| Condition {
                name: condition.name,
                context: condition.context,
            }),
        }
    }
}

impl Item {
    /// The members for `ask`, unless they are longer than a server takes.
    pub(super) fn new(ask: &Ask<'_>) -> Result<Self, Error> {
        let along = ask.contextual_tuples;
        let members = Members {
            tuple_key: Key {
                user: ask.user,
                relation: ask.relation,
                object: ask.object,
                condition: None,
            },
            contextual_tuples: (!along.is_empty()).then(|| Along {
                tuple_keys: along.iter().map(Key::from).collect(),
            }),
            context: ask.context,
        };
        let text = serde_json::to_string(&members)
            .map_err(|error| Error::Invalid(format!("cannot be written as JSON: {error}")))?;
        if text.len() > MAX_ITEM_BYTES {
            return Err(Error::Invalid(format!(
                "with all it brings along the question is longer than {MAX_ITEM_BYTES} bytes"
            )));
        }
        let inner = text.trim_start_matches('{');
        Ok(Self(inner[..inner.len().saturating_sub(1)].to_owned()))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The body of a single check.
    pub(super) fn alone(&self, model: &str, consistency: Consistency) -> String {
        format!("{{{},{}}}", self.0, whole(model, consistency))
    }
}

/// The body of a batch: each item is called by its place.
pub(super) fn together(items: &[Item], model: &str, consistency: Consistency) -> String {
    let size: usize = items.iter().map(|item| item.len() + 30).sum();
    let mut body = String::with_capacity(size + 128);
    body.push_str("{\"checks\":[");
    for (place, item) in items.iter().enumerate() {
        let comma = if place == 0 { "" } else { "," };
        let _ = write!(body, "{comma}{{{},\"correlation_id\":\"{place}\"}}", item.0);
    }
    let _ = write!(body, "],{}}}", whole(model, consistency));
    body
}

/// What is the same for all checks of a request. Ids have no characters that JSON escapes.
fn whole(model: &str, consistency: Consistency) -> String {
    let consistency = match consistency {
        Consistency::HigherConsistency => ",\"consistency\":\"HIGHER_CONSISTENCY\"",
        Consistency::MinimizeLatency => "",
    };
    format!("\"authorization_model_id\":\"{model}\"{consistency}")
}

/// The answer to a single check.
pub(super) fn read_alone(body: &[u8]) -> Result<bool, String> {
    #[derive(Deserialize)]
    struct Answer {
        allowed: bool,
    }
    let answer: Result<Answer, _> = serde_json::from_slice(body);
    answer
        .map(|answer| answer.allowed)
        .map_err(|_| "its answer has no `allowed`".to_owned())
}

/// The answers to a batch of `count` checks, in their order.
pub(super) fn read_together(body: &[u8], count: usize) -> Result<Vec<Result<bool, Error>>, String> {
    #[derive(Deserialize)]
    struct Answers {
        result: HashMap<String, One>,
    }
    #[derive(Deserialize)]
    struct One {
        allowed: Option<bool>,
        error: Option<Fault>,
    }
    #[derive(Deserialize)]
    struct Fault {
        input_error: Option<String>,
        #[serde(default)]
        message: String,
    }
    let wrong = |_| "its answer has no `result`".to_owned();
    let mut answers: Answers = serde_json::from_slice(body).map_err(wrong)?;
    let mut one = |place: usize| {
        let one = answers.result.remove(&place.to_string());
        match one.ok_or("its answer leaves checks out")? {
            One {
                error: Some(fault), ..
            } => Ok(Err(match fault.input_error {
                Some(code) => refused(&code, &fault.message),
                None => Error::Unavailable(format!("the server failed: {}", fault.message)),
            })),
            One {
                allowed: Some(allowed),
                ..
            } => Ok(Ok(allowed)),
            One { .. } => Err("its answer has neither `allowed` nor `error`".to_owned()),
        }
    };
    (0..count).map(&mut one).collect()
}

/// An error of the API: its code by name, and what it says.
#[derive(Debug, Deserialize)]
pub(super) struct Refusal {
    pub(super) code: String,
    #[serde(default)]
    pub(super) message: String,
}

/// The body of an error answer, if it is the API's.
pub(super) fn read_refusal(body: &[u8]) -> Option<Refusal> {
    let refusal: Refusal = serde_json::from_slice(body).ok()?;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (refusal.code.len() <= 64 && refusal.code.bytes().all(is_word)).then_some(refusal)
}

/// What the server's word means for who asked.
///
/// A caller can choose what it asks about, so a question that does not fit the model denies. That the
/// model or the store is not there is nobody's choice: nothing was decided.
pub(super) fn refused(code: &str, message: &str) -> Error {
    let message: String = message.chars().take(MAX_MESSAGE_CHARS).collect();
    match code {
        "authorization_model_resolution_too_complex" => Error::TooComplex,
        "duplicate_contextual_tuple" | "invalid_tuple" => Error::ContextualTuple(message),
        "authorization_model_assertions_not_found"
        | "authorization_model_id_not_found"
        | "authorization_model_not_found"
        | "cancelled"
        | "latest_authorization_model_not_found"
        | "store_id_invalid_length"
        | "unsupported_schema_version" => {
            Error::Unavailable(format!("the server says `{code}`: {message}"))
        }
        _ => Error::Invalid(message),
    }
}

/// The codes that say the model in use is not there.
pub(super) fn is_about_the_model(code: &str) -> bool {
    code.ends_with("authorization_model_not_found") || code == "authorization_model_id_not_found"
}

/// Most checks in one batch: `OpenFGA`'s own limit.
pub(super) const MAX_TOGETHER: usize = 50;

/// Most bytes of checks in one batch. `OpenFGA` reads 512 × 1,204 bytes.
pub(super) const MAX_TOGETHER_BYTES: usize = 400 << 10;

/// Most bytes of one question: more than a hundred contextual tuples of the longest names.
const MAX_ITEM_BYTES: usize = 256 << 10;

/// As much of a message as goes into a log.
const MAX_MESSAGE_CHARS: usize = 300;

#[cfg(test)]
mod tests;
