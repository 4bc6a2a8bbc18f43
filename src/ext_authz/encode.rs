//! A decision into Envoy's `CheckResponse`.
//!
//! Three facts about Envoy shape this file. A status that is absent or zero is an allow, so the
//! response is made from [`Answer`], each variant of which sets it. How a header we set meets one
//! the client sent depends on the Envoy version, so both switches that say "overwrite" are set.
//! And headers are removed after they are set, so one we set must not be removed too.

mod headers;

use serde_json::json;

use self::headers::{headers_for_upstream, headers_to_remove, overwrite, stripped};

use crate::{
    check::{Check, HttpRequest},
    identity::Stripped,
    pipeline::{Decision, Outcome},
    policy::Route,
    proto::{
        CheckResponse, DeniedHttpResponse, HttpResponse, HttpStatus, Kind, OkHttpResponse, Status,
        Struct, Value,
    },
    verdict::Reason,
};

/// What Envoy is told. Each variant becomes a response whose status says the same.
#[derive(Debug)]
pub(super) enum Answer {
    /// Pass, with these headers set and removed, and these query parameters removed.
    Allow {
        set: Vec<(&'static str, String)>,
        remove: Vec<String>,
        remove_query: Vec<String>,
        metadata: Struct,
    },
    /// Refuse, with this answer for the caller.
    Deny { refusal: Refusal, metadata: Struct },
    /// Could not decide: Envoy's own failure mode has the say.
    Error { refusal: Refusal, metadata: Struct },
}

/// The answer a refused caller gets.
#[derive(Debug)]
pub(super) struct Refusal {
    reason: Reason,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    pub(super) fn new(check: &Check, decision: &Decision) -> Self {
        let metadata = metadata(decision);
        match decision.outcome {
            Outcome::Allow => {
                let set = headers_for_upstream(decision);
                let mut remove = headers_to_remove(check, &set);
                let mut remove_query = Vec::new();
                match stripped(decision) {
                    Some(Stripped::Header(name)) => remove.push(name.to_owned()),
                    Some(Stripped::Query(name)) => remove_query.push(name.to_owned()),
                    None => {}
                }
                Self::Allow {
                    set,
                    remove,
                    remove_query,
                    metadata,
                }
            }
            Outcome::Deny => Self::Deny {
                refusal: Refusal::new(check, decision),
                metadata,
            },
            Outcome::Error => Self::Error {
                refusal: Refusal::new(check, decision),
                metadata,
            },
        }
    }
}

/// The answer when our own code failed: a denial that no failure mode lets pass.
pub(super) fn broken() -> CheckResponse {
    let refusal = Refusal {
        reason: Reason::Internal,
        headers: vec![("x-subzero-reason", Reason::Internal.as_str().to_owned())],
        body: String::new(),
    };
    Answer::Deny {
        refusal,
        metadata: Struct::default(),
    }
    .into()
}

impl From<Answer> for CheckResponse {
    fn from(answer: Answer) -> Self {
        let (code, http_response, metadata) = match answer {
            Answer::Allow {
                set,
                remove,
                remove_query,
                metadata,
            } => {
                let response = OkHttpResponse {
                    headers: set.into_iter().map(overwrite).collect(),
                    headers_to_remove: remove,
                    query_parameters_to_remove: remove_query,
                    ..OkHttpResponse::default()
                };
                (GRPC_OK, HttpResponse::OkResponse(response), metadata)
            }
            Answer::Deny { refusal, metadata } => (
                grpc_code(refusal.reason),
                HttpResponse::DeniedResponse(refusal.into()),
                metadata,
            ),
            Answer::Error { refusal, metadata } => (
                grpc_code(refusal.reason),
                HttpResponse::ErrorResponse(refusal.into()),
                metadata,
            ),
        };
        Self {
            status: Some(Status {
                code,
                ..Status::default()
            }),
            http_response: Some(http_response),
            dynamic_metadata: Some(metadata),
        }
    }
}

impl Refusal {
    fn new(check: &Check, decision: &Decision) -> Self {
        let reason = decision.reason;
        let id = decision.id.simple().to_string();
        let mut headers = vec![("x-subzero-reason", reason.as_str().to_owned())];
        if let Some(challenge) = challenge(reason, decision.route.as_deref()) {
            headers.push(("www-authenticate", challenge));
        }
        let mut body = String::new();
        match check.http.as_ref().map_or(Caller::Plain, Caller::of) {
            // Envoy turns a refusal of a gRPC call into trailers: our body becomes `grpc-message`,
            // our content type is dropped, and our `grpc-status` wins over one made from the HTTP
            // status (which would be UNKNOWN for 413).
            Caller::Grpc => {
                headers.push(("grpc-status", grpc_code(reason).to_string()));
                body.push_str(reason.detail());
            }
            // A gRPC-web call reaches us as such only when no `grpc_web` filter ran before; its
            // client reads both from the headers.
            Caller::GrpcWeb => {
                headers.push(("grpc-status", grpc_code(reason).to_string()));
                headers.push(("grpc-message", reason.detail().to_owned()));
            }
            Caller::Plain => {
                headers.push(("content-type", "application/problem+json".to_owned()));
                body = problem(reason, &id);
            }
        }
        headers.push(("x-subzero-decision", id));
        Self {
            reason,
            headers,
            body,
        }
    }
}

impl From<Refusal> for DeniedHttpResponse {
    fn from(refusal: Refusal) -> Self {
        Self {
            status: Some(HttpStatus {
                code: i32::from(refusal.reason.http_status()),
            }),
            headers: refusal.headers.into_iter().map(overwrite).collect(),
            body: refusal.body,
        }
    }
}

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
fn problem(reason: Reason, id: &str) -> String {
    let status = reason.http_status();
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

/// RFC 6750: no error code when no token came, else what was wrong with it.
fn challenge(reason: Reason, route: Option<&Route>) -> Option<String> {
    match reason {
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
        _ if reason.http_status() == 401 => Some(format!(
            "Bearer error=\"invalid_token\", error_description=\"{}\"",
            reason.detail()
        )),
        _ => None,
    }
}

fn is_scope_char(c: char) -> bool {
    matches!(c, ' '..='~') && c != '"' && c != '\\'
}

/// `subzero: { decision_id, route, reason, … }`, readable in access logs as
/// `%DYNAMIC_METADATA(envoy.filters.http.ext_authz:subzero:reason)%`.
fn metadata(decision: &Decision) -> Struct {
    let text = |text: &str| Kind::StringValue(text.to_owned());
    let micros = decision.cost.as_secs_f64() * 1e6;
    let plan: Vec<String> = decision
        .plan
        .iter()
        .map(|(stage, cost)| format!("{}={}us", stage.as_str(), cost.as_micros()))
        .collect();
    let mut fields = vec![
        ("decision_id", text(&decision.id.simple().to_string())),
        ("verdict", text(decision.outcome.as_str())),
        ("reason", text(decision.reason.as_str())),
        ("cost_us", Kind::NumberValue((micros * 10.0).round() / 10.0)),
        ("plan", text(&plan.join(" "))),
    ];
    if let Some(route) = &decision.route {
        fields.push(("route", text(&route.name)));
    }
    if !decision.findings.is_empty() {
        fields.push(("findings", text(&decision.findings.summary())));
    }
    if decision.shadowed {
        fields.push(("shadow", Kind::BoolValue(true)));
    }
    let value = |kind| Value { kind: Some(kind) };
    let own = Struct {
        fields: fields
            .into_iter()
            .map(|(name, kind)| (name.to_owned(), value(kind)))
            .collect(),
    };
    Struct {
        fields: [("subzero".to_owned(), value(Kind::StructValue(own)))].into(),
    }
}

const GRPC_OK: i32 = 0;

/// Never 0: to Envoy a zero status is an allow, whatever else the response says.
fn grpc_code(reason: Reason) -> i32 {
    match reason.http_status() {
        400 => 3,  // INVALID_ARGUMENT
        401 => 16, // UNAUTHENTICATED
        413 => 8,  // RESOURCE_EXHAUSTED
        503 => 14, // UNAVAILABLE
        _ => 7,    // PERMISSION_DENIED
    }
}

#[cfg(test)]
mod tests;
