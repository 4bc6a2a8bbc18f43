//! Requests to the server and what its answers say, alone or several together.
//!
//! What a reader would get wrong: a batch that the server refuses as a whole is no answer to any of
//! its checks. One that is malformed in a way that only the server sees would else be everybody's
//! denial, so each is then asked about by itself.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{
    Metrics,
    models::{Model, Models},
    server::{Failure, Server},
    wire::{self, Item},
};
use crate::{
    dispatch::{Dispatcher, Gathering, Operation},
    permission::{Consistency, Error},
};

/// The way to answers.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) dispatcher: Dispatcher,
    pub(super) gathering: Gathering,
    pub(super) metrics: Metrics,
    pub(super) models: Models,
    pub(super) server: Server,
}

impl Exchange {
    /// The answer to one check.
    pub(super) async fn alone(
        &self,
        item: &Item,
        model: &Model,
        consistency: Consistency,
    ) -> Result<bool, Error> {
        let underway = self.gathering.send(1);
        let body = item.alone(&model.id, consistency);
        let deadline = Instant::now() + self.server.timeout();
        let answer = self.server.post("check", body, deadline).await;
        let answer = answer.map_err(|failure| self.failed(failure))?;
        self.dispatcher
            .waited(Operation::Permission, underway.answered());
        wire::read_alone(&answer).map_err(Error::Unavailable)
    }

    /// The answer to each of at most [`wire::MAX_TOGETHER`] checks, in their order. Waits for `most`,
    /// or as long as for a single check.
    pub(super) async fn together(
        &self,
        items: &[Item],
        model: &Model,
        consistency: Consistency,
        most: Option<Duration>,
    ) -> Vec<Result<bool, Error>> {
        if let [item] = items {
            return vec![self.alone(item, model, consistency).await];
        }
        let underway = self.gathering.send(items.len());
        #[expect(clippy::cast_precision_loss, reason = "at most fifty")]
        self.metrics.gathered.observe(items.len() as f64);
        let body = wire::together(items, &model.id, consistency);
        let deadline = Instant::now() + most.unwrap_or(self.server.timeout());
        let all = |error: Error| items.iter().map(|_| Err(error.clone())).collect();
        match self.server.post("batch-check", body, deadline).await {
            Ok(answer) => {
                self.dispatcher
                    .waited(Operation::Permission, underway.answered());
                let answers = wire::read_together(&answer, items.len());
                answers.unwrap_or_else(|why| all(Error::Unavailable(why)))
            }
            Err(Failure::Refused(refusal)) if !wire::is_about_the_model(&refusal.code) => {
                drop(underway);
                let each = items
                    .iter()
                    .map(|item| self.alone(item, model, consistency));
                join_all(each).await
            }
            Err(failure) => all(self.failed(failure)),
        }
    }

    fn failed(&self, failure: Failure) -> Error {
        if let Failure::Refused(refusal) = &failure
            && wire::is_about_the_model(&refusal.code)
        {
            self.models.look_soon();
        }
        failure.into()
    }
}
