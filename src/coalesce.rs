//! Identical work in flight is done once: whoever asks the same meanwhile waits for the answer.
//!
//! ```text
//! join(key) -> nobody is on it: a task of its own finds the answer, with a limit of its own
//!           -> somebody is:     wait, no longer than one's own deadline
//! ```
//!
//! # What a reader would get wrong
//!
//! The first caller is not the leader: the leader is a task that nobody can cancel, so a caller who
//! hangs up fails nobody else, and who waits longest does not depend on who came first. Nothing is
//! kept: an answer is gone once those who waited for it have it, errors included. And the answer is
//! a *core*, the same for all: headers, ids and deadlines are each caller's own to add.
//!
//! What identical means is the [`Key`]'s business. What may change between the leader's look and the
//! follower's answer (a revocation, the clock) is looked at again by the follower.
//!
//! # When it is worth it
//!
//! A flight costs about a microsecond and its key some tenths of one, so [`is_worth`] asks what the
//! work is predicted to take: only what takes twenty times as long, or waits for somebody else, is
//! shared. A permission from the embedded engine or a token proven before is not. Work that fills its
//! thread is worth it too: the leader's task comes after all callers that are ready, so a herd on one
//! thread finds it under way.
//!
//! # Cost
//!
//! Leading: a task, two locks and a timer, 1.6 µs. Following: three locks, 0.6 to 0.8 µs
//! in a herd of 1,000, its key included; a library's shared future, which has neither key nor deadline, takes
//! 0.4 to 0.6 on the same hosts (`benches/burst.rs`).

mod flights;
mod metrics;
mod sync;
mod waiting;

use std::{
    fmt,
    future::poll_fn,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use tokio::time::{sleep_until, timeout_at};

use self::flights::{Boarded, Flights, Landing};
pub use self::{
    metrics::{Metrics, Series},
    waiting::Joined,
};
use crate::{check::Key, threads};

/// What is done once: the metric label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Fetching an issuer's key set.
    Keys,
    /// Asking a permission engine.
    Permission,
    /// Screening a body or a text.
    Prompt,
    /// Verifying a token, introspecting it, or asking a token endpoint.
    Token,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Keys, Self::Permission, Self::Prompt, Self::Token];

    /// Label and log word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Permission => "permission",
            Self::Prompt => "prompt",
            Self::Token => "token",
        }
    }
}

/// Why there is no answer: none of them says anything about what was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The caller's deadline passed; the work goes on for others.
    #[error("no answer before the deadline")]
    Deadline,
    /// The work panicked, or its runtime ended.
    #[error("the work ended without an answer")]
    Lost,
    /// The work took longer than its limit.
    #[error("the work took longer than its limit")]
    Overdue,
}

/// Does identical work once. Clones share what is under way.
///
/// `V` is cloned once a caller: make it small, or an [`Arc`].
pub struct Coalescer<V> {
    inner: Arc<Inner<V>>,
}

struct Inner<V> {
    flights: Arc<Flights<Key, Answer<V>>>,
    kind: Kind,
    limit: Duration,
    series: Series,
}

type Answer<V> = Result<V, Error>;

impl<V: Clone + Send + Sync + 'static> Coalescer<V> {
    /// For work of `kind`, none of which takes longer than `limit`: whatever takes longer has
    /// failed. The work bounds itself too, by timeouts that it can name; this is the last resort.
    #[must_use]
    pub fn new(kind: Kind, limit: Duration, metrics: &Metrics) -> Self {
        Self::made(
            kind,
            limit,
            metrics.of(kind),
            Flights::new(SHARDS, MOST_FLIGHTS),
        )
    }

    fn made(kind: Kind, limit: Duration, series: Series, flights: Flights<Key, Answer<V>>) -> Self {
        Self {
            inner: Arc::new(Inner {
                flights: Arc::new(flights),
                kind,
                limit,
                series,
            }),
        }
    }

    /// The answer to what `key` stands for: of the work under way, else of what `lead` begins.
    /// Waits until `deadline` at most.
    ///
    /// Must be called inside a runtime that goes on, since the work is a task there. It begins at once,
    /// so that what is awaited carries neither the key nor what the work is made of.
    pub fn join<F>(&self, key: Key, deadline: Instant, lead: impl FnOnce() -> F) -> Joined<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let Inner {
            flights, series, ..
        } = &*self.inner;
        let wait = match Flights::board(flights, key) {
            Boarded::Follow(wait) => {
                series.follows();
                wait
            }
            Boarded::Full => {
                series.leads();
                return Joined::by_itself(bounded(deadline, lead(), Error::Deadline));
            }
            Boarded::Lead(landing, wait) => {
                self.take_off(landing, deadline, lead());
                wait
            }
        };
        Joined::to(wait, deadline)
    }

    /// Begins the work for `key` unless it is under way, and waits for nothing.
    pub fn begin<F>(&self, key: Key, lead: impl FnOnce() -> F)
    where
        F: Future<Output = V> + Send + 'static,
    {
        match Flights::board(&self.inner.flights, key) {
            Boarded::Follow(_) | Boarded::Full => {}
            Boarded::Lead(landing, _) => {
                let nobody_waits = Instant::now() + self.inner.limit;
                self.take_off(landing, nobody_waits, lead());
            }
        }
    }

    /// How much is under way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner.flights.len()
    }

    /// `first` is the deadline of who came first: whoever comes after it rather waits longer.
    fn take_off<F>(&self, landing: Landing<Key, Answer<V>>, first: Instant, work: F)
    where
        F: Future<Output = V> + Send + 'static,
    {
        self.inner.series.leads();
        let inner = Arc::clone(&self.inner);
        let now = Instant::now();
        let until = now + inner.limit;
        // Before anybody follows, so that all of a herd rely on it.
        let next = landing.watch(now, threads::number(), first.min(until));
        // Nobody keeps the handle, so nobody can abort it.
        tokio::spawn(async move {
            let answer = watching(&landing, next, until, work).await;
            let answered = answer.is_ok();
            inner.series.landed(landing.land(answer), answered);
        });
    }
}

/// Whether work that is predicted to take so long should be shared, by a key over so many bytes.
#[must_use]
pub fn is_worth(predicted: Duration, key_bytes: usize) -> bool {
    // Saturates at hundreds of years.
    let bytes = u32::try_from(key_bytes).unwrap_or(u32::MAX);
    predicted >= (A_FLIGHT + A_KIB / 1_024 * bytes) * WORTH
}

impl<V> Clone for Coalescer<V> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<V> fmt::Debug for Coalescer<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, limit, .. } = &*self.inner;
        write!(f, "Coalescer({}, {limit:?})", kind.as_str())
    }
}

/// What comes of `work`, if it comes before `until`. Looks after those who wait meanwhile, at `next` for
/// the first time.
async fn watching<V, F: Future<Output = V>>(
    landing: &Landing<Key, Answer<V>>,
    next: Instant,
    until: Instant,
    work: F,
) -> Answer<V> {
    // AssertUnwindSafe: after a panic nothing of the work is used.
    let mut work = pin!(AssertUnwindSafe(work).catch_unwind());
    let mut timer = pin!(sleep_until(next.into()));
    poll_fn(|context| {
        if let Poll::Ready(answer) = work.as_mut().poll(context) {
            return Poll::Ready(answer.map_err(|_| Error::Lost));
        }
        while timer.as_mut().poll(context).is_ready() {
            let now = Instant::now();
            if now >= until {
                return Poll::Ready(Err(Error::Overdue));
            }
            let next = landing.watch(now, threads::number(), until);
            timer.as_mut().reset(next.into());
        }
        Poll::Pending
    })
    .await
}

/// What comes of `work`, if it comes before `until`.
async fn bounded<F: Future>(until: Instant, work: F, late: Error) -> Answer<F::Output> {
    // AssertUnwindSafe: after a panic nothing of the work is used.
    match timeout_at(until.into(), AssertUnwindSafe(work).catch_unwind()).await {
        Ok(answer) => answer.map_err(|_| Error::Lost),
        Err(_) => Err(late),
    }
}

/// What a flight that nobody joins costs, and a KiB of its key (`benches/burst.rs`).
const A_FLIGHT: Duration = Duration::from_micros(2);
const A_KIB: Duration = Duration::from_nanos(1_024 / 4);

/// Nobody joins most flights, so they may add a twentieth to what is done in them.
const WORTH: u32 = 20;

/// Parts of the table that are locked apart: more than there are threads that answer checks.
const SHARDS: usize = 16;

/// Most flights of one coalescer. A leader outlives callers that hang up, so their number alone
/// would not bound it; beyond this, work is done in the caller's own time and ends with it.
const MOST_FLIGHTS: usize = 16 << 10;

#[cfg(test)]
mod tests;
