//! Many questions over one store, answered as the single check would, at the price of table look-ups.
//!
//! ```text
//! questions -> numbers (names looked up 64 at a time)
//!           -> tame object?  no: the single check
//!           -> many questions of one (user, relation)?  the set of all its objects, made once: a bit each
//!           -> else a short walk from the object, which remembers what it learns of this user; in a
//!              large store what many walks will look at is asked for first
//! ```
//!
//! # What a reader would get wrong
//!
//! - Only what cannot fail takes the short ways: see [`Tame`]. Conditions, cycles, depth and questions
//!   that bring tuples along are the single check's, so every answer and every error is its own.
//! - A set is made from the user's side, and only of relations with neither `and` nor `but not` below.
//!   Those that combine such relations get theirs from the others' sets, a word at a time.
//!
//! # Cost
//!
//! Some twenty nanoseconds a question where a set is at hand, some hundreds where not. A set may take
//! [`STEPS_PER_QUESTION`] steps for each question that asks for it, so making it never costs more than
//! a fixed multiple of going without.

mod ahead;
mod bits;
mod memberships;
mod resolve;
mod sample;
mod spread;
#[cfg(test)]
mod tests;
mod walk;

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub(crate) use self::memberships::Memberships;
use self::{
    ahead::Ahead,
    resolve::{Pair, Pairs, Run},
    spread::Spread,
    walk::Walk,
};
use super::{
    Authorizer, Error, Questions,
    graph::{Mixing, Node, Tame},
    names::Found,
    plan::{Op, OpKind, RelId},
    store::Store,
};
use crate::dispatch::{Operation, Weight, Work};

/// Questions that are answered together, over the store that was served when they were asked.
#[derive(Debug)]
pub struct Batch {
    store: Arc<Store>,
    questions: Questions,
    /// Locked for a look-up, never while a set is made.
    known: Mutex<Known>,
}

/// What is known of the sets that questions ask for.
#[derive(Debug, Default)]
struct Known {
    /// By (relation, user).
    sets: HashMap<Node, Set, Mixing>,
    /// What those that were made take together.
    bytes: usize,
}

/// All objects to which one user has one relation.
#[derive(Debug)]
enum Set {
    Made(Arc<Spread>),
    /// Too wide for the questions there were when it was last tried.
    TooWide {
        asked: usize,
        tried: usize,
    },
}

impl Batch {
    /// Takes `questions` over the store that `authorizer` serves now. Nothing is looked up yet.
    ///
    /// # Errors
    ///
    /// [`Error::NoStore`]; what is wrong with a question is the answer to it.
    pub fn new(authorizer: &Authorizer, questions: Questions) -> Result<Self, Error> {
        let store = authorizer.store.load_full().ok_or(Error::NoStore)?;
        Ok(Self::over(store, questions))
    }

    fn over(store: Arc<Store>, questions: Questions) -> Self {
        Self {
            store,
            questions,
            known: Mutex::default(),
        }
    }

    /// The set of a (relation, user) that `count` more questions ask for, if it is worth making.
    fn set(&self, key: Node, count: usize) -> Option<Arc<Spread>> {
        let mut known = self.known();
        let is_full = known.bytes >= MAX_BYTES;
        let asked = match known.sets.entry(key).or_insert(Set::NEW) {
            Set::Made(spread) => return Some(Arc::clone(spread)),
            Set::TooWide { .. } if is_full => return None,
            Set::TooWide { asked, tried } => {
                *asked += count;
                // Each attempt is twice as wide as the last, so all of them cost twice the widest.
                if *asked < 2 * *tried {
                    return None;
                }
                *tried = *asked;
                *asked
            }
        };
        drop(known);
        let (relation, subject) = key.parts();
        let budget = asked.saturating_mul(STEPS_PER_QUESTION).min(MAX_STEPS);
        let spread = Spread::new(&self.store, subject, relation, budget)?;
        Some(self.known().keep(key, Arc::new(spread)))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // A panic elsewhere leaves the map whole: entries are put in at once.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sets that enough of all questions ask for, or for whose relations they ask.
    fn sets(&self, pairs: &Pairs) -> Sets {
        let mut sets = Sets::default();
        if pairs.objects.len() < WORTH_A_SET {
            return sets;
        }
        for (key, count) in frequent(&pairs.runs) {
            let (relation, subject) = key.parts();
            for relation in self.monotone_parts(relation) {
                let key = Node::new(relation, subject);
                sets.extend(self.set(key, count).map(|set| (key, set)));
            }
            if !sets.contains_key(&key) {
                sets.extend(self.combined(&sets, key).map(|set| (key, set)));
            }
        }
        sets
    }

    /// The set of a (relation, user) whose relation combines `sets`.
    fn combined(&self, sets: &Sets, key: Node) -> Option<Arc<Spread>> {
        let known = self.known();
        if let Some(Set::Made(spread)) = known.sets.get(&key) {
            return Some(Arc::clone(spread));
        }
        if known.bytes >= MAX_BYTES {
            return None;
        }
        drop(known);
        let (relation, subject) = key.parts();
        let rewrite = &self.store.plan.relation(relation).rewrite;
        let spread = Spread::combined(sets, rewrite, subject)?;
        Some(self.known().keep(key, spread))
    }

    /// `relation` itself if it is monotone, else the monotone relations that its rewrite names.
    fn monotone_parts(&self, relation: RelId) -> Vec<RelId> {
        let plan = &self.store.plan;
        let rewrite = &plan.relation(relation).rewrite;
        if rewrite.monotone {
            return vec![relation];
        }
        let mut found = Vec::new();
        let mut open: Vec<&Op> = vec![rewrite];
        while let Some(op) = open.pop() {
            match &op.kind {
                OpKind::Computed(id) if plan.relation(*id).rewrite.monotone => found.push(*id),
                OpKind::Computed(_) | OpKind::Direct | OpKind::FromTupleset { .. } => {}
                OpKind::Difference(parts) => open.extend(parts.iter()),
                OpKind::Intersection(parts) | OpKind::Union(parts) => open.extend(parts),
            }
        }
        found.truncate(MAX_PARTS);
        found
    }

    /// Answers the questions about `objects`, the first of which is the one at `from`: `holds` knows those
    /// that are tame, by their place here. `answers` say no so far.
    #[inline]
    fn each(
        &self,
        from: usize,
        objects: &[Found],
        is_monotone: bool,
        answers: &mut [Result<bool, Error>],
        mut holds: impl FnMut(usize, u32) -> bool,
    ) {
        for (at, (object, answer)) in objects.iter().zip(answers).enumerate() {
            if !Tame::allows(object.tag, is_monotone) {
                *answer = self.single(from + at);
            } else if let Ok(allowed) = answer {
                // Making an answer and moving it there takes longer than finding it out.
                *allowed = holds(at, object.id);
            }
        }
    }

    fn single(&self, at: usize) -> Result<bool, Error> {
        self.questions.put(at, |ask| self.store.check(ask))
    }
}

/// By (relation, user).
type Sets = HashMap<Node, Arc<Spread>, Mixing>;

/// The keys of at least [`WORTH_A_SET`] questions, and of how many.
///
/// Among many users nearly every key comes once or twice. Those are told apart by counting in a small
/// table that keys share, since a table of all keys takes as long as answering.
fn frequent(runs: &[Run]) -> HashMap<Node, usize, Mixing> {
    let places = runs.len().next_power_of_two().min(MOST_PLACES);
    let mut shared = vec![0_usize; places];
    let place = |key: Node| key.mixed() & (places - 1);
    let keys = || runs.iter().filter_map(|run| Some((run.key?, run.len)));
    for (key, len) in keys() {
        shared[place(key)] += len;
    }
    let mut counts = HashMap::<Node, usize, Mixing>::default();
    for (key, len) in keys() {
        if shared[place(key)] >= WORTH_A_SET {
            *counts.entry(key).or_default() += len;
        }
    }
    counts.retain(|_, count| *count >= WORTH_A_SET);
    counts
}

impl Work for Batch {
    const OPERATION: Operation = Operation::Permission;

    type Output = Result<bool, Error>;

    fn len(&self) -> usize {
        self.questions.len()
    }

    fn weight(&self, item: usize) -> Weight {
        Weight {
            class: u8::from(self.questions.brings_tuples(item)),
            bytes: self.questions.bytes(item),
        }
    }

    fn run(&self, items: Range<usize>) -> Vec<Self::Output> {
        let pairs = Pairs::new(&self.store, &self.questions, items.clone());
        let sets = self.sets(&pairs);
        let mut walk = Walk::new(&self.store, &sets);
        let mut ahead = Ahead::new(&self.store);
        let mut answers = Vec::new();
        answers.resize_with(items.len(), || Ok(false));
        let mut begin = 0;
        for (number, run) in pairs.runs.iter().enumerate() {
            let from = items.start + begin;
            let objects = &pairs.objects[begin..begin + run.len];
            let answers = &mut answers[begin..begin + run.len];
            if let Some(key) = run.key {
                let (relation, _) = key.parts();
                let is_monotone = self.store.plan.relation(relation).rewrite.monotone;
                if let Some(set) = sets.get(&key) {
                    self.each(from, objects, is_monotone, answers, |_, object| {
                        set.has(object)
                    });
                } else {
                    self.each(from, objects, is_monotone, answers, |at, object| {
                        let at = begin + at;
                        if ahead.is_due(at) {
                            ahead.look(at, pairs.from(number, begin, at));
                        }
                        walk.holds(Pair { key, object })
                    });
                }
            } else {
                for (at, answer) in (from..).zip(answers) {
                    *answer = self.single(at);
                }
            }
            begin += run.len;
        }
        answers
    }
}

impl Known {
    /// Two threads may have made the same one; the later counts.
    fn keep(&mut self, key: Node, spread: Arc<Spread>) -> Arc<Spread> {
        self.bytes += spread.bytes();
        if let Some(Set::Made(other)) = self.sets.insert(key, Set::Made(Arc::clone(&spread))) {
            self.bytes -= other.bytes();
        }
        spread
    }
}

impl Set {
    const NEW: Self = Self::TooWide { asked: 0, tried: 0 };
}

/// A step takes some five nanoseconds, and a walk that a set saves takes some hundreds.
const STEPS_PER_QUESTION: usize = 16;

/// Bounds the time that making one set may hold a thread to about a millisecond.
const MAX_STEPS: usize = 100_000;

/// With so much in sets no further one is made: without a set an answer takes a walk.
const MAX_BYTES: usize = 32 << 20;

/// Sets made for one relation that has an `and` or a `but not`.
const MAX_PARTS: usize = 4;

/// Questions in one piece that make it worth while to try for a set.
const WORTH_A_SET: usize = 16;

/// Larger tables for counting leave the core's own memory.
const MOST_PLACES: usize = 8_192;
