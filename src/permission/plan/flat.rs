//! Monotone relations written out: whose tuples count on the object itself, and which links lead on.
//!
//! `viewer: [user] or editor or viewer from parent` becomes one list of relations to read and one of
//! links to follow. A link is left out where another one finds all that it would find: a parent's
//! viewers include its editors. So each object on the way is read once, however many relations
//! include each other.

use std::collections::BTreeSet;

use super::{Op, OpKind, RelId, Relation, SubjectKind, TypeId};

/// A monotone relation written out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flat {
    /// Whose tuples count: runs of relations that are numbered one after the other, first and last.
    pub(crate) direct: Vec<(RelId, RelId)>,
    /// Sorted.
    pub(crate) links: Vec<Link>,
}

/// What is asked of objects that a tuple leads to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Link {
    /// The relation of the tuples that lead there.
    pub(crate) tupleset: RelId,
    /// The type of the objects it is asked of.
    pub(crate) of: TypeId,
    /// What is asked of them.
    pub(crate) relation: RelId,
    /// Whether those tuples lead to objects of no other type.
    pub(crate) is_sole: bool,
}

#[derive(Default)]
struct Whole {
    direct: BTreeSet<RelId>,
    links: BTreeSet<Link>,
}

/// By relation; empty for those that are not monotone. The rewrites must be small.
pub(super) fn flats(relations: &[Relation]) -> Vec<Flat> {
    let ids = (0..).map(RelId).zip(relations);
    let wholes: Vec<Whole> = ids
        .map(|(id, relation)| {
            let mut whole = Whole::default();
            if relation.rewrite.monotone {
                whole.take(relations, id, &relation.rewrite);
            }
            whole
        })
        .collect();
    wholes.iter().map(|whole| whole.flat(&wholes)).collect()
}

impl Whole {
    /// Recursion ends: computed relations form no cycle, and the rewrites are small.
    fn take(&mut self, relations: &[Relation], id: RelId, op: &Op) {
        match &op.kind {
            OpKind::Computed(of) => self.take(relations, *of, &relations[of.0 as usize].rewrite),
            OpKind::Difference(_) | OpKind::Intersection(_) => {
                unreachable!("a monotone op holds neither")
            }
            OpKind::Direct => {
                self.direct.insert(id);
            }
            OpKind::FromTupleset { tupleset, targets } => {
                let assignable = &relations[tupleset.0 as usize].assignable;
                let links = targets.iter().map(|&(of, relation)| {
                    let mut kinds = assignable.iter().map(|to| to.kind);
                    Link {
                        tupleset: *tupleset,
                        of,
                        relation,
                        is_sole: kinds.all(|kind| kind == SubjectKind::Object(of)),
                    }
                });
                self.links.extend(links);
            }
            OpKind::Union(parts) => {
                for part in parts {
                    self.take(relations, id, part);
                }
            }
        }
    }

    fn flat(&self, wholes: &[Self]) -> Flat {
        let whole = |link: &Link| &wholes[link.relation.0 as usize];
        let is_spare = |link: &Link| {
            let mut others = self.links.iter().filter(|other| {
                let alike = other.tupleset == link.tupleset && other.of == link.of;
                alike && other.relation != link.relation
            });
            others.any(|other| {
                let (this, that) = (whole(link), whole(other));
                // Of two that are equal the first one stays.
                that.includes(this) && (!this.includes(that) || other.relation < link.relation)
            })
        };
        Flat {
            direct: runs(&self.direct),
            links: self
                .links
                .iter()
                .filter(|link| !is_spare(link))
                .copied()
                .collect(),
        }
    }

    fn includes(&self, other: &Self) -> bool {
        self.direct.is_superset(&other.direct) && self.links.is_superset(&other.links)
    }
}

/// An object's tuples lie in the order of its relations, so a run of relations is a run of tuples.
fn runs(relations: &BTreeSet<RelId>) -> Vec<(RelId, RelId)> {
    let mut runs: Vec<(RelId, RelId)> = Vec::new();
    for &relation in relations {
        match runs.last_mut() {
            Some((_, last)) if last.0 + 1 == relation.0 => *last = relation,
            _ => runs.push((relation, relation)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use crate::permission::engine::tests::store;

    #[test]
    fn a_link_that_another_one_covers_is_left_out() {
        let store = store(
            "type user
type folder
  relations
    define parent: [folder]
    define owner: [user]
    define editor: owner or editor from parent
    define viewer: [user] or editor or viewer from parent
",
            &[] as &[&str],
        );
        let folder = store.plan.type_id("folder").expect("is there");
        let id = |name| store.plan.relation_id(folder, name).expect("is there");
        let flat = store.plan.outward.flat(id("viewer")).expect("is small");
        assert_eq!(
            flat.direct,
            [(id("owner"), id("owner")), (id("viewer"), id("viewer"))]
        );
        let links = flat.links.iter().map(|link| link.relation);
        assert_eq!(links.collect::<Vec<_>>(), [id("viewer")]);
    }
}
