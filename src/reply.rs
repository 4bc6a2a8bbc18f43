//! A decision as every door answers it: what the upstream gets, or what a refused caller gets.
//!
//! Doors differ in how they say it (Envoy's gRPC message, a plain HTTP response) and in nothing
//! else, so status, headers and body are made here, once.

mod headers;

use std::borrow::Cow;

use serde_json::json;
use smallvec::SmallVec;

pub(crate) use self::headers::FORGEABLE;
use self::headers::{headers_for_upstream, headers_to_remove, stripped};
use crate::{
    check::{Check, HttpRequest},
    identity::{PROOF_ALGORITHMS, Sender, Stripped},
    pipeline::{Decision, Outcome},
    verdict::Reason,
};

/// What a door says.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most replies let pass, and to box them would cost what their room on the stack saves"
)]
pub enum Reply<'a> {
    /// Pass.
    Allow(Passage<'a>),
    /// Refuse, with this answer for the caller.
    Deny(Refusal),
    /// Could not decide: the proxy's own failure mode has the say.
    Error(Refusal),
}

/// How a request that may pass is changed on its way.
#[derive(Debug)]
pub struct Passage<'a> {
    /// Headers to set, whatever the client sent under their names.
    pub set: SmallVec<[(&'static str, Cow<'a, str>); 4]>,
    /// Headers to take away.
    pub remove: SmallVec<[Cow<'static, str>; 14]>,
    /// Query parameters to take away.
    pub remove_query: Vec<String>,
}

/// The answer a refused caller gets.
#[derive(Debug)]
pub struct Refusal {
    /// Why.
    pub reason: Reason,
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(&'static str, String)>,
    /// Problem details, or nothing.
    pub body: String,
}

impl<'a> Reply<'a> {
    /// What `decision` means to the one who asked `check`.
    #[must_use]
    pub fn new(check: &Check, decision: &'a Decision) -> Self {
        match decision.outcome {
            Outcome::Allow => Self::Allow(Passage::new(check, decision)),
            Outcome::Deny => Self::Deny(Refusal::new(check, decision)),
            Outcome::Error => Self::Error(Refusal::new(check, decision)),
        }
    }

    /// The answer when our own code failed: a denial that no failure mode lets pass.
    #[must_use]
    pub fn broken() -> Self {
        let reason = Reason::Internal;
        Self::Deny(Refusal {
            reason,
            status: reason.http_status(),
            headers: vec![("x-subzero-reason", reason.as_str().to_owned())],
            body: String::new(),
        })
    }
}

impl<'a> Passage<'a> {
    fn new(check: &Check, decision: &'a Decision) -> Self {
        let set = headers_for_upstream(decision);
        let mut remove = headers_to_remove(check, &set);
        let mut remove_query = Vec::new();
        match stripped(decision) {
            Some(Stripped::Header(name)) => remove.push(Cow::Owned(name.to_owned())),
            Some(Stripped::Query(name)) => remove_query.push(name.to_owned()),
            None => {}
        }
        Self {
            set,
            remove,
            remove_query,
        }
    }
}

impl Refusal {
    fn new(check: &Check, decision: &Decision) -> Self {
        let reason = decision.reason;
        let id = decision.id.simple().to_string();
        let mut headers = vec![("x-subzero-reason", reason.as_str().to_owned())];
        let status = if decision.step_up {
            401
        } else {
            reason.http_status()
        };
        if reason == Reason::Overloaded {
            headers.push(("retry-after", RETRY_AFTER.to_owned()));
        }
        if let Some(challenge) = challenge(check, decision) {
            headers.push(("www-authenticate", challenge));
        }
        if let Some(nonce) = &decision.nonce {
            headers.push(("dpop-nonce", nonce.clone()));
        }
        let mut body = String::new();
        match check.http.as_ref().map_or(Caller::Plain, Caller::of) {
            // Envoy turns a refusal of a gRPC call into trailers: our body becomes `grpc-message`,
            // our content type is dropped, and our `grpc-status` wins over one made from the HTTP
            // status (which would be UNKNOWN for 413).
            Caller::Grpc => {
                headers.push(("grpc-status", grpc_code(status).to_string()));
                body.push_str(reason.detail());
            }
            // A gRPC-web call reaches us as such only when no `grpc_web` filter ran before; its
            // client reads both from the headers.
            Caller::GrpcWeb => {
                headers.push(("grpc-status", grpc_code(status).to_string()));
                headers.push(("grpc-message", reason.detail().to_owned()));
            }
            Caller::Plain => {
                headers.push(("content-type", "application/problem+json".to_owned()));
                body = problem(reason, status, &id);
            }
        }
        headers.push(("x-subzero-decision", id));
        Self {
            reason,
            status,
            headers,
            body,
        }
    }

    /// The gRPC status that goes with it; never 0.
    #[must_use]
    pub fn grpc_code(&self) -> u8 {
        grpc_code(self.status)
    }
}

/// Seconds after which an overload is over, or has let in others.
const RETRY_AFTER: &str = "1";

/// How the caller wants to be refused.
enum Caller {
    Grpc,
    GrpcWeb,
    Plain,
}

impl Caller {
    fn of(request: &HttpRequest) -> Self {
        let kind = request.headers.single("content-type").unwrap_or_default();
        let kind = kind
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        if kind.starts_with("application/grpc-web") {
            Self::GrpcWeb
        } else if kind == "application/grpc" || kind.starts_with("application/grpc+") {
            Self::Grpc
        } else {
            Self::Plain
        }
    }
}

/// RFC 9457, with our reason as the one member that programs should read.
fn problem(reason: Reason, status: u16, id: &str) -> String {
    let title = http::StatusCode::from_u16(status)
        .ok()
        .and_then(|code| code.canonical_reason());
    json!({
        "type": "about:blank",
        "title": title,
        "status": status,
        "detail": reason.detail(),
        "reason": reason.as_str(),
        "decision": id,
    })
    .to_string()
}

/// RFC 6750: no error code when no token came, else what was wrong with it. RFC 9470: which
/// authentication would do.
fn challenge(check: &Check, decision: &Decision) -> Option<String> {
    let route = decision.route.as_deref();
    let identity = route.and_then(|route| route.identity.as_ref());
    let wants_proof = identity
        .and_then(|identity| identity.sender)
        .is_some_and(Sender::takes_dpop);
    // RFC 9449, 7.1: a caller that can prove its key is told with what.
    if wants_proof || shows_proof(check) {
        let bearer = bearer_challenge(decision)?;
        let parameters = bearer.strip_prefix("Bearer")?.trim_start();
        let comma = if parameters.is_empty() { "" } else { ", " };
        return Some(format!(
            "DPoP {parameters}{comma}algs=\"{PROOF_ALGORITHMS}\""
        ));
    }
    bearer_challenge(decision)
}

/// Whether the caller speaks `DPoP`, well or not.
fn shows_proof(check: &Check) -> bool {
    let Some(request) = &check.http else {
        return false;
    };
    let mut schemes = request.headers.all("authorization");
    request.headers.contains("dpop")
        || schemes.any(|value| {
            value
                .get(..5)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"dpop "))
        })
}

fn bearer_challenge(decision: &Decision) -> Option<String> {
    let route = decision.route.as_deref();
    match decision.reason {
        Reason::RiskTooHigh if decision.step_up => {
            let step_up = route?.risk.as_ref()?.step_up()?;
            Some(format!(
                "Bearer error=\"insufficient_user_authentication\", \
                 error_description=\"A stronger or more recent authentication is required.\", {}",
                step_up.parameters()
            ))
        }
        Reason::TokenMissing => Some("Bearer".to_owned()),
        Reason::TokenScope => {
            let scopes = route
                .and_then(|route| route.identity.as_ref())
                .map(|identity| identity.scopes.join(" "));
            let scopes: String = scopes
                .unwrap_or_default()
                .chars()
                .filter(|c| is_scope_char(*c))
                .collect();
            Some(format!(
                "Bearer error=\"insufficient_scope\", scope=\"{scopes}\""
            ))
        }
        Reason::ProofNonce => Some(format!(
            "Bearer error=\"use_dpop_nonce\", error_description=\"{}\"",
            decision.reason.detail()
        )),
        reason if reason.http_status() == 401 => Some(format!(
            "Bearer error=\"invalid_token\", error_description=\"{}\"",
            reason.detail()
        )),
        _ => None,
    }
}

fn is_scope_char(c: char) -> bool {
    matches!(c, ' '..='~') && c != '"' && c != '\\'
}

/// Never 0: to Envoy a zero status is an allow, whatever else the response says.
fn grpc_code(status: u16) -> u8 {
    match status {
        400 => 3,  // INVALID_ARGUMENT
        401 => 16, // UNAUTHENTICATED
        413 => 8,  // RESOURCE_EXHAUSTED
        503 => 14, // UNAVAILABLE
        _ => 7,    // PERMISSION_DENIED
    }
}
