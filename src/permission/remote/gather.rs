//! Checks that wait for company: those of one model that come within a moment become one batch.
//!
//! On a thread of its own, because a runtime's timers go by milliseconds: this one waits to within
//! some tens of microseconds and sends the batch off to the runtime that asks.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{runtime::Handle, sync::oneshot};

use super::{
    exchange::Exchange,
    models::Model,
    wire::{Item, MAX_TOGETHER, MAX_TOGETHER_BYTES},
};
use crate::permission::{Consistency, Error};

/// Where checks are handed in that may wait.
#[derive(Debug)]
pub(super) struct Gatherer {
    members: Sender<Member>,
}

/// A check that waits for company.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) consistency: Consistency,
    pub(super) item: Item,
    pub(super) model: Arc<Model>,
    pub(super) tell: oneshot::Sender<Result<bool, Error>>,
}

/// Those who have come so far.
struct Group {
    bytes: usize,
    ends: Instant,
    members: Vec<Member>,
}

impl Gatherer {
    /// Sends batches with `exchange` on `handle`, each at most `window` after its first member came.
    pub(super) fn start(
        window: Duration,
        exchange: Arc<Exchange>,
        handle: Handle,
    ) -> io::Result<Self> {
        let (members, coming) = channel();
        thread::Builder::new()
            .name("openfga-gather".to_owned())
            .spawn(move || gather(&coming, window, &exchange, &handle))?;
        Ok(Self { members })
    }

    /// The answer to `item`, which is asked about soon.
    pub(super) async fn ask(
        &self,
        item: Item,
        model: Arc<Model>,
        consistency: Consistency,
    ) -> Result<bool, Error> {
        let (tell, answer) = oneshot::channel();
        let member = Member {
            consistency,
            item,
            model,
            tell,
        };
        // Gone together with the thread: then nobody answers either.
        let _sent = self.members.send(member);
        let lost = |_| Error::Unavailable("the one who was to ask ended".to_owned());
        answer.await.unwrap_or_else(|error| Err(lost(error)))
    }
}

fn gather(coming: &Receiver<Member>, window: Duration, exchange: &Arc<Exchange>, to: &Handle) {
    let mut groups: Vec<Group> = Vec::new();
    loop {
        let next = groups.iter().map(|group| group.ends).min();
        let came = match next {
            None => coming.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(ends) => coming.recv_timeout(ends.saturating_duration_since(Instant::now())),
        };
        match came {
            Ok(member) => join(&mut groups, member, window),
            Err(RecvTimeoutError::Timeout) => {}
            // Whoever waited in a group still gets an answer.
            Err(RecvTimeoutError::Disconnected) => {
                for group in groups {
                    send(group, exchange, to);
                }
                return;
            }
        }
        let now = Instant::now();
        for at in (0..groups.len()).rev() {
            if groups[at].ends <= now || groups[at].members.len() >= MAX_TOGETHER {
                send(groups.swap_remove(at), exchange, to);
            }
        }
    }
}

fn join(groups: &mut Vec<Group>, member: Member, window: Duration) {
    let fits = |group: &&mut Group| {
        let first = &group.members[0];
        first.consistency == member.consistency
            && first.model.id == member.model.id
            && group.bytes + member.item.len() <= MAX_TOGETHER_BYTES
            && group.members.len() < MAX_TOGETHER
    };
    if let Some(group) = groups.iter_mut().find(fits) {
        group.bytes += member.item.len();
        group.members.push(member);
        return;
    }
    groups.push(Group {
        bytes: member.item.len(),
        ends: Instant::now() + window,
        members: vec![member],
    });
}

fn send(group: Group, exchange: &Arc<Exchange>, to: &Handle) {
    let exchange = Arc::clone(exchange);
    to.spawn(async move {
        let (model, consistency) = (
            Arc::clone(&group.members[0].model),
            group.members[0].consistency,
        );
        let (items, tells): (Vec<Item>, Vec<_>) = group
            .members
            .into_iter()
            .map(|member| (member.item, member.tell))
            .unzip();
        let answers = exchange.together(&items, &model, consistency, None).await;
        for (tell, answer) in tells.into_iter().zip(answers) {
            // Whoever asked may have gone.
            let _told = tell.send(answer);
        }
    });
}
