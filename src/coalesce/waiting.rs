//! Waiting for a flight, no longer than until a deadline.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use tokio::time::{Sleep, sleep_until};

use super::{Answer, Error, flights::Wait};
use crate::threads;

/// The answer that [`join`](super::Coalescer::join) promises.
#[must_use = "nothing waits for the answer unless it is awaited"]
pub struct Joined<V>(Way<V>);

enum Way<V> {
    /// Of the work under way.
    Flight(Waiting<V>),
    /// Of the caller's own work. On the heap: who waits for others' carries no room for it about.
    Own(Pin<Box<dyn Future<Output = Answer<V>> + Send>>),
}

impl<V> Joined<V> {
    pub(super) fn to(wait: Wait<Answer<V>>, deadline: Instant) -> Self {
        Self(Way::Flight(Waiting::new(wait, deadline)))
    }

    pub(super) fn by_itself(work: impl Future<Output = Answer<V>> + Send + 'static) -> Self {
        Self(Way::Own(Box::pin(work)))
    }
}

impl<V: Clone> Future for Joined<V> {
    type Output = Answer<V>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer<V>> {
        match &mut self.get_mut().0 {
            Way::Flight(waiting) => Pin::new(waiting).poll(context),
            Way::Own(own) => own.as_mut().poll(context),
        }
    }
}

impl<V> fmt::Debug for Joined<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Joined")
    }
}

/// The answer of a flight, or that the deadline passed.
struct Waiting<V> {
    wait: Wait<Answer<V>>,
    deadline: Instant,
    has_begun: bool,
    /// Where who leads does not keep the time. On the heap, since most need none.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<V> Waiting<V> {
    fn new(wait: Wait<Answer<V>>, deadline: Instant) -> Self {
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
