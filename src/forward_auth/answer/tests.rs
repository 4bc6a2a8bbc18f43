//! What each proxy takes for a refusal, and for a pass.

use smallvec::smallvec;

use super::*;
use crate::verdict::Reason;

fn refusal(status: u16) -> Refusal {
    Refusal {
        reason: Reason::BadPath,
        status,
        headers: vec![("x-subzero-reason", "bad_path".to_owned())],
        body: "{}".to_owned(),
    }
}

fn passage() -> Passage<'static> {
    Passage {
        set: smallvec![("x-subzero-decision", "1".into())],
        remove: smallvec!["x-subzero-risk".into(), "x_subzero_risk".into()],
        remove_query: Vec::new(),
    }
}

/// Every pair of proxy and status: whether it refuses there, and is never taken for a failure.
#[test]
fn a_denial_is_one_to_every_proxy() {
    for reason in Reason::ALL
        .into_iter()
        .filter(|reason| reason.http_status() >= 400)
    {
        let status = reason.http_status();
        for proxy in [Proxy::Envoy, Proxy::Nginx, Proxy::Traefik] {
            let response = answer(proxy, Reply::Deny(refusal(status)));
            let sent = response.status().as_u16();
            match proxy {
                Proxy::Envoy => assert!((400..500).contains(&sent), "{status} as {sent}"),
                Proxy::Nginx => assert!([401, 403].contains(&sent), "{status} as {sent}"),
                Proxy::Traefik => assert_eq!(sent, status),
            }
            assert_eq!(sent == 401, status == 401);
            let told = &response.headers()["x-subzero-status"];
            assert_eq!(told.to_str().ok(), Some(&*status.to_string()));
        }
    }
}

#[test]
fn could_not_decide_is_an_error_to_envoy_and_a_refusal_to_the_others() {
    let sent = |proxy| answer(proxy, Reply::Error(refusal(503))).status().as_u16();
    assert_eq!(sent(Proxy::Envoy), 503);
    assert_eq!(sent(Proxy::Nginx), 403);
    assert_eq!(sent(Proxy::Traefik), 503);
}

#[test]
fn only_envoy_is_told_what_to_remove() {
    for proxy in [Proxy::Envoy, Proxy::Nginx, Proxy::Traefik] {
        let response = answer(proxy, Reply::Allow(passage()));
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["x-subzero-decision"], "1");
        let remove = response.headers().get(HEADERS_TO_REMOVE);
        let expected = (proxy == Proxy::Envoy).then_some("x-subzero-risk,x_subzero_risk");
        assert_eq!(remove.and_then(|names| names.to_str().ok()), expected);
    }
}

#[test]
fn a_header_that_cannot_be_written_lets_nothing_pass() {
    let broken = Passage {
        set: smallvec![("x-subzero-subject", "a\nb".into())],
        ..passage()
    };
    assert_eq!(answer(Proxy::Traefik, Reply::Allow(broken)).status(), 403);
}
