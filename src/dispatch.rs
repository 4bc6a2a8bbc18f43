//! Runs each piece of work where measurement says: in place, or spread over a pool of threads.
//!
//! ```text
//! Work -> predicted cost (cost) -> in place | in place, vectorised | pool -> outputs in order
//!              ^------------------ what it really took ------------------'
//! ```
//!
//! # What a reader would get wrong
//!
//! The pool is the exception. Waking a thread that sleeps costs tens of microseconds, so one check's
//! work is nearly always cheaper where it is; batches are what the pool is for. And a batch never
//! holds the thread it runs on: it goes piece by piece and lets others in between.
//!
//! # Cost
//!
//! A decision takes some tens of nanoseconds and no lock.

mod work;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

pub use self::work::{Done, Lane, Nature, Operation, Refused, Report, Strategy, Weight, Work};

/// Decides where work runs, runs it there, and learns from what it took. Clones share everything.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {}

impl Dispatcher {
    /// A dispatcher that runs everything in place: for commands and tests that need no pool.
    #[must_use]
    pub fn in_place() -> Self {
        Self {
            inner: Arc::new(Inner {}),
        }
    }

    /// Runs every item of `work` and returns the outputs in the order of the items.
    ///
    /// # Errors
    ///
    /// That the lane is full, that `deadline` passed first, or that an item panicked; never a part
    /// of the outputs.
    pub async fn run<W: Work>(
        &self,
        work: Arc<W>,
        _lane: Lane,
        deadline: Option<Instant>,
    ) -> Result<Done<W::Output>, Refused> {
        let _ = &self.inner;
        let started = Instant::now();
        let mut outputs = Vec::with_capacity(work.len());
        for item in 0..work.len() {
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return Err(Refused::Deadline);
            }
            outputs.extend(work.run(item..item + 1));
            tokio::task::yield_now().await;
        }
        let bytes = (0..work.len()).map(|item| work.weight(item).bytes).sum();
        let report = Report {
            operation: W::OPERATION,
            strategy: Strategy::Inline,
            items: work.len(),
            bytes,
            predicted_us: 0.0,
            actual_us: started.elapsed().as_secs_f64() * 1e6,
            break_even_items: None,
        };
        Ok(Done { outputs, report })
    }

    /// Counts something that was waited for: a fetch, a call to another service.
    pub fn waited(&self, _operation: Operation, _took: Duration) {
        let _ = &self.inner;
    }
}
