//! A token of our own for calling another service (client credentials), always at hand.
//!
//! It is renewed before it ends, by one question at a time, while the old one is still handed out;
//! replicas do not all ask at the same moment. Who asks waits only when there is no good token at
//! all. After a failure the endpoint is left alone for a moment, however many ask.
//!
//! # Cost
//!
//! A good token: two atomic loads and a clone. Else a round trip, shared by all who wait.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;

use super::{
    config::ClientConfig,
    endpoint::Way,
    token_endpoint::{AccessToken, Error, MAX_ANSWER, TokenEndpoint},
};
use crate::{
    check::Key,
    clock::{Clock, UnixSeconds},
    coalesce::{Coalescer, Kind, Metrics},
    problem::Problem,
    upstream::{Fetcher, Form, Limits, Reach, Series},
};

/// Hands out the token of one client for one audience. Clones share it.
#[derive(Clone)]
pub struct TokenSource {
    inner: Arc<Inner>,
}

struct Inner {
    endpoint: TokenEndpoint,
    failure: ArcSwapOption<(Instant, Error)>,
    flights: Coalescer<Answer>,
    held: ArcSwapOption<Held>,
}

struct Held {
    renew_at: UnixSeconds,
    token: AccessToken,
}

type Answer = Result<AccessToken, Error>;

impl TokenSource {
    /// A source for `client`, whose `token_endpoint` is found through `issuer` unless it is
    /// written out. Reads the client's files, relative to `base_dir`, but asks nobody yet. `timeout`
    /// is for each of the two questions that a token may take; they are counted in `series`.
    pub fn new(
        client: &ClientConfig,
        issuer: &str,
        base_dir: &Path,
        reach: Reach,
        timeout: Duration,
        clock: Clock,
        series: Series,
    ) -> Result<Self, Vec<Problem>> {
        let client = client.resolve(base_dir, reach == Reach::Anywhere, issuer)?;
        let limits = Limits {
            bytes: MAX_ANSWER,
            time: timeout,
        };
        let fetcher = Fetcher::new(reach);
        let way = Way {
            fetcher,
            limits,
            series,
        };
        let endpoint = TokenEndpoint::new(client, clock, way);
        // No caller of ours causes these questions, so they are not counted as shared.
        let flights = Coalescer::new(Kind::Token, endpoint.patience(), &Metrics::unseen());
        Ok(Self {
            inner: Arc::new(Inner {
                endpoint,
                failure: ArcSwapOption::empty(),
                flights,
                held: ArcSwapOption::empty(),
            }),
        })
    }

    /// A token that is good now. Waits, for at most twice the timeout, only if none is held.
    ///
    /// Must be called inside a runtime that goes on, since renewing is a task there.
    pub async fn token(&self) -> Result<AccessToken, Error> {
        let now = self.inner.endpoint.clock().now();
        let held = self.inner.held.load_full();
        if let Some(held) = held.filter(|held| now < held.token.expires_at) {
            if now >= held.renew_at && self.inner.failed().is_none() {
                self.inner.flights.begin(renewal(), || self.renew());
            }
            return Ok(held.token.clone());
        }
        if let Some(error) = self.inner.failed() {
            return Err(error);
        }
        let deadline = Instant::now() + self.inner.endpoint.patience();
        let flights = &self.inner.flights;
        flights.join(renewal(), deadline, || self.renew()).await?
    }

    fn renew(&self) -> impl Future<Output = Answer> + Send + 'static {
        let inner = Arc::clone(&self.inner);
        async move {
            let form = Form::default().field("grant_type", "client_credentials");
            let answer = inner.endpoint.ask(form).await;
            match &answer {
                Ok(token) => inner.keep(token.clone()),
                Err(error) => {
                    tracing::warn!(client = inner.endpoint.client().id, %error, "no token to call with");
                    let failure = (Instant::now(), error.clone());
                    inner.failure.store(Some(Arc::new(failure)));
                }
            }
            answer
        }
    }
}

impl Inner {
    fn keep(&self, token: AccessToken) {
        let now = self.endpoint.clock().now();
        let life = token.expires_at.saturating_sub(now);
        // After 70 to 90 % of its life.
        let share = 70 + RandomState::new().hash_one(0) % 21;
        let renew_at = now + life * share / 100;
        self.held.store(Some(Arc::new(Held { renew_at, token })));
        self.failure.store(None);
    }

    /// The failure that is recent enough not to be followed by another one.
    fn failed(&self) -> Option<Error> {
        let failure = self.failure.load();
        let (at, error) = &**failure.as_ref()?;
        (at.elapsed() < PAUSE).then(|| error.clone())
    }
}

impl fmt::Debug for TokenSource {
    /// Without the token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenSource")
            .field(&self.inner.endpoint)
            .finish()
    }
}

/// There is one question only, since each source has flights of its own.
fn renewal() -> Key {
    Key::of("renewal", |_| {})
}

/// How long the endpoint is left alone after a failure.
const PAUSE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
