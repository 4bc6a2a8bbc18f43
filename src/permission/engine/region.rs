//! Walks a part of the graph that holds neither `and` nor `but not`: plain reachability.
//!
//! Breadth-first by hops, so the first yes is also the nearest and depth is exact; every place is
//! expanded once, so cycles and diamonds cost nothing. No recursion but into the rewrite itself.
//!
//! Whether a fruitless region holds a cycle is worked out only for callers that care (those under a
//! `but not`), by a second walk in depth.

use std::collections::{HashMap, HashSet};

use super::{MAX_DEPTH, Outcome, Question, Truth, Walk, target};
use crate::permission::{
    graph::{Mixing, Node},
    plan::{Op, OpKind},
};

/// Where to begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Frontier<'a> {
    Node(Node),
    /// A part of the rewrite of a relation, on one of its nodes.
    Op(&'a Op, Node),
}

/// Working memory; empty between regions.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// To be expanded at this depth.
    level: Vec<Node>,
    /// To be expanded one hop further.
    next: Vec<Node>,
    seen: HashSet<Node, Mixing>,
}

impl Scratch {
    fn clear(&mut self) {
        self.level.clear();
        self.next.clear();
        if self.seen.capacity() > super::KEPT_ENTRIES {
            self.seen = HashSet::default();
        }
        self.seen.clear();
    }
}

impl Walk<'_> {
    /// Whether the subject is reachable from `start`; with `flag_cycles`, a no says whether the
    /// region holds a cycle.
    pub(super) fn region(&mut self, start: Frontier<'_>, depth: u8, flag_cycles: bool) -> Outcome {
        let mut scratch = std::mem::take(&mut self.scratch.region);
        let outcome = self.search(start, depth, &mut scratch);
        let cycle = flag_cycles && outcome.truth == Truth::No && self.holds_cycle(start);
        scratch.clear();
        self.scratch.region = scratch;
        Outcome { cycle, ..outcome }
    }

    fn search(&mut self, start: Frontier<'_>, depth: u8, scratch: &mut Scratch) -> Outcome {
        let Scratch { level, next, seen } = scratch;
        let at = |truth, height| Outcome {
            height,
            ..Outcome::plain(truth)
        };
        let mut truth = Truth::No;
        match start {
            Frontier::Node(node) => level.push(node),
            Frontier::Op(op, node) => truth = self.successors(op, node, level, next),
        }
        if truth == Truth::Yes {
            return at(Truth::Yes, 0);
        }
        for height in 0.. {
            while let Some(node) = level.pop() {
                truth = truth.or(self.expand(node, level, next, seen));
                if truth == Truth::Yes {
                    return at(Truth::Yes, height);
                }
                if self.is_spent() {
                    return Outcome::TOO_DEEP;
                }
            }
            next.retain(|node| !seen.contains(node));
            if next.is_empty() {
                return at(truth, height);
            }
            if depth + height + 1 >= MAX_DEPTH {
                break;
            }
            std::mem::swap(level, next);
        }
        Outcome::TOO_DEEP
    }

    /// Puts what `node` follows from on the lists; yes when the subject is there.
    fn expand(
        &mut self,
        node: Node,
        level: &mut Vec<Node>,
        next: &mut Vec<Node>,
        seen: &mut HashSet<Node, Mixing>,
    ) -> Truth {
        self.steps += 1;
        let (relation, _) = node.parts();
        if self.is_itself(node) {
            return Truth::Yes;
        }
        let Question { plan, subject, .. } = self.question;
        if !plan.reaches(relation, subject.kind) || !seen.insert(node) {
            return Truth::No;
        }
        self.successors(&plan.relation(relation).rewrite, node, level, next)
    }

    fn successors(
        &mut self,
        op: &Op,
        node: Node,
        level: &mut Vec<Node>,
        next: &mut Vec<Node>,
    ) -> Truth {
        let (_, object) = node.parts();
        match &op.kind {
            OpKind::Computed(id) => level.push(Node::new(*id, object)),
            OpKind::Difference(_) | OpKind::Intersection(_) => {
                unreachable!("a monotone op holds neither")
            }
            OpKind::Direct => {
                let layers = self.assigned(node);
                let truth = self.is_among(&layers);
                if truth == Truth::Yes {
                    return truth;
                }
                if layers.is_plain {
                    self.steps += layers.stored.usersets.len();
                    next.extend_from_slice(layers.stored.usersets);
                    return truth;
                }
                let mut found = Vec::new();
                let read = self.usersets(&layers, &mut found);
                self.steps += found.len();
                next.append(&mut found);
                return truth.or(read);
            }
            OpKind::FromTupleset { tupleset, targets } => {
                let layers = self.assigned(Node::new(*tupleset, object));
                let mut found = Vec::new();
                let (links, read) = if layers.is_plain {
                    (layers.stored.objects, Truth::No)
                } else {
                    let read = self.objects(&layers, &mut found);
                    (&found[..], read)
                };
                self.steps += links.len();
                next.extend(links.iter().filter_map(|&object| {
                    let relation = target(targets, self.type_of(object))?;
                    Some(Node::new(relation, object))
                }));
                return read;
            }
            OpKind::Union(parts) => {
                let mut truth = Truth::No;
                for part in parts {
                    truth = truth.or(self.successors(part, node, level, next));
                    if truth == Truth::Yes {
                        break;
                    }
                }
                return truth;
            }
        }
        Truth::No
    }

    /// Whether following everything from `start` meets some node again on its own path. Only asked
    /// where the subject was not found, so nothing cuts the walk short.
    fn holds_cycle(&mut self, start: Frontier<'_>) -> bool {
        let mut open = Vec::new();
        let mut on_path: HashMap<Node, bool, Mixing> = HashMap::default();
        let mut found = Vec::new();
        match start {
            Frontier::Node(node) => open.push((node, false)),
            Frontier::Op(op, node) => {
                let mut next = Vec::new();
                self.successors(op, node, &mut found, &mut next);
                open.extend(found.drain(..).chain(next).map(|node| (node, false)));
            }
        }
        let plan = self.question.plan;
        while let Some((node, leaving)) = open.pop() {
            if leaving {
                on_path.insert(node, false);
                continue;
            }
            let (relation, _) = node.parts();
            match on_path.get(&node) {
                Some(true) => return true,
                Some(false) => continue,
                None if !plan.reaches(relation, self.question.subject.kind) => continue,
                None => {}
            }
            on_path.insert(node, true);
            open.push((node, true));
            let mut next = Vec::new();
            self.successors(
                &plan.relation(relation).rewrite,
                node,
                &mut found,
                &mut next,
            );
            open.extend(found.drain(..).chain(next).map(|node| (node, false)));
        }
        false
    }
}
