//! Which verdict is right: known from how a question was made, never from what was answered.

use std::sync::atomic::{AtomicU64, Ordering};

use super::questions::Headers;
use crate::support::door::Answer;

/// What an answer may hang on and what changes while questions are asked: services that fail, and
/// facts that are replaced.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Thing {
    /// Which routes there are.
    Config,
    /// The endpoint that tells what opaque tokens are worth.
    Introspection,
    /// The provider's key set.
    Keys,
    /// The permission server.
    OpenFga,
    /// The relationship at that server which comes and goes.
    Permission,
    Redis,
    /// Which of the provider's keys are good.
    Rotation,
    /// The relationship in the store file which comes and goes.
    Store,
}

impl Thing {
    const COUNT: usize = 8;

    /// The reason when it could not be asked; facts are always known.
    fn undecided(self) -> Option<&'static str> {
        match self {
            Self::Introspection | Self::Keys | Self::Redis => Some("keys_unavailable"),
            Self::OpenFga => Some("permission_unavailable"),
            Self::Config | Self::Permission | Self::Rotation | Self::Store => None,
        }
    }
}

/// What is settled: an even number, counted up whenever something begins to change and when it has
/// ended.
#[derive(Debug, Default)]
pub(super) struct Settled([AtomicU64; Thing::COUNT]);

/// All numbers when a question was put.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment([u64; Thing::COUNT]);

impl Settled {
    pub(super) fn now(&self) -> Moment {
        Moment(std::array::from_fn(|at| self.0[at].load(Ordering::SeqCst)))
    }

    /// From now on until [`Settled::settle`] nobody can tell how it stands with `thing`.
    pub(super) fn unsettle(&self, thing: Thing) {
        let before = self.0[thing as usize].fetch_add(1, Ordering::SeqCst);
        assert!(before.is_multiple_of(2), "{thing:?} changes twice at once");
    }

    pub(super) fn settle(&self, thing: Thing) {
        let before = self.0[thing as usize].fetch_add(1, Ordering::SeqCst);
        assert!(!before.is_multiple_of(2), "{thing:?} did not change");
    }

    /// Whether `thing` stood still all the time since.
    fn held(&self, since: &Moment, thing: Thing) -> bool {
        let before = since.0[thing as usize];
        before.is_multiple_of(2) && before == self.0[thing as usize].load(Ordering::SeqCst)
    }
}

/// A question and what is right to answer.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// What is asked, for the report.
    pub(super) kind: &'static str,
    /// Which replica is asked.
    pub(super) replica: usize,
    pub(super) path: String,
    pub(super) headers: Headers,
    pub(super) body: Vec<u8>,
    /// What is right as long as nothing that the question hangs on changes.
    pub(super) right: Answer,
    /// What is right too while a fact of [`Question::hangs_on`] changes.
    pub(super) other: Option<Answer>,
    pub(super) hangs_on: &'static [Thing],
}

/// What an answer is worth.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Worth {
    Right,
    /// Not decided, and what it hangs on was failing: right by the failure table.
    Undecided,
    /// Not decided for want of time or room: right by the failure table, whatever fails.
    Shed,
    /// Not decided though what it hangs on was well: wrong, unless the machine starved it.
    Unexplained,
    Wrong,
}

impl Question {
    /// One that anybody may ask at any time, and that is right to allow.
    pub(super) fn at(path: &str, kind: &'static str) -> Self {
        Self {
            kind,
            replica: 0,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            right: Answer::Allowed,
            other: None,
            hangs_on: &[],
        }
    }

    pub(super) fn with(self, headers: Headers) -> Self {
        Self { headers, ..self }
    }

    pub(super) fn denied(self, status: i32, reason: &str) -> Self {
        Self {
            right: denied(status, reason),
            ..self
        }
    }

    pub(super) fn on(self, hangs_on: &'static [Thing]) -> Self {
        Self { hangs_on, ..self }
    }

    /// Right to allow or to answer with `no`, and the other way round while a fact changes.
    pub(super) fn given(self, is_allowed: bool, no: Answer, hangs_on: &'static [Thing]) -> Self {
        let (right, other) = if is_allowed {
            (Answer::Allowed, no)
        } else {
            (no, Answer::Allowed)
        };
        Self {
            right,
            other: Some(other),
            hangs_on,
            ..self
        }
    }

    /// What `answer` is worth, if the question was put at `since`.
    pub(super) fn judge(&self, answer: &Answer, settled: &Settled, since: &Moment) -> Worth {
        let changed = |thing: &Thing| !settled.held(since, *thing);
        if *answer == self.right {
            return Worth::Right;
        }
        let is_fact = |thing: &&Thing| thing.undecided().is_none();
        let mut facts = self.hangs_on.iter().filter(is_fact);
        if self.other.as_ref() == Some(answer) && facts.any(changed) {
            return Worth::Right;
        }
        let Answer::Denied(503, reason) = answer else {
            return Worth::Wrong;
        };
        if ["deadline", "overloaded"].contains(&reason.as_str()) {
            return Worth::Shed;
        }
        let needs = |thing: &&Thing| thing.undecided() == Some(reason);
        let needed: Vec<&Thing> = self.hangs_on.iter().filter(needs).collect();
        if needed.is_empty() {
            Worth::Wrong
        } else if needed.into_iter().any(changed) {
            Worth::Undecided
        } else {
            Worth::Unexplained
        }
    }
}

/// Denied with this status and reason.
pub(super) fn denied(status: i32, reason: &str) -> Answer {
    Answer::Denied(status, reason.to_owned())
}

#[test]
fn a_fault_excuses_no_wrong_allow_and_nothing_that_does_not_hang_on_it() {
    let settled = Settled::default();
    let question = |right: Answer, hangs_on| Question {
        right,
        ..Question::at("/", "any").on(hangs_on)
    };
    let (no, away) = (
        denied(403, "permission_denied"),
        denied(503, "permission_unavailable"),
    );
    let (plain, remote) = (
        question(Answer::Allowed, &[]),
        question(no.clone(), &[Thing::OpenFga, Thing::Permission]),
    );
    let well = settled.now();
    let judge = |question: &Question, answer: &Answer, since: &Moment| {
        question.judge(answer, &settled, since)
    };
    assert_eq!(judge(&remote, &no, &well), Worth::Right);
    assert_eq!(judge(&remote, &away, &well), Worth::Unexplained);
    assert_eq!(judge(&remote, &denied(503, "deadline"), &well), Worth::Shed);

    settled.unsettle(Thing::OpenFga);
    for since in [well, settled.now()] {
        assert_eq!(judge(&remote, &away, &since), Worth::Undecided);
        assert_eq!(judge(&remote, &Answer::Allowed, &since), Worth::Wrong);
        assert_eq!(judge(&plain, &away, &since), Worth::Wrong);
        assert_eq!(judge(&plain, &no, &since), Worth::Wrong);
        let another = denied(503, "keys_unavailable");
        assert_eq!(judge(&remote, &another, &since), Worth::Wrong);
    }
    settled.settle(Thing::OpenFga);
    assert_eq!(
        judge(&remote, &away, &well),
        Worth::Undecided,
        "it overlapped"
    );
    assert_eq!(judge(&remote, &away, &settled.now()), Worth::Unexplained);

    let given = Question {
        other: Some(Answer::Allowed),
        ..remote
    };
    let well = settled.now();
    assert_eq!(judge(&given, &Answer::Allowed, &well), Worth::Wrong);
    settled.unsettle(Thing::Permission);
    assert_eq!(judge(&given, &Answer::Allowed, &well), Worth::Right);
}
