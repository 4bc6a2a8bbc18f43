//! Subzero on core 1.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, time::Duration};

use tempfile::TempDir;

use crate::{
    causes::Scene,
    support::{
        process::Process,
        subzero::{Setup, Subzero},
    },
};

pub(crate) struct Server {
    subzero: Subzero,
    _dir: TempDir,
}

impl Server {
    pub(crate) async fn start(scene: &Scene) -> Self {
        let dir = tempfile::tempdir().expect("make a folder");
        // Affinity has to be there from the start: it decides the number of threads.
        let pinned = dir.path().join("subzero-on-core-1");
        let script = format!(
            "#!/bin/sh\nexec taskset -c 1 {} \"$@\"\n",
            env!("CARGO_BIN_EXE_subzero")
        );
        fs::write(&pinned, script).expect("write a script");
        fs::set_permissions(&pinned, fs::Permissions::from_mode(0o755)).expect("make it a program");
        let setup = Setup::new(pinned, &scene.config);
        let setup = scene
            .files
            .iter()
            .fold(setup, |setup, (name, text)| setup.file(name, text));
        Self {
            subzero: setup.start().await,
            _dir: dir,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.subzero.socket.clone()
    }

    pub(crate) fn process(&self) -> &Process {
        &self.subzero.process
    }

    /// CPU time of all its threads, to the nanosecond.
    pub(crate) fn cpu(&self) -> Duration {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.process().pid())).expect("runs");
        let nanos = tasks.filter_map(|task| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(nanos.sum())
    }
}
