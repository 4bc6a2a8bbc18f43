//! The soak: two replicas under mixed load while each of their services fails in each way, and facts
//! change. Nothing is allowed that should not be, and what the replicas hold does not grow.
//!
//! Short and light here; `SUBZERO_TEST_SECONDS` (`make soak`: 900) says how long otherwise, and then
//! as many questions are put as a fleet would.

mod callers;
mod questions;
mod report;
mod site;
mod steps;
mod truth;

use std::{
    env,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::time::sleep;

use self::{
    callers::Callers,
    questions::{EMBEDDED, REMOTE},
    report::{Held, Tally, held, thirds},
    site::{Servers, Site},
    steps::{Director, ROUND, Step},
    truth::Worth,
};

/// How long it takes when nobody wants more.
const SECONDS: u64 = 12;

/// How much is asked.
struct Load {
    /// Questions a second, and callers of each topic.
    rate: u32,
    each: u32,
    /// Out of so many one may be undecided though nothing fails: a starved machine cannot keep to the
    /// deadlines of what is asked.
    late_one_in: u64,
}

/// When nobody wants more, beside all other tests.
const LIGHT: Load = Load {
    rate: 60,
    each: 1,
    late_one_in: 10,
};

const SOAK: Load = Load {
    rate: 5_000,
    each: 6,
    late_one_in: 100,
};

/// A run of so long has three rounds, and its thirds can be compared.
const COMPARABLE: Duration = Duration::from_mins(5);

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What may be open beyond what was before the load: connections kept for the next call.
const KEPT_OPEN: u64 = 16;

#[expect(clippy::print_stdout, reason = "`make soak` shows what was counted")]
fn tell(text: &str) {
    println!("{text}");
}

/// What each replica holds.
fn holding(site: &Site) -> [Held; 2] {
    let replicas = site.replicas.each_ref();
    replicas.map(|replica| Held::by(&replica.process))
}

/// Looks every second, until it is aborted.
async fn watch(site: Arc<Site>, samples: Arc<Mutex<Vec<[Held; 2]>>>) {
    loop {
        let held = holding(&site);
        samples.lock().expect("no panic").push(held);
        sleep(Duration::from_secs(1)).await;
    }
}

/// Has everything happen in turn, the same in each round, until so much time has passed; how many
/// things did.
async fn direct(director: &mut Director, total: Duration, rounds: u32, turn: Duration) -> u32 {
    let began = Instant::now();
    let steps = (0..rounds).flat_map(|_| ROUND);
    let mut happened = 0;
    for step in steps {
        sleep((turn * happened).saturating_sub(began.elapsed())).await;
        if began.elapsed() >= total {
            break;
        }
        director.take(step).await;
        happened += 1;
    }
    sleep(total.saturating_sub(began.elapsed())).await;
    happened
}

/// When all is over, nothing is left of it but connections for the next call.
async fn until_let_go(site: &Site, before: [Held; 2]) {
    let began = Instant::now();
    loop {
        let after = holding(site);
        let is_left = |at: usize| {
            let open = before[at].descriptors + KEPT_OPEN;
            after[at].threads > before[at].threads || after[at].descriptors > open
        };
        if !is_left(EMBEDDED) && !is_left(REMOTE) {
            return;
        }
        let waited = began.elapsed();
        assert!(
            waited < PATIENCE,
            "held before: {before:?}, after: {after:?}"
        );
        sleep(Duration::from_millis(100)).await;
    }
}

fn assert_flat(name: &str, [_, middle, last]: [Held; 3]) {
    let most = middle.bytes + middle.bytes / 20;
    assert!(last.bytes <= most, "{name}: memory grows");
    assert!(last.threads <= middle.threads, "{name}: threads are left");
    let most = middle.descriptors + KEPT_OPEN;
    assert!(last.descriptors <= most, "{name}: descriptors are left");
}

#[tokio::test(flavor = "multi_thread")]
async fn through_every_fault_nothing_wrong_is_allowed_and_nothing_grows() {
    let wanted = env::var("SUBZERO_TEST_SECONDS").ok();
    let seconds = wanted.as_ref().map_or(SECONDS, |seconds| {
        seconds.parse().expect("SUBZERO_TEST_SECONDS is a number")
    });
    let total = Duration::from_secs(seconds);
    let load = wanted.map_or(LIGHT, |_| SOAK);
    let rate = env::var("SUBZERO_TEST_RATE").map_or(load.rate, |rate| {
        rate.parse().expect("SUBZERO_TEST_RATE is a number")
    });
    let rounds = if total >= COMPARABLE { 3 } else { 1 };
    let turn = total / (rounds * u32::try_from(ROUND.len()).expect("few"));
    let servers = Servers::start().await;
    let site = Arc::new(Site::start(&servers).await);
    let tally = Arc::new(Tally::default());
    let hold = (turn * 2 / 5).max(Duration::from_millis(200));
    let mut director = Director::new(&site, servers, &tally, hold);
    // So that there are revoked tokens and withdrawn keys from the first question on.
    for step in [
        Step::Revoked,
        Step::Revoked,
        Step::KeysRotated,
        Step::KeysRotated,
    ] {
        director.take(step).await;
    }

    let (before, samples) = (holding(&site), Arc::default());
    let watching = tokio::spawn(watch(Arc::clone(&site), Arc::clone(&samples)));
    let began = Instant::now();
    let callers = Callers::start(&site, &tally, load.each, rate).await;
    let happened = direct(&mut director, total, rounds, turn).await;
    callers.finish().await;
    let took = began.elapsed();
    watching.abort();

    let counts = tally.finish();
    let (slowest, things) = (director.slowest, ROUND.len());
    tell(&counts.table(took, rate));
    tell(&format!(
        "{happened} of {rounds} x {things} things happened; revoked everywhere after {slowest:?} at most"
    ));
    let samples: Vec<[Held; 2]> = samples.lock().expect("no panic").clone();
    let names = [
        (EMBEDDED, "with a store file"),
        (REMOTE, "with a permission server"),
    ];
    let thirds = names.map(|(at, name)| {
        let own: Vec<Held> = samples.iter().map(|both| both[at]).collect();
        let thirds = thirds(&own);
        tell(&held(name, &thirds));
        (name, thirds)
    });
    assert_eq!(counts.worth(Worth::Wrong), 0, "see above");
    let late = counts.worth(Worth::Unexplained) + counts.worth(Worth::Shed);
    assert!(
        late * load.late_one_in <= counts.asked,
        "{late} were not decided, for no reason"
    );
    assert!(happened > 0 && counts.worth(Worth::Right) > 0);
    if total >= COMPARABLE {
        for (name, thirds) in thirds {
            assert_flat(name, thirds);
        }
    }
    until_let_go(&site, before).await;
}
