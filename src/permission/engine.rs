//! Answers one check over a [`Plan`] and a [`Graph`] as `OpenFGA`'s v1 engine would.
//!
//! Truth has three values: yes, no, and "too deep to tell" ([`Truth::TooDeep`]). A yes beats a "too
//! deep" under `or`, a no beats it under `and`; only what is left undecided is an error.
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

#[cfg(test)]
mod reference;
mod region;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, collections::HashMap};

use self::region::Frontier;
use super::{
    graph::{Assigned, Graph, Mixing, Node},
    plan::{Op, OpKind, Plan, RelId, SubjectKind, TypeId},
};

/// Who is asked about: what it is, and its number if any tuple names it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    pub(crate) kind: SubjectKind,
    pub(crate) object: Option<u32>,
}

/// The answer of a check.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Truth {
    No,
    /// Undecided: the way there is longer than is followed.
    TooDeep,
    Yes,
}

/// Whether `subject` has the relation `node.0` on the object `node.1`.
pub(crate) fn check(plan: &Plan, graph: &Graph, subject: Subject, node: Node) -> Truth {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let mut walk = Walk {
            plan,
            graph,
            subject,
            scratch,
            frames: 0,
            steps: 0,
        };
        walk.node(node, 0).truth
    })
}

/// One check under way.
struct Walk<'a> {
    plan: &'a Plan,
    graph: &'a Graph,
    subject: Subject,
    scratch: &'a mut Scratch,
    frames: usize,
    steps: usize,
}

/// What a part of the walk found.
#[derive(Clone, Copy, Debug)]
struct Outcome {
    truth: Truth,
    /// A no that owes something to a cycle in the data.
    cycle: bool,
    /// Whether a path was cut where it met itself, anywhere below: then this holds for this path only.
    cut: bool,
    /// Hops that were followed below here.
    height: u8,
}

impl Outcome {
    const NO: Self = Self::plain(Truth::No);
    const TOO_DEEP: Self = Self::plain(Truth::TooDeep);
    const YES: Self = Self::plain(Truth::Yes);

    const fn plain(truth: Truth) -> Self {
        Self {
            truth,
            cycle: false,
            cut: false,
            height: 0,
        }
    }

    /// This outcome with `truth` instead, and what `other` knows of cuts and heights.
    fn join(self, other: Self) -> Self {
        Self {
            cut: self.cut || other.cut,
            height: self.height.max(other.height),
            ..self
        }
    }

    /// `self or other`.
    fn or(self, other: Self) -> Self {
        let joined = self.join(other);
        match (self.truth, other.truth) {
            (Truth::Yes, _) | (_, Truth::Yes) => joined.with(Truth::Yes, false),
            (Truth::TooDeep, _) | (_, Truth::TooDeep) => joined.with(Truth::TooDeep, false),
            (Truth::No, Truth::No) => joined.with(Truth::No, self.cycle || other.cycle),
        }
    }

    /// `self and other`.
    fn and(self, other: Self) -> Self {
        let joined = self.join(other);
        match (self.truth, other.truth) {
            (Truth::No, _) | (_, Truth::No) => joined.with(Truth::No, self.cycle || other.cycle),
            (Truth::TooDeep, _) | (_, Truth::TooDeep) => joined.with(Truth::TooDeep, false),
            (Truth::Yes, Truth::Yes) => joined.with(Truth::Yes, false),
        }
    }

    /// `self but not other`: a cycle on either side denies.
    fn but_not(self, other: Self) -> Self {
        let joined = self.join(other);
        let cycle = self.cycle || other.cycle;
        match (self.truth, other.truth) {
            (Truth::No, _) | (_, Truth::Yes) => joined.with(Truth::No, cycle),
            (_, Truth::No) if cycle => joined.with(Truth::No, true),
            (Truth::TooDeep, _) | (_, Truth::TooDeep) => joined.with(Truth::TooDeep, false),
            (Truth::Yes, Truth::No) => joined.with(Truth::Yes, false),
        }
    }

    fn with(self, truth: Truth, cycle: bool) -> Self {
        Self {
            truth,
            cycle,
            ..self
        }
    }

    /// The same seen from one hop further out.
    fn hop(self) -> Self {
        Self {
            height: self.height.saturating_add(1),
            ..self
        }
    }
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
        if !self.plan.reaches(relation, self.subject.kind) {
            return Outcome::NO;
        }
        let rewrite = &self.plan.relation(relation).rewrite;
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
        let assigned = self.graph.assigned(node);
        if self.is_among(&assigned) {
            return Outcome::YES;
        }
        let mut outcome = Outcome::NO;
        for &userset in assigned.usersets {
            self.steps += 1;
            outcome = outcome.or(self.node(userset, depth + 1).hop());
            if outcome.truth == Truth::Yes {
                break;
            }
        }
        outcome
    }

    fn linked(&mut self, links: Node, targets: &[(TypeId, RelId)], depth: u8) -> Outcome {
        let mut outcome = Outcome::NO;
        for &object in self.graph.assigned(links).objects {
            self.steps += 1;
            if let Some(target) = target(targets, self.graph.type_of(object)) {
                let found = self.node(Node::new(target, object), depth + 1);
                outcome = outcome.or(found.hop());
            }
            if outcome.truth == Truth::Yes {
                break;
            }
        }
        outcome
    }

    /// Whether the subject is assigned by a tuple, itself or as one of all.
    fn is_among(&self, assigned: &Assigned<'_>) -> bool {
        let named = |id: u32| assigned.objects.binary_search(&id).is_ok();
        match self.subject.kind {
            SubjectKind::Object(type_id) => {
                self.subject.object.is_some_and(named) || assigned.wildcards.contains(&type_id)
            }
            SubjectKind::Userset(has) => self
                .subject
                .object
                .is_some_and(|id| assigned.usersets.contains(&Node::new(has, id))),
            SubjectKind::Wildcard(type_id) => assigned.wildcards.contains(&type_id),
        }
    }

    /// Whether the subject is the very set that is asked for: `group:1#member` has `member` on
    /// `group:1`.
    fn is_itself(&self, node: Node) -> bool {
        let (relation, object) = node.parts();
        self.subject.kind == SubjectKind::Userset(relation) && self.subject.object == Some(object)
    }

    fn is_spent(&self) -> bool {
        self.steps >= MAX_STEPS
    }
}

/// The relation that `target from tupleset` means on a type.
fn target(targets: &[(TypeId, RelId)], type_id: TypeId) -> Option<RelId> {
    targets
        .iter()
        .find(|(of, _)| *of == type_id)
        .map(|(_, relation)| *relation)
}

/// What is known of a node in this check, whatever path led there.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// A yes or no, with the greatest depth at which it was found.
    settled: Option<(Outcome, u8)>,
    /// The smallest depth from which the node was too deep to settle.
    too_deep_from: Option<u8>,
}

impl Known {
    fn at(self, depth: u8) -> Option<Outcome> {
        if let Some((outcome, found_at)) = self.settled
            && (depth <= found_at || depth + outcome.height < MAX_DEPTH)
        {
            return Some(outcome);
        }
        let from = self.too_deep_from?;
        (depth >= from).then_some(Outcome::TOO_DEEP)
    }

    fn learn(&mut self, outcome: Outcome, depth: u8) {
        if outcome.truth == Truth::TooDeep {
            let from = self.too_deep_from.map_or(depth, |from| from.min(depth));
            self.too_deep_from = Some(from);
        } else {
            self.settled = Some((outcome, depth));
        }
    }
}

/// Working memory, kept by each thread for its next check.
#[derive(Debug, Default)]
struct Scratch {
    /// The nodes that are being worked out, outermost first. At most [`MAX_FRAMES`].
    path: Vec<Node>,
    known: HashMap<Node, Known, Mixing>,
    region: region::Scratch,
}

impl Scratch {
    fn clear(&mut self) {
        self.path.clear();
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
