//! Whether a subject has a relation to a tame object: plain recursion over rewrites and tuples.
//!
//! Being tame bounds it: no cycle, few places, hops and rewrites. What is found of one subject is kept
//! until the next one comes, since folders and groups are met again and again.
//!
//! Cost: a few look-ups an object on the way. The sets that a subject is in are listed
//! ([`super::Memberships`]) and compared, rather than searched for the subject each.

use std::collections::HashMap;

use super::{Sets, resolve::Pair};
use crate::permission::{
    engine,
    graph::{Assigned, Mixing, Node},
    names::NONE,
    plan::{Flat, Op, OpKind, RelId, SubjectKind, TypeId},
    store::Store,
};

/// Walks for one subject after the other.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    store: &'a Store,
    sets: &'a Sets,
    subject: u32,
    of: TypeId,
    /// What was found of the subject, by the places that a hop led to.
    known: HashMap<Node, bool, Mixing>,
    /// The sets that the subject is in, unless they are many.
    memberships: Option<&'a [Node]>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(store: &'a Store, sets: &'a Sets) -> Self {
        Self {
            store,
            sets,
            subject: NONE,
            of: TypeId(0),
            known: HashMap::default(),
            memberships: None,
        }
    }

    /// Whether it holds. The object must be tame for the relation.
    pub(super) fn holds(&mut self, pair: Pair) -> bool {
        let (relation, subject) = pair.key.parts();
        if subject != self.subject {
            self.subject = subject;
            self.of = self.store.graph.type_of(subject);
            self.memberships = self.store.memberships.of(subject);
            if self.known.capacity() > KEPT_ENTRIES {
                self.known = HashMap::default();
            }
            self.known.clear();
        }
        self.relation(relation, pair.object)
    }

    fn relation(&mut self, relation: RelId, object: u32) -> bool {
        let plan = &self.store.plan;
        if !plan.reaches(relation, SubjectKind::Object(self.of)) {
            return false;
        }
        let rewrite = &plan.relation(relation).rewrite;
        match plan.outward.flat(relation) {
            Some(flat) if rewrite.monotone => self.flat(flat, object),
            _ => self.op(rewrite, relation, object),
        }
    }

    /// As [`Walk::relation`], for a relation written out. The first link is followed in place: trees
    /// of folders are what is mostly met.
    fn flat(&mut self, mut flat: &'a Flat, mut object: u32) -> bool {
        let Store { plan, graph, .. } = self.store;
        loop {
            let mut first = None;
            let places = graph.nodes_of(object);
            for &(from, to) in &flat.direct {
                let before = |relation: RelId| {
                    let place = |place: &usize| graph.relation_at(*place) >= relation;
                    places.clone().find(place).unwrap_or(places.end)
                };
                let (from, end) = (before(from), before(RelId(to.0 + 1)));
                if from < end && self.is_among_any(from, end) {
                    return true;
                }
            }
            for link in &flat.links {
                let is_link = |place: &usize| graph.relation_at(*place) == link.tupleset;
                let Some(place) = places.clone().find(is_link) else {
                    continue;
                };
                for &to in graph.assigned_at(place).objects {
                    if !link.is_sole && graph.type_of(to) != link.of {
                        continue;
                    }
                    if first.is_none() {
                        first = Some((link.relation, to));
                    } else if self.hop(Node::new(link.relation, to)) {
                        return true;
                    }
                }
            }
            let Some((relation, to)) = first else {
                return false;
            };
            match plan.outward.flat(relation) {
                Some(next) => (flat, object) = (next, to),
                None => return self.hop(Node::new(relation, to)),
            }
        }
    }

    /// As [`Walk::relation`], where a tuple led to.
    fn hop(&mut self, node: Node) -> bool {
        if let Some(&known) = self.known.get(&node) {
            return known;
        }
        let (relation, object) = node.parts();
        let holds = self.relation(relation, object);
        self.known.insert(node, holds);
        holds
    }

    fn op(&mut self, op: &'a Op, relation: RelId, object: u32) -> bool {
        match &op.kind {
            OpKind::Computed(id) => match self.sets.get(&Node::new(*id, self.subject)) {
                Some(set) => set.has(object),
                None => self.relation(*id, object),
            },
            OpKind::Difference(parts) => {
                self.op(&parts[0], relation, object) && !self.op(&parts[1], relation, object)
            }
            OpKind::Direct => self.is_among(self.store.graph.assigned(Node::new(relation, object))),
            OpKind::FromTupleset { tupleset, targets } => {
                let graph = &self.store.graph;
                let links = graph.assigned(Node::new(*tupleset, object)).objects;
                links.iter().any(|&link| {
                    let target = engine::target(targets, graph.type_of(link));
                    target.is_some_and(|relation| self.hop(Node::new(relation, link)))
                })
            }
            OpKind::Intersection(parts) => parts.iter().all(|part| self.op(part, relation, object)),
            OpKind::Union(parts) => parts.iter().any(|part| self.op(part, relation, object)),
        }
    }

    /// Whether a tuple of any node from the place `from` to before `to` says so.
    fn is_among_any(&mut self, from: usize, to: usize) -> bool {
        let graph = &self.store.graph;
        let all = graph.assigned_between(from, to);
        if all.objects.len() > FEW_OBJECTS {
            return (from..to).any(|place| self.is_among(graph.assigned_at(place)));
        }
        all.objects.contains(&self.subject)
            || all.wildcards.contains(&self.of)
            || all.usersets.iter().any(|set| self.is_in(*set))
    }

    fn is_among(&mut self, assigned: Assigned<'a>) -> bool {
        assigned.objects.binary_search(&self.subject).is_ok()
            || assigned.wildcards.contains(&self.of)
            || assigned.usersets.iter().any(|set| self.is_in(*set))
    }

    fn is_in(&mut self, set: Node) -> bool {
        match self.memberships {
            Some(sets) if self.store.memberships.covers(set.parts().0) => sets.contains(&set),
            _ => self.hop(set),
        }
    }
}

/// So many are compared one by one as quickly as searched.
const FEW_OBJECTS: usize = 24;

/// A larger table is given back: clearing costs as much as it is large.
const KEPT_ENTRIES: usize = 4_096;
