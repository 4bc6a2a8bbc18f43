//! Screening a body: the one step of a check that can take long enough to leave its thread.
//!
//! Up to some tens of kilobytes a body is cheaper where it is. One that would hold the thread for
//! longer than the hold limit goes to the pool, before everything else there, because other checks
//! wait on this thread.

use std::{sync::Arc, time::Instant};

use super::{Pipeline, Progress, Stage, Stop};
use crate::{
    check::{Body, HttpRequest},
    dispatch::{Lane, Operation, Refused, Strategy, Weight},
    screening::{self, Findings, Requirement},
    verdict::Reason,
};

impl Pipeline {
    /// What is in the body, or why that cannot be said; stopped when the pool cannot take it.
    pub(super) async fn screen(
        &self,
        request: &HttpRequest,
        want: &Requirement,
        deadline: Instant,
        progress: &mut Progress,
    ) -> Result<Result<Findings, screening::Error>, Stop> {
        let bytes = match &request.body {
            Body::Complete(body) => body.len(),
            // Refused without a look.
            Body::Absent | Body::Partial(_) => 0,
        };
        let weight = Weight {
            bytes,
            ..Weight::OF_A_CHECK
        };
        let choice = self
            .dispatcher
            .choose(Operation::Prompt, weight, Lane::Critical);
        let started = Instant::now();
        let screened = if choice.strategy() == Strategy::Pool {
            let (screener, request, want) = (Arc::clone(&self.screener), request.clone(), *want);
            let screen = move || screener.screen(&request, &want, deadline);
            let offloaded =
                self.dispatcher
                    .offload(&choice, Lane::Critical, Some(deadline), screen);
            offloaded.await.map_err(|refused| {
                Stop::denied(match refused {
                    Refused::Deadline => Reason::Deadline,
                    Refused::Overloaded(_) => Reason::Overloaded,
                    Refused::Panicked => Reason::Internal,
                })
            })?
        } else {
            let screened = self.screener.screen(request, want, deadline);
            self.dispatcher.ran(&choice, started.elapsed());
            screened
        };
        progress.ran(Stage::Screening, &choice, started.elapsed());
        Ok(screened)
    }
}
