//! Histories that replicas share: read from Redis when they are not known or a second old, told to
//! Redis a moment after they changed.
//!
//! What a reader would get wrong: a check waits for Redis at most once a second for each subject, and
//! never to tell it something. So another replica's denials count here a little later: a tenth of a
//! second until they are told, a second at most until they are read. While Redis is away each replica
//! goes by what it knows; a subject that it knows nothing of cannot be scored.
//!
//! What cannot be told is kept for later, up to [`MOST_OWED`] subjects, and goes with the process. What
//! Redis took but did not confirm in time is told again, and counts twice: the safer mistake.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use futures_util::future::join_all;

use super::{
    history::History,
    score::Model,
    subjects::{Subject, Subjects},
};
use crate::store::{Error, Key, Tally};

/// What is to be told, and where.
pub(super) struct Shared {
    tally: Tally,
    owed: Mutex<Owed>,
}

#[derive(Default)]
struct Owed {
    /// What was seen here since it was told last.
    seen: HashMap<Subject, History>,
    /// How the newest of them fade.
    model: Option<Model>,
    /// It has been said that some were dropped.
    has_warned: bool,
}

impl Shared {
    pub(super) fn new(tally: Tally) -> Self {
        Self {
            tally,
            owed: Mutex::default(),
        }
    }

    /// Has what `change` adds told soon.
    pub(super) fn owe(&self, subject: &Subject, model: &Model, change: impl Fn(&mut History)) {
        let mut owed = self.owed();
        owed.model = Some(*model);
        if owed.seen.len() >= MOST_OWED && !owed.seen.contains_key(subject) {
            if !mem::replace(&mut owed.has_warned, true) {
                tracing::warn!("redis is away: what is seen of further subjects stays here");
            }
            return;
        }
        change(owed.seen.entry(*subject).or_default());
    }

    /// What all replicas know of `subject`, with what was seen here and not told yet.
    pub(super) async fn read(
        &self,
        subject: &Subject,
        model: &Model,
    ) -> Result<Option<History>, Error> {
        let found = self.tally.read(&Key::from(*subject)).await?;
        // What is of another version is as good as none.
        let found = found.as_deref().and_then(History::read);
        Ok(self.with_owed(subject, found, model))
    }

    fn with_owed(
        &self,
        subject: &Subject,
        found: Option<History>,
        model: &Model,
    ) -> Option<History> {
        let owed = self.owed().seen.get(subject).copied();
        match (found, owed) {
            (Some(found), Some(owed)) => Some(found.and(&owed, model)),
            (found, owed) => found.or(owed),
        }
    }

    /// Tells what is owed; what `subjects` hold is then what all replicas know.
    async fn tell(&self, subjects: &Subjects) {
        let (seen, model) = {
            let mut owed = self.owed();
            (mem::take(&mut owed.seen), owed.model)
        };
        let Some(model) = model else { return };
        let seen: Vec<(Subject, History)> = seen.into_iter().collect();
        for part in seen.chunks(AT_ONCE) {
            let told = part.iter().map(|(subject, history)| {
                let half_life = Duration::from_secs_f64(model.behavior_half);
                let (key, text) = (Key::from(*subject), history.write());
                async move {
                    self.tally
                        .add(&key, text, half_life, model.forget_after)
                        .await
                }
            });
            for ((subject, history), told) in part.iter().zip(join_all(told).await) {
                match told {
                    Ok(together) => {
                        let together = History::read(&together);
                        if let Some(together) = self.with_owed(subject, together, &model) {
                            subjects.replace(subject, together);
                        }
                    }
                    Err(_) => self.put_back(subject, history, &model),
                }
            }
        }
    }

    fn put_back(&self, subject: &Subject, history: &History, model: &Model) {
        let mut owed = self.owed();
        let newer = owed.seen.get(subject).copied();
        let both = newer.map_or(*history, |newer| history.and(&newer, model));
        if newer.is_some() || owed.seen.len() < MOST_OWED {
            owed.seen.insert(*subject, both);
        }
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        // A panic while it was held would have left one subject's latest out.
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells what is owed until nobody holds the histories any more.
pub(super) async fn tell_forever(subjects: Weak<Subjects>) {
    loop {
        tokio::time::sleep(BEHIND).await;
        let Some(subjects) = subjects.upgrade() else {
            return;
        };
        if let Some(shared) = subjects.shared() {
            shared.tell(&subjects).await;
        }
    }
}

/// How long what was seen waits for more to be told with it.
const BEHIND: Duration = Duration::from_millis(100);

/// How old what was read from Redis may be.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// Questions at once.
const AT_ONCE: usize = 64;

/// Subjects that wait to be told of: 3 MiB.
const MOST_OWED: usize = 16 << 10;
