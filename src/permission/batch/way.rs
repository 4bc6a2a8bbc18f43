//! How questions of one (relation, user) are answered where every set that matters is at hand.

use super::{Sets, Spread};
use crate::permission::{
    graph::Node,
    plan::{Op, OpKind, RelId},
};

/// Sets, combined as a relation combines them. Exact for objects that are tame for the relation.
#[derive(Debug)]
pub(super) enum Way<'a> {
    Difference(Box<[Way<'a>; 2]>),
    Intersection(Vec<Way<'a>>),
    Set(&'a Spread),
    Union(Vec<Way<'a>>),
}

impl<'a> Way<'a> {
    /// `None` unless all sets that it takes are among `sets`.
    pub(super) fn new(sets: &'a Sets, rewrite: &Op, relation: RelId, subject: u32) -> Option<Self> {
        if sets.is_empty() {
            return None;
        }
        if let Some(set) = sets.get(&Node::new(relation, subject)) {
            return Some(Self::Set(set));
        }
        if rewrite.monotone {
            return None;
        }
        Self::of(sets, rewrite, subject)
    }

    fn of(sets: &'a Sets, op: &Op, subject: u32) -> Option<Self> {
        let all = |parts: &[Op]| -> Option<Vec<Self>> {
            parts
                .iter()
                .map(|part| Self::of(sets, part, subject))
                .collect()
        };
        Some(match &op.kind {
            OpKind::Computed(id) => Self::Set(sets.get(&Node::new(*id, subject))?),
            OpKind::Difference(parts) => {
                let [base, subtract] = &**parts;
                let base = Self::of(sets, base, subject)?;
                Self::Difference(Box::new([base, Self::of(sets, subtract, subject)?]))
            }
            OpKind::Direct | OpKind::FromTupleset { .. } => return None,
            OpKind::Intersection(parts) => Self::Intersection(all(parts)?),
            OpKind::Union(parts) => Self::Union(all(parts)?),
        })
    }

    /// Whether it holds of `object`.
    pub(super) fn holds(&self, object: u32) -> bool {
        match self {
            Self::Difference(parts) => parts[0].holds(object) && !parts[1].holds(object),
            Self::Intersection(parts) => parts.iter().all(|part| part.holds(object)),
            Self::Set(set) => set.has(object),
            Self::Union(parts) => parts.iter().any(|part| part.holds(object)),
        }
    }
}
