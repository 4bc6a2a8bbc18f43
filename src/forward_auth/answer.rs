//! A reply as each proxy reads it.
//!
//! | | passes | refuses with | cannot say |
//! |---|---|---|---|
//! | Envoy | 200 | any 4xx; a 5xx means "could not decide" | query parameters to remove |
//! | nginx | 2xx | 401 and 403; all else is an error of its own, 500 | what to remove |
//! | Traefik | 2xx | all else, as it is | what to remove |

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode},
    response::{IntoResponse, Response},
};

use super::Proxy;
use crate::reply::{Passage, Refusal, Reply};

/// `reply` in the words of `proxy`.
pub(super) fn answer(proxy: Proxy, reply: Reply) -> Response {
    let answer = match reply {
        Reply::Allow(passage) => pass(proxy, passage),
        Reply::Deny(refusal) => {
            let status = denial(proxy, refusal.status);
            refuse(refusal, status)
        }
        Reply::Error(refusal) => {
            // Envoy's own failure mode has the say; the other two have none.
            let status = match proxy {
                Proxy::Envoy => refusal.status,
                Proxy::Nginx | Proxy::Traefik => denial(proxy, refusal.status),
            };
            refuse(refusal, status)
        }
    };
    // A header that cannot be written must not be left out of an answer that lets pass.
    answer.unwrap_or_else(|| StatusCode::FORBIDDEN.into_response())
}

/// The status that makes `proxy` refuse, as near to `status` as it can be.
fn denial(proxy: Proxy, status: u16) -> u16 {
    match (proxy, status) {
        (Proxy::Traefik, _) | (Proxy::Nginx, 401) | (Proxy::Envoy, 400..=499) => status,
        (Proxy::Nginx | Proxy::Envoy, _) => 403,
    }
}

fn pass(proxy: Proxy, passage: Passage<'_>) -> Option<Response> {
    let mut response = Response::new(Body::empty());
    for (name, value) in passage.set {
        let value = HeaderValue::try_from(value.as_ref()).ok()?;
        response.headers_mut().insert(name, value);
    }
    if proxy == Proxy::Envoy {
        let names = HeaderValue::try_from(passage.remove.join(",")).ok()?;
        response
            .headers_mut()
            .insert(HeaderName::from_static(HEADERS_TO_REMOVE), names);
    }
    Some(response)
}

/// Read by Envoy, whatever its lists of allowed headers say.
const HEADERS_TO_REMOVE: &str = "x-envoy-auth-headers-to-remove";

fn refuse(refusal: Refusal, status: u16) -> Option<Response> {
    let mut response = Response::new(Body::from(refusal.body));
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    let true_status = ("x-subzero-status", refusal.status.to_string());
    for (name, value) in refusal.headers.into_iter().chain([true_status]) {
        let value = HeaderValue::try_from(value).ok()?;
        response.headers_mut().insert(name, value);
    }
    Some(response)
}

#[cfg(test)]
mod tests;
