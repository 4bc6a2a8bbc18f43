//! A certified provider under load: keys rotated, the provider killed and back, and a flood of unknown
//! keys, with callers who must not notice.
//!
//! Short here; `SUBZERO_TEST_SECONDS` (`make soak`) says how long otherwise.

use std::{
    env,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use crate::{
    support::{
        client::Request,
        load::{Load, Outcome},
        metrics::Metrics,
        oidc::Oidc,
    },
    world::World,
};

/// How long a test may take when nobody asks for more.
const SECONDS: u16 = 8;

/// `upstream.breaker.open_for`.
const BREAKER_OPEN_FOR: Duration = Duration::from_secs(5);

fn seconds() -> u16 {
    env::var("SUBZERO_TEST_SECONDS").map_or(SECONDS, |seconds| {
        let seconds: u16 = seconds.parse().expect("SUBZERO_TEST_SECONDS is a number");
        seconds.min(90)
    })
}

/// One issuer with these settings, its keys fetched.
async fn world(provider: &Oidc, settings: &str) -> World {
    let config = format!(
        "identity:
  issuers:
    provider:
      issuer: '{}'
      allow_private_addresses: true
      audiences: ['{}']
{settings}routes:
  - {{ name: me, match: {{ path: /me }}, identity: {{ issuers: [provider] }} }}
",
        provider.issuer, provider.audience
    );
    let mut world = World::with(&config, |envoy| envoy).await;
    let fetched = |metrics: &Metrics| {
        metrics.count("subzero_upstream_requests_total", &[("outcome", "ok")]) >= 1
    };
    world
        .subzero
        .until_metrics("fetch the key set", fetched)
        .await;
    world
}

fn load(world: &World, token: &str, connections: u16, seconds: u16) -> Load {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer)];
    Load::start(world.envoy.address, "/me", &headers, connections, seconds)
}

#[expect(clippy::print_stdout, reason = "`make soak` shows what was counted")]
fn tell(text: &str) {
    println!("{text}");
}

/// How many there were.
fn assert_all_passed(outcome: Outcome) -> u64 {
    assert!(outcome.answers > 0, "{outcome:?}");
    assert_eq!((outcome.refused, outcome.lost), (0, 0), "{outcome:?}");
    outcome.answers
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_rotations_under_load_refuse_no_valid_token_and_accept_no_withdrawn_key() {
    const ROTATIONS: u16 = 10;
    let provider = Oidc::start().await;
    // One token of each key is good for two steps, and its load takes about as long.
    let step = Duration::from_secs(seconds().into()) / u32::from(ROTATIONS);
    let load_seconds = u16::try_from((step * 2).as_secs()).unwrap_or(1).max(1);
    let interval = (step / 2).as_millis().max(1);
    let settings = format!("      unknown_kid_interval: {interval}ms\n");
    let world = world(&provider, &settings).await;
    let me = async |token: &str| world.send(Request::get("/me").bearer(token)).await;
    let mut tokens = vec![provider.token("alice", "docs").await];
    let mut loads: Vec<Load> = Vec::new();
    let mut answers = 0;
    let (before, begun) = (provider.count("jwks").await, Instant::now());
    for _ in 0..ROTATIONS {
        let started = Instant::now();
        // The load of the key that is withdrawn now has to have ended; that of the one before goes on.
        if loads.len() > 1 {
            answers += assert_all_passed(loads.remove(0).outcome().await);
        }
        // The key before stays published until the next rotation.
        provider.rotate_keeping(1).await;
        let token = provider.token("alice", "docs").await;
        loads.push(load(
            &world,
            &token,
            4,
            load_seconds.saturating_sub(1).max(1),
        ));
        assert_eq!(me(&token).await.status, 200, "a new key is fetched at once");
        for withdrawn in tokens.iter().rev().skip(1) {
            let refused = me(withdrawn).await;
            assert_eq!(refused.reason(), "token_signature");
        }
        tokens.push(token);
        sleep(step.saturating_sub(started.elapsed())).await;
    }
    for load in loads {
        answers += assert_all_passed(load.outcome().await);
    }
    let fetches = provider.count("jwks").await - before;
    let earned = u64::try_from(begun.elapsed().as_millis() / interval).unwrap_or(u64::MAX);
    tell(&format!(
        "{ROTATIONS} rotations: {fetches} fetches, {answers} answers, none refused"
    ));
    assert!(
        (10..=5 + earned).contains(&fetches),
        "{fetches} fetches for {ROTATIONS} keys; the budget is 5 and {earned}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_killed_and_comes_back_refuses_no_token_of_a_known_key() {
    let mut provider = Oidc::start().await;
    let world = world(&provider, "      refresh: 1s\n").await;
    let token = provider.token("alice", "docs").await;
    let away = seconds().saturating_sub(3);
    let loading = load(&world, &token, 4, seconds());
    sleep(Duration::from_millis(500)).await;
    provider.process.kill();
    sleep(Duration::from_secs(away.into())).await;
    let metrics = world.subzero.metrics().await;
    let failed = [("upstream", "keys:provider"), ("outcome", "connect")];
    let failed = metrics.count("subzero_upstream_requests_total", &failed);
    // `refresh` bounds the pauses from above, and chance makes them half as long at most.
    let most = (u64::from(away) + 1) * 2;
    assert!((1..=most).contains(&failed), "{failed} tries in {away} s");
    provider.revive().await;
    let answers = assert_all_passed(loading.outcome().await);
    tell(&format!(
        "away for {away} s: {failed} tries, {answers} answers, none refused"
    ));

    provider.rotate(false).await;
    let new = provider.token("alice", "docs").await;
    let me = async |token: &str| world.send(Request::get("/me").bearer(token)).await;
    // Its breaker may have opened meanwhile; then it is asked once that lets go.
    let patience = Instant::now() + BREAKER_OPEN_FOR + Duration::from_secs(5);
    while me(&new).await.status != 200 {
        assert!(Instant::now() < patience, "it is not asked again");
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(me(&token).await.reason(), "token_signature");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_unknown_keys_causes_the_budgeted_fetches_and_delays_nobody() {
    let provider = Oidc::start().await;
    let settings = "      unknown_kid_burst: 3\n      unknown_kid_interval: 2s\n";
    let world = world(&provider, settings).await;
    let token = provider.token("alice", "docs").await;
    let before = provider.count("jwks").await;
    let seconds = seconds();
    let started = Instant::now();
    let flood = Load::with_script(
        world.envoy.address,
        "/me",
        &flood(&provider.issuer),
        2,
        seconds,
    );
    let good = load(&world, &token, 2, seconds);
    let (flood, good) = (flood.outcome().await, good.outcome().await);
    let took = started.elapsed().as_secs();
    let answers = assert_all_passed(good);
    assert_eq!(flood.refused, flood.answers, "{flood:?}");
    assert!(flood.answers >= 200, "no flood: {flood:?}");
    let caused = provider.count("jwks").await - before;
    let budget = 3 + took / 2 + 1;
    tell(&format!(
        "{} unknown keys in {took} s: {caused} fetches, {answers} good answers, none refused",
        flood.answers
    ));
    assert!(
        (1..=budget).contains(&caused),
        "{caused} fetches for {} unknown keys in {took} s",
        flood.answers
    );
}

/// A script for `wrk` that sends a token with another invented key id each time.
fn flood(issuer: &str) -> String {
    format!(
        r#"
local digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
local function encode(text)
  local out = {{}}
  for at = 1, #text, 3 do
    local a, b, c = text:byte(at, at + 2)
    local bits = a * 65536 + (b or 0) * 256 + (c or 0)
    local count = c and 4 or b and 3 or 2
    for place = 1, count do
      local digit = math.floor(bits / 64 ^ (4 - place)) % 64
      out[#out + 1] = digits:sub(digit + 1, digit + 1)
    end
  end
  return table.concat(out)
end
local payload = encode('{{"iss":"{issuer}","sub":"mallory"}}')
local signature = string.rep('A', 342)
local number = 0
request = function()
  number = number + 1
  local header = encode('{{"alg":"RS256","kid":"invented-' .. number .. '"}}')
  local token = header .. '.' .. payload .. '.' .. signature
  return wrk.format('GET', nil, {{ ['authorization'] = 'Bearer ' .. token }})
end
"#
    )
}
