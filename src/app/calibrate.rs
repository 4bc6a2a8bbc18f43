//! Measures the machine while it begins to serve, and keeps an eye on its CPU quota.
//!
//! Nobody waits for it: until an operation is measured, its costs are those of the machine that this
//! was written on, corrected by what work really takes.

use std::thread;

use crate::dispatch::Dispatcher;

/// Measures on a thread of its own, once.
pub(super) fn in_background(dispatcher: &Dispatcher) {
    let dispatcher = dispatcher.clone();
    let started = thread::Builder::new()
        .name("calibrate".into())
        .spawn(move || {
            dispatcher.measure_handoff();
            let table = dispatcher.table();
            tracing::debug!(
                cores = table.quota,
                handoff_us = table.handoff_us,
                "measured"
            );
        });
    if let Err(error) = started {
        tracing::warn!(%error, "cannot measure this machine; costs are learnt from work alone");
    }
}
