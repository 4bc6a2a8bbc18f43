//! Who may call: anybody on this machine, or whoever holds a key.
//!
//! Without a keys file the machine itself is the fence: loopback and Unix sockets answer anybody.
//! With one, every call on every listener needs a key, and a listener elsewhere answers nobody else.
//!
//! # What a reader would get wrong
//!
//! A loopback listener is open to web pages in a browser on the same machine. Three things keep them
//! out: POST wants `application/json`, which a page cannot send elsewhere without asking first; an
//! `Origin` must be the host that was asked; and without keys the `Host` must be this machine's, so
//! that a name which was pointed at 127.0.0.1 only after the page came from it is of no use.

mod keys;

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, StatusCode, Uri,
        header::{AUTHORIZATION, HOST, ORIGIN},
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::sync::OwnedSemaphorePermit;

pub(super) use self::keys::{Keys, hex};
pub use self::keys::{Minted, Scope, mint};
use super::{Api, refusal::Refusal};

/// Who can reach a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Only this machine: loopback, or a Unix socket.
    Local,
    /// Others.
    Remote,
}

/// A place among the calls being answered, until the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Place(#[expect(dead_code, reason = "held, not read")] Arc<OwnedSemaphorePermit>);

/// What stands before every JSON path that asks something.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    pub(super) api: Api,
    pub(super) reach: Reach,
    pub(super) scope: Scope,
}

/// Lets a call through, or answers it.
pub(super) async fn guard(
    State(guard): State<Guard>,
    mut request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let key = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let admitted = guard
        .origin(headers, request.uri())
        .and_then(|()| guard.api.admit(guard.reach, key, guard.scope));
    match admitted {
        Ok(place) => {
            // A streamed answer takes it along and keeps it to its end.
            request.extensions_mut().insert(place.clone());
            let response = next.run(request).await;
            drop(place);
            response
        }
        Err(refusal) => refusal.into_response(),
    }
}

impl Guard {
    fn origin(&self, headers: &HeaderMap, uri: &Uri) -> Result<(), Refusal> {
        let forbidden = |detail| Err(Refusal::new(StatusCode::FORBIDDEN, detail));
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let Some(host) = uri.authority().map(Authority::as_str).or(host) else {
            return forbidden("the `host` header is missing or not text".to_owned());
        };
        if let Some(origin) = headers.get(ORIGIN)
            && origin.to_str().ok().and_then(authority_of) != Some(host)
        {
            return forbidden("the `origin` is another one: web pages may not call".to_owned());
        }
        let settings = self.api.settings();
        if settings.keys().is_none() && !settings.is_own_host(without_port(host)) {
            let detail = format!(
                "`{host}` is not a name of this machine: ask `localhost`, or list the name in `api.hosts`"
            );
            return forbidden(detail);
        }
        Ok(())
    }
}

impl Api {
    /// Admits a call that came over a listener of this reach with this `authorization`.
    pub(super) fn admit(
        &self,
        reach: Reach,
        authorization: Option<&[u8]>,
        scope: Scope,
    ) -> Result<Place, Refusal> {
        let settings = self.settings();
        may_call(settings.keys().as_deref(), reach, authorization, scope)?;
        let place = Arc::clone(self.places()).try_acquire_owned();
        place
            .map(|place| Place(Arc::new(place)))
            .map_err(|_| Refusal::overloaded(RETRY_AFTER))
    }
}

/// The access rule.
fn may_call(
    keys: Option<&Arc<Keys>>,
    reach: Reach,
    authorization: Option<&[u8]>,
    scope: Scope,
) -> Result<(), Refusal> {
    let unauthorized = |detail| Refusal::new(StatusCode::UNAUTHORIZED, detail);
    let Some(keys) = keys else {
        return match reach {
            Reach::Local => Ok(()),
            Reach::Remote => Err(unauthorized(
                "this listener is open to others and no keys are configured: set `api.keys_file`",
            )),
        };
    };
    let presented = authorization
        .and_then(bearer)
        .ok_or_else(|| unauthorized("a key is needed: send `authorization: Bearer KEY`"))?;
    let key = keys
        .find(presented)
        .ok_or_else(|| unauthorized("this key is not known here"))?;
    if !key.may(scope) {
        tracing::info!(key = key.name, %scope, "api call refused: scope missing");
        let detail = format!("this key lacks the scope `{scope}`");
        return Err(Refusal::new(StatusCode::FORBIDDEN, detail));
    }
    tracing::debug!(key = key.name, %scope, "api call admitted");
    Ok(())
}

/// The credential in `Bearer CREDENTIAL`, the scheme in any case.
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = authorization.split_at_checked(7)?;
    let is_bearer = scheme.eq_ignore_ascii_case(b"bearer ");
    is_bearer.then(|| rest.trim_ascii())
}

/// `localhost:9192` of `http://localhost:9192`.
fn authority_of(origin: &str) -> Option<&str> {
    origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
}

fn without_port(host: &str) -> &str {
    let after_address = host.rfind(']').map_or(0, |end| end + 1);
    let colon = host[after_address..].find(':');
    colon.map_or(host, |colon| &host[..after_address + colon])
}

/// A call that finds every place taken has waited for nothing; a moment later one is free.
pub(super) const RETRY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_their_port_and_nothing_else() {
        for (host, name) in [
            ("localhost:9192", "localhost"),
            ("localhost", "localhost"),
            ("[::1]:9192", "[::1]"),
            ("[::1]", "[::1]"),
            ("127.0.0.1:1", "127.0.0.1"),
        ] {
            assert_eq!(without_port(host), name);
        }
    }

    #[test]
    fn without_keys_this_machine_may_call_and_nobody_else() {
        for scope in Scope::ALL {
            assert!(may_call(None, Reach::Local, None, scope).is_ok());
            let refusal = may_call(None, Reach::Remote, Some(b"Bearer x"), scope);
            assert_eq!(status(refusal), 401);
        }
    }

    #[test]
    fn with_keys_every_listener_wants_one_with_the_scope() {
        let minted = mint("ci", &[Scope::Read]).expect("a key");
        let keys = Keys::parse(minted.line.as_bytes(), "keys.yaml").expect("good");
        let keys = Some(Arc::new(keys));
        let bearer = format!("Bearer {}", minted.key.expose());
        for reach in [Reach::Local, Reach::Remote] {
            let ask = |authorization, scope| may_call(keys.as_ref(), reach, authorization, scope);
            assert!(ask(Some(bearer.as_bytes()), Scope::Read).is_ok());
            assert_eq!(status(ask(Some(bearer.as_bytes()), Scope::Batch)), 403);
            assert_eq!(status(ask(Some(b"Bearer sz_other"), Scope::Read)), 401);
            assert_eq!(status(ask(None, Scope::Read)), 401);
        }
    }

    fn status(result: Result<(), Refusal>) -> u16 {
        let refusal = result.expect_err("refused");
        let told = serde_json::to_value(refusal.problem()).expect("JSON");
        told["status"]
            .as_u64()
            .and_then(|status| status.try_into().ok())
            .expect("a status")
    }

    #[test]
    fn only_a_bearer_credential_is_one() {
        assert_eq!(bearer(b"Bearer abc"), Some(&b"abc"[..]));
        assert_eq!(bearer(b"bearer  abc "), Some(&b"abc"[..]));
        for other in [&b"Basic abc"[..], b"Bearer", b"abc", b""] {
            assert_eq!(bearer(other), None, "{other:?}");
        }
        assert_eq!(authority_of("https://a.example:1"), Some("a.example:1"));
        assert_eq!(authority_of("null"), None);
    }
}
