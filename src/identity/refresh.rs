//! Keeps key sets fresh, one task an issuer.
//!
//! A set is fetched again long before it lapses. After a failure the next try comes sooner, then
//! ever later, never at the same moment on every replica; meanwhile the last good set serves.
//! Failures are logged when their cause changes, not each time.

use std::{
    collections::HashMap,
    convert::Infallible,
    hash::{BuildHasher, RandomState},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use super::{
    config::KeySource,
    issuer::Issuer,
    source::{Failure, Source},
};

/// Keeps every issuer in `work` fresh for as long as it is polled; dropping it stops all tasks.
pub(super) async fn run(
    issuers: Vec<Arc<Issuer>>,
    source: impl Fn(&Issuer) -> Source,
) -> Infallible {
    let mut tasks = JoinSet::new();
    let mut working = HashMap::new();
    let mut waiting = issuers;
    loop {
        for issuer in waiting.drain(..) {
            let task = keep_fresh(Arc::clone(&issuer), source(&issuer));
            working.insert(tasks.spawn(task).id(), issuer);
        }
        // A task ends only by a panic, which is a defect; the keys must not go stale over it.
        match tasks.join_next().await {
            None => std::future::pending().await,
            Some(Ok(never)) => match never {},
            Some(Err(error)) => {
                tracing::error!(%error, "a key refresh failed and is started again");
                waiting.extend(working.remove(&error.id()));
                tokio::time::sleep(FIRST_BACKOFF).await;
            }
        }
    }
}

async fn keep_fresh(issuer: Arc<Issuer>, mut source: Source) -> Infallible {
    let mut log = Log::default();
    let mut failures: u32 = 0;
    // An issuer that kept its keys through a reload is not due yet.
    let mut due = match issuer.confirmed() {
        Some(confirmed) => confirmed + pause(&issuer, 0),
        None => Instant::now(),
    };
    loop {
        let planned = tokio::select! {
            () = issuer.demand.asked() => false,
            () = tokio::time::sleep_until(due.into()) => true,
        };
        if planned {
            source.rediscover();
        }
        let flight = issuer.demand.begin();
        let before = failures;
        failures = if fetch(&issuer, &mut source, &mut log).await {
            0
        } else {
            failures.saturating_add(1)
        };
        drop(flight);
        // Tokens must not be able to put off the planned fetch by causing others.
        if planned || failures != before {
            due = Instant::now() + pause(&issuer, failures);
        }
    }
}

/// One fetch, good or not.
async fn fetch(issuer: &Issuer, source: &mut Source, log: &mut Log) -> bool {
    let fetched = source.fetch(&issuer.settings).await;
    match fetched {
        Ok(Some(keys)) => {
            log.fetched(issuer, keys.count());
            issuer.publish(keys);
            true
        }
        Ok(None) => {
            log.unchanged(issuer);
            issuer.confirm();
            true
        }
        Err(failure) => {
            log.failed(issuer, &failure);
            issuer.fail(failure);
            false
        }
    }
}

/// How long to leave the source alone after so many failures in a row.
fn pause(issuer: &Issuer, failures: u32) -> Duration {
    if matches!(issuer.settings.source, KeySource::File(_)) {
        return FILE_POLL;
    }
    let refresh = issuer.settings.refresh;
    if failures == 0 {
        return refresh.mul_f64(0.9 + 0.1 * chance());
    }
    let doubled = FIRST_BACKOFF * 2_u32.saturating_pow((failures - 1).min(16));
    let longest = doubled.min(LAST_BACKOFF).min(refresh);
    longest.mul_f64(0.5 + 0.5 * chance())
}

/// A number in 0..1 that differs between replicas.
pub(super) fn chance() -> f64 {
    let random = RandomState::new().hash_one(0);
    f64::from(u32::try_from(random >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// What has been said, so that it is said once.
#[derive(Default)]
struct Log {
    cause: Option<&'static str>,
    fetched: bool,
}

impl Log {
    fn fetched(&mut self, issuer: &Issuer, keys: usize) {
        if self.cause.take().is_some() || !self.fetched {
            tracing::info!(issuer = &*issuer.name, keys, "key set fetched");
        }
        self.fetched = true;
    }

    /// A file that could not be read for a while and is still the same.
    fn unchanged(&mut self, issuer: &Issuer) {
        if self.cause.take().is_some() {
            tracing::info!(issuer = &*issuer.name, "key set found unchanged");
        }
    }

    fn failed(&mut self, issuer: &Issuer, failure: &Failure) {
        if self.cause.replace(failure.cause) != Some(failure.cause) {
            let (cause, detail) = (failure.cause, &failure.detail);
            tracing::warn!(
                issuer = &*issuer.name,
                cause,
                detail,
                "cannot fetch the key set"
            );
        }
    }
}

/// How soon a failed fetch is tried again…
const FIRST_BACKOFF: Duration = Duration::from_secs(1);

/// …and how far apart the tries become. An issuer that is back is noticed within this time.
const LAST_BACKOFF: Duration = Duration::from_mins(1);

/// How often a key file is looked at.
const FILE_POLL: Duration = Duration::from_secs(1);
