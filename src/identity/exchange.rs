//! One token for another at the issuer's own token endpoint (RFC 8693).
//!
//! The token that is given must have been verified first: nothing here looks at it. Equal questions
//! at one time are asked once, and an answer is kept until the first of both tokens ends, in memory
//! alone. What a reader would get wrong: a refusal is not kept, since the issuer may change its mind.
//!
//! # Cost
//!
//! A kept answer: its key (0.2 µs). Else a round trip.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::{Weighter, sync};

use super::{
    Identity,
    token_endpoint::{AccessToken, Error, TokenEndpoint},
};
use crate::{
    check::Key,
    coalesce::{self, Coalescer, Kind},
    upstream::Form,
};

/// Exchanges tokens at one endpoint.
pub(super) struct Exchange {
    endpoint: Arc<TokenEndpoint>,
    flights: Coalescer<Answer>,
    kept: Arc<sync::Cache<Key, AccessToken, ByLength>>,
    patience: Duration,
}

type Answer = Result<AccessToken, Error>;

impl Exchange {
    /// Questions that are asked once for several callers are counted in `metrics`.
    pub(super) fn new(endpoint: TokenEndpoint, metrics: &coalesce::Metrics) -> Self {
        let patience = endpoint.patience();
        let kept = sync::Cache::with_weighter(KEPT_BYTES / (1 << 10), KEPT_BYTES as u64, ByLength);
        Self {
            endpoint: Arc::new(endpoint),
            flights: Coalescer::new(Kind::Token, patience, metrics),
            kept: Arc::new(kept),
            patience,
        }
    }

    /// A token for whoever showed `subject_token`, which has proven to be of `identity`.
    pub(super) async fn exchange(&self, identity: &Identity, subject_token: &str) -> Answer {
        let key = self.key(subject_token);
        let now = self.endpoint.clock().now();
        match self.kept.get(&key) {
            Some(kept) if kept.expires_at > now => return Ok(kept),
            Some(_) => drop(self.kept.remove(&key)),
            None => {}
        }
        let ends = identity.expires_at().unwrap_or_default();
        let lead = || {
            let (endpoint, kept) = (Arc::clone(&self.endpoint), Arc::clone(&self.kept));
            let form = Form::default()
                .field("grant_type", EXCHANGE)
                .field("subject_token", subject_token)
                .field("subject_token_type", ACCESS_TOKEN)
                .field("requested_token_type", ACCESS_TOKEN);
            async move {
                let mut token = endpoint.ask(form).await?;
                // It is good to the caller as long as both are.
                token.expires_at = token.expires_at.min(ends);
                if token.expires_at > endpoint.clock().now() {
                    kept.insert(key, token.clone());
                }
                Ok(token)
            }
        };
        let deadline = Instant::now() + self.patience;
        self.flights.join(key, deadline, lead).await?
    }

    /// Of everything that an answer depends on.
    fn key(&self, subject_token: &str) -> Key {
        let client = self.endpoint.client();
        Key::of("exchange", |fields| {
            fields
                .text(&client.id)
                .maybe(client.audience.as_deref())
                .list(&client.scopes, |fields, scope| {
                    fields.text(scope);
                })
                .text(subject_token);
        })
    }
}

impl fmt::Debug for Exchange {
    /// Without the secret and the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exchange").field(&self.endpoint).finish()
    }
}

#[derive(Clone)]
struct ByLength;

impl Weighter<Key, AccessToken> for ByLength {
    fn weight(&self, _key: &Key, token: &AccessToken) -> u64 {
        (token.token.expose().len() + 256) as u64
    }
}

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Most memory for the answers of one issuer, in bytes.
const KEPT_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests;
