//! Subzero on core 1, and the CPU time of a process.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

/// A program in `dir` that starts Subzero on core 1: its affinity has to be there from the start, as it
/// decides the number of threads.
pub(crate) fn subzero_on_core_1(dir: &Path) -> PathBuf {
    let pinned = dir.join("subzero-on-core-1");
    let script = format!(
        "#!/bin/sh\nexec taskset -c 1 {} \"$@\"\n",
        env!("CARGO_BIN_EXE_subzero")
    );
    fs::write(&pinned, script).expect("write a script");
    fs::set_permissions(&pinned, fs::Permissions::from_mode(0o755)).expect("make it a program");
    pinned
}

/// CPU time of all threads of `pid`, to the nanosecond.
pub(crate) fn cpu(pid: u32) -> Duration {
    let tasks = fs::read_dir(Path::new("/proc").join(pid.to_string()).join("task")).expect("runs");
    let nanos = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}
