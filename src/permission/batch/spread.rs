//! All objects to which one subject has one relation, worked out from the subject.
//!
//! Only where neither `and` nor `but not` lies below the relation, or where it combines such sets; and exact
//! only for objects that are tame: what leads to those lies in plain tuples.
//!
//! Cost: a few nanoseconds for each tuple that is followed, and never more tuples than the budget.

use std::sync::Arc;

use super::{Sets, bits::Bits};
use crate::permission::{
    graph::{Graph, Node},
    plan::{Op, OpKind, Plan, RelId, SubjectKind},
    store::Store,
};

/// The tame objects to which a subject has a relation, and some that are not tame.
#[derive(Debug)]
pub(super) struct Spread {
    objects: Bits,
}

impl Spread {
    /// `None` when it takes more than `budget` steps.
    pub(super) fn new(store: &Store, subject: u32, relation: RelId, budget: usize) -> Option<Self> {
        let mut seen: Vec<(RelId, Bits)> = vec![(relation, Bits::default())];
        let is_new = |node: Node| {
            let (relation, object) = node.parts();
            let place = seen.iter().position(|(known, _)| *known == relation);
            let place = place.unwrap_or_else(|| {
                seen.push((relation, Bits::default()));
                seen.len() - 1
            });
            seen[place].1.insert(object)
        };
        let over = (&store.plan, &store.graph);
        follow(over, subject, relation, budget, &mut Vec::new(), is_new)?;
        let (_, objects) = seen.swap_remove(0);
        Some(Self { objects })
    }

    /// The set of a relation that combines those of others, as `op` does; `None` unless all that it
    /// takes are among `sets`.
    pub(super) fn combined(sets: &Sets, op: &Op, subject: u32) -> Option<Arc<Self>> {
        let of = |part: &Op| Self::combined(sets, part, subject);
        let join = |one: &Self, two: &Self, join: fn(u64, u64) -> u64| {
            let objects = one.objects.joined(&two.objects, join);
            Arc::new(Self { objects })
        };
        let all = |parts: &[Op], how: fn(u64, u64) -> u64| {
            let (first, others) = parts.split_first()?;
            let add = |whole: Arc<Self>, part| Some(join(&whole, &*of(part)?, how));
            others.iter().try_fold(of(first)?, add)
        };
        match &op.kind {
            OpKind::Computed(id) => sets.get(&Node::new(*id, subject)).cloned(),
            OpKind::Difference(parts) => {
                let [base, subtract] = &**parts;
                Some(join(&*of(base)?, &*of(subtract)?, |one, two| one & !two))
            }
            OpKind::Direct | OpKind::FromTupleset { .. } => None,
            OpKind::Intersection(parts) => all(parts, |one, two| one & two),
            OpKind::Union(parts) => all(parts, |one, two| one | two),
        }
    }

    /// What it takes.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>() + self.objects.bytes()
    }

    #[inline]
    pub(super) fn has(&self, object: u32) -> bool {
        self.objects.has(object)
    }
}

/// Follows plain tuples and rewrites from `subject` to all that can matter for `target`. `is_new`
/// remembers what it is shown; `open` is working memory. `None` when it takes more than `budget` steps.
pub(super) fn follow(
    (plan, graph): (&Plan, &Graph),
    subject: u32,
    target: RelId,
    budget: usize,
    open: &mut Vec<Node>,
    is_new: impl FnMut(Node) -> bool,
) -> Option<()> {
    open.clear();
    let mut way = Way {
        plan,
        graph,
        target,
        left: budget,
        decided: (target, true),
        open,
        is_new,
    };
    let held = graph.held();
    way.assigned(held.by_object(subject))?;
    way.assigned(held.by_everyone(graph.type_of(subject)))?;
    while let Some(node) = way.open.pop() {
        way.leads(node)?;
    }
    Some(())
}

/// A search under way.
struct Way<'a, F> {
    plan: &'a Plan,
    graph: &'a Graph,
    target: RelId,
    /// Steps that may still be taken.
    left: usize,
    /// The relation that was asked about last, and whether it matters.
    decided: (RelId, bool),
    open: &'a mut Vec<Node>,
    is_new: F,
}

impl<F: FnMut(Node) -> bool> Way<'_, F> {
    /// Everything that follows from `node` in one step.
    fn leads(&mut self, node: Node) -> Option<()> {
        let (relation, object) = node.parts();
        let lead = self.plan.outward.lead(relation);
        for &computed in &lead.computed {
            self.step(1)?;
            self.reach(Node::new(computed, object));
        }
        let held = self.graph.held();
        for &(tupleset, linked) in &lead.linked {
            if self.matters(linked) {
                let children = held.assigned_as(tupleset, object);
                self.step(children.len() + 1)?;
                for child in children {
                    self.reach(Node::new(linked, child.parts().1));
                }
            }
        }
        if lead.is_assigned {
            let sets = held.by_sets_of(object);
            self.step(sets.len() + 1)?;
            for (_, node) in sets.iter().filter(|(of, _)| *of == relation) {
                self.reach(*node);
            }
        }
        Some(())
    }

    /// Takes from a list that is sorted by relation the runs that matter.
    fn assigned(&mut self, mut nodes: &[Node]) -> Option<()> {
        while let Some(first) = nodes.first() {
            let (relation, _) = first.parts();
            let is_next = |node: &Node| node.parts().0 != relation;
            // Most runs are short.
            let end = match nodes.iter().take(SHORT_RUN).position(is_next) {
                Some(end) => end,
                None => nodes.partition_point(|node| node.parts().0 <= relation),
            };
            let (run, rest) = nodes.split_at(end);
            self.step(1)?;
            if self.matters(relation) {
                self.step(run.len())?;
                for node in run {
                    self.reach(*node);
                }
            }
            nodes = rest;
        }
        Some(())
    }

    fn reach(&mut self, node: Node) {
        if self.matters(node.parts().0) && (self.is_new)(node) {
            self.open.push(node);
        }
    }

    /// Whether something of `relation` can lead to the target.
    fn matters(&mut self, relation: RelId) -> bool {
        if self.decided.0 != relation {
            let set = SubjectKind::Userset(relation);
            let matters = relation == self.target || self.plan.reaches(self.target, set);
            self.decided = (relation, matters);
        }
        self.decided.1
    }

    fn step(&mut self, count: usize) -> Option<()> {
        self.left = self.left.checked_sub(count)?;
        Some(())
    }
}

/// As far as a run is looked through before its end is searched for.
const SHORT_RUN: usize = 8;
