//! May they: asks whether a subject has a relation to an object, over an `OpenFGA` model and its tuples.
//!
//! Either the engine is embedded: a store file is loaded at start and answers come from memory, in
//! microseconds and without I/O. A model that this engine could only answer in part is refused when it
//! is loaded, never half-evaluated. Or a server is asked ([`remote`]), and answers are kept for a while.
//!
//! # What a reader would get wrong
//!
//! "No" and "cannot tell" differ: [`Error::Denied`] is the engine's no, every other [`Error`] means
//! that there is no answer, and only the route says what that is worth.
//!
//! # Cost
//!
//! Embedded: three look-ups by name, then integers. A check that is under way keeps the store it began
//! with; a reload swaps a pointer and waits for nobody. Remote: the server's time.

mod answer;
mod batch;
mod condition;
mod config;
mod dsl;
mod engine;
mod error;
mod graph;
mod json;
mod listing;
mod metrics;
mod model;
pub mod model_test;
mod modules;
mod names;
mod plan;
mod question;
mod questions;
mod reach;
mod remote;
mod source;
mod store;
mod store_file;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod tests;
mod tuple;
mod validate;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use arc_swap::{ArcSwap, ArcSwapOption};

pub use self::{
    answer::{Answer, Consistency, Origin},
    batch::Batch,
    config::{CacheConfig, Config, Credentials, ServerConfig},
    error::Error,
    graph::{Tuple, TupleCondition},
    metrics::Metrics,
    question::{Question, WrittenCondition, WrittenTuple},
    questions::Questions,
};
use self::{remote::Remote, source::Stamp, store::Store};
use crate::{
    dispatch::{Dispatcher, Report},
    identity::Identity,
    problem::Problem,
};

/// One question: has `user` the `relation` to `object`?
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ask<'a> {
    /// `type:id`, such as `user:anne`.
    pub user: &'a str,
    /// A relation of the object's type, such as `viewer`.
    pub relation: &'a str,
    /// `type:id`, such as `document:roadmap`.
    pub object: &'a str,
    /// Values for the conditions of tuples.
    pub context: Option<&'a serde_json::Map<String, serde_json::Value>>,
    /// Tuples that hold for this question only, at most [`MAX_CONTEXTUAL_TUPLES`].
    pub contextual_tuples: &'a [Tuple<'a>],
}

impl<'a> Ask<'a> {
    /// A question that brings nothing along.
    #[must_use]
    pub fn new(user: &'a str, relation: &'a str, object: &'a str) -> Self {
        Self {
            user,
            relation,
            object,
            context: None,
            contextual_tuples: &[],
        }
    }
}

/// Proof that a permission was asked for and given. Only [`Authorizer::authorize`] makes one.
#[derive(Debug)]
pub struct Grant(());

/// Answers permission checks.
#[derive(Debug)]
pub struct Authorizer {
    file: Option<StoreFile>,
    remote: Option<Arc<Remote>>,
    store: ArcSwapOption<Store>,
}

/// The store file being served.
#[derive(Debug)]
struct StoreFile {
    path: PathBuf,
    /// As the configuration names it.
    shown: String,
    /// What was last read, whether it was any good or not.
    stamps: ArcSwap<Vec<Stamp>>,
}

impl Authorizer {
    /// Loads what `config` names; relative paths start at `base_dir`. A server that `known` has too
    /// keeps its connections, its model and what it answered. Nobody is asked yet.
    pub fn new(
        config: &Config,
        base_dir: &Path,
        metrics: &Metrics,
        dispatcher: &Dispatcher,
        known: Option<&Self>,
    ) -> Result<Self, Vec<Problem>> {
        let server = config.openfga.as_ref();
        let server = server.map(|server| server.resolve(base_dir)).transpose();
        let within = |found: Vec<Problem>| {
            let within = |problem: Problem| problem.within("openfga");
            found.into_iter().map(within).collect::<Vec<_>>()
        };
        match (server.map_err(within)?.flatten(), &config.store_file) {
            (Some(_), Some(_)) => {
                let message = "names a second place for relationships; \
                               keep one of `store_file` and `openfga.url`";
                Err(vec![Problem::new("store_file", message)])
            }
            (Some(server), None) => {
                let known = known.and_then(|known| known.remote.as_ref());
                let remote = match known.filter(|known| known.is(&server)) {
                    Some(same) => Arc::clone(same),
                    None => Arc::new(Remote::new(server, metrics, dispatcher).map_err(within)?),
                };
                Ok(Self {
                    file: None,
                    remote: Some(remote),
                    store: ArcSwapOption::empty(),
                })
            }
            (None, Some(named)) => Self::embedded(named, base_dir),
            (None, None) => Ok(Self {
                file: None,
                remote: None,
                store: ArcSwapOption::empty(),
            }),
        }
    }

    /// As [`Authorizer::new`], for commands and tests: counted nowhere that is shown.
    ///
    /// # Panics
    ///
    /// Never: an empty registry takes every series.
    pub fn load(config: &Config, base_dir: &Path) -> Result<Self, Vec<Problem>> {
        let metrics = Metrics::unseen().expect("an empty registry takes every series");
        Self::new(config, base_dir, &metrics, &Dispatcher::in_place(), None)
    }

    fn embedded(named: &Path, base_dir: &Path) -> Result<Self, Vec<Problem>> {
        let path = base_dir.join(named);
        let shown = named.display().to_string();
        let loaded = store_file::load(&path, &shown);
        let store = loaded.store.map_err(problems)?;
        Ok(Self {
            file: Some(StoreFile {
                path,
                shown,
                stamps: ArcSwap::from_pointee(loaded.stamps),
            }),
            remote: None,
            store: ArcSwapOption::from_pointee(store),
        })
    }

    /// Whether `who` may do what `ask` says, decided by `deadline`, and where the answer comes from.
    /// The subject of the question is in `ask`; `who` proves that the caller was identified first.
    ///
    /// A set as subject (`group:eng#member`, `user:*`) is refused: a caller is never one, and
    /// `OpenFGA`'s answers for sets are about to change.
    pub async fn authorize(
        &self,
        _who: &Identity,
        ask: &Ask<'_>,
        consistency: Consistency,
        deadline: Instant,
    ) -> (Result<Grant, Error>, Option<Origin>) {
        if ask.user.contains('#') || ask.user.ends_with(":*") {
            return (Err(Error::SetAsSubject), None);
        }
        let answer = match &self.remote {
            // On the heap: a check that waits for nobody shall not carry eight kilobytes about.
            Some(remote) => Box::pin(remote.ask(ask, consistency, deadline)).await,
            None => self.check(ask).map(Answer::embedded),
        };
        match answer {
            Ok(answer) if answer.allowed => (Ok(Grant(())), Some(answer.origin)),
            Ok(answer) => (Err(Error::Denied), Some(answer.origin)),
            Err(error) => (Err(error), None),
        }
    }

    /// The answer to a question as it was written, for any subject that `OpenFGA` takes.
    pub async fn ask(&self, question: &Question, deadline: Instant) -> Result<Answer, Error> {
        let Some(remote) = &self.remote else {
            return self.answer(question).map(Answer::embedded);
        };
        let tuples = question::as_tuples(&question.contextual_tuples);
        let ask = question.with(&tuples);
        remote
            .ask(&ask, Consistency::MinimizeLatency, deadline)
            .await
    }

    /// The server's answer to each question, and how they came about; `None` without a server: then
    /// [`Batch`] answers.
    pub async fn ask_server(
        &self,
        questions: &Questions,
        deadline: Instant,
    ) -> Option<(Vec<Result<Answer, Error>>, Report)> {
        let remote = self.remote.as_ref()?;
        Some(remote.ask_all(questions, deadline).await)
    }

    /// The embedded engine's answer, for any subject that `OpenFGA` takes.
    pub fn check(&self, ask: &Ask<'_>) -> Result<bool, Error> {
        self.store.load().as_ref().ok_or(Error::NoStore)?.check(ask)
    }

    /// As [`Authorizer::check`], for a question as it was written.
    pub fn answer(&self, question: &Question) -> Result<bool, Error> {
        question.put(|ask| self.check(ask))
    }

    /// As [`Authorizer::answer`], one after the other.
    #[must_use]
    pub fn answer_all(&self, questions: &Questions) -> Vec<Result<bool, Error>> {
        let answer = |at| questions.put(at, |ask| self.check(ask));
        (0..questions.len()).map(answer).collect()
    }

    /// Whether the model defines `name`. A server's model that is not known yet may.
    #[must_use]
    pub fn type_exists(&self, name: &str) -> bool {
        if let Some(remote) = &self.remote {
            return remote.model().is_none_or(|model| model.has_type(name));
        }
        let store = self.store.load();
        store.as_ref().is_some_and(|store| store.type_exists(name))
    }

    /// Whether the model defines `relation` on `object_type`, as [`Authorizer::type_exists`].
    #[must_use]
    pub fn relation_exists(&self, object_type: &str, relation: &str) -> bool {
        if let Some(remote) = &self.remote {
            let model = remote.model();
            return model.is_none_or(|model| model.has_relation(object_type, relation));
        }
        let store = self.store.load();
        let store = store.as_ref();
        store.is_some_and(|store| store.relation_exists(object_type, relation))
    }

    /// Whether there is somebody to ask.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.file.is_some() || self.remote.is_some()
    }

    /// Whether a server is asked.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.remote.is_some()
    }

    /// Whether questions can be asked, and why not; `None` without a server.
    #[must_use]
    pub fn readiness(&self) -> Option<Result<(), String>> {
        let remote = self.remote.as_ref()?;
        Some(remote.trouble().map_or(Ok(()), Err))
    }

    /// Begins to follow the server's models, where there is one.
    pub fn start(&self) {
        if let Some(remote) = &self.remote {
            remote.start();
        }
    }

    /// Brings gauges up to now: call it before each scrape.
    pub fn refresh(&self) {
        if let Some(remote) = &self.remote {
            remote.refresh();
        }
    }

    /// Loads the store file again if it, or a file it names, has changed since the last attempt; says
    /// whether it did, or whether the server's model is another one than when last asked. A bad file
    /// keeps the old store and is reported once, not each time.
    ///
    /// Reads files: call it where waiting for a disk hurts nobody.
    pub fn reload_if_changed(&self) -> Result<bool, Vec<Problem>> {
        if let Some(remote) = &self.remote {
            return Ok(remote.take_news());
        }
        let Some(file) = &self.file else {
            return Ok(false);
        };
        if !file.stamps.load().iter().any(Stamp::is_stale) {
            return Ok(false);
        }
        let loaded = store_file::load(&file.path, &file.shown);
        file.stamps.store(Arc::new(loaded.stamps));
        let store = loaded.store.map_err(problems)?;
        self.store.store(Some(Arc::new(store)));
        Ok(true)
    }
}

/// As many as `OpenFGA` takes.
pub const MAX_CONTEXTUAL_TUPLES: usize = 100;

fn problems(messages: Vec<String>) -> Vec<Problem> {
    let problem = |message| Problem::new("store_file", message);
    messages.into_iter().map(problem).collect()
}
