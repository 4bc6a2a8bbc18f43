//! Which objects can be asked about without minding limits, cycles and conditions.
//!
//! A check may end undecided: too deep, too wide, a condition that cannot be evaluated. Or a cycle
//! turns an answer around. None of it can happen below an object whose surroundings, followed to
//! their ends, are free of cycles and conditions, few and near. What such an object answers is plain
//! set algebra, in whatever order it is worked out. That is what batches build on; everything else
//! they leave to the single check.
//!
//! # Cost
//!
//! One pass over the tuples when they are loaded, one byte an object afterwards.

use super::{Graph, Node};
use crate::permission::plan::{Effort, Outward, Plan, TypeId};

/// What can be asked about an object as plain set algebra.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Tame {
    /// Any relation.
    All,
    /// Relations with neither `and` nor `but not` below.
    Monotone,
    /// Nothing: its surroundings hold a cycle or a condition, or are too deep or too wide.
    #[default]
    Nothing,
}

/// Bounds of the walk that begins at an object, over all its relations.
#[derive(Clone, Copy, Debug, Default)]
struct Bounds {
    /// Objects that it leads to and that are not yet worked out.
    open: u32,
    hops: u32,
    /// Steps of a walk that visits every place once.
    steps: u32,
    /// How many such walks an `and` or `but not` on the way may begin.
    walks: u32,
}

/// Works out from the ends towards the roots; what leads into a cycle is never reached.
pub(super) fn marks(plan: &Plan, graph: &Graph) -> Vec<Tame> {
    let outward = &plan.outward;
    let mut marks = vec![Tame::Nothing; graph.names.len()];
    if !outward.is_small {
        return marks;
    }
    let objects = (0..).zip(graph.names.tags());
    let mut bounds: Vec<Bounds> = objects
        .map(|(object, tag)| {
            let (of, _) = Tame::untagged(tag);
            Bounds::of(outward, graph, object, outward.effort(of))
        })
        .collect();
    let mut ready: Vec<u32> = (0..)
        .zip(&bounds)
        .filter(|(_, bounds)| bounds.open == 0)
        .map(|(object, _)| object)
        .collect();
    while let Some(object) = ready.pop() {
        let below = bounds[object as usize];
        marks[object as usize] = below.mark();
        let mut lead = |node: Node| {
            let (_, from) = node.parts();
            let bounds = &mut bounds[from as usize];
            bounds.open -= 1;
            bounds.hops = bounds.hops.max(below.hops + 1);
            bounds.steps = bounds.steps.saturating_add(below.steps);
            bounds.walks = bounds.walks.saturating_add(below.walks);
            if bounds.open == 0 {
                ready.push(from);
            }
        };
        for &node in graph.held.by_object(object) {
            if outward.lead(node.parts().0).is_tupleset {
                lead(node);
            }
        }
        for &(_, node) in graph.held.by_sets_of(object) {
            lead(node);
        }
    }
    marks
}

impl Tame {
    /// What is kept beside an object's name: its type and this.
    pub(super) fn tagged(self, of: TypeId) -> u32 {
        let bits = match self {
            Self::Nothing => 0,
            Self::Monotone => 1,
            Self::All => 2,
        };
        bits << TYPE_BITS | of.0
    }

    /// Whether what has this tag may be asked about a relation, which may have neither `and` nor
    /// `but not` below it.
    #[inline]
    pub(crate) fn allows(tag: u32, is_monotone: bool) -> bool {
        let least = if is_monotone {
            Self::Monotone
        } else {
            Self::All
        };
        tag >= least.tagged(TypeId(0))
    }

    /// The two parts of a tag.
    pub(crate) fn untagged(tag: u32) -> (TypeId, Self) {
        let tame = match tag >> TYPE_BITS {
            1 => Self::Monotone,
            2 => Self::All,
            _ => Self::Nothing,
        };
        (TypeId(tag & ((1 << TYPE_BITS) - 1)), tame)
    }
}

impl Bounds {
    /// What `object` adds, whatever lies below it.
    fn of(outward: &Outward, graph: &Graph, object: u32, effort: Effort) -> Self {
        let mut open = 0_u32;
        let mut is_conditional = false;
        for index in graph.nodes_of(object) {
            let (relation, _) = graph.nodes[index].parts();
            let assigned = graph.assigned_at(index);
            is_conditional |= !assigned.conditional.is_empty();
            let mut count = assigned.usersets.len();
            if outward.lead(relation).is_tupleset {
                count += assigned.objects.len();
            }
            open = open.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
        let read = open.saturating_mul(2).saturating_add(1);
        let steps = effort.ops.saturating_mul(read).saturating_add(1);
        Self {
            open,
            hops: 0,
            steps: if is_conditional { u32::MAX } else { steps },
            walks: effort.mixed_ops.saturating_mul(read),
        }
    }

    fn mark(self) -> Tame {
        if self.hops > MAX_HOPS || self.steps > MAX_STEPS {
            return Tame::Nothing;
        }
        // Each walk may be followed by one that looks for cycles.
        let mixed = u64::from(self.steps) * (2 * u64::from(self.walks) + 1);
        if mixed > u64::from(MAX_STEPS) {
            return Tame::Monotone;
        }
        Tame::All
    }
}

/// A model's text is far too short for so many types.
const TYPE_BITS: u32 = 30;

/// One hop less than the engine follows.
const MAX_HOPS: u32 = 24;

/// A little less than the engine takes for one check.
const MAX_STEPS: u32 = 900_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::{
        engine::tests::store,
        names::{BLOCK, Found},
        store::Store,
    };

    const MODEL: &str = "type user
type folder
  relations
    define parent: [folder]
    define blocked: [user, folder#blocked]
    define viewer: [user] or viewer from parent
    define reader: viewer but not blocked
";

    fn tame(store: &Store, name: &str) -> Tame {
        let mut found = [Found::NOTHING; BLOCK];
        store.graph.find_all(&[name.as_bytes()], &mut found);
        Tame::untagged(found[0].tag).1
    }

    #[test]
    fn an_object_is_tame_as_far_as_the_engine_follows() {
        let chain: Vec<String> = (0..30)
            .map(|n| format!("folder:{} parent folder:{n}", n + 1))
            .collect();
        let store = store(MODEL, &chain);
        assert_eq!(tame(&store, "folder:30"), Tame::All);
        assert_eq!(tame(&store, "folder:6"), Tame::All);
        assert_eq!(tame(&store, "folder:5"), Tame::Nothing);
    }

    #[test]
    fn whatever_leads_into_a_cycle_is_not_tame() {
        let store = store(
            MODEL,
            &[
                "folder:2#blocked blocked folder:1",
                "folder:1#blocked blocked folder:2",
                "folder:1 parent folder:3",
                "user:a viewer folder:4",
            ],
        );
        for name in ["folder:1", "folder:2", "folder:3"] {
            assert_eq!(tame(&store, name), Tame::Nothing, "{name}");
        }
        assert_eq!(tame(&store, "folder:4"), Tame::All);
    }

    #[test]
    fn wide_surroundings_are_tame_only_where_nothing_is_combined() {
        let wide: Vec<String> = (1..2_000)
            .map(|n| format!("folder:{n} parent folder:0"))
            .collect();
        let store = store(MODEL, &wide);
        assert_eq!(tame(&store, "folder:0"), Tame::Monotone);
        assert_eq!(tame(&store, "folder:1"), Tame::All);
    }

    #[test]
    fn a_tag_holds_both_its_parts() {
        for tame in [Tame::All, Tame::Monotone, Tame::Nothing] {
            let of = TypeId(70_000);
            assert_eq!(Tame::untagged(tame.tagged(of)), (of, tame));
        }
    }
}
