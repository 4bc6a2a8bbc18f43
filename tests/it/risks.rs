//! Risk through Envoy: what raises a score, what it leads to, and what never becomes familiar.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use subzero::clock::Clock;

use crate::{
    bodies::ATTACK,
    support::client::{Request, Response},
    world::{World, chat, token},
};

const HOME: Ipv4Addr = Ipv4Addr::LOCALHOST;
const AWAY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

const ISSUERS: &str = "
log: { level: debug }
permission: { store_file: store.fga.yaml }
risk: { device_header: user-agent }
identity:
  issuers:
    main: { issuer: 'https://issuer.example/', jwks_file: keys.json, audiences: ['https://api.example'] }
    gone: { issuer: 'https://issuer.example/', jwks_uri: 'http://127.0.0.1:1/keys', audiences: any, allow_private_addresses: true }
routes:
  - { name: me, match: { path: /me }, identity: { issuers: [main] }, risk: { deny_above: 0.9 } }
";

const LAX: &str = "
  - name: doc
    match: { path: '/docs/{id}' }
    identity: { issuers: [main] }
    permission: { user: 'user:{token.sub}', relation: can_view, object: 'document:{path.id}' }
  - name: chat
    match: { path: /v1/chat/completions }
    identity: { issuers: [main] }
    screening: { injection: flag }
  - name: shadow
    match: { path: /shadow }
    identity: { issuers: [main] }
    risk: { deny_above: 0.4 }
    mode: shadow
";

const STRICT: &str = "
  - { name: strict, match: { path: /strict }, identity: { issuers: [main] }, risk: { deny_above: 0.4 } }
  - name: step
    match: { path: /step }
    identity: { issuers: [main] }
    risk: { step_up_above: 0.4, acr_values: 'phr phrh' }
  - name: fresh
    match: { path: /fresh }
    identity: { issuers: [main] }
    risk: { deny_above: 0.95, step_up_above: 0.4, max_age: 5m }
  - name: unknown
    match: { path: /unknown }
    identity: { issuers: [gone] }
    risk: { deny_above: 0.4 }
    on_unavailable: { identity: allow }
  - name: unknown-denied
    match: { path: /unknown-denied }
    identity: { issuers: [gone] }
    risk: { deny_above: 0.4 }
    on_unavailable: { identity: allow, risk: deny }
";

/// Somebody with a token, a device and an address.
struct Caller<'w> {
    world: &'w World,
    token: String,
    device: &'static str,
    address: Ipv4Addr,
}

impl<'w> Caller<'w> {
    fn at_home(world: &'w World, subject: &str) -> Self {
        Self {
            world,
            token: world.keys.token(subject),
            device: "laptop",
            address: HOME,
        }
    }

    /// The same token on another device in another place.
    fn away(&self) -> Self {
        Self {
            world: self.world,
            token: self.token.clone(),
            device: "telephone",
            address: AWAY,
        }
    }

    /// The same device and place with other claims.
    fn claiming(&self, subject: &str, name: &str, value: Value) -> Self {
        Self {
            token: token(subject)
                .claim(name, value)
                .sign(&self.world.keys.rs256),
            ..*self
        }
    }

    async fn send(&self, request: Request) -> Response {
        let request = request
            .bearer(&self.token)
            .header("user-agent", self.device)
            .header("x-subzero-risk", "0");
        request
            .send_from(self.address, self.world.envoy.address)
            .await
    }

    async fn get(&self, path: &str) -> Response {
        self.send(Request::get(path)).await
    }

    /// The one score that the service was told.
    async fn score(&self, path: &str) -> String {
        let response = self.get(path).await;
        assert_eq!(response.status, 200, "{}", response.reason());
        response.echoed("x-subzero-risk").join(" and ")
    }

    async fn assert_denied(&self, path: &str) {
        let before = self.world.service.received().len();
        let response = self.get(path).await;
        assert_eq!((response.status, response.reason()), (403, "risk_too_high"));
        assert_eq!(response.json()["status"], 403);
        assert_eq!(response.header("www-authenticate"), None);
        assert_eq!(self.world.service.received().len(), before, "not passed on");
    }

    /// Refused, with this challenge.
    async fn assert_step_up(&self, path: &str, parameters: &str) {
        let before = self.world.service.received().len();
        let response = self.get(path).await;
        assert_eq!((response.status, response.reason()), (401, "risk_too_high"));
        assert_eq!(response.json()["status"], 401);
        assert_eq!(response.json()["reason"], "risk_too_high");
        let challenge = format!(
            "Bearer error=\"insufficient_user_authentication\", error_description=\"A stronger \
             or more recent authentication is required.\", {parameters}"
        );
        assert_eq!(response.header("www-authenticate"), Some(&*challenge));
        assert_eq!(self.world.service.received().len(), before, "not passed on");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_raises_the_score_until_it_is_familiar() {
    let config = format!("{ISSUERS}{LAX}");
    let mut world = World::with(&config, |envoy| envoy).await;
    let alice = Caller::at_home(&world, "alice");
    let away = alice.away();
    assert_eq!(alice.score("/me").await, "0.00", "never seen");
    assert_eq!(alice.score("/me").await, "0.00", "as before");
    assert_eq!(away.score("/me").await, "0.80");
    assert_eq!(away.score("/me").await, "0.00", "let pass, so familiar");
    assert_eq!(
        alice.score("/me").await,
        "0.00",
        "and the first one still is"
    );

    // Histories outlive a reload.
    world.subzero.reload(&config.replace("0.9", "0.91"));
    let reloaded = |metrics: &crate::support::metrics::Metrics| {
        metrics.count("subzero_config_reloads_total", &[("outcome", "ok")]) > 0
    };
    world.subzero.until_metrics("reload", reloaded).await;
    let alice = Caller {
        device: "television",
        ..Caller::at_home(&world, "alice")
    };
    assert_eq!(alice.score("/me").await, "0.50");
    let metrics = world.subzero.metrics().await;
    assert!(metrics.count("subzero_cache_bytes", &[("cache", "risk")]) > 0);
    let stage = [("stage", "risk")];
    assert_eq!(
        metrics.count("subzero_stage_duration_seconds_count", &stage),
        6
    );
    assert_eq!(metrics.count("subzero_risk_score_count", &[]), 6);
    let logged = world.envoy.access_log();
    let risks: Vec<&Value> = logged.iter().map(|line| &line["subzero_risk"]).collect();
    assert!(risks.contains(&&json!(0.8)), "{risks:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn denials_and_findings_raise_it_and_a_denied_place_stays_strange() {
    let world = World::with(&format!("{ISSUERS}{LAX}"), |envoy| envoy).await;
    let alice = Caller::at_home(&world, "alice");
    assert_eq!(alice.score("/me").await, "0.00");
    for _ in 0..5 {
        let flagged = alice.send(chat(ATTACK)).await;
        assert_eq!(flagged.echoed("x-subzero-findings").len(), 1);
        assert_eq!(flagged.echoed("x-subzero-risk"), [""; 0], "not scored");
    }
    assert_eq!(alice.score("/me").await, "0.10", "five findings");

    let bob = Caller::at_home(&world, "bob");
    assert_eq!(
        bob.score("/me").await,
        "0.00",
        "another's findings are not his"
    );
    for _ in 0..7 {
        assert_eq!(bob.get("/docs/secret").await.reason(), "permission_denied");
    }
    assert_eq!(bob.score("/me").await, "0.12", "seven denials");
    for _ in 0..3 {
        bob.away().assert_denied("/me").await;
    }
    assert_eq!(
        bob.score("/me").await,
        "0.12",
        "denials for risk do not count"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_mode_lets_pass_counts_and_learns_nothing() {
    let world = World::with(&format!("{ISSUERS}{LAX}"), |envoy| envoy).await;
    let alice = Caller::at_home(&world, "alice");
    let away = alice.away();
    assert_eq!(alice.score("/shadow").await, "0.00");
    for _ in 0..3 {
        assert_eq!(away.score("/shadow").await, "0.80");
    }
    let metrics = world.subzero.metrics().await;
    for (agreement, count) in [("agree", 1), ("disagree", 3)] {
        let labels = [("route", "shadow"), ("agreement", agreement)];
        assert_eq!(metrics.count("subzero_shadow_total", &labels), count);
    }
    // Its threshold is not the others': what they let pass is familiar.
    assert_eq!(away.score("/me").await, "0.80");
    assert_eq!(away.score("/me").await, "0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lenient_route_is_no_way_around_a_strict_one() {
    let world = World::with(&format!("{ISSUERS}{STRICT}"), |envoy| envoy).await;
    let alice = Caller::at_home(&world, "alice");
    let away = alice.away();
    assert_eq!(alice.score("/strict").await, "0.00");
    away.assert_denied("/strict").await;
    assert_eq!(away.score("/me").await, "0.80");
    away.assert_denied("/strict").await;
    assert_eq!(alice.score("/strict").await, "0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_up_is_asked_for_and_satisfied() {
    let world = World::with(&format!("{ISSUERS}{STRICT}"), |envoy| envoy).await;
    let alice = Caller::at_home(&world, "alice");
    let away = alice.away();
    assert_eq!(alice.score("/step").await, "0.00");
    let wanted = "acr_values=\"phr phrh\"";
    away.assert_step_up("/step", wanted).await;
    for weak in [json!("ph"), json!("phr phrh"), json!(["phr"]), json!(null)] {
        let weak = away.claiming("alice", "acr", weak);
        weak.assert_step_up("/step", wanted).await;
    }
    let strong = away.claiming("alice", "acr", json!("phrh"));
    assert_eq!(strong.score("/step").await, "0.80");
    assert_eq!(
        away.score("/step").await,
        "0.00",
        "proven once, familiar now"
    );

    let bob = Caller::at_home(&world, "bob");
    let away = bob.away();
    assert_eq!(bob.score("/fresh").await, "0.00");
    let now = Clock::System.now();
    let wanted = "max_age=\"300\"";
    away.assert_step_up("/fresh", wanted).await;
    for stale in [json!(now - 310), json!(now + 100), json!(now.to_string())] {
        let stale = away.claiming("bob", "auth_time", stale);
        stale.assert_step_up("/fresh", wanted).await;
    }
    let recent = away.claiming("bob", "auth_time", json!(now - 60));
    assert_eq!(recent.score("/fresh").await, "0.80");
    assert_eq!(away.score("/fresh").await, "0.00");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_not_scored_and_the_route_says_what_that_means() {
    let world = World::with(&format!("{ISSUERS}{STRICT}"), |envoy| envoy).await;
    let alice = Caller::at_home(&world, "alice");
    let passed = alice.get("/unknown").await;
    assert_eq!(passed.status, 200, "{}", passed.reason());
    assert_eq!(passed.echoed("x-subzero-risk"), [""; 0]);
    let denied = alice.get("/unknown-denied").await;
    assert_eq!((denied.status, denied.reason()), (503, "risk_unavailable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_envoy_names_cannot_be_forged() {
    let filter = "                  - name: envoy.filters.http.ext_authz\n";
    let naming = format!(
        "                  - name: envoy.filters.http.header_mutation
                    typed_config:
                      \"@type\": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
                      mutations:
                        request_mutations:
                          - remove: x-device
                          - append:
                              header: {{ key: x-device, value: \"%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%\" }}
                              append_action: OVERWRITE_IF_EXISTS_OR_ADD
{filter}"
    );
    let allowed = "                          - exact: user-agent\n";
    let config = ISSUERS.replace("user-agent", "X-Device");
    let world = World::with(&config, |envoy| {
        envoy.with(filter, &naming).with(
            allowed,
            &format!("{allowed}                          - exact: x-device\n"),
        )
    })
    .await;
    let alice = Caller::at_home(&world, "alice");
    let claiming = |name: &str| Request::get("/me").header("x-device", name);
    for (caller, score) in [(&alice, "0.00"), (&alice, "0.00"), (&alice.away(), "0.80")] {
        let response = caller.send(claiming("127.0.0.1")).await;
        assert_eq!(response.echoed("x-subzero-risk"), [score]);
    }
}
