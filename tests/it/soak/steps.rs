//! What happens while questions are asked: services that fail and recover, facts that change.

use std::{
    fs,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::time::sleep;

use super::{
    PATIENCE,
    callers::ask,
    questions::{EMBEDDED, REMOTE, bearer, provided},
    report::Tally,
    site::{Servers, Site, store, viewer},
    tell,
    truth::{Question, Thing},
};
use crate::{
    replicas::revoke,
    support::{client::Request, door::Answer, faults::Fault},
    world,
};

/// Within which every replica is to refuse what one has revoked.
const EVERYWHERE: Duration = Duration::from_secs(1);

/// Longer than any deadline in the configuration.
const SLOW: Fault = Fault::Slow(Duration::from_secs(4));

/// What a permission server says that has too much to do.
const BUSY: Fault =
    Fault::Says("HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n");

/// One thing that happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    ConfigBroken,
    ConfigChanged,
    /// A service fails in this way for a while.
    Fails(Thing, Fault),
    KeysRotated,
    PermissionChanged,
    RedisKilled,
    Revoked,
    StoreChanged,
}

/// One round. A short run does not get far, so each service fails in one way first.
pub(super) const ROUND: [Step; 29] = [
    Step::Fails(Thing::Redis, Fault::Refuse),
    Step::Revoked,
    Step::Fails(Thing::OpenFga, Fault::Reset),
    Step::StoreChanged,
    Step::Fails(Thing::Keys, Fault::Garbage),
    Step::KeysRotated,
    Step::Fails(Thing::Introspection, Fault::Reset),
    Step::ConfigChanged,
    Step::Fails(Thing::OpenFga, BUSY),
    Step::ConfigBroken,
    Step::RedisKilled,
    Step::PermissionChanged,
    Step::Fails(Thing::Redis, SLOW),
    Step::Fails(Thing::OpenFga, Fault::Refuse),
    Step::Fails(Thing::Keys, Fault::Refuse),
    Step::Fails(Thing::Introspection, SLOW),
    Step::Fails(Thing::Redis, Fault::Garbage),
    Step::Revoked,
    Step::Fails(Thing::OpenFga, SLOW),
    Step::KeysRotated,
    Step::Fails(Thing::Keys, SLOW),
    Step::Fails(Thing::Introspection, Fault::Garbage),
    Step::Fails(Thing::Redis, Fault::Reset),
    Step::StoreChanged,
    Step::Fails(Thing::OpenFga, Fault::Garbage),
    Step::PermissionChanged,
    Step::Fails(Thing::Introspection, Fault::Refuse),
    Step::ConfigChanged,
    Step::Fails(Thing::Redis, Fault::BlackHole),
];

/// Makes it happen.
pub(super) struct Director {
    /// How long the slowest revocation took to be everywhere.
    pub(super) slowest: Duration,
    site: Arc<Site>,
    servers: Servers,
    tally: Arc<Tally>,
    /// How long what fails does so.
    hold: Duration,
    /// Tells canaries and revocations from each other.
    number: u64,
}

impl Director {
    pub(super) fn new(
        site: &Arc<Site>,
        servers: Servers,
        tally: &Arc<Tally>,
        hold: Duration,
    ) -> Self {
        Self {
            slowest: Duration::ZERO,
            site: Arc::clone(site),
            servers,
            tally: Arc::clone(tally),
            hold,
            number: 0,
        }
    }

    /// Has `step` happen, and returns when everything is well again.
    pub(super) async fn take(&mut self, step: Step) {
        let (name, began) = (name(step), Instant::now());
        self.tally.during(&name);
        match step {
            Step::ConfigBroken => self.break_config().await,
            Step::ConfigChanged => self.change_config().await,
            Step::Fails(thing, fault) => {
                self.site.settled.unsettle(thing);
                self.site.proxy(thing).set(fault);
                sleep(self.hold).await;
                self.site.proxy(thing).set(Fault::None);
                self.recover(thing).await;
            }
            Step::KeysRotated => self.rotate().await,
            Step::PermissionChanged => self.change_permission().await,
            Step::RedisKilled => {
                self.site.settled.unsettle(Thing::Redis);
                self.servers.redis.kill();
                sleep(self.hold).await;
                self.servers.redis.restart().await;
                self.recover(Thing::Redis).await;
            }
            Step::Revoked => self.revoke().await,
            Step::StoreChanged => self.change_store().await,
        }
        self.tally.during("nothing");
        let took = began.elapsed().as_secs_f64();
        tell(&format!("{name}: over after {took:.1} s"));
    }

    /// Waits until `thing` is asked and answers again, several times on end.
    async fn recover(&mut self, thing: Thing) {
        let (replicas, breaker): (&[usize], _) = match thing {
            Thing::Introspection => (&[EMBEDDED, REMOTE], "introspection:provider"),
            Thing::Keys => (&[EMBEDDED, REMOTE], "keys:provider"),
            Thing::OpenFga => (&[REMOTE], "openfga"),
            _ => (&[EMBEDDED, REMOTE], "redis"),
        };
        let site = Arc::clone(&self.site);
        for number in replicas {
            let replica = &site.replicas[*number];
            let (began, mut on_end) = (Instant::now(), 0);
            while on_end < 3 {
                let canary = self.canary(thing, *number);
                let answer = ask(&site.doors[*number], &canary).await;
                let page = Request::get("/readyz").send(replica.admin).await.json();
                let is_ready = thing != Thing::Redis || page["redis"]["ready"] == json!(true);
                let is_closed = page["breakers"][breaker] == json!("closed");
                let is_well = answer == canary.right && is_closed && is_ready;
                on_end = if is_well { on_end + 1 } else { 0 };
                let is_wrong = answer == Answer::Allowed && answer != canary.right;
                assert!(!is_wrong, "{thing:?}: {canary:?}");
                if began.elapsed() >= PATIENCE {
                    let log = replica.process.stdout();
                    panic!("{thing:?} is not well again: {answer:?}\n{page}\n{log}");
                }
                sleep(Duration::from_millis(50)).await;
            }
        }
        site.settled.settle(thing);
    }

    /// A question that nobody can answer without `thing`.
    fn canary(&mut self, thing: Thing, replica: usize) -> Question {
        self.number += 1;
        let pools = &self.site.pools;
        let question = match thing {
            Thing::Introspection => {
                let token = format!("canary-{}", self.number);
                let question = Question::at("/provider", "canary").with(bearer(&token));
                question.denied(401, "token_revoked")
            }
            Thing::Keys => {
                let token = pools.of_a_stranger();
                let question = Question::at("/provider", "canary").with(bearer(&token));
                question.denied(401, "token_signature")
            }
            Thing::OpenFga => {
                let (path, headers) = pools.remote(&format!("canary-{}", self.number));
                let question = Question::at(&path, "canary").with(headers);
                question.denied(403, "permission_denied")
            }
            _ => Question::at("/bound", "canary").with(pools.proven()),
        };
        Question {
            replica,
            ..question
        }
    }

    /// Asks until the answer is the right one.
    async fn until(&self, question: Question) {
        let began = Instant::now();
        loop {
            let answer = ask(&self.site.doors[question.replica], &question).await;
            if answer == question.right {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{answer:?} to {question:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn revoke(&mut self) {
        self.number += 1;
        let name = format!("leaver-{}", self.number);
        let (what, token) = if self.number.is_multiple_of(2) {
            (json!({ "sub": name }), world::token(&name))
        } else {
            let token = world::token("alice").claim("jti", json!(name));
            (json!({ "jti": name }), token)
        };
        let token = token.sign(&self.site.pools.keys.es256);
        let shown = |replica| Question {
            replica,
            ..Question::at("/me", "canary").with(bearer(&token))
        };
        // Twice: the second time it is known.
        for replica in [EMBEDDED, REMOTE, EMBEDDED, REMOTE] {
            self.until(shown(replica)).await;
        }
        let here = if self.number % 4 < 2 {
            EMBEDDED
        } else {
            REMOTE
        };
        let answer = revoke(&self.site.replicas[here], what).await;
        assert_eq!(answer.status, 204, "{}", answer.text());
        let since = Instant::now();
        let refused = |replica| shown(replica).denied(401, "token_revoked");
        let answer = ask(&self.site.doors[here], &refused(here)).await;
        assert_eq!(answer, refused(here).right, "at once where it was revoked");
        self.until(refused(1 - here)).await;
        let took = since.elapsed();
        assert!(took <= EVERYWHERE, "revoked after {took:?}");
        self.slowest = self.slowest.max(took);
        self.site
            .pools
            .revoked
            .write()
            .expect("no panic")
            .push(token);
    }

    async fn rotate(&self) {
        let pools = &self.site.pools;
        self.site.settled.unsettle(Thing::Rotation);
        // The newest key stays published beside the next, and the one before goes.
        let leaving = {
            let good = &mut pools.provided.write().expect("no panic").good;
            let leaving = good.len().saturating_sub(1);
            good.drain(..leaving).flatten().collect::<Vec<_>>()
        };
        self.servers.provider.rotate_keeping(1).await;
        let new = provided(&self.servers.provider).await;
        for replica in [EMBEDDED, REMOTE] {
            let question = Question::at("/provider", "canary").with(bearer(&new[0]));
            self.until(Question {
                replica,
                ..question
            })
            .await;
        }
        {
            let mut provided = pools.provided.write().expect("no panic");
            provided.good.push(new);
            provided.withdrawn.extend(leaving);
        }
        self.site.settled.settle(Thing::Rotation);
    }

    async fn change_store(&self) {
        let pools = &self.site.pools;
        self.site.settled.unsettle(Thing::Store);
        let may = !pools.store.fetch_not(Ordering::SeqCst);
        let dir = self.site.replicas[EMBEDDED].dir();
        let (draft, file) = (dir.join("draft"), dir.join("store.fga.yaml"));
        fs::write(&draft, store(may)).expect("write the store");
        fs::rename(draft, file).expect("put the store in place");
        let (path, headers) = pools.embedded("flip");
        let question = Question::at(&path, "canary").with(headers);
        self.until_flipped(question, may, EMBEDDED).await;
        self.site.settled.settle(Thing::Store);
    }

    async fn change_permission(&self) {
        let pools = &self.site.pools;
        self.site.settled.unsettle(Thing::Permission);
        let may = !pools.permission.fetch_not(Ordering::SeqCst);
        let (server, [place, model]) = (&self.servers.openfga, &self.servers.ids);
        let tuple = viewer("flip");
        if may {
            server.write(place, model, &[tuple]).await;
        } else {
            server.delete(place, &tuple).await;
        }
        let (path, headers) = pools.remote("flip");
        let question = Question::at(&path, "canary").with(headers);
        self.until_flipped(question, may, REMOTE).await;
        self.site.settled.settle(Thing::Permission);
    }

    async fn until_flipped(&self, question: Question, may: bool, replica: usize) {
        let question = if may {
            question
        } else {
            question.denied(403, "permission_denied")
        };
        self.until(Question {
            replica,
            ..question
        })
        .await;
    }

    async fn change_config(&self) {
        self.site.settled.unsettle(Thing::Config);
        let is_open = !self.site.pools.switch.fetch_not(Ordering::SeqCst);
        for replica in [EMBEDDED, REMOTE] {
            self.site.replicas[replica].reload(&self.site.config(replica, is_open));
            let question = Question::at("/switch", "canary");
            let question = if is_open {
                question
            } else {
                question.denied(401, "token_missing")
            };
            self.until(Question {
                replica,
                ..question
            })
            .await;
        }
        self.site.settled.settle(Thing::Config);
    }

    /// A bad one changes nothing, so nothing is unsettled. Then the good one is put back.
    async fn break_config(&self) {
        let is_open = self.site.pools.switch.load(Ordering::SeqCst);
        for replica in [EMBEDDED, REMOTE] {
            let good = self.site.config(replica, is_open);
            let bad = good.replace("path: /open", "path: open");
            for (outcome, config) in [("failed", bad), ("ok", good)] {
                let replica = &self.site.replicas[replica];
                let reloads = async || {
                    let labels = [("outcome", outcome)];
                    let metrics = replica.metrics().await;
                    metrics.count("subzero_config_reloads_total", &labels)
                };
                let (before, began) = (reloads().await, Instant::now());
                replica.reload(&config);
                while reloads().await == before {
                    assert!(began.elapsed() < PATIENCE, "no reload has {outcome}");
                    sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

/// What the report calls it.
fn name(step: Step) -> String {
    match step {
        Step::Fails(thing, Fault::Says(_)) => format!("{thing:?} busy"),
        Step::Fails(thing, fault) => format!("{thing:?} {fault:?}"),
        other => format!("{other:?}"),
    }
}
