//! Looks for entry points in the order in which `OpenFGA`'s server does.
//!
//! What a reader would get wrong: this finds nothing that [`super::entry`] does not know better. The
//! server goes from operand to operand and keeps, per type, what it has begun to look at, even where
//! it has long gone back. A relation that it meets again counts as one without entry point, unless
//! users are assigned to it directly. So it refuses some models that make sense, depending on the
//! order of their operands, and what it refuses must not work here either: a store file would else
//! stop working on the day it moves to a server.
//!
//! # Cost
//!
//! Types that lead to each other in many ways can make the search exponential, so it ends after
//! [`MAX_STEPS`] for a whole model. What is not found out by then passes.

use std::collections::HashMap;

use super::{Index, entry::Key};
use crate::permission::model::{RelationDef, RestrictionKind, Rewrite};

/// A search for entry points, with what is left of its steps.
pub(super) struct Search<'a> {
    index: &'a Index<'a>,
    left: usize,
    /// Calls inside each other.
    depth: usize,
    /// By type and relation: what has been begun, and whether users are assigned to it directly.
    begun: HashMap<&'a str, HashMap<&'a str, bool>>,
}

impl<'a> Search<'a> {
    pub(super) fn new(index: &'a Index<'a>) -> Self {
        Self {
            index,
            left: MAX_STEPS,
            depth: 0,
            begun: HashMap::new(),
        }
    }

    /// Whether the server would find an entry point of `relation`; `None` when that takes too long.
    pub(super) fn enters(&mut self, key: Key<'a>, relation: &'a RelationDef) -> Option<bool> {
        self.begun.clear();
        self.depth = 0;
        self.rewrite(key, relation, &relation.rewrite)
    }

    fn rewrite(
        &mut self,
        key: Key<'a>,
        relation: &'a RelationDef,
        rewrite: &'a Rewrite,
    ) -> Option<bool> {
        self.left = self.left.checked_sub(1)?;
        // Whatever was known of it is forgotten.
        if let Some(begun) = self.begun.get_mut(key.0) {
            begun.insert(key.1, false);
        }
        match rewrite {
            Rewrite::Difference(base, subtract) => {
                Some(self.rewrite(key, relation, base)? && self.rewrite(key, relation, subtract)?)
            }
            Rewrite::Intersection(parts) => {
                for part in parts {
                    if !self.rewrite(key, relation, part)? {
                        return Some(false);
                    }
                }
                Some(true)
            }
            Rewrite::Union(parts) => {
                for part in parts {
                    if self.rewrite(key, relation, part)? {
                        return Some(true);
                    }
                }
                Some(false)
            }
            Rewrite::Computed { .. } | Rewrite::FromTupleset { .. } | Rewrite::This => {
                // What is begun of a type is kept as long as the first place that met the type.
                let is_first = !self.begun.contains_key(key.0);
                self.begun.entry(key.0).or_default().insert(key.1, false);
                let found = self.leaf(key, relation, rewrite);
                if is_first {
                    self.begun.remove(key.0);
                }
                found
            }
        }
    }

    fn leaf(
        &mut self,
        key: Key<'a>,
        relation: &'a RelationDef,
        rewrite: &'a Rewrite,
    ) -> Option<bool> {
        match rewrite {
            Rewrite::Computed { relation, .. } => self.other((key.0, relation)),
            Rewrite::FromTupleset {
                relation, tupleset, ..
            } => {
                let links = self.index.relation(key.0, tupleset);
                for to in links.into_iter().flat_map(|links| &links.restrictions) {
                    if self.other((&to.type_name, relation))? {
                        return Some(true);
                    }
                }
                Some(false)
            }
            _ => {
                for to in &relation.restrictions {
                    let RestrictionKind::Userset(of) = &to.kind else {
                        self.begun.entry(key.0).or_default().insert(key.1, true);
                        return Some(true);
                    };
                    let set = (to.type_name.as_str(), of.as_str());
                    // A set that was met before does not even count if users are assigned to it.
                    if self.known(set).is_none() && self.other(set)? {
                        return Some(true);
                    }
                }
                Some(false)
            }
        }
    }

    /// Whether another relation enters, as far as is known or can be found.
    fn other(&mut self, key: Key<'a>) -> Option<bool> {
        if let Some(known) = self.known(key) {
            return Some(known);
        }
        let Some(relation) = self.index.relation(key.0, key.1) else {
            return Some(false);
        };
        if self.depth == MAX_DEPTH {
            return None;
        }
        self.depth += 1;
        let found = self.rewrite(key, relation, &relation.rewrite);
        self.depth -= 1;
        found
    }

    fn known(&self, key: Key<'a>) -> Option<bool> {
        self.begun.get(key.0)?.get(key.1).copied()
    }
}

/// Some tens of milliseconds, and far more than models of a hundred types need.
const MAX_STEPS: usize = 200_000;

/// Relations that lead to each other in one row: bounds the call stack.
const MAX_DEPTH: usize = 256;
