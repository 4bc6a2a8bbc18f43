//! From names to numbers.
//!
//! A name that some tuple has is a name of the right form, so finding it is all the reading there is.
//! Whatever is not found (an unknown name, a set, a mistake) is left to the single check.

use std::iter::repeat_n;

use crate::permission::{
    graph::{Node, Tame},
    names::{self, BLOCK, Found, NONE},
    plan::{RelId, TypeId},
    question::Question,
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
    pub(super) fn new(store: &Store, questions: &[Question]) -> Self {
        let mut pairs = Self {
            objects: Vec::with_capacity(questions.len()),
            runs: Vec::new(),
        };
        let mut relations = Relations {
            store,
            known: Vec::new(),
        };
        let mut user = ("", NONE);
        for block in questions.chunks(BLOCK) {
            let subjects = subjects(store, block, &mut user);
            let mut names = [""; BLOCK];
            for (name, question) in names.iter_mut().zip(block) {
                *name = &question.object;
            }
            let mut objects = [Found::NOTHING; BLOCK];
            store.graph.find_all(&names[..block.len()], &mut objects);
            for ((question, subject), object) in block.iter().zip(&subjects).zip(&objects) {
                pairs.push(relations.key(question, *subject, *object));
            }
            pairs.objects.extend_from_slice(&objects[..block.len()]);
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

/// The users' numbers. Each is looked up once where questions of one user follow each other; `last`
/// is the user before.
fn subjects<'q>(store: &Store, block: &'q [Question], last: &mut (&'q str, u32)) -> [u32; BLOCK] {
    let is_same = |a: &str, b: &str| names::same(a.as_bytes(), b.as_bytes());
    if block.iter().all(|question| is_same(&question.user, last.0)) {
        return [last.1; BLOCK];
    }
    let mut names = [""; BLOCK];
    let mut places = [0; BLOCK];
    let mut count = 0;
    let mut name = last.0;
    for (place, question) in places.iter_mut().zip(block) {
        if !is_same(&question.user, name) {
            name = &question.user;
            names[count] = name;
            count += 1;
        }
        *place = count;
    }
    let mut found = [Found::NOTHING; BLOCK];
    store.graph.find_all(&names[..count], &mut found);
    let mut subjects = [NONE; BLOCK];
    for (subject, place) in subjects.iter_mut().zip(&places[..block.len()]) {
        *subject = match place.checked_sub(1) {
            None => last.1,
            Some(place) => found[place].id,
        };
    }
    *last = (name, subjects[block.len().saturating_sub(1)]);
    subjects
}

/// The few relations that a batch asks for.
struct Relations<'a> {
    store: &'a Store,
    /// The one that was found last comes first.
    known: Vec<(TypeId, &'a str, Option<RelId>)>,
}

impl<'a> Relations<'a> {
    #[inline]
    fn key(&mut self, question: &'a Question, subject: u32, object: Found) -> Option<Node> {
        if subject == NONE || object.id == NONE || !question.contextual_tuples.is_empty() {
            return None;
        }
        let (of, _) = Tame::untagged(object.tag);
        Some(Node::new(self.find(of, &question.relation)?, subject))
    }

    #[inline]
    fn find(&mut self, of: TypeId, name: &'a str) -> Option<RelId> {
        let is_it = |(type_id, known, _): &(TypeId, &str, _)| {
            *type_id == of && names::same(known.as_bytes(), name.as_bytes())
        };
        if let Some(first) = self.known.first().filter(|first| is_it(first)) {
            return first.2;
        }
        if let Some(place) = self.known.iter().position(is_it) {
            self.known.swap(0, place);
            return self.known[0].2;
        }
        let id = self.store.plan.relation_id(of, name);
        if self.known.len() < MAX_KNOWN {
            self.known.push((of, name, id));
        }
        id
    }
}

/// More than these are quicker looked up than compared.
const MAX_KNOWN: usize = 8;
