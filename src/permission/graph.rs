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

mod held;
mod mixing;
mod tame;

use std::{collections::HashMap, ops::Range};

pub(crate) use self::{held::Held, mixing::Mixing, tame::Tame};
use super::{
    condition::{Json, Values},
    names::{BLOCK, Names},
    plan::{CondId, Plan, RelId, SubjectKind, TypeId},
    tuple,
};

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
    pub(crate) fn new(relation: RelId, object: u32) -> Self {
        Self(u64::from(object) << 32 | u64::from(relation.0))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves it was made of")]
    pub(crate) fn parts(self) -> (RelId, u32) {
        (RelId(self.0 as u32), (self.0 >> 32) as u32)
    }
}

/// The tuples of a store.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// The number of the first object here: those below are the stored graph's.
    first: u32,
    names: Names,
    /// By object: its type.
    types: Vec<TypeId>,
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
    tame: Vec<Tame>,
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
        self.types[(object - self.first) as usize]
    }

    /// The number of the object that would come after the last one here.
    pub(crate) fn end(&self) -> u32 {
        self.first + u32::try_from(self.types.len()).unwrap_or(u32::MAX)
    }

    /// The name of an object.
    pub(crate) fn name(&self, object: u32) -> &str {
        self.names.name(object - self.first)
    }

    /// What a tuple brings along for its condition.
    pub(crate) fn values(&self, number: u32) -> &Values {
        &self.values[number as usize]
    }

    /// The numbers of names, as [`Names::find_all`] has it. Of a stored graph only.
    pub(crate) fn find_all(&self, names: &[&str], found: &mut [u32; BLOCK]) {
        self.names.find_all(names, found);
    }

    /// Reads what walks from these objects and for these subjects will read first, all at once, so
    /// that they do not each wait for memory. Of a stored graph only.
    pub(crate) fn warm(&self, objects: &[u32], subjects: &[u32]) {
        let mut places = [0_u32; BLOCK];
        for (place, object) in places.iter_mut().zip(objects) {
            *place = self.first_nodes.get(*object as usize).copied().unwrap_or(0);
        }
        let mut firsts = [0_u32; BLOCK];
        for (first, place) in firsts.iter_mut().zip(&places) {
            let node = self.nodes.get(*place as usize);
            let starts = self.starts.get(*place as usize);
            let object = node.map_or(0, |node| node.parts().1);
            *first = starts.map_or(0, |starts| starts.objects) | u32::from(object == u32::MAX);
        }
        let mut sum = 0_u32;
        for first in firsts {
            sum ^= self.objects.get(first as usize).copied().unwrap_or(0);
        }
        std::hint::black_box(sum ^ self.held.warm(subjects));
    }

    /// The tuples from the subject's side. Of a stored graph only.
    pub(crate) fn held(&self) -> &Held {
        &self.held
    }

    /// What may be asked about `object` as plain set algebra. Of a stored graph only.
    pub(crate) fn tame(&self, object: u32) -> Tame {
        self.tame.get(object as usize).copied().unwrap_or_default()
    }

    /// Every object of one type that some tuple names, as object or as subject.
    pub(crate) fn objects_of(&self, type_id: TypeId) -> impl Iterator<Item = &str> {
        let all = (0..).zip(&self.types);
        all.filter(move |(_, of)| **of == type_id)
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

    /// The relation of the node at `place`, and who is assigned to it.
    pub(crate) fn node_at(&self, place: usize) -> (RelId, Assigned<'_>) {
        (self.nodes[place].parts().0, self.assigned_at(place))
    }

    fn assigned_at(&self, place: usize) -> Assigned<'_> {
        let (from, to) = (self.starts[place], self.starts[place + 1]);
        Assigned {
            objects: &self.objects[run(from.objects, to.objects)],
            wildcards: &self.wildcards[run(from.wildcards, to.wildcards)],
            usersets: &self.usersets[run(from.usersets, to.usersets)],
            conditional: &self.conditional[run(from.conditional, to.conditional)],
        }
    }
}

/// Collects tuples, then sorts them into a [`Graph`].
#[derive(Debug)]
pub(crate) struct Builder<'p> {
    plan: &'p Plan,
    /// What this is laid over.
    base: Option<&'p Graph>,
    names: Names,
    types: Vec<TypeId>,
    edges: Vec<Edge>,
    values: Vec<Values>,
    /// By condition and text, so that tuples which say the same share it.
    known_values: HashMap<(CondId, String), u32>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Edge {
    node: Node,
    subject: EdgeSubject,
    /// Which tuple, in the order they were added.
    index: u32,
    condition: Option<(CondId, u32)>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum EdgeSubject {
    Object(u32),
    Userset(Node),
    Wildcard(TypeId),
}

impl<'p> Builder<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            base: None,
            names: Names::default(),
            types: Vec::new(),
            edges: Vec::new(),
            values: Vec::new(),
            known_values: HashMap::new(),
        }
    }

    /// A graph that is laid over `base`.
    pub(crate) fn over(plan: &'p Plan, base: &'p Graph) -> Self {
        Self {
            base: Some(base),
            ..Self::new(plan)
        }
    }

    /// Adds one tuple, or says why the model has no place for it.
    pub(crate) fn add(&mut self, index: u32, tuple: Tuple<'_>) -> Result<(), String> {
        let object = tuple::object(self.plan, tuple.object)?;
        let relation = tuple::relation(self.plan, &object, tuple.relation)?;
        let subject = tuple::subject(self.plan, tuple.user)?;
        let condition = match &tuple.condition {
            Some(condition) => Some(self.condition_id(condition.name)?),
            None => None,
        };
        if !self.plan.assigns(relation, subject.kind, condition) {
            return Err(self.not_assignable(relation, subject.kind, tuple));
        }
        let itself = subject.kind == SubjectKind::Userset(relation);
        if itself && subject.object == object.name {
            return Err(format!(
                "`{}` has this relation to itself without being told",
                tuple.user
            ));
        }
        let condition = match condition {
            Some(id) => Some((id, self.bind(id, &tuple)?)),
            None => None,
        };
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
            condition,
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
            first: self.base.map_or(0, Graph::end),
            values: self.values,
            ..Graph::default()
        };
        let mut last = None;
        for edge in self.edges {
            if last != Some(edge.node) {
                last = Some(edge.node);
                graph.open(edge.node);
            }
            if let Some((condition, values)) = edge.condition {
                graph.conditional.push(Conditional {
                    subject: edge.subject,
                    condition,
                    values,
                });
                continue;
            }
            match edge.subject {
                EdgeSubject::Object(id) => graph.objects.push(id),
                EdgeSubject::Userset(node) => graph.usersets.push(node),
                EdgeSubject::Wildcard(type_id) => graph.wildcards.push(type_id),
            }
        }
        graph.starts.push(graph.ends());
        if self.base.is_none() {
            graph.index(self.plan);
        }
        graph
    }

    fn intern(&mut self, name: &str, type_id: TypeId) -> Result<u32, String> {
        if let Some(id) = self.base.and_then(|base| base.find(name)) {
            return Ok(id);
        }
        let first = self.base.map_or(0, Graph::end);
        let id = self.names.intern(name);
        let numbered = id.filter(|id| id.checked_add(first).is_some_and(|id| id != u32::MAX));
        let id = numbered.ok_or("the store has too many objects")?;
        if id as usize == self.types.len() {
            self.types.push(type_id);
        }
        Ok(first + id)
    }

    fn condition_id(&self, name: &str) -> Result<CondId, String> {
        let id = self.plan.condition_id(name);
        id.ok_or_else(|| {
            format!(
                "`{}` is not a condition of the model",
                name.escape_default()
            )
        })
    }

    /// The number of what `tuple` brings along for its condition.
    fn bind(&mut self, id: CondId, tuple: &Tuple<'_>) -> Result<u32, String> {
        let none = Json::new();
        let context = tuple.condition.and_then(|condition| condition.context);
        let context = context.unwrap_or(&none);
        let text = serde_json::to_string(context).map_err(|error| error.to_string())?;
        if text.len() > MAX_CONTEXT_BYTES {
            return Err(format!(
                "the context of the condition is longer than {MAX_CONTEXT_BYTES} bytes"
            ));
        }
        let key = (id, text);
        if let Some(&known) = self.known_values.get(&key) {
            return Ok(known);
        }
        let values = self.plan.condition(id).bind_tuple(context)?;
        let number = u32::try_from(self.values.len()).map_err(|_| "too many contexts")?;
        self.values.push(values);
        self.known_values.insert(key, number);
        Ok(number)
    }

    fn not_assignable(&self, relation: RelId, kind: SubjectKind, tuple: Tuple<'_>) -> String {
        let assignable = &self.plan.relation(relation).assignable;
        if let Some(to) = assignable.iter().find(|to| to.kind == kind) {
            return match (to.condition, tuple.condition) {
                (Some(wanted), None) => format!(
                    "`{}` may be assigned to relation `{}` only under a condition, such as `{}`",
                    tuple.user,
                    tuple.relation,
                    self.plan.condition(wanted).name()
                ),
                _ => format!(
                    "`{}` may not be assigned to relation `{}` under this condition",
                    tuple.user, tuple.relation
                ),
            };
        }
        if assignable.is_empty() {
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
    /// What a stored graph has besides: the way to an object's nodes, and what batches need.
    fn index(&mut self, plan: &Plan) {
        self.names.shrink();
        self.types.shrink_to_fit();
        self.nodes.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.objects.shrink_to_fit();
        self.usersets.shrink_to_fit();
        let mut first_nodes = vec![0_u32; self.types.len() + 1];
        for node in &self.nodes {
            first_nodes[node.parts().1 as usize + 1] += 1;
        }
        for at in 0..self.types.len() {
            first_nodes[at + 1] += first_nodes[at];
        }
        self.first_nodes = first_nodes;
        self.held = Held::new(self);
        self.tame = tame::mark(plan, self);
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

/// `OpenFGA`'s own limit.
const MAX_CONTEXT_BYTES: usize = 32 * 1024;
