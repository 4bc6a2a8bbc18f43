//! One server: how it is asked, with what, how often, and when it is left alone.
//!
//! A check changes nothing, so it may be asked twice; but only after failures that say nothing of
//! how busy the server is, or that it asks to have tried again, or where it is configured while the first
//! is under way; and always within a budget. A call that ran out of time is not repeated: the next one
//! would too. While the breaker is open nobody is asked.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use reqwest::Url;
use tokio::time::sleep;

use super::{Metrics, wire};
use crate::{
    clock::Clock,
    identity::TokenSource,
    permission::{Error, config::Server as Config},
    problem::Problem,
    units::Secret,
    upstream::{self, Budget, Call, Fetcher, Limits, Reach, Reply, hedged},
};

/// The way to a server.
#[derive(Debug)]
pub(super) struct Server {
    budget: Budget,
    credentials: Option<Credentials>,
    fetcher: Fetcher,
    hedge_after: Option<Duration>,
    /// Until when it asked to be left alone.
    left_alone: Mutex<Option<Instant>>,
    metrics: Metrics,
    /// `…/stores/ID`.
    store: Url,
    timeout: Duration,
}

/// How we prove ourselves.
#[derive(Debug)]
enum Credentials {
    Client(TokenSource),
    Key {
        path: PathBuf,
        held: ArcSwap<Secret>,
    },
}

/// What came of a call.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server says no to the question.
    Refused(wire::Refusal),
    /// There is no answer.
    Unavailable(String),
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(refusal) => wire::refused(&refusal.code, &refusal.message),
            Failure::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

/// What one try came to.
enum Tried {
    Answered(Vec<u8>),
    Failed(Failure),
    /// It is worth another try, after this long at least.
    Again(String, Duration),
    /// Another key may do.
    Unknown(String),
}

impl Credentials {
    /// Reads what proves us; problems are relative to the section.
    fn new(config: &Config, metrics: &Metrics) -> Result<Option<Self>, Vec<Problem>> {
        let Some(given) = &config.credentials else {
            return Ok(None);
        };
        if let Some(file) = &given.key_file {
            let path = config.base_dir.join(file);
            let key = read_key(&path).map_err(|why| vec![Problem::new("key_file", why)])?;
            let held = ArcSwap::from_pointee(key);
            return Ok(Some(Self::Key { path, held }));
        }
        let Some(client) = &given.client else {
            return Ok(None);
        };
        let reach = if given.allow_private_addresses {
            Reach::Anywhere
        } else {
            Reach::Public
        };
        let source = TokenSource::new(
            client,
            given.issuer.as_deref().unwrap_or_default(),
            &config.base_dir,
            reach,
            config.timeout,
            Clock::System,
            metrics.tokens.clone(),
        );
        let within = |problem: Problem| problem.within("client");
        match source {
            Ok(source) => Ok(Some(Self::Client(source))),
            Err(found) => Err(found.into_iter().map(within).collect()),
        }
    }
}

impl Server {
    /// Reads secrets, asks nobody.
    pub(super) fn new(config: &Config, metrics: Metrics) -> Result<Self, Vec<Problem>> {
        let mut store = config.base.clone();
        match store.path_segments_mut() {
            Ok(mut path) => drop(path.pop_if_empty().extend(["stores", &config.store])),
            Err(()) => return Err(vec![Problem::new("url", "cannot have a path")]),
        }
        let credentials = Credentials::new(config, &metrics);
        let credentials = credentials.map_err(|found| {
            let within = |problem: Problem| problem.within("credentials");
            found.into_iter().map(within).collect::<Vec<_>>()
        })?;
        Ok(Self {
            budget: Budget::new(),
            credentials,
            fetcher: Fetcher::keeping(Reach::Anywhere, IDLE_CONNECTIONS),
            hedge_after: config.hedge_after,
            left_alone: Mutex::default(),
            metrics,
            store,
            timeout: config.timeout,
        })
    }

    /// Makes the client, which takes milliseconds, before the first check needs it.
    pub(super) fn prepare(&self) {
        self.fetcher.prepare();
    }

    /// Longest wait for one answer.
    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Posts `body` to `/stores/ID/PATH`, again where that is safe, until `deadline` at most.
    pub(super) async fn post(
        &self,
        path: &str,
        body: String,
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        self.ask(self.url(&[path]), Some(body), MAX_ANSWER_BYTES, deadline)
            .await
    }

    /// Gets `/stores/ID/PATH…`.
    pub(super) async fn get(
        &self,
        path: &[&str],
        query: &str,
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        let mut url = self.url(path);
        url.set_query(Some(query).filter(|query| !query.is_empty()));
        self.ask(url, None, MAX_MODEL_BYTES, deadline).await
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.store.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path);
        }
        url
    }

    async fn ask(
        &self,
        url: Url,
        body: Option<String>,
        most: usize,
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        self.budget.earn();
        let mut has_read_key = false;
        for tries in 0.. {
            self.wait_while_left_alone(deadline).await?;
            let key = self.key();
            let (why, pause) = match self.once(&url, body.clone(), most, deadline).await {
                Tried::Answered(body) => return Ok(body),
                Tried::Failed(failure) => return Err(failure),
                Tried::Unknown(_) if !has_read_key && self.has_another_key(key.as_deref()) => {
                    has_read_key = true;
                    continue;
                }
                Tried::Unknown(why) => return Err(Failure::Unavailable(why)),
                Tried::Again(why, pause) => (why, pause),
            };
            if tries + 1 >= MAX_TRIES || Instant::now() + pause >= deadline || !self.budget.spend()
            {
                return Err(Failure::Unavailable(why));
            }
            self.metrics.retries.inc();
            sleep(pause).await;
        }
        // The loop ends by returning.
        Err(Failure::Unavailable("not asked".to_owned()))
    }

    async fn once(&self, url: &Url, body: Option<String>, most: usize, deadline: Instant) -> Tried {
        let unavailable = |why: String| Tried::Failed(Failure::Unavailable(why));
        let bearer = match &self.credentials {
            None => None,
            Some(Credentials::Key { held, .. }) => Some(Secret::clone(&held.load())),
            Some(Credentials::Client(source)) => match source.token().await {
                Ok(token) => Some(token.token),
                Err(error) => return unavailable(format!("no token to ask with: {error}")),
            },
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return unavailable("no time was left to ask".to_owned());
        }
        let call = Call {
            url,
            bearer: bearer.as_ref(),
            body,
            limits: Limits {
                bytes: most,
                time: left.min(self.timeout),
            },
        };
        let attempt = match self.metrics.server.begin() {
            Ok(attempt) => attempt,
            Err(open) => return unavailable(open.to_string()),
        };
        let until = Instant::now() + call.limits.time;
        let send = || {
            let mut call = call.clone();
            // Both together take no longer than one may.
            call.limits.time = until.saturating_duration_since(Instant::now());
            self.fetcher.call(call, &self.metrics.server, judge)
        };
        let may = || {
            self.budget
                .spend()
                .then(|| self.metrics.hedges.inc())
                .is_some()
        };
        let reply = hedged(self.hedge_after, may, send).await;
        // Callers who are in a hurry say nothing of the server.
        let is_cut_short =
            left < self.timeout / 2 && matches!(reply, Err(upstream::Error::Timeout));
        if let Some(attempt) = attempt.filter(|_| !is_cut_short) {
            attempt.ended(reply.as_ref().map_or(true, |reply| reply.status >= 500));
        }
        match reply {
            Ok(reply) => self.meaning(reply),
            Err(error @ (upstream::Error::Connect(_) | upstream::Error::Http(_))) => {
                Tried::Again(error.to_string(), AFTER_A_LOST_CALL)
            }
            Err(error) => unavailable(error.to_string()),
        }
    }

    fn meaning(&self, reply: Reply) -> Tried {
        let refusal = wire::read_refusal(&reply.body);
        let code = refusal.as_ref().map(|refusal| refusal.code.as_str());
        let code = code.map_or_else(String::new, |code| format!(" (`{code}`)"));
        let why = format!("the server answered {}{code}", reply.status);
        match (reply.status, refusal) {
            (200, _) => Tried::Answered(reply.body),
            (400, Some(refusal)) => Tried::Failed(Failure::Refused(refusal)),
            (401, _) => Tried::Unknown(why),
            // Busy, by its own word: it says when to come again.
            (429, _) => {
                let pause = reply.retry_after.unwrap_or(AFTER_TOO_MANY);
                self.leave_alone(pause.clamp(AFTER_A_LOST_CALL, LONGEST_PAUSE));
                Tried::Again(why, pause)
            }
            (409 | 422 | 500..=599, _) => {
                let pause = reply.retry_after.unwrap_or(AFTER_A_LOST_CALL);
                Tried::Again(why, pause)
            }
            _ => Tried::Failed(Failure::Unavailable(why)),
        }
    }

    fn leave_alone(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut left_alone = self
            .left_alone
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *left_alone = (*left_alone).max(Some(until));
    }

    /// Waits for the time that the server named, or says at once that it does not come soon enough.
    async fn wait_while_left_alone(&self, deadline: Instant) -> Result<(), Failure> {
        let until = *self
            .left_alone
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match until {
            Some(until) if until > now => {
                if until >= deadline {
                    let why = "the server asked to be left alone for longer than there is time";
                    return Err(Failure::Unavailable(why.to_owned()));
                }
                sleep(until - now).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn key(&self) -> Option<Arc<Secret>> {
        match &self.credentials {
            Some(Credentials::Key { held, .. }) => Some(held.load_full()),
            Some(Credentials::Client(_)) | None => None,
        }
    }

    /// Whether there is another key by now than the one that was `shown`: somebody who was refused at
    /// the same time has read it, or the key's file holds it.
    fn has_another_key(&self, shown: Option<&Secret>) -> bool {
        let Some(Credentials::Key { path, held }) = &self.credentials else {
            return false;
        };
        if shown != Some(&**held.load()) {
            return true;
        }
        match read_key(path) {
            Ok(key) if key != **held.load() => {
                tracing::info!("another key for the permission server");
                held.store(Arc::new(key));
                true
            }
            _ => false,
        }
    }
}

/// What counts as a failure of the server: not that it refuses a question.
fn judge(reply: &Reply) -> Result<(), upstream::Error> {
    match reply.status {
        200 | 400 => Ok(()),
        status => Err(upstream::Error::Http(format!("answered {status}"))),
    }
}

fn read_key(path: &std::path::Path) -> Result<Secret, String> {
    let shown = path.display();
    let text =
        fs::read_to_string(path).map_err(|error| format!("`{shown}` cannot be read: {error}"))?;
    let key = Secret::new(&text);
    let is_visible = key.expose().bytes().all(|byte| byte.is_ascii_graphic());
    if key.expose().is_empty() || !is_visible {
        return Err(format!(
            "`{shown}` holds no key: one line of visible characters"
        ));
    }
    Ok(key)
}

const MAX_TRIES: u32 = 3;

/// Enough for a restarted server's socket, short against any deadline.
const AFTER_A_LOST_CALL: Duration = Duration::from_millis(5);

/// When a server says that it is asked too often and not for how long to stop.
const AFTER_TOO_MANY: Duration = Duration::from_secs(1);

/// Longer pauses are not believed: a server could be silenced by one answer.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// As many calls at once as keep a connection each.
const IDLE_CONNECTIONS: usize = 64;

/// Fifty answers, each with a long message.
const MAX_ANSWER_BYTES: usize = 256 << 10;

/// `OpenFGA` stores models of 256 KiB, which are longer as JSON.
const MAX_MODEL_BYTES: usize = 4 << 20;
