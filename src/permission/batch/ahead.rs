//! Looks at what the next walks will look at, for many of them at once.
//!
//! In a large store a walk mostly waits: for an object's tuples, then for those of its folder, and so
//! on upwards, one after the other. Walks of different questions wait for different memory, so looking
//! at the first thing that each of them needs, then at the second, waits for many at a time, and the
//! walks themselves find everything near. What is looked at is forgotten: no answer depends on it.

use std::{hint::black_box, ops::Range};

use smallvec::SmallVec;

use super::resolve::Pair;
use crate::permission::{
    graph::{Assigned, Node},
    plan::{Flat, OpKind, RelId},
    store::Store,
};

/// How far has been looked.
#[derive(Debug)]
pub(super) struct Ahead<'a> {
    store: &'a Store,
    /// The first pair that was not looked at; never reached in a store that is near as it is.
    until: usize,
    /// Working memory.
    looks: Vec<Look<'a>>,
}

/// An object on the way of one walk.
#[derive(Debug)]
struct Look<'a> {
    flat: &'a Flat,
    object: u32,
    places: Range<usize>,
    assigned: Assigned<'a>,
    /// Where the first link leads.
    next: &'a [u32],
}

impl<'a> Ahead<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self {
            store,
            until: if store.graph.is_large() {
                0
            } else {
                usize::MAX
            },
            looks: Vec::new(),
        }
    }

    /// Whether what the pair at `at` needs was not looked at.
    pub(super) fn is_due(&self, at: usize) -> bool {
        at >= self.until
    }

    /// Looks at what the pair at `at` and those behind it need: `pairs`, from that one on.
    pub(super) fn look(&mut self, at: usize, pairs: impl Iterator<Item = Option<Pair>>) {
        self.until = at + TOGETHER;
        let pairs: SmallVec<[Pair; TOGETHER]> = pairs.take(TOGETHER).flatten().collect();
        self.subjects(&pairs);
        self.objects(&pairs);
    }

    fn subjects(&self, pairs: &[Pair]) {
        let memberships = &self.store.memberships;
        let mut sets: [&[Node]; TOGETHER] = [&[]; TOGETHER];
        for (sets, pair) in sets.iter_mut().zip(pairs) {
            *sets = memberships.of(pair.key.parts().1).unwrap_or_default();
        }
        let firsts = sets.iter().filter_map(|sets| sets.last());
        black_box(firsts.fold(0, |seen, set| seen ^ set.parts().1));
    }

    fn objects(&mut self, pairs: &[Pair]) {
        let Store { plan, graph, .. } = self.store;
        self.looks.clear();
        for pair in pairs {
            let flat = self.flat(pair.key.parts().0);
            self.looks.extend(flat.map(|flat| Look {
                flat,
                object: pair.object,
                places: 0..0,
                assigned: Assigned::default(),
                next: &[],
            }));
        }
        let mut seen = 0;
        for _ in 0..MOST_HOPS {
            for look in &mut self.looks {
                look.places = graph.nodes_of(look.object);
            }
            self.looks.retain(|look| !look.places.is_empty());
            for look in &self.looks {
                seen ^= graph.relation_at(look.places.start).0;
            }
            for look in &mut self.looks {
                let places = look.places.clone();
                look.assigned = graph.assigned_between(places.start, places.end);
                let link = look.flat.links.first();
                let is_link = |place: &usize| {
                    link.is_some_and(|link| graph.relation_at(*place) == link.tupleset)
                };
                let linked = places.clone().find(is_link);
                look.next = linked.map_or(&[], |place| graph.assigned_at(place).objects);
            }
            for look in &self.looks {
                seen ^= look.assigned.objects.first().copied().unwrap_or(0);
                let set = look.assigned.usersets.first();
                seen ^= set.map_or(0, |set| set.parts().1);
            }
            self.looks.retain_mut(|look| {
                let link = look.flat.links.first();
                let flat = link.and_then(|link| plan.outward.flat(link.relation));
                match (flat, look.next.first()) {
                    (Some(flat), Some(&next)) => {
                        (look.flat, look.object) = (flat, next);
                        true
                    }
                    _ => false,
                }
            });
            if self.looks.is_empty() {
                break;
            }
        }
        black_box(seen);
    }

    /// `relation` written out, or the first monotone one that its rewrite names.
    fn flat(&self, mut relation: RelId) -> Option<&'a Flat> {
        let plan = &self.store.plan;
        // Ends: computed relations form no cycle.
        loop {
            let mut op = &plan.relation(relation).rewrite;
            if op.monotone {
                return plan.outward.flat(relation);
            }
            relation = loop {
                match &op.kind {
                    OpKind::Computed(id) => break *id,
                    OpKind::Difference(parts) => op = &parts[0],
                    OpKind::Intersection(parts) | OpKind::Union(parts) => op = parts.first()?,
                    OpKind::Direct | OpKind::FromTupleset { .. } => return None,
                }
            };
        }
    }
}

/// More than a core waits for at once, and what they look at still fits beside it.
const TOGETHER: usize = 32;

/// Folders inside each other that are followed.
const MOST_HOPS: usize = 8;
