//! An issuer that is to be asked about opaque tokens and cannot be.

use super::*;

/// As [`super::config`], with an issuer that is asked about opaque tokens at `proxy`.
fn config(provider: &Oidc, proxy: &Proxy, more: &str) -> String {
    format!(
        "limits: {{ deadline: 3s }}
upstream: {{ breaker: {{ min_calls: 5, open_for: 500ms }} }}
identity:
  issuers:
    provider:
      issuer: '{}'
      allow_private_addresses: true
      fetch_timeout: 400ms
      audiences: ['{AUDIENCE}']
      introspection: {{ client_id: bob, client_secret_file: secret, secret_by: post, introspection_endpoint: 'http://{}/token/introspection'{more} }}
{ROUTES}",
        provider.issuer, proxy.address
    )
}

async fn start(provider: &Oidc, proxy: &Proxy, more: &str, secret: &str) -> Subzero {
    let config = config(provider, proxy, more);
    let subzero = world::subzero(&config, &Keys::generate()).file("secret", secret);
    subzero.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_cannot_be_asked_about_are_decided_as_the_route_says() {
    let provider = Oidc::start().await;
    for fault in [
        Fault::Refuse,
        Fault::Reset,
        Fault::ResetAfter(40),
        Fault::Garbage,
        Fault::BlackHole,
        Fault::Slow(Duration::from_secs(2)),
    ] {
        let proxy = Proxy::start(provider.address).await;
        let subzero = start(&provider, &proxy, "", "bob-secret").await;
        let door = Door::dial(subzero.grpc).await;
        let known = provider.token("carol", "docs").await;
        let passed = ask(&door, "/deny", &known).await;
        assert_eq!(passed, Answer::Allowed, "before {fault:?}");
        proxy.set(fault);
        let unknown = provider.token("carol", "docs").await;
        assert_undecided(&door, &unknown, "", "keys_unavailable", fault).await;
        assert_eq!(
            ask(&door, "/deny", &known).await,
            Answer::Allowed,
            "{fault:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_flaps_is_left_alone_and_asked_again_when_it_is_well() {
    let provider = Oidc::start().await;
    let proxy = Proxy::start(provider.address).await;
    let subzero = start(&provider, &proxy, "", "bob-secret").await;
    let door = Door::dial(subzero.grpc).await;
    let upstream = "introspection:provider";
    assert_eq!(standing(&subzero, upstream).await, (0, json!("closed")));
    proxy.set(Fault::Reset);
    let token = provider.token("carol", "docs").await;
    let undecided = Answer::Denied(503, "keys_unavailable".to_owned());
    let began = Instant::now();
    while calls(&subzero, upstream, "open").await == 0 {
        assert!(began.elapsed() < PATIENCE, "always asked");
        assert_eq!(ask(&door, "/deny", &token).await, undecided);
    }
    assert_eq!(standing(&subzero, upstream).await.1, json!("open"));
    proxy.set(Fault::None);
    until_closed(&subzero, upstream, async || {
        // Another each time: one that is known asks nobody.
        let token = provider.token("carol", "docs").await;
        ask(&door, "/deny", &token).await;
    })
    .await;
    assert_eq!(ask(&door, "/deny", &token).await, Answer::Allowed);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_credentials_decide_nothing_and_break_nothing() {
    let provider = Oidc::start().await;
    let proxy = Proxy::start(provider.address).await;
    let subzero = start(&provider, &proxy, "", "wrong").await;
    let door = Door::dial(subzero.grpc).await;
    for _ in 0..4 {
        let token = provider.token("carol", "docs").await;
        assert_undecided(&door, &token, "", "keys_unavailable", Fault::None).await;
    }
    let upstream = "introspection:provider";
    assert!(calls(&subzero, upstream, "http").await >= 12);
    assert_eq!(standing(&subzero, upstream).await, (0, json!("closed")));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_questions_than_are_asked_at_once_are_an_overload_and_no_way_in() {
    let provider = Oidc::start().await;
    let proxy = Proxy::start(provider.address).await;
    let subzero = start(&provider, &proxy, ", max_in_flight: 1", "bob-secret").await;
    let door = Door::dial(subzero.grpc).await;
    let [one, other] = [
        provider.token("carol", "docs").await,
        provider.token("carol", "docs").await,
    ];
    proxy.set(Fault::Slow(Duration::from_millis(300)));
    let (first, second) = tokio::join!(ask(&door, "/allow", &one), async {
        sleep(Duration::from_millis(100)).await;
        ask(&door, "/allow", &other).await
    });
    assert_eq!(first, Answer::Allowed);
    assert_eq!(second, Answer::Denied(503, "overloaded".to_owned()));
}
