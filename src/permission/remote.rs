//! Permissions from an `OpenFGA` or Auth0 FGA server, over HTTP and JSON.
//!
//! ```text
//! check -> kept?  answered, with its age
//!       -> the same under way?  waits for that answer
//!       -> another replica knows, or asks just now?  its answer, with its age
//!       -> alone, or gathered with others for a moment (dispatch says)  -> server
//! ```
//!
//! # What a reader would get wrong
//!
//! - The server has the last word about every question. Here only its form is looked at: one that no
//!   server takes would make a whole batch fail, and with it everybody else's checks in it.
//! - "Could not decide" has many causes and one meaning. A server that is away, slow, busy, speaks
//!   nonsense or has lost its model gives [`Error::Unavailable`], never a no.
//! - A question with `HIGHER_CONSISTENCY` is asked afresh: it neither finds a kept answer nor waits
//!   for one that was asked before it, since what it wants to see may have been written in between.
//!
//! # Cost
//!
//! A kept answer: some 300 ns, most of it for the key. Else the server's time and two changes of
//! thread.

mod cache;
mod exchange;
mod form;
mod gather;
mod key;
mod models;
mod open;
mod server;
mod shared;
#[cfg(test)]
mod tests;
mod thread;
mod wire;

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};

use self::{
    cache::Cache,
    exchange::Exchange,
    form::ready,
    gather::Gatherer,
    key::key,
    models::{Model, Models},
    open::{Open, batches},
    server::Server,
    shared::Shared,
    thread::Thread,
    wire::{Item, MAX_TOGETHER},
};
use super::{
    Answer, Ask, Consistency, Error, Metrics, Origin, Questions, config::Server as Config,
};
use crate::{
    check::Key,
    coalesce::{Coalescer, Kind},
    dispatch::{Dispatcher, Gathering, Operation, Report, Sending, Strategy},
    problem::Problem,
    store,
};

/// One server, with all that is kept of it. A reload that does not change it keeps this.
#[derive(Debug)]
pub(super) struct Remote {
    config: Config,
    inner: Arc<Inner>,
    started: OnceLock<()>,
}

#[derive(Debug)]
struct Inner {
    cache: Option<Cache>,
    coalescer: Coalescer<Result<Answer, Error>>,
    exchange: Arc<Exchange>,
    gatherer: Option<Gatherer>,
    metrics: Metrics,
    /// Where it is.
    server: String,
    /// Set once, before the server is asked, if replicas share its answers.
    shared: OnceLock<Shared>,
    store: String,
    thread: Thread,
}

/// A question made ready.
struct Ready {
    item: Item,
    key: Key,
}

impl Remote {
    /// The server that `config` names. Nobody is asked yet.
    pub(super) fn new(
        config: Config,
        metrics: &Metrics,
        dispatcher: &Dispatcher,
    ) -> Result<Self, Vec<Problem>> {
        let exchange = Arc::new(Exchange {
            dispatcher: dispatcher.clone(),
            gathering: Gathering::new(config.gather, MAX_TOGETHER),
            metrics: metrics.clone(),
            models: Models::new(config.model.as_deref(), config.poll, metrics.clone()),
            server: Server::new(&config, metrics.clone())?,
        });
        let refused = |error| {
            let message = format!("its thread cannot be started: {error}");
            vec![Problem::new("", message)]
        };
        let thread = Thread::start("openfga").map_err(refused)?;
        let gatherer = config
            .gather
            .map(|window| Gatherer::start(window, Arc::clone(&exchange), thread.handle().clone()));
        let inner = Inner {
            cache: Cache::new(config.memory, config.ttl),
            // Whoever gathers, or waits for another replica, does so before the server's time begins.
            coalescer: Coalescer::new(
                Kind::Permission,
                3 * config.timeout + config.gather.unwrap_or_default(),
                &metrics.coalesce,
            ),
            exchange,
            gatherer: gatherer.transpose().map_err(refused)?,
            metrics: metrics.clone(),
            server: config.base.to_string(),
            shared: OnceLock::new(),
            store: config.store.clone(),
            thread,
        };
        Ok(Self {
            config,
            inner: Arc::new(inner),
            started: OnceLock::new(),
        })
    }

    /// Whether this is the server that `config` names.
    pub(super) fn is(&self, config: &Config) -> bool {
        self.config == *config
    }

    /// Makes connections possible and follows the server's models from now on. Does nothing the
    /// second time.
    pub(super) fn start(&self) {
        self.started.get_or_init(|| {
            let exchange = Arc::clone(&self.inner.exchange);
            self.inner.thread.handle().spawn(async move {
                exchange.server.prepare();
                exchange.models.follow(&exchange.server).await;
            });
        });
    }

    /// The answer to `ask`, by `deadline`.
    pub(super) async fn ask(
        &self,
        ask: &Ask<'_>,
        consistency: Consistency,
        deadline: Instant,
    ) -> Result<Answer, Error> {
        self.start();
        let inner = &self.inner;
        let item = ready(ask)?;
        let model = inner.exchange.models.current(deadline).await?;
        let ready = Ready {
            key: key(&inner.store, ask, &model.id),
            item,
        };
        if consistency == Consistency::HigherConsistency {
            let asked = Arc::clone(inner).find(ready, model, consistency);
            let answer = tokio::time::timeout_at(deadline.into(), asked).await;
            let allowed = answer.map_err(|_| Error::Unavailable(LATE.to_owned()))??;
            return Ok(Answer::from_server(allowed));
        }
        if let Some(answer) = inner.kept(ready.key) {
            return Ok(answer);
        }
        let key = ready.key;
        let lead = || {
            let name = inner.name(ask, &model.id);
            Arc::clone(inner).find_and_keep(ready, name, model)
        };
        let answer = inner.coalescer.join(key, deadline, lead).await;
        answer.map_err(|error| Error::Unavailable(error.to_string()))?
    }

    /// The answer to each of `questions`, in their order, by `deadline`: kept ones first, the others
    /// in batches, several at a time.
    pub(super) async fn ask_all(
        &self,
        questions: &Questions,
        deadline: Instant,
    ) -> (Vec<Result<Answer, Error>>, Report) {
        self.start();
        let began = Instant::now();
        let inner = &self.inner;
        let (mut bytes, mut asked) = (0, 0);
        let answers = match inner.exchange.models.current(deadline).await {
            Err(error) => vec![Err(error); questions.len()],
            Ok(model) => {
                let (mut answers, open) = inner.sort(questions, &model);
                asked = open.len();
                bytes = open.iter().map(|open| open.ready.item.len()).sum();
                for (places, answer) in inner.find_all(open, model, deadline).await {
                    for place in places {
                        answers[place] = answer.clone().map(Answer::from_server);
                    }
                }
                answers
            }
        };
        let micros = |span: Duration| (span.as_secs_f64() * 1e7).round() / 10.0;
        let report = Report {
            operation: Operation::Permission,
            strategy: Strategy::Async,
            items: questions.len(),
            bytes,
            predicted_us: micros(inner.exchange.gathering.foretell(asked)),
            actual_us: micros(began.elapsed()),
            break_even_items: None,
        };
        (answers, report)
    }

    /// The model in use, if one is known.
    pub(super) fn model(&self) -> Option<Arc<Model>> {
        self.inner.exchange.models.known()
    }

    /// Whether a model was learned since this was last asked.
    pub(super) fn take_news(&self) -> bool {
        self.inner.exchange.models.take_news()
    }

    /// Why nothing can be asked yet.
    pub(super) fn trouble(&self) -> Option<String> {
        self.inner.exchange.models.trouble()
    }

    /// Brings sizes up to now: call it before each scrape.
    pub(super) fn refresh(&self) {
        let bytes = self.inner.cache.as_ref().map_or(0, Cache::bytes);
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        self.inner.metrics.cache.bytes.set(bytes);
    }
}

impl Inner {
    /// What is kept under `key`, counted.
    fn kept(&self, key: Key) -> Option<Answer> {
        let cache = self.cache.as_ref()?;
        let Some(answer) = cache.find(key) else {
            self.metrics.cache.misses.inc();
            return None;
        };
        self.metrics.cache.hits.inc();
        self.metrics.ages.observe(answer.age().as_secs_f64());
        Some(answer)
    }

    async fn find_and_keep(
        self: Arc<Self>,
        ready: Ready,
        name: Option<store::Key>,
        model: Arc<Model>,
    ) -> Result<Answer, Error> {
        let (asked, key) = (Instant::now(), ready.key);
        // Who looked just before an answer was kept and came here just after: it is not asked for twice.
        if let Some(answer) = self.cache.as_ref().and_then(|cache| cache.find(key)) {
            return Ok(answer);
        }
        let inner = Arc::clone(&self);
        let ask = async || inner.find(ready, model, Consistency::MinimizeLatency).await;
        let answer = match (self.shared.get(), name) {
            (Some(shared), Some(name)) => shared.find(name, ask).await,
            _ => ask().await.map(Answer::from_server),
        };
        if let (Some(cache), Ok(answer)) = (&self.cache, &answer)
            && let Some(asked) = asked.checked_sub(answer.age())
        {
            cache.keep(key, answer.allowed, asked);
        }
        answer
    }

    /// Asks the server, alone or in company.
    async fn find(
        self: Arc<Self>,
        ready: Ready,
        model: Arc<Model>,
        consistency: Consistency,
    ) -> Result<bool, Error> {
        let sending = self.exchange.gathering.choose();
        if let (Sending::Together, Some(gatherer)) = (sending, &self.gatherer) {
            self.metrics.gather[1].inc();
            return gatherer.ask(ready.item, model, consistency).await;
        }
        self.metrics.gather[0].inc();
        let exchange = Arc::clone(&self.exchange);
        let asked = async move { exchange.alone(&ready.item, &model, consistency).await };
        self.thread.run(asked).await.unwrap_or_else(|| Err(lost()))
    }

    /// Answers what is kept or cannot be asked, and lists the rest, each question once.
    fn sort(
        &self,
        questions: &Questions,
        model: &Model,
    ) -> (Vec<Result<Answer, Error>>, Vec<Open>) {
        let mut open: Vec<Open> = Vec::new();
        let mut known: HashMap<Key, usize> = HashMap::new();
        let mut answers = Vec::with_capacity(questions.len());
        for place in 0..questions.len() {
            let answer = questions.put(place, |ask| {
                let item = ready(ask)?;
                let key = key(&self.store, ask, &model.id);
                if let Some(&at) = known.get(&key) {
                    open[at].places.push(place);
                } else if let Some(answer) = self.kept(key) {
                    return Ok(answer);
                } else {
                    known.insert(key, open.len());
                    open.push(Open {
                        places: vec![place],
                        ready: Ready { item, key },
                    });
                }
                Err(lost())
            });
            answers.push(answer);
        }
        (answers, open)
    }

    async fn find_all(
        self: &Arc<Self>,
        open: Vec<Open>,
        model: Arc<Model>,
        deadline: Instant,
    ) -> Vec<(Vec<usize>, Result<bool, Error>)> {
        let batches = stream::iter(batches(open)).map(|batch| {
            let (inner, model) = (Arc::clone(self), Arc::clone(&model));
            async move { inner.find_batch(batch, &model, deadline).await }
        });
        let found: Vec<_> = batches.buffer_unordered(AT_ONCE).collect().await;
        found.into_iter().flatten().collect()
    }

    async fn find_batch(
        self: Arc<Self>,
        batch: Vec<Open>,
        model: &Arc<Model>,
        deadline: Instant,
    ) -> Vec<(Vec<usize>, Result<bool, Error>)> {
        let asked = Instant::now();
        let left = deadline.saturating_duration_since(asked);
        let most = left.min(LONGER * self.exchange.server.timeout());
        let (mut items, mut whose) = (Vec::new(), Vec::new());
        for Open { places, ready } in batch {
            items.push(ready.item);
            whose.push((places, ready.key));
        }
        let (exchange, model) = (Arc::clone(&self.exchange), Arc::clone(model));
        let consistency = Consistency::MinimizeLatency;
        let answers = self.thread.run(async move {
            let answers = exchange.together(&items, &model, consistency, Some(most));
            answers.await
        });
        let answers = answers.await.unwrap_or_default();
        let answers = answers.into_iter().map(Some).chain(std::iter::repeat(None));
        let keep = |((places, key), answer): ((Vec<usize>, Key), Option<_>)| {
            let answer = answer.unwrap_or_else(|| Err(lost()));
            if let (Some(cache), Ok(allowed)) = (&self.cache, &answer) {
                cache.keep(key, *allowed, asked);
            }
            (places, answer)
        };
        whose.into_iter().zip(answers).map(keep).collect()
    }
}

fn lost() -> Error {
    Error::Unavailable("the question was dropped".to_owned())
}

const LATE: &str = "no answer before the deadline";

/// Batches of one call that are on their way at once.
const AT_ONCE: usize = 8;

/// A batch may take so many times as long as a check.
const LONGER: u32 = 10;
