//! One bounded GET: address checked, no redirects, the answer read no further than its limit.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use reqwest::{
    Client, ClientBuilder, StatusCode, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header, redirect,
};

use super::{
    Series,
    address::is_public,
    cause::{Error, Refused},
};

/// How far a [`Fetcher`] may go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Any address, and plain `http` too.
    Anywhere,
    /// Public addresses, by `https`.
    Public,
}

/// How much of an answer is read, and how long it is waited for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The longest answer, in bytes.
    pub bytes: usize,
    /// From dialling to the answer's last byte.
    pub time: Duration,
}

/// Fetches documents. Cheap to clone: clones share the connections.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Arc<OnceLock<Client>>,
    reach: Reach,
}

impl Fetcher {
    /// A fetcher that has not built its client yet.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self {
            client: Arc::default(),
            reach,
        }
    }

    /// Fetches `url` and turns the answer into something with `read`, whose complaint is a
    /// [`Error::Parse`]. Counted in `series`, reading included.
    pub async fn get<T>(
        &self,
        url: &Url,
        limits: Limits,
        series: &Series,
        read: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T, Error> {
        let started = Instant::now();
        let outcome = match self.bytes(url, limits).await {
            Ok(bytes) => read(&bytes).map_err(Error::Parse),
            Err(error) => Err(error),
        };
        series.record(&outcome, started.elapsed().as_secs_f64());
        outcome
    }

    async fn bytes(&self, url: &Url, limits: Limits) -> Result<Vec<u8>, Error> {
        self.check(url)?;
        let request = self
            .client()?
            .get(url.clone())
            .header(header::ACCEPT, "application/json")
            .timeout(limits.time);
        let failed = |error| Error::classify(&error);
        let mut response = request.send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            return Err(Error::Http(format!("answered {status} instead of 200")));
        }
        let too_long = Error::TooLong(limits.bytes);
        if response
            .content_length()
            .is_some_and(|length| length > limits.bytes as u64)
        {
            return Err(too_long);
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if chunk.len() > limits.bytes - bytes.len() {
                return Err(too_long);
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }

    /// Refuses what the resolver never sees: schemes, and addresses written out.
    fn check(&self, url: &Url) -> Result<(), Error> {
        if self.reach == Reach::Anywhere {
            return Ok(());
        }
        if url.scheme() != "https" {
            let scheme = url.scheme();
            return Err(Error::Connect(format!("`{scheme}` is not `https`")));
        }
        let host = url.host_str().unwrap_or_default();
        match host.trim_matches(['[', ']']).parse::<IpAddr>() {
            Ok(ip) if !is_public(ip) => Err(Error::Blocked(host.to_owned())),
            _ => Ok(()),
        }
    }

    fn client(&self) -> Result<&Client, Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = builder(self.reach).build().or_else(|error| {
            // A bare image has no CA certificates. Plain http can do without; https will fail.
            tracing::warn!(%error, "no system CA certificates, every https upstream will fail");
            builder(self.reach).tls_certs_only([]).build()
        });
        let client = client.map_err(|error| Error::Tls(error.to_string()))?;
        Ok(self.client.get_or_init(|| client))
    }
}

fn builder(reach: Reach) -> ClientBuilder {
    Client::builder()
        .dns_resolver(Resolver(reach))
        .https_only(reach == Reach::Public)
        .no_proxy()
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(1)
        .redirect(redirect::Policy::none())
        .user_agent(concat!("subzero/", env!("CARGO_PKG_VERSION")))
}

/// The system's resolver, silent about addresses that may not be dialled.
struct Resolver(Reach);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let host = name.as_str();
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host, 0)).await?.collect();
            if found.is_empty() {
                return Err(io::Error::other("the name has no address").into());
            }
            let allowed = |at: &SocketAddr| reach == Reach::Anywhere || is_public(at.ip());
            let addresses: Vec<SocketAddr> = found.into_iter().filter(allowed).collect();
            if addresses.is_empty() {
                return Err(Refused(host.to_owned()).into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// Keys are fetched minutes apart; a connection kept longer is closed by the peer anyway.
const POOL_IDLE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
