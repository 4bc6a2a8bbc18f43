//! Taking over changed files while running.
//!
//! The configuration is compiled beside the one in force and swapped in whole; a bad one changes
//! nothing and says why, in the log and on `/readyz`. Files are compared by content, once a second:
//! Kubernetes swaps a directory link under mounted files, which watching an inode would miss.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use tokio::{
    signal::unix::Signal,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{
    build::{Instruments, build_all},
    shown,
};
use crate::{
    admin::Status,
    api,
    config::{Config, Loaded},
};

/// Reloads on SIGHUP or when the file changes, and keeps the background work of what is in force.
#[derive(Debug)]
pub(super) struct Reloader {
    file: Option<PathBuf>,
    loaded: Loaded,
    seen: Option<Vec<u8>>,
    instruments: Instruments,
    status: Arc<Status>,
    settings: Arc<ArcSwap<api::Settings>>,
}

impl Reloader {
    pub(super) fn new(
        file: Option<PathBuf>,
        loaded: Loaded,
        instruments: Instruments,
        status: Arc<Status>,
        settings: Arc<ArcSwap<api::Settings>>,
    ) -> Self {
        let seen = file.as_ref().and_then(|file| fs::read(file).ok());
        Self {
            file,
            loaded,
            seen,
            instruments,
            status,
            settings,
        }
    }

    /// Runs until aborted.
    pub(super) async fn run(mut self, mut hangup: Signal) {
        // Never read: replacing it ends the old task.
        let mut _keys = KeyFetching::start(&self.status);
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = hangup.recv() => true,
                _ = tick.tick() => false,
            };
            self.status.dispatcher.look_at_quota();
            // Looked at either way, or a signal would be followed by a second reload.
            let changed = self.file_changed();
            if asked || changed {
                if self.reload() {
                    _keys = KeyFetching::start(&self.status);
                }
            } else {
                self.reload_store();
                self.reload_keys();
                self.reload_certificates();
            }
        }
    }

    fn file_changed(&mut self) -> bool {
        let Some(now) = self.file.as_ref().and_then(|file| fs::read(file).ok()) else {
            // Being replaced right now, or gone: what is in force stays in force.
            return false;
        };
        let changed = self.seen.as_ref() != Some(&now);
        self.seen = Some(now);
        changed
    }

    /// Whether a new configuration is in force.
    fn reload(&mut self) -> bool {
        let previous = self.status.serving.load_full();
        let next = Loaded::read(self.file.as_deref()).and_then(|loaded| {
            let (serving, settings) = build_all(&loaded, &self.instruments, Some(&previous))
                .map_err(|found| loaded.locate(&found))?;
            Ok((loaded, serving, settings))
        });
        let outcome = match next {
            Ok((loaded, serving, settings)) => {
                for key in needs_restart(&self.loaded.config, &loaded.config) {
                    tracing::warn!(key, "changed, but takes effect after a restart only");
                }
                self.instruments.upstream.configure(&loaded.config.upstream);
                self.status.config.store(Arc::new(shown(&loaded.config)));
                self.status.serving.store(Arc::new(serving));
                self.settings.store(Arc::new(settings));
                self.loaded = loaded;
                tracing::info!(
                    routes = self.loaded.config.routes.len(),
                    "configuration reloaded"
                );
                Ok(())
            }
            Err(problems) => {
                for problem in &problems {
                    tracing::error!(
                        problem,
                        "configuration not reloaded, the old one stays in force"
                    );
                }
                Err(problems)
            }
        };
        let done = outcome.is_ok();
        self.instruments
            .reloads
            .with_label_values(&[if done { "ok" } else { "failed" }])
            .inc();
        self.status.last_reload.store(Arc::new(Some(outcome)));
        done
    }

    fn reload_keys(&self) {
        match self.settings.load().reload_keys() {
            Ok(true) => tracing::info!("api keys reloaded"),
            Ok(false) => {}
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "api keys not reloaded, the old ones stay in force");
                }
            }
        }
    }

    fn reload_certificates(&self) {
        match self.settings.load().reload_certificates() {
            Ok(true) => tracing::info!("api certificates reloaded"),
            Ok(false) => {}
            Err(problem) => {
                tracing::error!(%problem, "api certificates not reloaded, the old ones stay in force");
            }
        }
    }

    fn reload_store(&self) {
        let serving = self.status.serving.load();
        let pipeline = &serving.pipeline;
        match pipeline.authorizer().reload_if_changed() {
            Ok(true) => {
                tracing::info!("relationships reloaded");
                for problem in pipeline.policy().missing_relations(pipeline.authorizer()) {
                    tracing::error!(%problem, "the new model lacks what a route asks for: it denies");
                }
            }
            Ok(false) => {}
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "relationships not reloaded, the old ones stay in force");
                }
            }
        }
    }
}

/// The issuers' keys being kept fresh, for the configuration in force.
#[derive(Debug)]
struct KeyFetching(JoinHandle<()>);

impl KeyFetching {
    fn start(status: &Status) -> Self {
        let serving = status.serving.load();
        serving.pipeline.authorizer().start();
        let verifier = Arc::clone(serving.pipeline.verifier());
        Self(tokio::spawn(async move { match verifier.run().await {} }))
    }
}

impl Drop for KeyFetching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Sections that are read once, at start, and differ.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (old, new) = (shown(old), shown(new));
    [
        "dispatch",
        "admission",
        "listen",
        "runtime",
        "drain",
        "log",
        "decisions",
        "decision_log",
        "forward_auth",
        "store",
    ]
    .into_iter()
    .filter(|key| old.get(key) != new.get(key))
    .collect()
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
