//! One item of a check: nearly always in place, so the caller runs it and tells what it took.

use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Dispatcher, Load, Strategy,
    choose::Plan,
    work::{Lane, Operation, Refused, Weight, Work},
};

/// Where one item runs.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Choice {
    operation: Operation,
    load: Load,
    plan: Plan,
}

impl Choice {
    /// Where.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.plan.strategy
    }

    /// What it is expected to take there.
    #[must_use]
    pub fn predicted(&self) -> Duration {
        Duration::from_nanos(self.plan.predicted_ns as u64)
    }
}

impl Dispatcher {
    /// Decides where one item of `operation` runs. Follow with [`Dispatcher::ran`] when it is in
    /// place, with [`Dispatcher::offload`] when it is [`Strategy::Pool`].
    pub fn choose(&self, operation: Operation, weight: Weight, lane: Lane) -> Choice {
        let load = Load::one(self.inner.costs.of(operation, weight));
        let plan = self.inner.plan(operation, &load, 1, lane);
        self.chosen(operation, load, plan)
    }

    /// Foretells one item that runs in place whatever it costs, since it waits for others or holds
    /// what cannot be handed over. Follow with [`Dispatcher::ran`].
    pub fn stay(&self, operation: Operation, weight: Weight) -> Choice {
        let load = Load::one(self.inner.costs.of(operation, weight));
        let plan = Plan::here(operation, &load);
        self.chosen(operation, load, plan)
    }

    /// What one item of `operation` would take in place. Decides nothing.
    #[must_use]
    pub fn foresee(&self, operation: Operation, weight: Weight) -> Duration {
        let load = Load::one(self.inner.costs.of(operation, weight));
        Duration::from_nanos(Plan::here(operation, &load).predicted_ns as u64)
    }

    fn chosen(&self, operation: Operation, load: Load, plan: Plan) -> Choice {
        let tally = &self.inner.metrics.tally;
        tally.decided(operation, plan.strategy, plan.predicted_ns as u64);
        Choice {
            operation,
            load,
            plan,
        }
    }

    /// Learns that what was chosen to run in place took this long.
    pub fn ran(&self, choice: &Choice, took: Duration) {
        let ns = took.as_nanos() as f64;
        self.inner.costs.learn(&choice.load.estimate(), ns);
        self.ran_in_part(choice, took);
        self.inner.regret(choice.operation, &choice.plan, ns);
    }

    /// Counts what was chosen to run in place and had been done in part before, from which nothing
    /// is learnt.
    pub fn ran_in_part(&self, choice: &Choice, took: Duration) {
        let tally = &self.inner.metrics.tally;
        let ns = took.as_nanos() as u64;
        tally.ended(choice.operation, choice.plan.strategy, ns);
    }

    /// Runs `item` on the pool.
    ///
    /// # Errors
    ///
    /// As [`Dispatcher::run`].
    pub async fn offload<T: Send + 'static>(
        &self,
        choice: &Choice,
        lane: Lane,
        deadline: Option<Instant>,
        item: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let started = Instant::now();
        let Some(pool) = &self.inner.pool else {
            return Ok(item());
        };
        let once = Arc::new(Once(Mutex::new(Some(item))));
        let outputs = self
            .inner
            .on_the_pool(pool, once, lane, deadline, &choice.load, &choice.plan)
            .await?;
        let ns = started.elapsed().as_nanos() as f64;
        self.inner
            .metrics
            .tally
            .ended(choice.operation, Strategy::Pool, ns as u64);
        self.inner.regret(choice.operation, &choice.plan, ns);
        outputs.into_iter().next().ok_or(Refused::Panicked)
    }

    /// Counts something that was waited for, a fetch or a call to another service, as strategy
    /// `async` of the operation on whose behalf it was made. Only tokens and permissions have it.
    pub fn waited(&self, operation: Operation, took: Duration) {
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let tally = &self.inner.metrics.tally;
        tally.decided(operation, Strategy::Async, ns);
        tally.ended(operation, Strategy::Async, ns);
    }
}

/// A closure as work of one item.
struct Once<F>(Mutex<Option<F>>);

impl<T, F> Work for Once<F>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    // Read by nobody: the choice has been made, and counted, under its own operation.
    const OPERATION: Operation = Operation::Prompt;
    type Output = T;

    fn len(&self) -> usize {
        1
    }

    fn weight(&self, _item: usize) -> Weight {
        Weight::default()
    }

    fn run(&self, _items: Range<usize>) -> Vec<T> {
        let item = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        item.map(|item| item()).into_iter().collect()
    }
}
