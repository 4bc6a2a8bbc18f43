//! Answers one check over a [`Plan`] and a [`Graph`] as `OpenFGA`'s v1 engine would.
//!
//! Truth is yes, no, or undecided: too deep to tell, or a condition that cannot be evaluated. A yes
//! beats an undecided under `or`, a no beats it under `and`; only what is left undecided is an error.
//!
//! # What a reader would get wrong
//!
//! - A cycle in the data is not just "nothing found": under `but not` it *denies*, whichever side it
//!   is on. [`Outcome::cycle`] carries that.
//! - Depth counts hops over tuples (userset, `from`), never computed relations. The 25th is too deep.
//! - What is found on one path may not hold on another when a cycle was cut, so such outcomes are
//!   never remembered.
//!
//! # Cost
//!
//! Where no `and` or `but not` lies below, the walk is breadth-first ([`region`]) and touches each
//! place once. Else it recurses, remembers outcomes that no cycle touched, and is bounded by
//! [`MAX_FRAMES`] and [`MAX_STEPS`]. Working memory is reused from check to check on each thread.

mod assigned;
mod outcome;
#[cfg(test)]
pub(super) mod reference;
mod region;
#[cfg(test)]
pub(super) mod tests;
pub(crate) mod users;

use std::{cell::RefCell, collections::HashMap};

use self::{
    outcome::{Known, Outcome, Truth},
    region::Frontier,
};
use super::{
    condition::{Json, Values},
    graph::{Graph, Mixing, Node},
    plan::{CondId, Op, OpKind, Plan, RelId, SubjectKind, TypeId},
};

/// Who is asked about: what it is, and its number if any tuple names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) kind: SubjectKind,
    pub(crate) object: Option<u32>,
}

/// What a check is about, but for the place it asks of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) graph: &'a Graph,
    /// Tuples that came with the question, laid over `graph`.
    pub(crate) extra: Option<&'a Graph>,
    /// Values for conditions.
    pub(crate) context: Option<&'a Json>,
    pub(crate) subject: Subject,
}

/// Why there is no answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Undecided {
    /// A condition cannot be evaluated.
    Failed(String),
    /// The way there is longer than is followed.
    TooDeep,
}

/// Whether the subject of `question` has the relation `node.0` on the object `node.1`.
pub(crate) fn check(question: Question<'_>, node: Node) -> Result<bool, Undecided> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let mut walk = Walk {
            question,
            scratch,
            frames: 0,
            steps: 0,
            failure: None,
        };
        match walk.node(node, 0).truth {
            Truth::Failed => Err(Undecided::Failed(walk.failure.unwrap_or_default())),
            Truth::No => Ok(false),
            Truth::TooDeep => Err(Undecided::TooDeep),
            Truth::Yes => Ok(true),
        }
    })
}

/// One check under way.
struct Walk<'a> {
    question: Question<'a>,
    scratch: &'a mut Scratch,
    frames: usize,
    steps: usize,
    /// Why the first condition that could not be evaluated could not.
    failure: Option<String>,
}

impl<'a> Walk<'a> {
    fn node(&mut self, node: Node, depth: u8) -> Outcome {
        if depth >= MAX_DEPTH || self.is_spent() {
            return Outcome::TOO_DEEP;
        }
        if self.scratch.path.contains(&node) {
            return Outcome {
                cycle: true,
                cut: true,
                ..Outcome::NO
            };
        }
        if self.is_itself(node) {
            return Outcome::YES;
        }
        let (relation, object) = node.parts();
        if !self
            .question
            .plan
            .reaches(relation, self.question.subject.kind)
        {
            return Outcome::NO;
        }
        let rewrite = &self.question.plan.relation(relation).rewrite;
        if self.scratch.path.is_empty() && rewrite.monotone {
            return self.region(Frontier::Node(node), depth, false);
        }
        if let Some(known) = self
            .scratch
            .known
            .get(&node)
            .and_then(|known| known.at(depth))
        {
            return known;
        }
        let outcome = if rewrite.monotone {
            self.region(Frontier::Node(node), depth, true)
        } else {
            self.scratch.path.push(node);
            let outcome = self.op(rewrite, relation, object, depth);
            self.scratch.path.pop();
            outcome
        };
        if !outcome.cut && !self.is_spent() {
            let known = self.scratch.known.entry(node).or_default();
            known.learn(outcome, depth);
        }
        outcome
    }

    fn op(&mut self, op: &'a Op, relation: RelId, object: u32, depth: u8) -> Outcome {
        if op.monotone {
            return self.region(Frontier::Op(op, Node::new(relation, object)), depth, true);
        }
        self.frames += 1;
        if self.frames > MAX_FRAMES {
            self.steps = MAX_STEPS;
            self.frames -= 1;
            return Outcome::TOO_DEEP;
        }
        let outcome = match &op.kind {
            OpKind::Computed(id) => self.node(Node::new(*id, object), depth),
            OpKind::Difference(parts) => {
                let [base, subtract] = &**parts;
                let base = self.op(base, relation, object, depth);
                if base.truth == Truth::No {
                    base
                } else {
                    base.but_not(self.op(subtract, relation, object, depth))
                }
            }
            OpKind::Direct => self.direct(Node::new(relation, object), depth),
            OpKind::FromTupleset { tupleset, targets } => {
                self.linked(Node::new(*tupleset, object), targets, depth)
            }
            OpKind::Intersection(parts) => {
                let mut outcome = Outcome::YES;
                for part in parts {
                    outcome = outcome.and(self.op(part, relation, object, depth));
                    if outcome.truth == Truth::No {
                        break;
                    }
                }
                outcome
            }
            OpKind::Union(parts) => {
                let mut outcome = Outcome::NO;
                for part in parts {
                    outcome = outcome.or(self.op(part, relation, object, depth));
                    if outcome.truth == Truth::Yes {
                        break;
                    }
                }
                outcome
            }
        };
        self.frames -= 1;
        outcome
    }

    fn direct(&mut self, node: Node, depth: u8) -> Outcome {
        let layers = self.assigned(node);
        let mut outcome = Outcome::plain(self.is_among(&layers));
        if outcome.truth == Truth::Yes {
            return outcome;
        }
        let mut found = Vec::new();
        let usersets = if layers.is_plain {
            layers.stored.usersets
        } else {
            outcome = outcome.or(Outcome::plain(self.usersets(&layers, &mut found)));
            &found
        };
        for &userset in usersets {
            self.steps += 1;
            outcome = outcome.or(self.node(userset, depth + 1).hop());
            if outcome.truth == Truth::Yes {
                break;
            }
        }
        outcome
    }

    fn linked(&mut self, links: Node, targets: &[(TypeId, RelId)], depth: u8) -> Outcome {
        let layers = self.assigned(links);
        let mut outcome = Outcome::NO;
        let mut found = Vec::new();
        let objects = if layers.is_plain {
            layers.stored.objects
        } else {
            outcome = Outcome::plain(self.objects(&layers, &mut found));
            &found
        };
        for &object in objects {
            self.steps += 1;
            if let Some(target) = target(targets, self.type_of(object)) {
                let found = self.node(Node::new(target, object), depth + 1);
                outcome = outcome.or(found.hop());
            }
            if outcome.truth == Truth::Yes {
                break;
            }
        }
        outcome
    }

    /// Whether the subject is the very set that is asked for: `group:1#member` has `member` on
    /// `group:1`.
    fn is_itself(&self, node: Node) -> bool {
        let (relation, object) = node.parts();
        let subject = self.question.subject;
        subject.kind == SubjectKind::Userset(relation) && subject.object == Some(object)
    }

    fn type_of(&self, object: u32) -> TypeId {
        let Question { graph, extra, .. } = self.question;
        match extra {
            Some(extra) if object >= graph.end() => extra.type_of(object),
            _ => graph.type_of(object),
        }
    }

    fn is_spent(&self) -> bool {
        self.steps >= MAX_STEPS
    }
}

/// The relation that `target from tupleset` means on a type.
pub(crate) fn target(targets: &[(TypeId, RelId)], type_id: TypeId) -> Option<RelId> {
    targets
        .iter()
        .find(|(of, _)| *of == type_id)
        .map(|(_, relation)| *relation)
}

/// Working memory, kept by each thread for its next check.
#[derive(Debug, Default)]
struct Scratch {
    /// The nodes that are being worked out, outermost first. At most [`MAX_FRAMES`].
    path: Vec<Node>,
    known: HashMap<Node, Known, Mixing>,
    /// By condition, whether the tuple came with the question, and its values: whether it holds.
    conditions: HashMap<(CondId, bool, u32), Truth>,
    /// What the question's context gives each condition.
    request: HashMap<CondId, Result<Values, String>>,
    region: region::Scratch,
}

impl Scratch {
    fn clear(&mut self) {
        self.path.clear();
        self.conditions.clear();
        self.request.clear();
        if self.known.capacity() > KEPT_ENTRIES {
            self.known = HashMap::default();
        }
        self.known.clear();
    }
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Larger tables are given back after the check: clearing costs as much as they are large.
const KEPT_ENTRIES: usize = 4_096;

/// `OpenFGA`'s default `resolveNodeLimit`: so many hops are one too many.
const MAX_DEPTH: u8 = 25;

/// Rewrites inside each other. Twenty-five hops through five rewrites each make 125, and a frame
/// takes some hundred bytes of a stack of at least 2 MiB.
const MAX_FRAMES: usize = 1_000;

/// Tuples looked at in one check: some ten milliseconds, past which the caller is gone anyway.
const MAX_STEPS: usize = 1_000_000;
