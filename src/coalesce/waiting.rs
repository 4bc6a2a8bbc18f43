//! Waiting for a flight, no longer than until a deadline.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tokio::time::{Sleep, sleep_until};

use super::{Answer, Error, flights::Wait};
use crate::threads;

/// The answer of a flight, or that the deadline passed.
pub(super) struct Waiting<V> {
    wait: Wait<Answer<V>>,
    deadline: Instant,
    has_begun: bool,
    /// Where who leads does not keep the time. On the heap, since most need none.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<V> Waiting<V> {
    pub(super) fn new(wait: Wait<Answer<V>>, deadline: Instant) -> Self {
        Self {
            wait: wait.until(deadline, threads::number()),
            deadline,
            has_begun: false,
            timer: None,
        }
    }
}

impl<V: Clone> Future for Waiting<V> {
    type Output = Answer<V>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer<V>> {
        let own = self.get_mut();
        if let Poll::Ready(answer) = Pin::new(&mut own.wait).poll(context) {
            return Poll::Ready(answer.unwrap_or(Err(Error::Lost)));
        }
        let is_over = if own.wait.is_watched() {
            // Whatever polls it again, it may be over.
            own.has_begun && Instant::now() >= own.deadline
        } else {
            let deadline = own.deadline.into();
            let timer = own
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            timer.as_mut().poll(context).is_ready()
        };
        own.has_begun = true;
        if is_over {
            return Poll::Ready(Err(Error::Deadline));
        }
        Poll::Pending
    }
}
