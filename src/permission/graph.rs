//! A store's tuples as integers: who is assigned to which (relation, object).
//!
//! Built once when a store is loaded and never changed: a reload builds another. Per (relation,
//! object) that has tuples there is one entry in a list, which is sorted so that an object's entries
//! lie side by side, and four runs in four flat arrays: plain subjects (sorted, found by bisection),
//! wildcards, usersets, and whatever is assigned under a condition.
//!
//! Tuples that come with a question make a small graph of their own, laid over the stored one: it
//! numbers on where that one ends. A stored graph is also there turned around ([`Held`]), with what
//! batches may rely on for each object ([`Tame`]).

mod builder;
mod held;
mod tame;

use std::ops::Range;

pub(crate) use self::{builder::Builder, held::Held, tame::Tame};
use super::{
    condition::Values,
    names::{BLOCK, Found, Names},
    plan::{CondId, Plan, RelId, TypeId},
};
pub(crate) use crate::mixing::Mixing;

/// One tuple as text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Tuple<'a> {
    /// `type:id`, `type:*` or `type:id#relation`.
    pub user: &'a str,
    /// A relation of the object's type.
    pub relation: &'a str,
    /// `type:id`.
    pub object: &'a str,
    /// What must hold for the tuple to count.
    pub condition: Option<TupleCondition<'a>>,
}

/// The condition of a tuple.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TupleCondition<'a> {
    /// As the model calls it.
    pub name: &'a str,
    /// Values for some of its parameters.
    pub context: Option<&'a serde_json::Map<String, serde_json::Value>>,
}

/// A (relation, object) pair. Sorts by object first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Node(u64);

impl Node {
    /// Sorts after all others, and is none.
    pub(crate) const LAST: Self = Self(u64::MAX);

    pub(crate) fn new(relation: RelId, object: u32) -> Self {
        Self(u64::from(object) << 32 | u64::from(relation.0))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves it was made of")]
    pub(crate) fn parts(self) -> (RelId, u32) {
        (RelId(self.0 as u32), (self.0 >> 32) as u32)
    }

    /// Some number below 2³² that tells most nodes apart.
    pub(crate) fn mixed(self) -> usize {
        let mixed = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        usize::try_from(mixed).unwrap_or_default()
    }
}

/// The tuples of a store.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// The number of the first object here: those below are the stored graph's.
    first: u32,
    /// By object: its name, and as tag its type and what it is [`Tame`] for.
    names: Names,
    /// What has tuples, sorted.
    nodes: Vec<Node>,
    /// By object: its first place in `nodes`; one more at the end. Empty in a graph laid over another.
    first_nodes: Vec<u32>,
    /// By place in `nodes`: where its runs begin; one more at the end.
    starts: Vec<Starts>,
    objects: Vec<u32>,
    wildcards: Vec<TypeId>,
    usersets: Vec<Node>,
    conditional: Vec<Conditional>,
    values: Vec<Values>,
    held: Held,
}

/// Someone assigned under a condition.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditional {
    pub(crate) subject: EdgeSubject,
    pub(crate) condition: CondId,
    /// Number of what the tuple brings along for it: see [`Graph::values`].
    pub(crate) values: u32,
}

/// Everyone assigned to one node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Assigned<'a> {
    /// Sorted.
    pub(crate) objects: &'a [u32],
    pub(crate) wildcards: &'a [TypeId],
    pub(crate) usersets: &'a [Node],
    pub(crate) conditional: &'a [Conditional],
}

impl Graph {
    /// The number of an object, if any tuple names it.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        Some(self.first + self.names.find(name)?)
    }

    pub(crate) fn type_of(&self, object: u32) -> TypeId {
        Tame::untagged(self.names.tag(object - self.first)).0
    }

    /// The number of the object that would come after the last one here.
    pub(crate) fn end(&self) -> u32 {
        self.first + u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    /// The name of an object.
    pub(crate) fn name(&self, object: u32) -> &str {
        self.names.name(object - self.first)
    }

    /// What a tuple brings along for its condition.
    pub(crate) fn values(&self, number: u32) -> &Values {
        &self.values[number as usize]
    }

    /// What names are, as [`Names::find_all`] has it; the tags are for [`Tame::untagged`]. Of a stored
    /// graph only.
    pub(crate) fn find_all(&self, names: &[&[u8]], found: &mut [Found; BLOCK]) {
        self.names.find_all(names, found);
    }

    /// The tuples from the subject's side. Of a stored graph only.
    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    /// Whether the tuples are more than fit beside a core, so that looking at one is waiting for it.
    pub(crate) fn is_large(&self) -> bool {
        self.nodes.len() > LARGE_NODES
    }

    /// Every object of one type that some tuple names, as object or as subject.
    pub(crate) fn objects_of(&self, type_id: TypeId) -> impl Iterator<Item = &str> {
        let all = (0..).zip(self.names.tags());
        all.filter(move |(_, tag)| Tame::untagged(*tag).0 == type_id)
            .map(|(id, _)| self.names.name(id))
    }

    /// Who is assigned to `node`.
    pub(crate) fn assigned(&self, node: Node) -> Assigned<'_> {
        let places = self.nodes_of(node.parts().1);
        let from = places.start;
        match self.nodes[places].binary_search(&node) {
            Ok(place) => self.assigned_at(from + place),
            Err(_) => Assigned::default(),
        }
    }

    /// The places of an object's nodes, by relation.
    pub(crate) fn nodes_of(&self, object: u32) -> Range<usize> {
        if self.first_nodes.is_empty() {
            return 0..self.nodes.len();
        }
        let at = object as usize;
        match (
            self.first_nodes.get(at),
            self.first_nodes.get(at.saturating_add(1)),
        ) {
            (Some(&from), Some(&to)) => run(from, to),
            _ => 0..0,
        }
    }

    /// The relation of the node at `place`.
    pub(crate) fn relation_at(&self, place: usize) -> RelId {
        self.nodes[place].parts().0
    }

    /// Who is assigned to the node at `place`.
    pub(crate) fn assigned_at(&self, place: usize) -> Assigned<'_> {
        self.assigned_between(place, place + 1)
    }

    /// Who is assigned to any node from the place `from` to before `to`. Objects are sorted only if
    /// that is one.
    pub(crate) fn assigned_between(&self, from: usize, to: usize) -> Assigned<'_> {
        let (from, to) = (self.starts[from], self.starts[to]);
        Assigned {
            objects: &self.objects[run(from.objects, to.objects)],
            wildcards: &self.wildcards[run(from.wildcards, to.wildcards)],
            usersets: &self.usersets[run(from.usersets, to.usersets)],
            conditional: &self.conditional[run(from.conditional, to.conditional)],
        }
    }
}

/// With what belongs to them they are half of what a usual core keeps to itself. Tests' stores are small.
const LARGE_NODES: usize = if cfg!(test) { 64 } else { 16_384 };

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum EdgeSubject {
    Object(u32),
    Userset(Node),
    Wildcard(TypeId),
}

impl Graph {
    /// What a stored graph has besides: the way to an object's nodes, and what batches need.
    fn index(&mut self, plan: &Plan) {
        self.names.shrink();
        self.nodes.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.objects.shrink_to_fit();
        self.usersets.shrink_to_fit();
        let mut first_nodes = vec![0_u32; self.names.len() + 1];
        for node in &self.nodes {
            first_nodes[node.parts().1 as usize + 1] += 1;
        }
        for at in 0..self.names.len() {
            first_nodes[at + 1] += first_nodes[at];
        }
        self.first_nodes = first_nodes;
        self.held = Held::new(self);
        let marks = tame::marks(plan, self);
        for (tag, tame) in self.names.tags_mut().zip(marks) {
            *tag = tame.tagged(Tame::untagged(*tag).0);
        }
    }

    fn open(&mut self, node: Node) {
        self.nodes.push(node);
        self.starts.push(self.ends());
    }

    fn ends(&self) -> Starts {
        let end = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        Starts {
            objects: end(self.objects.len()),
            wildcards: end(self.wildcards.len()),
            usersets: end(self.usersets.len()),
            conditional: end(self.conditional.len()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Starts {
    objects: u32,
    wildcards: u32,
    usersets: u32,
    conditional: u32,
}

fn run(from: u32, to: u32) -> Range<usize> {
    from as usize..to as usize
}
