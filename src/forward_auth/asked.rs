//! What was asked, from the request that a proxy made of it.
//!
//! Three ways of telling, and only one of them at a time. Everything a client can send under the
//! same names is either overwritten by the proxy or, sent beside it, makes the request unreadable.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use axum::http::request::Parts;

use super::{Asker, Config, PREFIX, Proxy};
use crate::check::{
    BadPath, Body, Check, Headers, HttpRequest, Removes, RequestPath, Source, normal_host,
};

/// One question, read.
#[derive(Debug)]
pub(super) struct Asked {
    /// Whom to answer. When nobody can be recognised: nginx, whose answers refuse with all three.
    pub(super) proxy: Proxy,
    /// How long the proxy waits for the answer, where it says so.
    pub(super) patience: Option<Duration>,
    words: Result<Words, BadPath>,
    headers: Headers,
    source: Option<IpAddr>,
}

/// The original request's first line and host.
#[derive(Debug, Eq, PartialEq)]
struct Words {
    method: String,
    target: String,
    host: String,
}

impl Asked {
    pub(super) fn new(head: &Parts, config: Config) -> Self {
        let headers = headers(head);
        let recognised = recognise(head, &headers, config.from);
        let proxy = recognised.as_ref().copied().unwrap_or(Proxy::Nginx);
        let words = recognised.and_then(|proxy| match proxy {
            Proxy::Envoy => words_of_envoy(head),
            Proxy::Nginx => words_of_nginx(head, &headers),
            Proxy::Traefik => words_of_traefik(head, &headers),
        });
        Self {
            proxy,
            patience: (proxy == Proxy::Envoy)
                .then(|| patience(&headers))
                .flatten(),
            words,
            source: caller(&headers, config.trusted_hops),
            headers,
        }
    }

    /// The question as every step reads it; `body` is told the headers it came with.
    pub(super) fn into_check(
        self,
        deadline: Instant,
        body: impl FnOnce(&Headers) -> Body,
    ) -> Check {
        // Without words there is no path either, and a check without one is refused before any
        // route is looked at.
        let (words, path) = match self.words {
            Ok(words) => {
                let path = RequestPath::parse(&words.target);
                (words, path)
            }
            Err(why) => (Words::none(), Err(why)),
        };
        Check {
            http: Some(HttpRequest {
                method: words.method,
                host: normal_host(&words.host),
                path,
                body: body(&self.headers),
                headers: self.headers,
            }),
            source: Source {
                address: self.source,
                ..Source::default()
            },
            context: HashMap::new(),
            metadata: HashMap::new(),
            removes: removes(self.proxy),
            shows_ours: false,
            deadline,
        }
    }
}

/// What `proxy` reads in an answer; see the table of [`mod@super::answer`].
fn removes(proxy: Proxy) -> Removes {
    Removes {
        headers: proxy == Proxy::Envoy,
        query: false,
    }
}

impl Words {
    fn none() -> Self {
        Self {
            method: String::new(),
            target: String::new(),
            host: String::new(),
        }
    }
}

/// All headers but those that speak of the connection between the proxy and us.
fn headers(head: &Parts) -> Headers {
    let mut headers = Headers::default();
    for (name, value) in &head.headers {
        if !OF_THE_CONNECTION.contains(&name.as_str()) {
            headers.push(name.as_str(), value.as_bytes());
        }
    }
    headers
}

const OF_THE_CONNECTION: [&str; 5] = [
    "connection",
    "host",
    "keep-alive",
    "te",
    "transfer-encoding",
];

/// Which proxy asks. Each of the three marks its question in a way of its own, and a client can add
/// the marks of another but not take the proxy's away.
fn recognise(head: &Parts, headers: &Headers, from: Asker) -> Result<Proxy, BadPath> {
    let sent = |names: [&str; 2]| names.iter().any(|name| headers.contains(name));
    match from {
        Asker::Envoy => Ok(Proxy::Envoy),
        Asker::Nginx => Ok(Proxy::Nginx),
        Asker::Traefik => Ok(Proxy::Traefik),
        // The door is closed before it comes to this.
        Asker::Off => Err(BadPath::Untold("proxy")),
        Asker::Any => match (
            has_tail(head),
            sent(["x-original-uri", "x-original-method"]),
            sent(["x-forwarded-uri", "x-forwarded-method"]),
        ) {
            (true, false, false) => Ok(Proxy::Envoy),
            (false, true, false) => Ok(Proxy::Nginx),
            (false, false, true) => Ok(Proxy::Traefik),
            _ => Err(BadPath::Untold("proxy")),
        },
    }
}

/// What stands behind `/forward-auth`, the query included, byte for byte.
fn tail(head: &Parts) -> &str {
    let target = head
        .uri
        .path_and_query()
        .map_or("", |target| target.as_str());
    target.strip_prefix(PREFIX).unwrap_or_default()
}

fn has_tail(head: &Parts) -> bool {
    tail(head).starts_with('/')
}

fn words_of_envoy(head: &Parts) -> Result<Words, BadPath> {
    if !has_tail(head) {
        return Err(BadPath::Untold("path"));
    }
    Ok(Words {
        method: head.method.as_str().to_owned(),
        target: tail(head).to_owned(),
        host: host(head)?,
    })
}

fn words_of_nginx(head: &Parts, headers: &Headers) -> Result<Words, BadPath> {
    if has_tail(head) {
        return Err(BadPath::Untold("path"));
    }
    Ok(Words {
        method: method(headers, "x-original-method")?,
        target: once(headers, "x-original-uri", "path")?,
        // Not a header with a name of its own: nginx always sets this one, so that a line forgotten
        // in its configuration does not let the client choose.
        host: host(head)?,
    })
}

fn words_of_traefik(head: &Parts, headers: &Headers) -> Result<Words, BadPath> {
    if has_tail(head) {
        return Err(BadPath::Untold("path"));
    }
    let host = once(headers, "x-forwarded-host", "host")?;
    Ok(Words {
        method: method(headers, "x-forwarded-method")?,
        target: once(headers, "x-forwarded-uri", "path")?,
        host: one_host(&host)?,
    })
}

/// The only value of `name`, which tells the request's `part`.
fn once(headers: &Headers, name: &str, part: &'static str) -> Result<String, BadPath> {
    let value = headers.single(name).filter(|value| !value.is_empty());
    value.map(str::to_owned).ok_or(BadPath::Untold(part))
}

fn method(headers: &Headers, name: &str) -> Result<String, BadPath> {
    let method = once(headers, name, "method")?;
    let is_one = method
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    is_one.then_some(method).ok_or(BadPath::Untold("method"))
}

/// The `Host` header, sent once.
fn host(head: &Parts) -> Result<String, BadPath> {
    let mut values = head.headers.get_all("host").iter();
    let host = match (values.next(), values.next()) {
        (Some(host), None) => str::from_utf8(host.as_bytes()).ok(),
        _ => None,
    };
    one_host(host.unwrap_or_default())
}

/// A list of hosts is what proxies make of several.
fn one_host(host: &str) -> Result<String, BadPath> {
    let is_one = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',');
    is_one
        .then(|| host.to_owned())
        .ok_or(BadPath::Untold("host"))
}

/// The address that the outermost trusted proxy saw: counted from the right, where a client cannot
/// write. `None` when there is none, or no address in that place.
fn caller(headers: &Headers, trusted_hops: usize) -> Option<IpAddr> {
    let list = headers.joined("x-forwarded-for")?;
    let address = str::from_utf8(&list).ok()?.rsplit(',').nth(trusted_hops)?;
    address.trim().parse().ok()
}

/// Envoy says how long it waits; 0 is for ever. A client's own copy could only shorten it.
fn patience(headers: &Headers) -> Option<Duration> {
    let millis: u64 = headers
        .single("x-envoy-expected-rq-timeout-ms")?
        .parse()
        .ok()?;
    (millis > 0).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests;
