//! From names to numbers.
//!
//! A name that some tuple has is a name of the right form, so finding it is all the reading there is.
//! Whatever is not found (an unknown name, a set, a mistake) is left to the single check.

use crate::permission::{
    graph::Node,
    names::{BLOCK, NONE},
    plan::{RelId, TypeId},
    question::Question,
    store::Store,
};

/// A question in numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Pair {
    pub(super) subject: u32,
    pub(super) relation: RelId,
    pub(super) object: u32,
}

impl Pair {
    /// What questions have in common that one set answers.
    pub(super) fn key(self) -> Node {
        Node::new(self.relation, self.subject)
    }
}

/// One for each question; `None` for what the single check must answer.
pub(super) fn pairs(store: &Store, questions: &[Question]) -> Vec<Option<Pair>> {
    let mut pairs = Vec::with_capacity(questions.len());
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
        let mut objects = [NONE; BLOCK];
        store.graph.find_all(&names[..block.len()], &mut objects);
        for (index, question) in block.iter().enumerate() {
            let (subject, object) = (subjects[index], objects[index]);
            let is_found = subject != NONE && object != NONE;
            pairs.push(if is_found && question.contextual_tuples.is_empty() {
                let relation = relations.find(object, &question.relation);
                relation.map(|relation| Pair {
                    subject,
                    relation,
                    object,
                })
            } else {
                None
            });
        }
    }
    pairs
}

/// The users' numbers. Each is looked up once where questions of one user follow each other; `last`
/// is the user before.
fn subjects<'q>(store: &Store, block: &'q [Question], last: &mut (&'q str, u32)) -> [u32; BLOCK] {
    let mut names = [""; BLOCK];
    let mut places = [0; BLOCK];
    let mut count = 0;
    let mut name = last.0;
    for (place, question) in places.iter_mut().zip(block) {
        if question.user != name {
            name = &question.user;
            names[count] = name;
            count += 1;
        }
        *place = count;
    }
    let mut found = [NONE; BLOCK];
    store.graph.find_all(&names[..count], &mut found);
    let mut subjects = [NONE; BLOCK];
    for (subject, place) in subjects.iter_mut().zip(&places[..block.len()]) {
        *subject = match place.checked_sub(1) {
            None => last.1,
            Some(place) => found[place],
        };
    }
    *last = (name, subjects[block.len().saturating_sub(1)]);
    subjects
}

/// The few relations that a batch asks for.
struct Relations<'a> {
    store: &'a Store,
    known: Vec<(TypeId, &'a str, Option<RelId>)>,
}

impl<'a> Relations<'a> {
    fn find(&mut self, object: u32, name: &'a str) -> Option<RelId> {
        let of = self.store.graph.type_of(object);
        let known = self.known.iter();
        let mut same = known.filter(|(type_id, known, _)| *type_id == of && *known == name);
        if let Some((_, _, id)) = same.next() {
            return *id;
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
