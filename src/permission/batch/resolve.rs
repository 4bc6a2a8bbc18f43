//! From names to numbers.
//!
//! A name that some tuple has is a name of the right form, so finding it is all the reading there is.
//! Whatever is not found (an unknown name, a set, a mistake) is left to the single check.

use std::{iter::repeat_n, ops::Range};

use crate::permission::{
    graph::{Node, Tame},
    names::{BLOCK, Found, NONE},
    plan::{RelId, TypeId},
    questions::{Part, Questions},
    store::Store,
};

/// A question in numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Pair {
    pub(super) key: Node,
    pub(super) object: u32,
}

/// Questions in numbers.
#[derive(Debug)]
pub(super) struct Pairs {
    /// The object of each, and what may be asked about it ([`Tame::allows`]).
    pub(super) objects: Vec<Found>,
    /// All of them, cut where the key changes.
    pub(super) runs: Vec<Run>,
}

/// Questions that follow each other and have their key in common: what one set answers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Relation and subject; `None` for what the single check must answer.
    pub(super) key: Option<Node>,
    pub(super) len: usize,
}

impl Pairs {
    /// The questions in `range`.
    pub(super) fn new(store: &Store, questions: &Questions, range: Range<usize>) -> Self {
        let mut pairs = Self {
            objects: Vec::with_capacity(range.len()),
            runs: Vec::new(),
        };
        let mut keys = Keys::new(store, questions);
        let mut names = [&b""[..]; BLOCK];
        let mut objects = [Found::NOTHING; BLOCK];
        for from in range.clone().step_by(BLOCK) {
            let block = from..range.end.min(from + BLOCK);
            for (name, object) in names.iter_mut().zip(questions.objects(block.clone())) {
                *name = object;
            }
            store.graph.find_all(&names[..block.len()], &mut objects);
            let objects = &objects[..block.len()];
            keys.meet(block.clone());
            for (at, object) in block.zip(objects) {
                pairs.push(keys.of(at, *object));
            }
            pairs.objects.extend_from_slice(objects);
        }
        pairs
    }

    #[inline]
    fn push(&mut self, key: Option<Node>) {
        match self.runs.last_mut() {
            Some(run) if run.key == key => run.len += 1,
            _ => self.runs.push(Run { key, len: 1 }),
        }
    }

    /// The pairs from the one at `at` on, which is in the run with this number that begins at `begin`;
    /// `None` for what the single check must answer.
    pub(super) fn from(
        &self,
        number: usize,
        begin: usize,
        at: usize,
    ) -> impl Iterator<Item = Option<Pair>> {
        let mut runs = self.runs.get(number..).unwrap_or_default().iter().copied();
        let first = runs.next().map(|run| Run {
            len: run.len.saturating_sub(at - begin),
            ..run
        });
        let runs = first.into_iter().chain(runs);
        let keys = runs.flat_map(|run| repeat_n(run.key, run.len));
        let objects = self.objects.get(at..).unwrap_or_default();
        keys.zip(objects).map(|(key, object)| {
            Some(Pair {
                key: key?,
                object: object.id,
            })
        })
    }
}

/// From questions to keys. Neighbours mostly have one user and one relation, and what was found for the
/// last of them is kept.
struct Keys<'a> {
    store: &'a Store,
    questions: &'a Questions,
    /// The number of the asker that `subjects` begin with, and the users' numbers of those who ask.
    first: usize,
    subjects: [u32; BLOCK],
    /// The last user that was looked up.
    user: Option<(Part, u32)>,
    /// The few relations that a batch asks for; the one that was found last comes first.
    relations: Vec<(TypeId, usize, Option<RelId>)>,
    /// The last key, and for whom and what kind of object it is.
    last: (usize, TypeId, Option<Node>),
}

impl<'a> Keys<'a> {
    fn new(store: &'a Store, questions: &'a Questions) -> Self {
        Self {
            store,
            questions,
            first: 0,
            subjects: [NONE; BLOCK],
            user: None,
            relations: Vec::new(),
            last: (usize::MAX, TypeId(0), None),
        }
    }

    /// Looks up who asks the questions in `block`.
    fn meet(&mut self, block: Range<usize>) {
        let (first, last) = (block.start, block.end - 1);
        let numbers = self.questions.asker(first)..self.questions.asker(last) + 1;
        if numbers == (self.first..self.first + 1) && self.user.is_some() {
            // The one who asked before asks on.
            return;
        }
        self.first = numbers.start;
        let mut names = [&b""[..]; BLOCK];
        let mut places = [0; BLOCK];
        let mut count = 0;
        let mut user = self.user.map(|(user, _)| user);
        let askers = self.questions.askers(numbers);
        for (place, asker) in places.iter_mut().zip(askers) {
            if user != Some(asker.user) {
                user = Some(asker.user);
                names[count] = self.questions.text(asker.user).as_bytes();
                count += 1;
            }
            *place = count;
        }
        let before = self.user.map_or(NONE, |(_, subject)| subject);
        let mut found = [Found::NOTHING; BLOCK];
        self.store.graph.find_all(&names[..count], &mut found);
        let mut subject = before;
        for (slot, place) in self.subjects.iter_mut().zip(&places[..askers.len()]) {
            subject = place.checked_sub(1).map_or(before, |place| found[place].id);
            *slot = subject;
        }
        self.user = user.map(|user| (user, subject));
    }

    /// The key of the question at `at`, in the block that was met last.
    #[inline]
    fn of(&mut self, at: usize, object: Found) -> Option<Node> {
        if object.id == NONE || self.questions.brings_tuples(at) {
            return None;
        }
        let asker = self.questions.asker(at);
        let (of, _) = Tame::untagged(object.tag);
        if (self.last.0, self.last.1) != (asker, of) {
            self.last = (asker, of, self.find(asker, of));
        }
        self.last.2
    }

    fn find(&mut self, asker: usize, of: TypeId) -> Option<Node> {
        let subject = self.subjects[asker - self.first];
        if subject == NONE {
            return None;
        }
        let relation = self.questions.askers(asker..asker + 1)[0].relation;
        Some(Node::new(self.relation(of, relation)?, subject))
    }

    fn relation(&mut self, of: TypeId, relation: usize) -> Option<RelId> {
        let known = &mut self.relations;
        let is_it =
            |(type_id, number, _): &(TypeId, usize, _)| (*type_id, *number) == (of, relation);
        if let Some(place) = known.iter().position(is_it) {
            known.swap(0, place);
            return known[0].2;
        }
        let name = self.questions.relation(relation);
        let id = self.store.plan.relation_id(of, name);
        if known.len() < MAX_KNOWN {
            known.push((of, relation, id));
        }
        id
    }
}

/// More than these are quicker looked up than compared.
const MAX_KNOWN: usize = 8;
