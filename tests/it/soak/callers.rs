//! Callers who put questions at a bounded rate, and have each answer judged.
//!
//! They have threads of their own: where they keep the machine busy, the proxies that stand for the
//! network must not be slowed down by it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::join_all;
use tokio::{
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    questions::{Source, TOPICS},
    report::Tally,
    site::Site,
    truth::Question,
};
use crate::support::door::{Answer, Door};

/// Puts a question.
pub(super) async fn ask(door: &Door, question: &Question) -> Answer {
    let headers = question.headers.iter();
    let headers: Vec<(&str, &str)> = headers.map(|(name, value)| (*name, &**value)).collect();
    door.ask(&question.path, &headers, &question.body).await
}

/// Connections to each replica: Envoy has one a worker thread.
const CONNECTIONS: usize = 4;

/// Callers at work.
#[derive(Debug)]
pub(super) struct Callers {
    stop: Arc<AtomicBool>,
    asking: JoinSet<()>,
    runtime: Option<Runtime>,
}

/// The connections of all callers, by replica.
type Doors = [Vec<Door>; 2];

impl Callers {
    /// Starts so many of each topic, which put `rate` questions a second together: fewer when answers
    /// take longer, never more.
    pub(super) async fn start(site: &Arc<Site>, tally: &Arc<Tally>, each: u32, rate: u32) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let addresses = site.replicas.each_ref().map(|replica| replica.grpc);
        let dial = async move {
            let all = addresses.map(|to| join_all((0..CONNECTIONS).map(|_| Door::dial(to))));
            let [embedded, remote] = all;
            Arc::new([embedded.await, remote.await])
        };
        let doors: Arc<Doors> = runtime.spawn(dial).await.expect("the doors are open");
        let stop = Arc::new(AtomicBool::new(false));
        let mut asking = JoinSet::new();
        for ((topic, percent), group) in TOPICS.iter().zip(0..) {
            let pace = Duration::from_secs(100) * each / (percent * rate);
            for number in 0..each {
                let caller = Caller {
                    source: Source::new(*topic, &site.pools, u64::from(group * each + number)),
                    doors: Arc::clone(&doors),
                    site: Arc::clone(site),
                    tally: Arc::clone(tally),
                    stop: Arc::clone(&stop),
                    pace,
                    // Spread over the first turn.
                    first: pace * number / each,
                };
                asking.spawn_on(caller.call(), runtime.handle());
            }
        }
        Self {
            stop,
            asking,
            runtime: Some(runtime),
        }
    }

    /// Lets each finish the question it is at.
    ///
    /// # Panics
    ///
    /// When one got no answer.
    pub(super) async fn finish(mut self) {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.asking.join_next().await {
            ended.expect("every question has an answer");
        }
    }
}

impl Drop for Callers {
    fn drop(&mut self) {
        // Connections end with it. Another runtime's thread may not wait for that.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One of them.
struct Caller {
    source: Source,
    doors: Arc<Doors>,
    site: Arc<Site>,
    tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    /// From one question to the next.
    pace: Duration,
    /// Until the first.
    first: Duration,
}

impl Caller {
    async fn call(mut self) {
        sleep(self.first).await;
        let mut turns = interval(self.pace);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.stop.load(Ordering::SeqCst) {
            turns.tick().await;
            // Before it is made: what changes while it is made counts too.
            let since = self.site.settled.now();
            let question = self.source.next();
            let doors = &self.doors[question.replica];
            let door = &doors[self.source.pick(doors.len())];
            let answer = ask(door, &question).await;
            let worth = question.judge(&answer, &self.site.settled, &since);
            self.source.learn(&question, &answer);
            self.tally.note(&question, &answer, worth);
        }
    }
}
