//! Measures this machine: what each operation's items cost, what a hand-off costs, how well work
//! spreads.
//!
//! # What a reader would get wrong
//!
//! It measures what is served, not something like it: the batches behind the doors, with the
//! screener that answers them. Nobody waits for it. Until an operation is measured its costs are
//! guesses, which work corrects; afterwards, too, what work really takes has the last word.
//!
//! # Cost
//!
//! [`Effort::Brief`]: about 70 ms of one core at low priority, and 40 ms of sleep. With less than a
//! core it rests four times as long as it works, so that the quota is left to checks.

mod probe;

use std::{sync::Arc, thread};

use thread_priority::{ThreadPriority, set_current_thread_priority};

use self::probe::Alone;
pub use self::probe::{Length, Probes};
use crate::{
    dispatch::{Dispatcher, Effort, Operation, Work},
    screening::Screener,
};

/// Measures all there is. Before each step it `tell`s how many of [`STEPS`] are done.
pub fn measure(
    dispatcher: &Dispatcher,
    screener: &Arc<Screener>,
    effort: Effort,
    mut tell: impl FnMut(usize, &str) + Send,
) {
    let probes = Probes::new(Arc::clone(screener));
    // On a thread of its own, since a priority once given up does not come back, and hand-offs are
    // measured as those see them who have kept theirs.
    thread::scope(|scope| {
        scope.spawn(|| {
            give_way();
            for (done, operation) in Operation::ALL.into_iter().enumerate() {
                tell(done, operation.as_str());
                measure_operation(dispatcher, operation, &probes, effort);
            }
        });
    });
    tell(STEPS - 2, "handoff");
    dispatcher.measure_handoff(effort);
    tell(STEPS - 1, "pool");
    dispatcher.measure_spread(|items| probes.hash(Length::Long, items), effort);
    tell(STEPS, "");
}

fn give_way() {
    // Where it is not allowed, it takes its fair share.
    if let Ok(low) = LOW_PRIORITY.try_into() {
        let _ = set_current_thread_priority(ThreadPriority::Crossplatform(low));
    }
}

fn measure_operation(
    dispatcher: &Dispatcher,
    operation: Operation,
    probes: &Probes,
    effort: Effort,
) {
    match operation {
        Operation::Analytics => {
            let records = probes.analytics(8 << 10);
            dispatcher.measure(&records, &records, effort);
        }
        Operation::Hash => {
            let items = |length| probes.hash(length, 32);
            dispatcher.measure(&items(Length::Usual), &items(Length::Long), effort);
        }
        Operation::Jwt => {
            for class in probes.token_classes() {
                let tokens = |length| probes.jwt(class, length, 2);
                dispatcher.measure(&tokens(Length::Usual), &tokens(Length::Long), effort);
            }
            let class = probes.token_classes().next().unwrap_or_default();
            let tokens = probes.jwt(class, Length::Usual, 2);
            alone(dispatcher, tokens, None, effort);
        }
        Operation::Pattern => {
            for regex in [false, true] {
                let texts = |length| probes.pattern(regex, length, 16);
                dispatcher.measure(&texts(Length::Usual), &texts(Length::Long), effort);
            }
        }
        Operation::Permission => {
            for tuples in [false, true] {
                let questions = |length| probes.permission(tuples, length, 32);
                dispatcher.measure(&questions(Length::Usual), &questions(Length::Long), effort);
            }
            let questions = probes.permission(false, Length::Usual, 32);
            alone(dispatcher, questions, None, effort);
        }
        Operation::Prompt => {
            let prompts = |length| probes.prompt(length, 4);
            dispatcher.measure(&prompts(Length::Usual), &prompts(Length::Long), effort);
            let bodies = |length| probes.body(length, 4);
            dispatcher.measure(&bodies(Length::Usual), &bodies(Length::Long), effort);
            alone(
                dispatcher,
                bodies(Length::Usual),
                Some(bodies(Length::Long)),
                effort,
            );
        }
        Operation::Risk => {
            let events = probes.risk(4 << 10);
            dispatcher.measure(&events, &events, effort);
        }
    }
}

/// Measures what checks bring: one item at a time, whose length they tell where there are long ones.
fn alone<W: Work>(dispatcher: &Dispatcher, usual: W, long: Option<W>, effort: Effort) {
    let is_weighed = long.is_some();
    let usual = Alone {
        work: usual,
        is_weighed,
    };
    match long {
        Some(work) => dispatcher.measure(&usual, &Alone { work, is_weighed }, effort),
        None => dispatcher.measure(&usual, &usual, effort),
    }
}

/// Every operation, the hand-off, the pool.
pub const STEPS: usize = Operation::ALL.len() + 2;

/// A quarter of the way up: gives way to everybody, and still gets there on a busy machine.
const LOW_PRIORITY: u8 = 25;

#[cfg(test)]
mod tests;
