//! Asking an issuer as a client of it: where its endpoints are, and the proof of who asks.
//!
//! What a reader would get wrong: an address that was discovered is believed until asking there
//! fails, and then looked up again.
//!
//! # Cost
//!
//! A round trip, and 1 ms for an RSA signature where the client proves itself with a key.

mod credential;

use std::{sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use reqwest::Url;
use serde_json::{Map, Value};

pub(super) use self::credential::{Credential, SigningKey};
use super::config::{EndpointAddress, web_address};
use crate::{
    clock::Clock,
    upstream::{self, Fetcher, Form, Limits, Series},
};

/// One client's way to one endpoint of an issuer.
#[derive(Debug)]
pub(super) struct Endpoint {
    address: EndpointAddress,
    client_id: String,
    pub(super) clock: Clock,
    credential: Credential,
    /// What discovery said, until asking there fails.
    discovered: ArcSwapOption<Url>,
    way: Way,
}

/// How an endpoint is reached. `limits.time` is for each of the two questions that it may take.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) fetcher: Fetcher,
    pub(super) limits: Limits,
    pub(super) series: Series,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unasked {
    /// The client's key could not sign.
    Unsigned,
    /// It could not be asked, or its answer is none.
    Upstream(upstream::Error),
}

impl From<upstream::Error> for Unasked {
    fn from(error: upstream::Error) -> Self {
        Self::Upstream(error)
    }
}

impl Endpoint {
    pub(super) fn new(
        address: EndpointAddress,
        client_id: String,
        credential: Credential,
        clock: Clock,
        way: Way,
    ) -> Self {
        Self {
            address,
            client_id,
            clock,
            credential,
            discovered: ArcSwapOption::empty(),
            way,
        }
    }

    /// Sends `form` with the client's proof, and turns status and answer into something with
    /// `read`.
    pub(super) async fn ask<T>(
        &self,
        form: Form,
        read: impl FnOnce(u16, &[u8]) -> Result<T, upstream::Error>,
    ) -> Result<T, Unasked> {
        let url = self.url().await?;
        let now = self.clock.now();
        let form = self
            .credential
            .sign(form, &self.client_id, &url, now)
            .ok_or(Unasked::Unsigned)?;
        let Way {
            fetcher,
            limits,
            series,
        } = &self.way;
        Ok(fetcher.post(&url, form, *limits, series, read).await?)
    }

    /// The longest that [`Endpoint::ask`] takes: two questions, and a moment to sign and read.
    pub(super) fn patience(&self) -> Duration {
        self.way.limits.time * 2 + Duration::from_millis(500)
    }

    /// Has the address looked up again before the next question.
    pub(super) fn forget(&self) {
        self.discovered.store(None);
    }

    async fn url(&self) -> Result<Url, upstream::Error> {
        let (document, issuer, allow_private, member) = match &self.address {
            EndpointAddress::Known(url) => return Ok(url.clone()),
            EndpointAddress::Discovered {
                allow_private,
                document,
                issuer,
                member,
            } => (document, issuer, *allow_private, *member),
        };
        if let Some(url) = &*self.discovered.load() {
            return Ok(Url::clone(url));
        }
        let read = |bytes: &[u8]| read_discovery(bytes, issuer, allow_private, member);
        let way = &self.way;
        let asked = way.fetcher.get(document, way.limits, &way.series, read);
        let url = asked.await?;
        self.discovered.store(Some(Arc::new(url.clone())));
        Ok(url)
    }
}

fn read_discovery(
    bytes: &[u8],
    issuer: &str,
    allow_private: bool,
    member: &str,
) -> Result<Url, String> {
    let document: Option<Map<String, Value>> = serde_json::from_slice(bytes).ok();
    let text = |name: &str| document.as_ref()?.get(name)?.as_str();
    let (Some(about), Some(url)) = (text("issuer"), text(member)) else {
        return Err(format!(
            "not a discovery document with `issuer` and `{member}`"
        ));
    };
    if about != issuer {
        return Err(format!("the document is not about issuer `{issuer}`"));
    }
    web_address(url, allow_private)
        .map_err(|_| format!("its `{member}` is not an address that may be asked"))
}
