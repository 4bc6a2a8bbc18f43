//! Subzero on core 1.

use std::{path::PathBuf, time::Duration};

use tempfile::TempDir;

use crate::{
    causes::Scene,
    pinned::{cpu, subzero_on_core_1},
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
        let setup = Setup::new(subzero_on_core_1(dir.path()), &scene.config);
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

    /// CPU time so far.
    pub(crate) fn cpu(&self) -> Duration {
        cpu(self.process().pid())
    }
}
