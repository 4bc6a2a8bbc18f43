//! What is asked: one [`Check`] a request, in our own words.
//!
//! Plain data, no I/O. A door (Envoy's gRPC service, later others) fills it in; every later step
//! reads it and nothing else. What a proxy may have lost or shortened on the way is part of the
//! type: see [`Body`].

mod headers;
mod host;
mod key;
mod path;

use std::{collections::HashMap, net::IpAddr, time::Instant};

use bytes::Bytes;
use serde_json::Value;

pub use self::{
    headers::Headers,
    host::normal_host,
    key::{Fields, Key},
    path::{BadPath, RequestPath},
};

/// One question: may this pass?
#[derive(Clone, Debug)]
pub struct Check {
    /// The HTTP request, or `None` for a bare TCP connection.
    pub http: Option<HttpRequest>,
    /// Who is at the other end of the connection.
    pub source: Source,
    /// Envoy's context extensions: set by the operator on a route, so trusted.
    pub context: HashMap<String, String>,
    /// Envoy's route metadata by namespace: set by the operator too.
    pub metadata: HashMap<String, Value>,
    /// What the asker can take out of a request before it passes it on.
    pub removes: Removes,
    /// Whether the asker shows every header that a client sent under a name of ours, whatever else it
    /// keeps back. If not, they are taken out unseen.
    pub shows_ours: bool,
    /// When the answer is due.
    pub deadline: Instant,
}

/// What an asker can be told to take out. Envoy's gRPC contract knows both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Removes {
    /// Headers.
    pub headers: bool,
    /// Query parameters.
    pub query: bool,
}

impl Removes {
    /// Everything.
    pub const ALL: Self = Self {
        headers: true,
        query: true,
    };
}

impl Check {
    /// The scalar at `NAMESPACE.KEY[.KEY...]` of the route metadata. Namespaces may contain dots.
    #[must_use]
    pub fn metadata(&self, dotted: &str) -> Option<String> {
        let in_namespace = |(name, value): (&String, &Value)| {
            let keys = dotted.strip_prefix(name.as_str())?.strip_prefix('.')?;
            keys.split('.')
                .try_fold(value, |value, key| value.get(key))
                .and_then(scalar)
        };
        self.metadata.iter().find_map(in_namespace)
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Bool(truth) => Some(truth.to_string()),
        // Protobuf knows only doubles; anything but a whole number has no one spelling.
        Value::Number(number) => number.as_i64().map(|whole| whole.to_string()),
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

/// The HTTP request that Envoy holds back until we answer.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// Upper-case as sent: `GET`.
    pub method: String,
    /// Lower-case, without port and trailing dot: `api.example`.
    pub host: String,
    /// Raw, normal and query, or why it is refused.
    pub path: Result<RequestPath, BadPath>,
    /// Every header the proxy passed on.
    pub headers: Headers,
    /// The body as far as it arrived.
    pub body: Body,
}

/// The request's body, as far as the proxy sent it. Absence of data is not evidence of innocence:
/// each state is its own variant, so no reader can mistake a cut body for a short one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// None arrived: there was none, or the proxy is not told to send it.
    Absent,
    /// All of it.
    Complete(Bytes),
    /// Its beginning.
    Partial(Bytes),
}

impl Body {
    /// The metric label of this state.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Complete(_) => "complete",
            Self::Partial(_) => "partial",
        }
    }

    /// Every label [`Body::state`] can give.
    pub const STATES: [&'static str; 3] = ["absent", "complete", "partial"];
}

/// The other end of the downstream connection, as Envoy attests it.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// The L4 peer. Never taken from a header.
    pub address: Option<IpAddr>,
    /// From the verified client certificate: URI SAN, else DNS SAN, else subject.
    pub principal: Option<String>,
    /// The verified client certificate as PEM, when Envoy is told to include it.
    pub certificate: Option<String>,
}
