//! Tokens that say nothing themselves: the issuer is asked about them (RFC 7662).
//!
//! What a reader would get wrong: whoever sends an invented token causes a question, so questions
//! are bounded three times over: one at a time for a token, so many at a time for an issuer, and a
//! token that the issuer did not know is not asked about again for a moment. An answer that a token
//! is active is kept with the proven tokens, by [`super::cache`], once its claims were judged; here
//! it stays only for the moment that this takes, so that whoever asks in between does not ask the
//! issuer again. Tokens themselves are not kept.
//!
//! # Cost
//!
//! A token asked about before: as for a proven one. Else a round trip.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::sync;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::{
    claims::Claims,
    config::Introspection,
    endpoint::{Endpoint, Unasked, Way},
    error::Error,
    refresh::chance,
    token::json::Unique,
};
use crate::{
    check::Key,
    clock::Clock,
    coalesce::{self, Coalescer, Kind},
    upstream::{self, Form},
};

/// Asks one issuer.
pub(super) struct Introspector {
    flights: Coalescer<Answer>,
    inner: Arc<Inner>,
}

struct Inner {
    /// What was said of active tokens a moment ago, and until when it is good here.
    active: sync::Cache<Key, (Arc<Word>, Instant)>,
    endpoint: Endpoint,
    /// Until when a token that is not active is not asked about again.
    inactive: sync::Cache<Key, Instant>,
    issuer: String,
    keep: Duration,
    keep_inactive: Duration,
    places: Semaphore,
}

/// What the issuer says of an active token, and until when that is believed.
#[derive(Debug)]
pub(super) struct Word {
    pub(super) claims: Claims,
    pub(super) until: Instant,
}

type Answer = Result<Arc<Word>, Error>;

impl Introspector {
    /// Asks about tokens of `issuer`. Questions that are asked once for several callers are counted
    /// in `metrics`.
    pub(super) fn new(
        issuer: &str,
        (config, clock, way): (Introspection, Clock, Way),
        metrics: &coalesce::Metrics,
    ) -> Self {
        let (id, credential) = (config.client_id, config.credential);
        let endpoint = Endpoint::new(config.address, id, credential, clock, way);
        Self {
            flights: Coalescer::new(Kind::Token, endpoint.patience(), metrics),
            inner: Arc::new(Inner {
                active: sync::Cache::new(config.max_in_flight.into()),
                endpoint,
                inactive: sync::Cache::new(MAX_INACTIVE),
                issuer: issuer.to_owned(),
                keep: config.keep,
                keep_inactive: config.keep_inactive,
                places: Semaphore::new(config.max_in_flight.into()),
            }),
        }
    }

    /// What the issuer says of `token`, asked now or with somebody else who asks.
    ///
    /// Must be called inside a runtime.
    pub(super) async fn ask(&self, token: &str, deadline: Instant) -> Answer {
        let key = Key::of("introspection", |fields| {
            fields.text(token);
        });
        if let Some(answer) = self.inner.known(&key) {
            return answer;
        }
        let lead = || {
            let inner = Arc::clone(&self.inner);
            let form = Form::default()
                .field("token", token)
                .field("token_type_hint", "access_token");
            async move {
                let answer = inner.ask(form).await;
                inner.keep(key, &answer);
                answer
            }
        };
        let answer = self.flights.join(key, deadline, lead).await;
        // Late, or the one who asked ended without an answer: either way nothing is known.
        answer.unwrap_or_else(|_| Err(Error::KeysUnavailable(self.inner.issuer.clone())))
    }
}

impl Inner {
    /// What was said of a token lately.
    fn known(&self, key: &Key) -> Option<Answer> {
        let now = Instant::now();
        match self.active.get(key) {
            Some((word, until)) if now < until => return Some(Ok(word)),
            Some(_) => drop(self.active.remove(key)),
            None => {}
        }
        match self.inactive.get(key) {
            Some(until) if now < until => return Some(Err(Error::Inactive)),
            Some(_) => drop(self.inactive.remove(key)),
            None => {}
        }
        None
    }

    /// Notes what the issuer says of a token, before anybody is told.
    fn keep(&self, key: Key, answer: &Answer) {
        let now = Instant::now();
        match answer {
            Ok(word) => {
                let until = word.until.min(now + JUDGING);
                self.active.insert(key, (Arc::clone(word), until));
            }
            Err(Error::Inactive) => self.inactive.insert(key, now + self.keep_inactive),
            // Nothing is known of the token.
            Err(_) => {}
        }
    }

    async fn ask(&self, form: Form) -> Answer {
        let _place = self.places.try_acquire().map_err(|_| Error::Overloaded)?;
        let asked = self.endpoint.ask(form, read).await;
        let claims = asked.map_err(|error| {
            self.endpoint.forget();
            match error {
                Unasked::Unsigned => tracing::warn!(
                    issuer = self.issuer,
                    "the client's key cannot sign, so no token can be asked about"
                ),
                Unasked::Upstream(error) => {
                    tracing::debug!(issuer = self.issuer, %error, "cannot ask about a token");
                }
            }
            Error::KeysUnavailable(self.issuer.clone())
        })?;
        let claims = claims.ok_or(Error::Inactive)?;
        // Not all at one moment for tokens that were first seen at one moment.
        let until = Instant::now() + self.keep.mul_f64(0.9 + 0.1 * chance());
        Ok(Arc::new(Word { claims, until }))
    }
}

impl fmt::Debug for Introspector {
    /// Without the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Introspector")
            .field(&self.inner.endpoint)
            .finish()
    }
}

/// What the answer says of the token; `None` for one that is not active. Nothing of a bad answer is
/// repeated.
fn read(status: u16, bytes: &[u8]) -> Result<Option<Claims>, upstream::Error> {
    if status != 200 {
        return Err(upstream::Error::Http(format!(
            "answered {status} instead of 200"
        )));
    }
    let answer = serde_json::from_slice::<Unique>(bytes).ok();
    let Some(Unique(Value::Object(mut answer))) = answer else {
        let text = "not a JSON object, or one with a member twice";
        return Err(upstream::Error::Parse(text.to_owned()));
    };
    match answer.remove("active") {
        Some(Value::Bool(true)) => Ok(Some(answer.into())),
        Some(Value::Bool(false)) => Ok(None),
        _ => Err(upstream::Error::Parse(
            "its `active` is neither true nor false".to_owned(),
        )),
    }
}

/// The longest answer, in bytes.
pub(super) const MAX_ANSWER: usize = 64 << 10;

/// Longer than it takes to judge an answer and to keep it with the proven tokens.
const JUDGING: Duration = Duration::from_secs(1);

/// Tokens that are remembered as not active: about a megabyte.
const MAX_INACTIVE: usize = 8 << 10;

#[cfg(test)]
mod tests;
