//! May they: asks whether a subject has a relation to an object, over an `OpenFGA` model and its tuples.
//!
//! The engine is embedded: a store file is loaded at start and answers come from memory, in
//! microseconds and without I/O. A model that this engine could only answer in part is refused when it
//! is loaded, never half-evaluated.
//!
//! # What a reader would get wrong
//!
//! "No" and "cannot tell" differ: [`Error::Denied`] is the engine's no, every other [`Error`] means
//! that there is no answer, and only the route says what that is worth.
//!
//! # Cost
//!
//! Three look-ups by name, then integers. A check that is under way keeps the store it began with; a
//! reload swaps a pointer and waits for nobody.

mod batch;
mod condition;
mod dsl;
mod engine;
mod graph;
mod json;
mod listing;
mod model;
pub mod model_test;
mod modules;
mod names;
mod plan;
mod question;
mod reach;
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
};

use arc_swap::{ArcSwap, ArcSwapOption};
use serde::{Deserialize, Serialize};

pub use self::{
    batch::Batch,
    graph::{Tuple, TupleCondition},
    question::{Question, WrittenCondition, WrittenTuple},
};
use self::{source::Stamp, store::Store};
use crate::{identity::Identity, problem::Problem, verdict::Reason};

/// Where permissions come from. Defaults: `config/default.yaml`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// An `OpenFGA` store file (`store.fga.yaml`), relative to the configuration file. Without one,
    /// every route that asks for a permission answers `permission_unavailable`.
    pub store_file: Option<PathBuf>,
}

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
    /// Loads what `config` names; relative paths start at `base_dir`.
    pub fn load(config: &Config, base_dir: &Path) -> Result<Self, Vec<Problem>> {
        let Some(named) = &config.store_file else {
            return Ok(Self {
                file: None,
                store: ArcSwapOption::empty(),
            });
        };
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
            store: ArcSwapOption::from_pointee(store),
        })
    }

    /// Whether `who` may do what `ask` says. The subject of the question is in `ask`; `who` proves
    /// that the caller was identified first.
    ///
    /// A set as subject (`group:eng#member`, `user:*`) is refused: a caller is never one, and
    /// `OpenFGA`'s answers for sets are about to change.
    #[expect(
        clippy::unused_async,
        reason = "an engine behind the network will wait here"
    )]
    pub async fn authorize(&self, _who: &Identity, ask: &Ask<'_>) -> Result<Grant, Error> {
        if ask.user.contains('#') || ask.user.ends_with(":*") {
            return Err(Error::SetAsSubject);
        }
        if self.check(ask)? {
            Ok(Grant(()))
        } else {
            Err(Error::Denied)
        }
    }

    /// The engine's answer, for any subject that `OpenFGA` takes.
    pub fn check(&self, ask: &Ask<'_>) -> Result<bool, Error> {
        self.store.load().as_ref().ok_or(Error::NoStore)?.check(ask)
    }

    /// As [`Authorizer::check`], for a question as it was written.
    pub fn answer(&self, question: &Question) -> Result<bool, Error> {
        question.put(|ask| self.check(ask))
    }

    /// Whether the model defines `name`.
    #[must_use]
    pub fn type_exists(&self, name: &str) -> bool {
        let store = self.store.load();
        store.as_ref().is_some_and(|store| store.type_exists(name))
    }

    /// Whether the model defines `relation` on `object_type`.
    #[must_use]
    pub fn relation_exists(&self, object_type: &str, relation: &str) -> bool {
        let store = self.store.load();
        let store = store.as_ref();
        store.is_some_and(|store| store.relation_exists(object_type, relation))
    }

    /// Whether there is a store to ask.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.file.is_some()
    }

    /// Loads the store file again if it, or a file it names, has changed since the last attempt; says
    /// whether it did. A bad file keeps the old store and is reported once, not each time.
    ///
    /// Reads files: call it where waiting for a disk hurts nobody.
    pub fn reload_if_changed(&self) -> Result<bool, Vec<Problem>> {
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

/// Why there is no [`Grant`].
///
/// `Display` is for our logs and may name users and objects. What leaves the process is
/// [`Error::reason`] alone.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Error {
    /// The condition of a tuple cannot be evaluated, for want of a parameter or for its type.
    #[error("ask for permission: {0}")]
    Condition(String),
    /// A tuple that came with the question does not fit the model.
    #[error("ask for permission: contextual tuple {0}")]
    ContextualTuple(String),
    /// The model and its tuples say no.
    #[error("permission denied")]
    Denied,
    /// The question does not fit the model: an unknown type or relation, or a name of the wrong form.
    #[error("ask for permission: {0}")]
    Invalid(String),
    /// No store is configured.
    #[error("no permission store is configured: set `permission.store_file`")]
    NoStore,
    /// The subject is a userset or a wildcard.
    #[error("ask for permission: the user must be one object, neither a userset nor a wildcard")]
    SetAsSubject,
    /// The way to an answer is longer than is followed.
    #[error("permission is too deep or too wide to work out")]
    TooComplex,
}

impl Error {
    /// What the caller is told. No `_` arm: a new variant must choose its reason.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::Denied => Reason::PermissionDenied,
            // The configuration was checked at load, so what does not fit the model is a value that
            // the request brought. That must deny: were it "could not decide", a caller could choose
            // it, and pass where a route says `on_unavailable: { permission: allow }`.
            Self::Condition(_)
            | Self::ContextualTuple(_)
            | Self::Invalid(_)
            | Self::SetAsSubject => Reason::MissingInput,
            Self::NoStore | Self::TooComplex => Reason::PermissionUnavailable,
        }
    }

    /// `OpenFGA`'s number for this error, where it has one.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Denied | Self::NoStore => None,
            Self::Condition(_) | Self::Invalid(_) | Self::SetAsSubject => Some(VALIDATION_ERROR),
            Self::ContextualTuple(_) => Some(INVALID_TUPLE),
            Self::TooComplex => Some(RESOLUTION_TOO_COMPLEX),
        }
    }
}

/// As many as `OpenFGA` takes.
pub const MAX_CONTEXTUAL_TUPLES: usize = 100;

fn problems(messages: Vec<String>) -> Vec<Problem> {
    let problem = |message| Problem::new("store_file", message);
    messages.into_iter().map(problem).collect()
}

/// `OpenFGA`'s `invalid_tuple`.
const INVALID_TUPLE: u16 = 2027;

/// `OpenFGA`'s `authorization_model_resolution_too_complex`.
const RESOLUTION_TOO_COMPLEX: u16 = 2002;

/// `OpenFGA`'s `validation_error`.
const VALIDATION_ERROR: u16 = 2000;
