//! Who may call: anybody on this machine, or whoever holds a key or a certificate.
//!
//! Without a keys file the machine itself is the fence: loopback and Unix sockets answer anybody.
//! With one, every call on every listener needs a key, and a listener elsewhere answers nobody else.
//! A caller that showed a certificate (`api.tls.client_ca_file`) needs no key: what its name may do is
//! what counts, unless it sends a key, and then the key does.
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
use super::{
    Api,
    refusal::Refusal,
    tls::{Names, Tls},
};
use crate::{
    admission::{Arrival, Full},
    dispatch::Lane,
};

/// Who can reach a listener.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reach {
    /// Only this machine: loopback, or a Unix socket.
    Local,
    /// Others.
    Remote,
}

/// What a call shows of its caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown<'a> {
    /// Who can reach the listener it came over.
    pub(super) reach: Reach,
    pub(super) authorization: Option<&'a [u8]>,
    /// From the certificate of its connection.
    pub(super) names: Option<&'a Names>,
}

/// A place among the calls being answered, until the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Place(
    #[expect(dead_code, reason = "held, not read")] Arc<(OwnedSemaphorePermit, Arrival)>,
);

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
    let arrival = guard.api.arrive();
    let headers = request.headers();
    let shown = Shown {
        reach: guard.reach,
        authorization: headers.get(AUTHORIZATION).map(HeaderValue::as_bytes),
        names: request.extensions().get(),
    };
    let admitted = guard
        .origin(headers, request.uri(), shown.names.is_some())
        .and_then(|()| guard.api.admit(shown, guard.scope, arrival));
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
    /// A page cannot show a certificate for a name that is not the listener's, so `by_certificate`
    /// the host does not matter.
    fn origin(&self, headers: &HeaderMap, uri: &Uri, by_certificate: bool) -> Result<(), Refusal> {
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
        let is_fenced = by_certificate || settings.keys().is_some();
        if !is_fenced && !settings.is_own_host(without_port(host)) {
            let detail = format!(
                "`{host}` is not a name of this machine: ask `localhost`, or list the name in `api.hosts`"
            );
            return forbidden(detail);
        }
        Ok(())
    }
}

impl Api {
    /// Admits a call that shows this.
    pub(super) fn admit(
        &self,
        shown: Shown<'_>,
        scope: Scope,
        mut arrival: Arrival,
    ) -> Result<Place, Refusal> {
        let settings = self.settings();
        may_call(settings.keys().as_deref(), settings.tls(), shown, scope)?;
        let lane = match scope {
            Scope::Batch => Lane::Batch,
            Scope::Read | Scope::Revoke => Lane::High,
        };
        let admitted = arrival.admit(lane);
        admitted.map_err(|Full(wait)| Refusal::overloaded(wait))?;
        let place = Arc::clone(self.places()).try_acquire_owned();
        place
            .map(|place| Place(Arc::new((place, arrival))))
            .map_err(|_| Refusal::overloaded(RETRY_AFTER))
    }
}

/// The access rule.
fn may_call(
    keys: Option<&Arc<Keys>>,
    tls: Option<&Tls>,
    shown: Shown<'_>,
    scope: Scope,
) -> Result<(), Refusal> {
    let unauthorized = |detail| Err(Refusal::new(StatusCode::UNAUTHORIZED, detail));
    match (keys, shown.authorization, shown.names) {
        (Some(keys), Some(authorization), _) => by_key(keys, authorization, scope),
        (_, _, Some(names)) => by_name(tls, names, scope),
        (Some(_), None, None) => unauthorized("a key is needed: send `authorization: Bearer KEY`"),
        (None, _, None) if shown.reach == Reach::Local => Ok(()),
        (None, _, None) => unauthorized(
            "this listener is open to others and no keys are configured: set `api.keys_file`",
        ),
    }
}

fn by_key(keys: &Keys, authorization: &[u8], scope: Scope) -> Result<(), Refusal> {
    let unauthorized = |detail| Refusal::new(StatusCode::UNAUTHORIZED, detail);
    let presented = bearer(authorization)
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

fn by_name(tls: Option<&Tls>, names: &Names, scope: Scope) -> Result<(), Refusal> {
    let detail = match tls.and_then(|tls| tls.may(names, scope)) {
        Some(true) => {
            tracing::debug!(%names, %scope, "api call admitted");
            return Ok(());
        }
        Some(false) => format!("the caller {names} lacks the scope `{scope}`"),
        None => format!("the caller {names} is not among `api.tls.clients`"),
    };
    tracing::info!(%names, %scope, "api call refused: scope missing");
    Err(Refusal::new(StatusCode::FORBIDDEN, detail))
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
            assert!(may_call(None, None, shown(Reach::Local, None), scope).is_ok());
            let refusal = may_call(None, None, shown(Reach::Remote, Some(b"Bearer x")), scope);
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
            let ask = |authorization, scope| {
                may_call(keys.as_ref(), None, shown(reach, authorization), scope)
            };
            assert!(ask(Some(bearer.as_bytes()), Scope::Read).is_ok());
            assert_eq!(status(ask(Some(bearer.as_bytes()), Scope::Batch)), 403);
            assert_eq!(status(ask(Some(b"Bearer sz_other"), Scope::Read)), 401);
            assert_eq!(status(ask(None, Scope::Read)), 401);
        }
    }

    fn shown(reach: Reach, authorization: Option<&[u8]>) -> Shown<'_> {
        Shown {
            reach,
            authorization,
            names: None,
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
