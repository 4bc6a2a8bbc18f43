//! The thread that talks to the server.
//!
//! Checks are answered on several threads, each with a runtime of its own. A connection belongs to
//! one runtime; were it a worker's, its answers would wait whenever that worker computes. Here they
//! wait for nothing, and all workers share connections, gathering and retry budget.

use std::{future::Future, io, thread};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// A runtime on a thread of its own, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Thread {
    handle: Handle,
    /// Dropped to end it.
    _stop: oneshot::Sender<()>,
}

impl Thread {
    pub(super) fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                // Nobody ever sends: it ends because the sender is gone.
                let _ended = runtime.block_on(stopped);
            })?;
        Ok(Self {
            handle,
            _stop: stop,
        })
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What `work` comes to, done there; `None` if it panicked or the thread ended.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        self.handle.spawn(work).await.ok()
    }
}
