//! Which model answers, and whether the server has a newer one.
//!
//! Every question names its model: without one the server takes its newest, looked up each time and
//! changing between two checks of one request. A pinned model stays until the configuration says
//! otherwise; a newer one is only told. Without a pin the newest model is taken over in one step: what
//! is under way ends with the model it began with, and kept answers are found under their own model
//! only.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Deserializer};
use tokio::{
    sync::{Notify, watch},
    time::{sleep, timeout, timeout_at},
};

use super::{Metrics, server::Server};
use crate::permission::Error;

/// A model of the server's.
#[derive(Debug, Default)]
pub(in crate::permission) struct Model {
    pub(super) id: String,
    /// Relations by type; `None` until the server has told them.
    shape: Option<HashMap<String, HashSet<String>>>,
}

impl Model {
    /// Whether it has the type; not known means yes, since the server has the last word.
    pub(in crate::permission) fn has_type(&self, name: &str) -> bool {
        self.shape
            .as_ref()
            .is_none_or(|shape| shape.contains_key(name))
    }

    /// Whether the type has the relation, as [`Model::has_type`].
    pub(in crate::permission) fn has_relation(&self, of: &str, name: &str) -> bool {
        self.shape.as_ref().is_none_or(|shape| {
            let relations = shape.get(of);
            relations.is_some_and(|relations| relations.contains(name))
        })
    }
}

/// The model in use, followed in the background.
#[derive(Debug)]
pub(super) struct Models {
    current: watch::Sender<Known>,
    is_pinned: bool,
    look: Notify,
    poll: Duration,
    /// Set when a model was learned that nobody has asked about yet.
    is_news: AtomicBool,
    metrics: Metrics,
}

#[derive(Clone, Debug)]
enum Known {
    /// Nobody has asked yet.
    Nothing,
    /// Why none is known.
    Failed(String),
    Model(Arc<Model>),
}

impl Models {
    pub(super) fn new(pinned: Option<&str>, poll: Duration, metrics: Metrics) -> Self {
        let known = pinned.map_or(Known::Nothing, |id| {
            Known::Model(Arc::new(Model {
                id: id.to_owned(),
                shape: None,
            }))
        });
        Self {
            current: watch::Sender::new(known),
            is_pinned: pinned.is_some(),
            look: Notify::new(),
            poll,
            is_news: AtomicBool::new(false),
            metrics,
        }
    }

    /// The model to ask with. Waits only while none was ever looked for.
    pub(super) async fn current(&self, deadline: Instant) -> Result<Arc<Model>, Error> {
        let mut known = self.current.subscribe();
        let looked = known.wait_for(|known| !matches!(known, Known::Nothing));
        let known = match timeout_at(deadline.into(), looked).await {
            Ok(Ok(known)) => known.clone(),
            Ok(Err(_)) | Err(_) => Known::Nothing,
        };
        match known {
            Known::Model(model) => Ok(model),
            Known::Failed(why) => Err(Error::Unavailable(why)),
            Known::Nothing => {
                let why = "the server has not told its model in time";
                Err(Error::Unavailable(why.to_owned()))
            }
        }
    }

    /// The model in use, if one is known.
    pub(super) fn known(&self) -> Option<Arc<Model>> {
        match &*self.current.borrow() {
            Known::Model(model) => Some(Arc::clone(model)),
            Known::Failed(_) | Known::Nothing => None,
        }
    }

    /// Why no model is known.
    pub(super) fn trouble(&self) -> Option<String> {
        match &*self.current.borrow() {
            Known::Failed(why) => Some(why.clone()),
            Known::Nothing => Some("its model is not known yet".to_owned()),
            Known::Model(_) => None,
        }
    }

    /// Whether a model was learned since this was last asked.
    pub(super) fn take_news(&self) -> bool {
        self.is_news.swap(false, Ordering::AcqRel)
    }

    /// Asks for a look before the next one is due, since the server does not know the model.
    pub(super) fn look_soon(&self) {
        self.look.notify_one();
    }

    /// Follows the server's models until dropped.
    pub(super) async fn follow(&self, server: &Server) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.look(server).await {
                Ok(()) => pause = self.poll,
                Err(why) => {
                    tracing::warn!(why, "the permission server's models cannot be looked up");
                    self.failed(&why);
                    pause = (pause * 2).clamp(FIRST_PAUSE, self.poll);
                }
            }
            // Not sooner, however many checks ask for it.
            sleep(FIRST_PAUSE).await;
            let _either_way = timeout(pause, self.look.notified()).await;
        }
    }

    async fn look(&self, server: &Server) -> Result<(), String> {
        let deadline = Instant::now() + server.timeout().max(LOOK_TIMEOUT);
        let newest = server.get(&["authorization-models"], "page_size=1", deadline);
        let newest = newest
            .await
            .map_err(|failure| Error::from(failure).to_string())?;
        let newest = read_list(&newest)?;
        let known = self.known();
        let is_current = |id: &str| known.as_ref().is_some_and(|known| known.id == id);
        if !self.is_pinned {
            let newest = newest.ok_or("the store has no model; write one")?;
            if !is_current(&newest.id) {
                let old = known.map_or_else(String::new, |known| known.id.clone());
                tracing::info!(old, new = newest.id, "permission model taken over");
                if !old.is_empty() {
                    self.metrics.model_changes.inc();
                }
                self.learn(newest);
            }
            return Ok(());
        }
        let is_newer = newest
            .as_ref()
            .is_some_and(|newest| !is_current(&newest.id));
        let was_newer = self.metrics.newer_model.get() == 1;
        self.metrics.newer_model.set(i64::from(is_newer));
        if let Some(newest) = newest.as_ref().filter(|_| is_newer && !was_newer) {
            tracing::warn!(
                newest = newest.id,
                "the server has a newer model than `model_id`"
            );
        }
        let Some(known) = known.filter(|known| known.shape.is_none()) else {
            return Ok(());
        };
        if let Some(newest) = newest.filter(|_| !is_newer) {
            self.learn(newest);
            return Ok(());
        }
        let path = ["authorization-models", &known.id];
        let pinned = server.get(&path, "", deadline).await;
        let pinned = pinned.map_err(|failure| Error::from(failure).to_string())?;
        self.learn(read_one(&pinned)?);
        Ok(())
    }

    fn learn(&self, model: Model) {
        self.current.send_replace(Known::Model(Arc::new(model)));
        self.is_news.store(true, Ordering::Release);
    }

    /// A model that was known stays: the server may only be away.
    fn failed(&self, why: &str) {
        self.current.send_if_modified(|known| {
            if matches!(known, Known::Model(_)) {
                return false;
            }
            *known = Known::Failed(why.to_owned());
            true
        });
    }
}

#[derive(Deserialize)]
struct Told {
    id: String,
    #[serde(default)]
    type_definitions: Vec<TypeDefinition>,
}

#[derive(Deserialize)]
struct TypeDefinition {
    #[serde(rename = "type")]
    name: String,
    #[serde(default, deserialize_with = "keys")]
    relations: HashSet<String>,
}

impl From<Told> for Model {
    fn from(told: Told) -> Self {
        let of_type = |of: TypeDefinition| (of.name, of.relations);
        Self {
            id: told.id,
            shape: Some(told.type_definitions.into_iter().map(of_type).collect()),
        }
    }
}

/// The names of an object's members; none of no object.
fn keys<'de, D: Deserializer<'de>>(from: D) -> Result<HashSet<String>, D::Error> {
    let members = Option::<serde_json::Map<String, serde_json::Value>>::deserialize(from)?;
    let names = members.unwrap_or_default().into_iter();
    Ok(names.map(|(name, _)| name).collect())
}

/// The newest of a list of models, if there is any.
fn read_list(body: &[u8]) -> Result<Option<Model>, String> {
    #[derive(Deserialize)]
    struct List {
        authorization_models: Vec<Told>,
    }
    let list: Result<List, _> = serde_json::from_slice(body);
    let list = list.map_err(|_| "its answer is no list of models")?;
    let newest = list.authorization_models.into_iter().next();
    newest.map(checked).transpose()
}

fn read_one(body: &[u8]) -> Result<Model, String> {
    #[derive(Deserialize)]
    struct One {
        authorization_model: Told,
    }
    let one: Result<One, _> = serde_json::from_slice(body);
    checked(
        one.map_err(|_| "its answer is no model")?
            .authorization_model,
    )
}

/// The id goes into requests as it is.
fn checked(told: Told) -> Result<Model, String> {
    let is_plain = told.id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if told.id.len() > 64 || told.id.is_empty() || !is_plain {
        return Err("its model has no id".to_owned());
    }
    Ok(told.into())
}

/// Between two looks at least, and after the first failure.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// A list of models takes longer than a check.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
