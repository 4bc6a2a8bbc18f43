//! Screening a body: the one step of a check that can take long enough to leave its thread.
//!
//! Up to some tens of kilobytes a body is cheaper where it is. One that would hold the thread for
//! longer than the hold limit goes to the pool, before everything else there, because other checks
//! wait on this thread. And what is predicted to take much longer than it costs to share is done
//! once for all who send the same at the same time ([`coalesce::is_worth`]). So are prompts that the API
//! is asked about.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Pipeline, Ran, Stage, Stop};
use crate::{
    check::{Body, HttpRequest},
    coalesce,
    dispatch::{Choice, Dispatcher, Lane, Operation, Refused, Strategy, Weight, Work},
    screening::{self, Batch, Findings, Prompt, Requirement, Screener},
    verdict::Reason,
};

/// What is in a body, or why that cannot be said; the outer error, that nobody could look.
pub(super) type Screened = Result<Result<Findings, screening::Error>, Reason>;

/// What is in a prompt, or why it could not be read.
pub(super) type Found = Result<Findings, screening::Error>;

async fn look(dispatcher: Dispatcher, batch: Batch, until: Instant) -> Result<Found, Refused> {
    let batch = Arc::new(batch.by(until));
    let done = dispatcher.run(batch, Lane::High, Some(until)).await?;
    done.outputs.into_iter().next().ok_or(Refused::Panicked)
}

/// Finding out what is in one body, apart from who asked.
struct Job {
    choice: Choice,
    deadline: Instant,
    dispatcher: Dispatcher,
    request: HttpRequest,
    screener: Arc<Screener>,
    want: Requirement,
}

/// What was seen in one body.
pub(super) struct Look {
    pub(super) found: Result<Findings, screening::Error>,
    pub(super) ran: Ran,
}

impl Pipeline {
    /// What is in the body, or why that cannot be said; stopped when the pool cannot take it.
    pub(super) async fn screen(
        &self,
        request: &HttpRequest,
        want: &Requirement,
        deadline: Instant,
    ) -> Result<Look, Stop> {
        let started = Instant::now();
        let choice = self
            .dispatcher
            .choose(Operation::Prompt, weight_of(request), Lane::Critical);
        let found = self.find(&choice, request, want, deadline).await;
        Ok(Look {
            found: found.map_err(Stop::denied)?,
            ran: Ran::of(Stage::Screening, &choice, started.elapsed()),
        })
    }

    /// What that would take in place.
    pub(super) fn foresee_screening(&self, request: &HttpRequest) -> Duration {
        self.dispatcher
            .foresee(Operation::Prompt, weight_of(request))
    }

    /// What is in `prompt`, or why it could not be read; found out once for all who ask the same at
    /// the same time, where that is worth it.
    ///
    /// # Errors
    ///
    /// That nobody could look: too late, too much at once, or a defect of ours.
    pub async fn screen_prompt(
        &self,
        prompt: &Prompt,
        want: Requirement,
        deadline: Instant,
    ) -> Result<Found, Refused> {
        let batch = Batch::new(Arc::clone(&self.screener), vec![prompt.clone()], want);
        let predicted = self.dispatcher.foresee(Operation::Prompt, batch.weight(0));
        if !coalesce::is_worth(predicted, prompt.bytes().len()) {
            return look(self.dispatcher.clone(), batch, deadline).await;
        }
        let until = deadline.max(Instant::now() + LEAST);
        let lead = || look(self.dispatcher.clone(), batch, until);
        let key = self.screener.prompt_key(prompt, &want);
        let found = self.texts.join(key, deadline, lead).await;
        found.unwrap_or_else(|error| {
            Err(match error {
                coalesce::Error::Deadline | coalesce::Error::Overdue => Refused::Deadline,
                coalesce::Error::Lost => Refused::Panicked,
            })
        })
    }

    async fn find(
        &self,
        choice: &Choice,
        request: &HttpRequest,
        want: &Requirement,
        deadline: Instant,
    ) -> Screened {
        let is_shared = coalesce::is_worth(choice.predicted(), bytes_of(request));
        let key = is_shared
            .then(|| self.screener.key(request, want))
            .flatten();
        let job = |deadline, request: HttpRequest| Job {
            choice: *choice,
            deadline,
            dispatcher: self.dispatcher.clone(),
            request,
            screener: Arc::clone(&self.screener),
            want: *want,
        };
        match key {
            Some(key) => {
                let until = deadline.max(Instant::now() + LEAST);
                let lead = || job(until, request.clone()).done();
                let found = Box::pin(self.prompts.join(key, deadline, lead)).await;
                found.unwrap_or_else(|error| {
                    Err(match error {
                        coalesce::Error::Deadline | coalesce::Error::Overdue => Reason::Deadline,
                        coalesce::Error::Lost => Reason::Internal,
                    })
                })
            }
            None if choice.strategy() == Strategy::Pool => {
                Box::pin(job(deadline, request.clone()).done()).await
            }
            None => {
                let started = Instant::now();
                let found = self.screener.screen(request, want, deadline);
                told(&self.dispatcher, choice, &found, started.elapsed());
                Ok(found)
            }
        }
    }
}

impl Job {
    async fn done(self) -> Screened {
        let Self {
            choice,
            deadline,
            dispatcher,
            request,
            screener,
            want,
        } = self;
        if choice.strategy() == Strategy::Pool {
            let screen = move || screener.screen(&request, &want, deadline);
            let offloaded = dispatcher.offload(&choice, Lane::Critical, Some(deadline), screen);
            return offloaded.await.map_err(|refused| match refused {
                Refused::Deadline => Reason::Deadline,
                Refused::Overloaded(_) => Reason::Overloaded,
                Refused::Panicked => Reason::Internal,
            });
        }
        let started = Instant::now();
        let found = screener.screen(&request, &want, deadline);
        told(&dispatcher, &choice, &found, started.elapsed());
        Ok(found)
    }
}

fn weight_of(request: &HttpRequest) -> Weight {
    Weight {
        bytes: bytes_of(request),
        ..Weight::OF_A_CHECK
    }
}

/// Tells the dispatcher how long it took. What was known before teaches it nothing: a chat sent again
/// takes no time, and the next body of its size takes all of it.
fn told(dispatcher: &Dispatcher, choice: &Choice, found: &Found, took: Duration) {
    if found.as_ref().is_ok_and(Findings::is_remembered) {
        dispatcher.ran_in_part(choice, took);
    } else {
        dispatcher.ran(choice, took);
    }
}

/// How much there is to look at.
fn bytes_of(request: &HttpRequest) -> usize {
    match &request.body {
        Body::Complete(body) => body.len(),
        // Refused without a look.
        Body::Absent | Body::Partial(_) => 0,
    }
}

/// The least that a body may take which several callers wait for, however little time the first of
/// them has: the worst body of the greatest size takes some tens of milliseconds, beside its wait for
/// the pool.
const LEAST: Duration = Duration::from_secs(2);

/// What takes longer than any check may is lost.
pub(super) const LAST_RESORT: Duration = Duration::from_mins(1);
