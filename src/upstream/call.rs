//! One bounded exchange of JSON with a service that is asked often, credentials included.
//!
//! What a reader would get wrong: every answer comes back, whatever its status, because only the
//! caller knows what the service means by it; `judge` says which of them count as failures.

use std::{
    fmt,
    time::{Duration, Instant},
};

use reqwest::{Url, header};

use super::{
    Series,
    cause::Error,
    fetch::{Fetcher, Limits, read_all},
};
use crate::units::Secret;

/// What is asked. Not to be printed whole: questions name users.
#[derive(Clone)]
pub struct Call<'a> {
    /// Where.
    pub url: &'a Url,
    /// Sent as `Authorization: Bearer`.
    pub bearer: Option<&'a Secret>,
    /// JSON to `POST`; without it, a `GET`.
    pub body: Option<String>,
    /// How long and how much.
    pub limits: Limits,
}

impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({})", self.url.path())
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// How long the service asks to be left alone, when it says so in seconds.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

impl Fetcher {
    /// Sends `call` and returns whatever answer comes. Counted in `series`: as `judge` has it, if
    /// there is an answer.
    pub async fn call(
        &self,
        call: Call<'_>,
        series: &Series,
        judge: impl FnOnce(&Reply) -> Result<(), Error>,
    ) -> Result<Reply, Error> {
        let started = Instant::now();
        let outcome = self.exchange(call).await;
        let seconds = started.elapsed().as_secs_f64();
        match &outcome {
            Ok(reply) => series.record(&judge(reply), seconds),
            Err(_) => series.record(&outcome, seconds),
        }
        outcome
    }

    async fn exchange(&self, call: Call<'_>) -> Result<Reply, Error> {
        self.check(call.url)?;
        let client = self.client()?;
        let mut request = match call.body {
            None => client.get(call.url.clone()),
            Some(body) => client
                .post(call.url.clone())
                .header(header::CONTENT_TYPE, "application/json")
                .body(body),
        };
        request = request
            .header(header::ACCEPT, "application/json")
            .timeout(call.limits.time);
        if let Some(bearer) = call.bearer {
            request = request.bearer_auth(bearer.expose());
        }
        let failed = |error| Error::classify(&error);
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        let retry_after = response.headers().get(header::RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok(Reply {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            body: read_all(response, call.limits).await?,
        })
    }
}
