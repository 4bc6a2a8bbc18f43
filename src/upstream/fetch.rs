//! One bounded question: address checked, no redirects, the answer read no further than its limit.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use reqwest::{
    Client, ClientBuilder, Response, StatusCode, Url,
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

/// What is sent to [`Fetcher::post`]. Not to be printed: forms hold credentials.
#[derive(Clone, Default)]
pub struct Form {
    basic: Option<(String, String)>,
    body: String,
}

impl Form {
    /// The same with one field more.
    #[must_use]
    pub fn field(mut self, name: &str, value: &str) -> Self {
        if !self.body.is_empty() {
            self.body.push('&');
        }
        self.body.push_str(name);
        self.body.push('=');
        self.body.push_str(&encoded(value));
        self
    }

    /// The same, sent by the client `id` that proves itself with `secret` in a header. Both are
    /// encoded first, as OAuth wants it (RFC 6749, 2.3.1).
    #[must_use]
    pub fn basic(mut self, id: &str, secret: &str) -> Self {
        self.basic = Some((encoded(id), encoded(secret)));
        self
    }
}

impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Form")
    }
}

/// `text` as a form's value: all but unreserved characters escaped, so that every reader of forms
/// and of percent-encoding understands the same.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                encoded.push('%');
                for half in [byte >> 4, byte & 15] {
                    encoded.push(char::from(b"0123456789ABCDEF"[usize::from(half)]));
                }
            }
        }
    }
    encoded
}

/// Fetches documents. Cheap to clone: clones share the connections.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: Arc<OnceLock<Client>>,
    /// Connections kept to one host while nobody asks.
    idle: usize,
    reach: Reach,
}

impl Fetcher {
    /// A fetcher that has not built its client yet.
    #[must_use]
    pub fn new(reach: Reach) -> Self {
        Self {
            client: Arc::default(),
            idle: POOL_MAX_IDLE,
            reach,
        }
    }

    /// The same for a service that is asked all the time, with up to `connections` kept open.
    #[must_use]
    pub fn keeping(reach: Reach, connections: usize) -> Self {
        Self {
            idle: connections,
            ..Self::new(reach)
        }
    }

    /// Builds the client now rather than on first use.
    pub fn prepare(&self) {
        // What is wrong is told to whoever asks something.
        let _told_later = self.client();
    }

    /// Fetches `url` and turns the answer into something with `read`, whose complaint is a
    /// [`Error::Parse`]. Counted in `series`, reading included, and not even tried while its breaker
    /// is open.
    pub async fn get<T>(
        &self,
        url: &Url,
        limits: Limits,
        series: &Series,
        read: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T, Error> {
        let call = series.begin()?;
        let started = Instant::now();
        let outcome = match self.bytes(url, limits).await {
            Ok(bytes) => read(&bytes).map_err(Error::Parse),
            Err(error) => Err(error),
        };
        if let Some(call) = call {
            call.ended(outcome.is_err());
        }
        series.record(&outcome, started.elapsed().as_secs_f64());
        outcome
    }

    /// What the clock of whoever answers at `url` says, whatever the answer.
    pub async fn date(&self, url: &Url, time: Duration) -> Result<Option<SystemTime>, Error> {
        self.check(url)?;
        let request = self.client()?.get(url.clone()).timeout(time);
        let response = request
            .send()
            .await
            .map_err(|error| Error::classify(&error))?;
        let date = response.headers().get(header::DATE);
        Ok(date.and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok()))
    }

    /// Sends `form` to `url` and turns status and answer into something with `read`. Counted in
    /// `series`, reading included, and not even tried while its breaker is open.
    pub async fn post<T>(
        &self,
        url: &Url,
        form: Form,
        limits: Limits,
        series: &Series,
        read: impl FnOnce(u16, &[u8]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let call = series.begin()?;
        let started = Instant::now();
        let mut is_no = false;
        let outcome = match self.send(url, form, limits).await {
            Ok((status, bytes)) => {
                is_no = (400..500).contains(&status);
                read(status, &bytes)
            }
            Err(error) => Err(error),
        };
        if let Some(call) = call {
            // A no is an answer: the service is there.
            call.ended(outcome.is_err() && !is_no);
        }
        series.record(&outcome, started.elapsed().as_secs_f64());
        outcome
    }

    async fn send(&self, url: &Url, form: Form, limits: Limits) -> Result<(u16, Vec<u8>), Error> {
        self.check(url)?;
        let mut request = self
            .client()?
            .post(url.clone())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.body)
            .timeout(limits.time);
        if let Some((id, secret)) = &form.basic {
            request = request.basic_auth(id, Some(secret));
        }
        let failed = |error| Error::classify(&error);
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        Ok((status, read_all(response, limits).await?))
    }

    async fn bytes(&self, url: &Url, limits: Limits) -> Result<Vec<u8>, Error> {
        self.check(url)?;
        let request = self
            .client()?
            .get(url.clone())
            .header(header::ACCEPT, "application/json")
            .timeout(limits.time);
        let failed = |error| Error::classify(&error);
        let response = request.send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            let status = response.status().as_u16();
            return Err(Error::Http(format!("answered {status} instead of 200")));
        }
        read_all(response, limits).await
    }

    /// Refuses what the resolver never sees: schemes, and addresses written out.
    pub(super) fn check(&self, url: &Url) -> Result<(), Error> {
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

    pub(super) fn client(&self) -> Result<&Client, Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let client = builder(self.reach, self.idle).build().or_else(|error| {
            // A bare image has no CA certificates. Plain http can do without; https will fail.
            tracing::warn!(%error, "no system CA certificates, every https upstream will fail");
            builder(self.reach, self.idle).tls_certs_only([]).build()
        });
        let client = client.map_err(|error| Error::Tls(error.to_string()))?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// The answer's body, if it is not too long.
pub(super) async fn read_all(mut response: Response, limits: Limits) -> Result<Vec<u8>, Error> {
    let too_long = Error::TooLong(limits.bytes);
    if response
        .content_length()
        .is_some_and(|length| length > limits.bytes as u64)
    {
        return Err(too_long);
    }
    let mut bytes = Vec::new();
    let failed = |error| Error::classify(&error);
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if chunk.len() > limits.bytes - bytes.len() {
            return Err(too_long);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn builder(reach: Reach, idle: usize) -> ClientBuilder {
    Client::builder()
        .dns_resolver(Resolver(reach))
        .https_only(reach == Reach::Public)
        .no_proxy()
        .pool_idle_timeout(POOL_IDLE)
        .pool_max_idle_per_host(idle)
        .tcp_nodelay(true)
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

/// Connections kept to one host: questions about tokens come many at a time.
const POOL_MAX_IDLE: usize = 16;

/// Keys are fetched minutes apart; a connection kept longer is closed by the peer anyway.
const POOL_IDLE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
