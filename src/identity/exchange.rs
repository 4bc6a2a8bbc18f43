//! One token for another at the issuer's own token endpoint (RFC 8693).
//!
//! The token that is given must have been verified first: nothing here looks at it. Equal questions
//! at one time are asked once, and an answer is kept until the first of both tokens ends, in memory
//! alone. What a reader would get wrong: a refusal is not kept, since the issuer may change its mind.
//!
//! # Cost
//!
//! A kept answer: its digest (0.6 µs). Else a round trip.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest::{self, SHA256_OUTPUT_LEN},
    rand,
};
use quick_cache::{Weighter, sync};

use super::{
    Identity,
    flights::Flights,
    token_endpoint::{AccessToken, Error, TokenEndpoint},
};
use crate::upstream::Form;

/// Exchanges tokens at one endpoint.
pub(super) struct Exchange {
    endpoint: Arc<TokenEndpoint>,
    flights: Arc<Flights<Key, Answer>>,
    kept: Arc<sync::Cache<Key, AccessToken, ByLength>>,
    secret: [u8; 32],
}

/// Stands for everything that an answer depends on, within this process.
type Key = [u8; SHA256_OUTPUT_LEN];

type Answer = Result<AccessToken, Error>;

impl Exchange {
    /// `None` if the system has no random numbers.
    pub(super) fn new(endpoint: TokenEndpoint) -> Option<Self> {
        let mut secret = [0; 32];
        rand::fill(&mut secret).ok()?;
        let kept = sync::Cache::with_weighter(KEPT_BYTES / (1 << 10), KEPT_BYTES as u64, ByLength);
        Some(Self {
            endpoint: Arc::new(endpoint),
            flights: Arc::default(),
            kept: Arc::new(kept),
            secret,
        })
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
        let answer = self.flights.join(key, lead).await;
        answer.unwrap_or(Err(Error::Dropped))
    }

    fn key(&self, subject_token: &str) -> Key {
        let client = self.endpoint.client();
        let mut context = digest::Context::new(&digest::SHA256);
        let mut field = |bytes: &[u8]| {
            context.update(&(bytes.len() as u64).to_be_bytes());
            context.update(bytes);
        };
        field(&self.secret);
        field(client.id.as_bytes());
        let audience = client.audience.as_deref();
        field(&[u8::from(audience.is_some())]);
        field(audience.unwrap_or_default().as_bytes());
        field(&(client.scopes.len() as u64).to_be_bytes());
        for scope in &client.scopes {
            field(scope.as_bytes());
        }
        field(subject_token.as_bytes());
        let mut key = [0; SHA256_OUTPUT_LEN];
        key.copy_from_slice(context.finish().as_ref());
        key
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
