//! Threads that run only where no other wants to.
//!
//! What a reader would get wrong: the kernel's idle policy alone does not see to that. Many kernels look at
//! who waits for a core only when the thread on it calls them, or at their next tick, which may be four
//! milliseconds away. So such threads call often: see [`breathe`].

use std::{cell::Cell, thread};

use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    unix::{set_thread_priority_and_policy, thread_native_id},
};

thread_local!(static GIVES_WAY: Cell<bool> = const { Cell::new(false) });

/// From now on this thread runs only where no other wants to.
pub fn give_way() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    // Where it is not allowed, batches run as everybody does: slower checks, no wrong ones.
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
    GIVES_WAY.set(true);
}

/// Lets whoever waits for this core have it, if this thread gives way; on others nothing happens. To be
/// called about every tenth of a millisecond; takes some tenths of a microsecond.
pub fn breathe() {
    if GIVES_WAY.get() {
        thread::yield_now();
    }
}
