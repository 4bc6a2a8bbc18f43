//! Collects tuples, checks them against the model and sorts them into a [`Graph`].

use std::collections::HashMap;

use super::{Conditional, EdgeSubject, Graph, Node, Tame, Tuple};
use crate::permission::{
    condition::{Json, Values},
    names::Names,
    plan::{CondId, Plan, RelId, SubjectKind, TypeId},
    tuple,
};

/// Collects tuples, then sorts them into a [`Graph`].
#[derive(Debug)]
pub(crate) struct Builder<'p> {
    plan: &'p Plan,
    /// What this is laid over.
    base: Option<&'p Graph>,
    names: Names,
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

impl<'p> Builder<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            base: None,
            names: Names::default(),
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
        let id = self.names.intern(name, Tame::default().tagged(type_id));
        let numbered = id.filter(|id| id.checked_add(first).is_some_and(|id| id != u32::MAX));
        let id = numbered.ok_or("the store has too many objects")?;
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

/// `OpenFGA`'s own limit.
const MAX_CONTEXT_BYTES: usize = 32 * 1024;
