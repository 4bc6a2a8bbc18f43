//! Keeps a connection to Redis, hears what others change, and looks twice a second whether anything
//! was missed.
//!
//! What a reader would get wrong: a connection that is open may still be of no use. The server may
//! hang, may have become one that is not written to, or may refuse our password since it was
//! changed. So the look at versions is also the pulse: two of them without an answer, or an answer
//! that a new connection might mend, and the connection is given up.

use std::{
    fmt::Display,
    ops::ControlFlow,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use redis::PushInfo;
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use super::{Failure, Line, Redis, connect::Opened, news::News, random};
use crate::{
    store::{Error, config::Topology},
    upstream,
};

/// Keeps the connection until `stop` ends.
pub(super) async fn keep(redis: Redis, mut stop: watch::Receiver<()>) {
    tokio::select! {
        () = connect_forever(&redis) => {}
        // Nothing is ever sent: this is the sender going.
        _ = stop.changed() => {}
    }
}

async fn connect_forever(redis: &Redis) {
    let settings = &redis.inner.settings;
    let channel = redis.channel();
    let mut failures: u32 = 0;
    let mut log = Log::default();
    for turn in 0.. {
        let started = Instant::now();
        let (tell, told) = mpsc::channel(NEWS);
        let opening = Opened::open(settings, &channel, turn, &tell);
        let opened = match timeout(settings.connect_timeout, opening).await {
            Ok(Ok(opened)) => Ok(opened),
            Ok(Err(error)) => Err(Failure::of(&error).cause),
            Err(_) => Err(upstream::Error::Timeout),
        };
        // Only the connection itself may tell: when it goes, the news end.
        drop(tell);
        redis
            .inner
            .series
            .record(&opened, started.elapsed().as_secs_f64());
        match opened {
            Ok(opened) => {
                log.connected(&opened);
                let connected = Instant::now();
                let lost = serve(redis, opened, told).await;
                log.failed(&lost);
                redis.put_down(&lost);
                // A connection that ends at once is a failure, however well it began.
                failures = if connected.elapsed() > STEADY {
                    0
                } else {
                    failures + 1
                };
            }
            Err(cause) => {
                log.failed(&cause);
                redis.put_down(&cause);
                failures = failures.saturating_add(1);
            }
        }
        sleep(pause(failures, settings.reconnect_after)).await;
    }
}

/// Serves until the connection is of no use any more; says why.
async fn serve(redis: &Redis, opened: Opened, mut told: mpsc::Receiver<PushInfo>) -> String {
    let inner = &redis.inner;
    let line = Line {
        conn: opened.conn.clone(),
        tracks: opened.tracks,
    };
    inner.line.store(Some(Arc::new(line)));
    inner.trouble.store(None);
    redis.doubt();
    let mut pulse = interval(PULSE);
    pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut missed = 0;
    loop {
        tokio::select! {
            news = told.recv() => match news {
                None => return "news ended".to_owned(),
                Some(push) => {
                    for news in News::read(push) {
                        if let ControlFlow::Break(why) = redis.heard(news) {
                            return why.to_owned();
                        }
                    }
                    continue;
                }
            },
            () = inner.suspect.notified() => return "its answers say so".to_owned(),
            () = inner.wanted.notified() => {}
            _ = pulse.tick() => {}
        }
        // News wait meanwhile; the queue holds them.
        match redis.catch_up().await {
            Ok(()) => {
                missed = 0;
                inner.trust.hear();
            }
            Err(error) => {
                missed += 1;
                redis.doubt();
                if missed >= MOST_MISSED {
                    return error.to_string();
                }
            }
        }
    }
}

impl Redis {
    /// There is no connection from now on.
    fn put_down(&self, why: &impl Display) {
        self.inner.line.store(None);
        self.inner.trust.lose();
        self.inner.trouble.store(Some(Arc::new(why.to_string())));
    }

    /// Something may have been missed.
    fn doubt(&self) {
        self.inner.trust.lose();
        for ledger in self.ledgers() {
            ledger.doubt();
        }
    }

    /// Looks whether anything was missed.
    async fn catch_up(&self) -> Result<(), Error> {
        let caches: Vec<_> = {
            let listeners = self.listeners();
            let alive =
                |(space, cache): (&&'static str, &Weak<_>)| Some((*space, cache.upgrade()?));
            listeners.caches.iter().filter_map(alive).collect()
        };
        // Asked even if nobody needs them: it is the pulse.
        let generations = self.generations_now().await?;
        for (space, cache) in caches {
            if let Some(generation) = generations.get(space) {
                cache.is_of(*generation);
            } else {
                self.begin_generation(space).await?;
                self.inner.wanted.notify_one();
            }
        }
        let now = self.inner.clock.now();
        for ledger in self.ledgers() {
            ledger.catch_up(now).await?;
        }
        Ok(())
    }

    fn heard(&self, news: News) -> ControlFlow<&'static str> {
        match news {
            News::Lost if self.inner.settings.topology == Topology::Cluster => {
                // One node of several; the client library connects to it again.
                self.doubt();
                self.inner.wanted.notify_one();
            }
            News::Lost => return ControlFlow::Break("connection lost"),
            News::Flushed => {
                self.doubt();
                self.inner.wanted.notify_one();
            }
            News::Gone { by, space, key } => {
                let cache = self.listeners().caches.get(&*space).and_then(Weak::upgrade);
                if let Some(cache) = cache.filter(|_| by != Some(self.inner.by)) {
                    cache.is_gone(&key);
                }
            }
            News::Cleared { space, generation } => {
                let cache = self.listeners().caches.get(&*space).and_then(Weak::upgrade);
                if let Some(cache) = cache {
                    cache.is_of(generation);
                }
            }
            News::Joined {
                list,
                version,
                entries,
            } => {
                let ledger = self.listeners().ledgers.get(&*list).and_then(Weak::upgrade);
                if let Some(ledger) = ledger {
                    ledger.heard(version, &entries);
                }
            }
            News::Unreadable => {
                self.inner.unreadable.inc();
                self.doubt();
            }
            News::Nothing => {}
        }
        ControlFlow::Continue(())
    }

    fn ledgers(&self) -> Vec<Arc<crate::store::ledger::Inner>> {
        let listeners = self.listeners();
        listeners
            .ledgers
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

/// How long to leave Redis alone after so many failures in a row: never as long on two replicas.
fn pause(failures: u32, most: Duration) -> Duration {
    let doubled = FIRST_PAUSE * 2_u32.saturating_pow(failures.min(16));
    let random = u32::try_from(random() >> 32).unwrap_or_default();
    let chance = f64::from(random) / f64::from(u32::MAX);
    doubled.min(most).mul_f64(0.5 + 0.5 * chance)
}

/// What has been said, so that it is said once.
#[derive(Default)]
struct Log {
    cause: Option<String>,
}

impl Log {
    fn connected(&mut self, opened: &Opened) {
        self.cause = None;
        tracing::info!(tracks = opened.tracks, "redis connected");
    }

    fn failed(&mut self, cause: &impl Display) {
        let cause = cause.to_string();
        if self.cause.as_ref() != Some(&cause) {
            tracing::warn!(cause, "redis is away");
            self.cause = Some(cause);
        }
    }
}

/// How often versions are looked at: twice within the second in which everybody is to know.
const PULSE: Duration = Duration::from_millis(400);

/// Pulses without an answer after which a connection is of no use.
const MOST_MISSED: u32 = 2;

/// A connection that lived so long was a good one.
const STEADY: Duration = Duration::from_secs(1);

/// Shortest pause before connecting again.
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// News that may wait. More at once, and we hear that we missed some.
const NEWS: usize = 8192;
