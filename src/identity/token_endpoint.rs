//! Asking an issuer for tokens: the client proves itself, the answer is read strictly.
//!
//! What a reader would get wrong is the difference between the two ways of getting nothing:
//! [`Error::Refused`] means that the issuer looked at the question and said no, everything else that
//! it could not be asked, or not by this client.
//!
//! # Cost
//!
//! A round trip, and 1 ms for an RSA signature where the client proves itself with a key. Use it on
//! the API's runtime or the control one.

use std::{fmt, sync::Arc, time::Duration};

use serde::Deserialize;

use super::{
    config::Client,
    credential::MAX_TOKEN,
    endpoint::{Endpoint, Unasked, Way},
};
use crate::{
    clock::{Clock, UnixSeconds},
    coalesce,
    units::Secret,
    upstream::{self, Form},
};

/// A token that an issuer gave us.
#[derive(Clone)]
pub struct AccessToken {
    /// What to send. Opaque to us.
    pub token: Secret,
    /// When it ends, by our clock and the answer's `expires_in`; a minute from now if the issuer
    /// does not say.
    pub expires_at: UnixSeconds,
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken(until {})", self.expires_at)
    }
}

/// Why no token came.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The one who was to ask ended without an answer: a defect of ours.
    #[error("the question was dropped")]
    Dropped,
    /// The client's key could not sign.
    #[error("the client's key cannot sign")]
    Unsigned,
    /// The issuer said no to what was asked, with this code of RFC 6749 or 8693.
    #[error("the issuer refused with `{0}`")]
    Refused(String),
    /// It could not be asked, or not by this client, or its answer is none.
    #[error("ask the token endpoint: {0}")]
    Upstream(Arc<upstream::Error>),
}

impl From<coalesce::Error> for Error {
    fn from(error: coalesce::Error) -> Self {
        match error {
            coalesce::Error::Deadline | coalesce::Error::Overdue => upstream::Error::Timeout.into(),
            coalesce::Error::Lost => Self::Dropped,
        }
    }
}

impl From<upstream::Error> for Error {
    fn from(error: upstream::Error) -> Self {
        Self::Upstream(Arc::new(error))
    }
}

/// One client's way to one issuer's token endpoint.
#[derive(Debug)]
pub(super) struct TokenEndpoint {
    client: Client,
    endpoint: Endpoint,
}

impl TokenEndpoint {
    pub(super) fn new(client: Client, clock: Clock, way: Way) -> Self {
        let (address, id) = (client.address.clone(), client.id.clone());
        let endpoint = Endpoint::new(address, id, client.credential.clone(), clock, way);
        Self { client, endpoint }
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.endpoint.clock
    }

    /// The longest that [`TokenEndpoint::ask`] takes: two questions, and a moment to sign and read.
    pub(super) fn patience(&self) -> Duration {
        self.endpoint.patience()
    }

    /// Asks with `form`, to which audience, scopes and the client's proof are added.
    pub(super) async fn ask(&self, mut form: Form) -> Result<AccessToken, Error> {
        let now = self.clock().now();
        if let Some(audience) = &self.client.audience {
            form = form.field("audience", audience);
        }
        if !self.client.scopes.is_empty() {
            form = form.field("scope", &self.client.scopes.join(" "));
        }
        let mut refused = None;
        let read = |status, bytes: &[u8]| match status {
            200 => read_token(bytes, now),
            status => {
                let code = error_code(bytes);
                refused = code.clone().filter(|code| REFUSALS.contains(&&**code));
                let code = code.map_or_else(String::new, |code| format!(" (`{code}`)"));
                Err(upstream::Error::Http(format!("answered {status}{code}")))
            }
        };
        let answer = self.endpoint.ask(form, read).await;
        match (answer, refused) {
            (Ok(token), _) => Ok(token),
            (Err(Unasked::Unsigned), _) => Err(Error::Unsigned),
            (Err(Unasked::Upstream(_)), Some(code)) => Err(Error::Refused(code)),
            (Err(Unasked::Upstream(error)), None) => {
                self.endpoint.forget();
                Err(error.into())
            }
        }
    }
}

/// The token of a good answer. Nothing of a bad one is repeated, since it may hold a token.
fn read_token(bytes: &[u8], now: UnixSeconds) -> Result<AccessToken, upstream::Error> {
    #[derive(Deserialize)]
    struct Answer {
        access_token: String,
        token_type: String,
        #[serde(default)]
        expires_in: Option<u64>,
    }
    let wrong = |text: &str| upstream::Error::Parse(text.to_owned());
    let answer: Answer = serde_json::from_slice(bytes)
        .map_err(|_| wrong("not an answer with `access_token` and `token_type`"))?;
    if !answer.token_type.eq_ignore_ascii_case("bearer") {
        return Err(wrong("its token is no bearer token"));
    }
    let visible = answer
        .access_token
        .bytes()
        .all(|byte| byte.is_ascii_graphic());
    if answer.access_token.is_empty() || answer.access_token.len() > MAX_TOKEN || !visible {
        return Err(wrong("its token is empty, longer than 16 KiB, or not text"));
    }
    Ok(AccessToken {
        token: Secret::new(&answer.access_token),
        expires_at: now.saturating_add(answer.expires_in.unwrap_or(UNKNOWN_LIFE)),
    })
}

/// The code of an error answer, if it is one that may be repeated.
fn error_code(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Answer {
        error: String,
    }
    let Answer { error } = serde_json::from_slice(bytes).ok()?;
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    (error.len() <= 64 && error.bytes().all(is_word)).then_some(error)
}

/// The codes by which an issuer says no to the question rather than to the client. RFC 8693 has
/// `invalid_request` for a subject token that does not do.
const REFUSALS: [&str; 5] = [
    "access_denied",
    "invalid_grant",
    "invalid_request",
    "invalid_scope",
    "invalid_target",
];

/// How long a token is kept whose issuer does not say how long it is good, in seconds.
const UNKNOWN_LIFE: u64 = 60;

/// The longest answer, in bytes.
pub(super) const MAX_ANSWER: usize = 64 << 10;

#[cfg(test)]
mod tests;
