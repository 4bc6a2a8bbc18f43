//! Measures the machine while it begins to serve.
//!
//! Nobody waits for it: until an operation is measured, its costs are those of the machine that this
//! was written on, corrected by what work really takes.

use std::{sync::Arc, thread, time::Instant};

use crate::{
    calibrate,
    dispatch::{Dispatcher, Effort},
    screening::Screener,
};

/// Measures on a thread of its own, once.
pub(super) fn in_background(dispatcher: &Dispatcher, screener: &Arc<Screener>) {
    let (dispatcher, screener) = (dispatcher.clone(), Arc::clone(screener));
    let measure = move || {
        let began = Instant::now();
        calibrate::measure(&dispatcher, &screener, Effort::Brief, |_, _| {});
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (cores, handoff_us) = (dispatcher.cores(), dispatcher.table().handoff_us);
        tracing::info!(took_ms, cores, handoff_us, "this machine is measured");
    };
    let started = thread::Builder::new()
        .name("calibrate".into())
        .spawn(measure);
    if let Err(error) = started {
        tracing::warn!(%error, "cannot measure this machine; costs are learnt from work alone");
    }
}
