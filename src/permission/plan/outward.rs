//! The rewrites read from the other end: what may follow once a relation is known to hold.
//!
//! A check starts at an object and looks for the subject; a batch about one subject starts there and
//! collects objects. It does so for monotone relations only, so an `and` may be read as an `or` here and
//! a `but not` as its base: below a monotone relation there is neither.

use super::{Flat, Op, OpKind, RelId, Relation, SubjectKind, TypeId};

/// What may follow from each relation, and how much work the relations of a type can make.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outward {
    /// By relation.
    leads: Vec<Lead>,
    /// By type.
    efforts: Vec<Effort>,
    /// Whether every rewrite is small, those of computed relations written out in it.
    pub(crate) is_small: bool,
    /// By relation; none unless every rewrite is small.
    flats: Vec<Flat>,
}

/// What may follow on other relations from one that holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lead {
    /// Relations of the same object.
    pub(crate) computed: Vec<RelId>,
    /// (tupleset, relation): relations of the objects that name this one in their tupleset.
    pub(crate) linked: Vec<(RelId, RelId)>,
    /// Whether some relation may be assigned to all who have this one.
    pub(crate) is_assigned: bool,
    /// Whether `from` follows the tuples of this one.
    pub(crate) is_tupleset: bool,
}

/// Bounds of the work that one object of a type can make.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Effort {
    /// Ops in all rewrites of the type.
    pub(crate) ops: u32,
    /// Those of them that lie in rewrites with an `and` or a `but not` below.
    pub(crate) mixed_ops: u32,
}

impl Outward {
    pub(crate) fn new(types: usize, relations: &[Relation]) -> Self {
        let mut outward = Self {
            leads: vec![Lead::default(); relations.len()],
            efforts: vec![Effort::default(); types],
            is_small: is_small(relations),
            flats: Vec::new(),
        };
        if outward.is_small {
            outward.flats = super::flat::flats(relations);
        }
        for (id, relation) in (0..).map(RelId).zip(relations) {
            for to in &relation.assignable {
                if let SubjectKind::Userset(set) = to.kind {
                    outward.leads[set.0 as usize].is_assigned = true;
                }
            }
            outward.read(id, relation, &relation.rewrite);
        }
        for lead in &mut outward.leads {
            lead.computed.sort_unstable();
            lead.computed.dedup();
            lead.linked.sort_unstable();
            lead.linked.dedup();
        }
        outward
    }

    pub(crate) fn lead(&self, id: RelId) -> &Lead {
        &self.leads[id.0 as usize]
    }

    /// A monotone relation written out; `None` where rewrites are large.
    pub(crate) fn flat(&self, id: RelId) -> Option<&Flat> {
        self.flats.get(id.0 as usize)
    }

    pub(crate) fn effort(&self, of: TypeId) -> Effort {
        self.efforts[of.0 as usize]
    }

    /// Recursion is as deep as the readers allow nesting.
    fn read(&mut self, id: RelId, relation: &Relation, op: &Op) {
        let effort = &mut self.efforts[relation.owner.0 as usize];
        effort.ops = effort.ops.saturating_add(1);
        if !relation.rewrite.monotone {
            effort.mixed_ops = effort.mixed_ops.saturating_add(1);
        }
        match &op.kind {
            OpKind::Computed(from) => self.leads[from.0 as usize].computed.push(id),
            OpKind::Difference(parts) => {
                // The subtracted part is work, but nothing follows from it.
                self.read(id, relation, &parts[0]);
                let subtracted = count(&parts[1]);
                let effort = &mut self.efforts[relation.owner.0 as usize];
                effort.ops = effort.ops.saturating_add(subtracted);
                effort.mixed_ops = effort.mixed_ops.saturating_add(subtracted);
                self.mark_tuplesets(&parts[1]);
            }
            OpKind::Direct => {}
            OpKind::FromTupleset { tupleset, targets } => {
                self.leads[tupleset.0 as usize].is_tupleset = true;
                for (_, from) in targets {
                    self.leads[from.0 as usize].linked.push((*tupleset, id));
                }
            }
            OpKind::Intersection(parts) | OpKind::Union(parts) => {
                for part in parts {
                    self.read(id, relation, part);
                }
            }
        }
    }

    fn mark_tuplesets(&mut self, op: &Op) {
        match &op.kind {
            OpKind::FromTupleset { tupleset, .. } => {
                self.leads[tupleset.0 as usize].is_tupleset = true;
            }
            OpKind::Computed(_) | OpKind::Direct => {}
            OpKind::Difference(parts) => {
                for part in parts.iter() {
                    self.mark_tuplesets(part);
                }
            }
            OpKind::Intersection(parts) | OpKind::Union(parts) => {
                for part in parts {
                    self.mark_tuplesets(part);
                }
            }
        }
    }
}

fn count(op: &Op) -> u32 {
    match &op.kind {
        OpKind::Computed(_) | OpKind::Direct | OpKind::FromTupleset { .. } => 1,
        OpKind::Difference(parts) => 1 + count(&parts[0]) + count(&parts[1]),
        OpKind::Intersection(parts) | OpKind::Union(parts) => {
            1 + parts.iter().map(count).sum::<u32>()
        }
    }
}

/// Rounds up to the limit: each lengthens what is known of every chain of computed relations by one.
fn is_small(relations: &[Relation]) -> bool {
    let mut known = vec![Extent::default(); relations.len()];
    for _ in 0..=MAX_NESTING {
        let extents = relations.iter();
        let extents: Vec<Extent> = extents
            .map(|relation| Extent::of(&relation.rewrite, &known))
            .collect();
        if extents == known {
            return true;
        }
        let is_small = |extent: &Extent| extent.nesting <= MAX_NESTING && extent.ops <= MAX_OPS;
        if !extents.iter().all(is_small) {
            return false;
        }
        known = extents;
    }
    false
}

/// How large a rewrite is when the rewrites of computed relations are written out in it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Extent {
    nesting: u32,
    ops: u32,
}

impl Extent {
    fn of(op: &Op, known: &[Self]) -> Self {
        let parts = match &op.kind {
            OpKind::Computed(id) => {
                let of = known[id.0 as usize];
                return Self {
                    nesting: of.nesting + 1,
                    ops: of.ops + 1,
                };
            }
            OpKind::Direct | OpKind::FromTupleset { .. } => &[],
            OpKind::Difference(parts) => &parts[..],
            OpKind::Intersection(parts) | OpKind::Union(parts) => &parts[..],
        };
        let one = Self { nesting: 1, ops: 1 };
        parts.iter().fold(one, |all, part| {
            let part = Self::of(part, known);
            Self {
                nesting: all.nesting.max(part.nesting + 1),
                ops: all.ops.saturating_add(part.ops),
            }
        })
    }
}

/// Twenty-five objects behind each other, each nested so deep, stay within the engine's frames.
const MAX_NESTING: u32 = 32;

/// Written out a rewrite is walked op by op, so this bounds what one object takes.
const MAX_OPS: u32 = 512;
