//! A store's tuples as integers: who is assigned to which (relation, object).
//!
//! Built once when a store is loaded and never changed: a reload builds another. Per (relation,
//! object) that has tuples there is one entry in a table and three runs in three flat arrays: plain
//! subjects (sorted, found by bisection), wildcards, usersets.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    ops::Range,
};

use super::{
    names::Names,
    plan::{Plan, RelId, SubjectKind, TypeId},
    tuple,
};

/// One tuple as text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuple<'a> {
    pub(crate) user: &'a str,
    pub(crate) relation: &'a str,
    pub(crate) object: &'a str,
}

/// A (relation, object) pair.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Node(u64);

impl Node {
    pub(crate) fn new(relation: RelId, object: u32) -> Self {
        Self(u64::from(relation.0) << 32 | u64::from(object))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves it was made of")]
    pub(crate) fn parts(self) -> (RelId, u32) {
        (RelId((self.0 >> 32) as u32), self.0 as u32)
    }
}

/// The tuples of a store.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    names: Names,
    /// By object: its type.
    types: Vec<TypeId>,
    nodes: HashMap<Node, u32, Mixing>,
    /// By node: where its runs begin; one more at the end.
    starts: Vec<Starts>,
    objects: Vec<u32>,
    wildcards: Vec<TypeId>,
    usersets: Vec<Node>,
}

/// Everyone assigned to one node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Assigned<'a> {
    /// Sorted.
    pub(crate) objects: &'a [u32],
    pub(crate) wildcards: &'a [TypeId],
    pub(crate) usersets: &'a [Node],
}

impl Graph {
    /// The number of an object, if any tuple names it.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.names.find(name)
    }

    pub(crate) fn type_of(&self, object: u32) -> TypeId {
        self.types[object as usize]
    }

    /// Every object of one type that some tuple names, as object or as subject.
    pub(crate) fn objects_of(&self, type_id: TypeId) -> impl Iterator<Item = &str> {
        let all = (0..).zip(&self.types);
        all.filter(move |(_, of)| **of == type_id)
            .map(|(id, _)| self.names.name(id))
    }

    /// Who is assigned to `node`.
    pub(crate) fn assigned(&self, node: Node) -> Assigned<'_> {
        let Some(&index) = self.nodes.get(&node) else {
            return Assigned::default();
        };
        let from = self.starts[index as usize];
        let to = self.starts[index as usize + 1];
        Assigned {
            objects: &self.objects[run(from.objects, to.objects)],
            wildcards: &self.wildcards[run(from.wildcards, to.wildcards)],
            usersets: &self.usersets[run(from.usersets, to.usersets)],
        }
    }
}

/// Collects tuples, then sorts them into a [`Graph`].
#[derive(Debug)]
pub(crate) struct Builder<'p> {
    plan: &'p Plan,
    names: Names,
    types: Vec<TypeId>,
    edges: Vec<Edge>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Edge {
    node: Node,
    subject: EdgeSubject,
    /// Which tuple, in the order they were added.
    index: u32,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum EdgeSubject {
    Object(u32),
    Userset(Node),
    Wildcard(TypeId),
}

impl<'p> Builder<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            names: Names::default(),
            types: Vec::new(),
            edges: Vec::new(),
        }
    }

    /// Adds one tuple, or says why the model has no place for it.
    pub(crate) fn add(&mut self, index: u32, tuple: Tuple<'_>) -> Result<(), String> {
        let object = tuple::object(self.plan, tuple.object)?;
        let relation = tuple::relation(self.plan, &object, tuple.relation)?;
        let subject = tuple::subject(self.plan, tuple.user)?;
        if !self.plan.assigns(relation, subject.kind) {
            return Err(self.not_assignable(relation, tuple));
        }
        let itself = subject.kind == SubjectKind::Userset(relation);
        if itself && subject.object == object.name {
            return Err(format!(
                "`{}` has this relation to itself without being told",
                tuple.user
            ));
        }
        let node = Node::new(relation, self.intern(object.name, object.type_id)?);
        let subject = match subject.kind {
            SubjectKind::Object(of) => EdgeSubject::Object(self.intern(subject.object, of)?),
            SubjectKind::Userset(has) => {
                let of = subject.object.split(':').next().unwrap_or_default();
                let of = self.plan.type_id(of).ok_or("unknown type")?;
                EdgeSubject::Userset(Node::new(has, self.intern(subject.object, of)?))
            }
            SubjectKind::Wildcard(of) => EdgeSubject::Wildcard(of),
        };
        self.edges.push(Edge {
            node,
            subject,
            index,
        });
        Ok(())
    }

    /// Pairs of tuples that say the same: the earlier, then the later. The later one is dropped.
    pub(crate) fn drop_duplicates(&mut self) -> Vec<(u32, u32)> {
        self.edges.sort_unstable();
        let mut pairs = Vec::new();
        self.edges.dedup_by(|later, earlier| {
            let same = later.node == earlier.node && later.subject == earlier.subject;
            if same {
                pairs.push((earlier.index, later.index));
            }
            same
        });
        pairs
    }

    pub(crate) fn build(mut self) -> Graph {
        self.drop_duplicates();
        let mut graph = Graph {
            names: self.names,
            types: self.types,
            ..Graph::default()
        };
        let mut last = None;
        for edge in self.edges {
            if last != Some(edge.node) {
                last = Some(edge.node);
                graph.open(edge.node);
            }
            match edge.subject {
                EdgeSubject::Object(id) => graph.objects.push(id),
                EdgeSubject::Userset(node) => graph.usersets.push(node),
                EdgeSubject::Wildcard(type_id) => graph.wildcards.push(type_id),
            }
        }
        graph.starts.push(graph.ends());
        graph
    }

    fn intern(&mut self, name: &str, type_id: TypeId) -> Result<u32, String> {
        let id = self
            .names
            .intern(name)
            .ok_or("the store has too many objects")?;
        if id as usize == self.types.len() {
            self.types.push(type_id);
        }
        Ok(id)
    }

    fn not_assignable(&self, relation: RelId, tuple: Tuple<'_>) -> String {
        if self.plan.relation(relation).assignable.is_empty() {
            return format!(
                "relation `{}` follows from others and cannot be assigned",
                tuple.relation
            );
        }
        format!(
            "`{}` is not among the types that relation `{}` may be assigned to",
            tuple.user, tuple.relation
        )
    }
}

impl Graph {
    fn open(&mut self, node: Node) {
        let index = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        self.nodes.insert(node, index);
        self.starts.push(self.ends());
    }

    fn ends(&self) -> Starts {
        let end = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        Starts {
            objects: end(self.objects.len()),
            wildcards: end(self.wildcards.len()),
            usersets: end(self.usersets.len()),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Starts {
    objects: u32,
    wildcards: u32,
    usersets: u32,
}

fn run(from: u32, to: u32) -> Range<usize> {
    from as usize..to as usize
}

/// Hashes our own numbers, which nobody outside can choose: one multiplication.
pub(crate) type Mixing = BuildHasherDefault<Mixer>;

/// See [`Mixing`].
#[derive(Debug, Default)]
pub(crate) struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, value: u64) {
        let mixed = (self.0 ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}
