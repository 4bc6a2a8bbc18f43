//! A model compiled for checking: numbers instead of names, and what can lead to what.
//!
//! A [`Plan`] exists only for a valid model, so a check never meets an unknown name. Two facts about the model are worked out once, here:
//!
//! - *reach*: whether a subject of some kind can have a relation at all. Where it cannot, a check
//!   answers no without reading a tuple, so no error can arise there either.
//! - *monotone*: whether nothing below a rewrite is an `and` or a `but not`. Then the answer is mere
//!   reachability and the engine walks breadth-first, each place once.

mod flat;
mod outward;

use std::{collections::HashMap, sync::Arc};

pub(crate) use self::{
    flat::Flat,
    outward::{Effort, Outward},
};
use super::{
    condition::Condition,
    model::{Fault, FaultKind, Model, Place, Restriction, RestrictionKind, Rewrite},
    reach::Reach,
    validate,
};

/// A type's number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct TypeId(pub(crate) u32);

/// The number of one relation of one type.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct RelId(pub(crate) u32);

/// A condition's number.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct CondId(pub(crate) u32);

/// What a subject is, as far as the model can tell subjects apart.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum SubjectKind {
    /// `user:anne`.
    Object(TypeId),
    /// `group:eng#member`.
    Userset(RelId),
    /// `user:*`.
    Wildcard(TypeId),
}

/// A compiled model.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    types: HashMap<Box<str>, TypeId>,
    /// By type: its relations.
    names: Vec<HashMap<Box<str>, RelId>>,
    relations: Vec<Relation>,
    conditions: Vec<Arc<Condition>>,
    reach: Reach,
    pub(crate) outward: Outward,
}

/// One relation of one type.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) owner: TypeId,
    pub(crate) rewrite: Op,
    /// What tuples may assign; empty when none may.
    pub(crate) assignable: Vec<Assignable>,
}

/// One kind of tuple that a relation takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Assignable {
    pub(crate) kind: SubjectKind,
    pub(crate) condition: Option<CondId>,
}

/// A rewrite, and whether it is monotone: nothing below it is an `and` or a `but not`.
#[derive(Clone, Debug)]
pub(crate) struct Op {
    pub(crate) kind: OpKind,
    pub(crate) monotone: bool,
}

/// What a rewrite does.
#[derive(Clone, Debug)]
pub(crate) enum OpKind {
    Computed(RelId),
    Difference(Box<[Op; 2]>),
    Direct,
    /// `target from tupleset`; the target differs by the type that a tuple leads to, and types that
    /// lack the relation are left out.
    FromTupleset {
        tupleset: RelId,
        targets: Vec<(TypeId, RelId)>,
    },
    Intersection(Vec<Op>),
    Union(Vec<Op>),
}

impl Plan {
    /// Compiles `model`, or says everything that is wrong with it.
    pub(crate) fn compile(model: &Model) -> Result<Self, Vec<Fault>> {
        let mut faults = validate::faults(model);
        if faults.is_empty() {
            faults = unsupported(model);
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let mut plan = Self::numbered(model);
        plan.conditions = conditions(model)?;
        let mut relations = Vec::with_capacity(plan.relation_count());
        for (owner, definition) in type_ids(model) {
            for relation in &definition.relations {
                let assignable = relation.restrictions.iter();
                relations.push(Relation {
                    owner,
                    rewrite: plan.op(model, owner, &relation.rewrite),
                    assignable: assignable.filter_map(|to| plan.assignable(to)).collect(),
                });
            }
        }
        mark_monotone(&mut relations);
        plan.reach = Reach::new(model.types.len(), &relations);
        plan.outward = Outward::new(model.types.len(), &relations);
        plan.relations = relations;
        Ok(plan)
    }

    pub(crate) fn type_id(&self, name: &str) -> Option<TypeId> {
        self.types.get(name).copied()
    }

    pub(crate) fn relation_id(&self, owner: TypeId, name: &str) -> Option<RelId> {
        self.names.get(owner.0 as usize)?.get(name).copied()
    }

    pub(crate) fn relation(&self, id: RelId) -> &Relation {
        &self.relations[id.0 as usize]
    }

    /// The monotone relations that tuples may assign others to.
    pub(crate) fn sets(&self) -> impl Iterator<Item = RelId> {
        let all = (0..).map(RelId).zip(&self.relations);
        all.filter(|(id, relation)| relation.rewrite.monotone && self.outward.lead(*id).is_assigned)
            .map(|(id, _)| id)
    }

    /// Whether some tuples could give `subject` the relation `id`.
    pub(crate) fn reaches(&self, id: RelId, subject: SubjectKind) -> bool {
        self.reach.reaches(id, subject)
    }

    /// Whether a tuple with `condition` may say that `kind` has the relation `id`.
    pub(crate) fn assigns(&self, id: RelId, kind: SubjectKind, condition: Option<CondId>) -> bool {
        let wanted = Assignable { kind, condition };
        self.relation(id).assignable.contains(&wanted)
    }

    pub(crate) fn condition(&self, id: CondId) -> &Condition {
        &self.conditions[id.0 as usize]
    }

    pub(crate) fn condition_id(&self, name: &str) -> Option<CondId> {
        let mut ids = (0..).map(CondId).zip(&self.conditions);
        ids.find(|(_, condition)| condition.name() == name)
            .map(|(id, _)| id)
    }

    /// Whether `subject` can have the relation `id` only by tuples of the relation's own object:
    /// `OpenFGA` reads such usersets in one go, each kind by itself.
    pub(crate) fn is_near(&self, id: RelId, subject: SubjectKind) -> bool {
        self.is_near_by(&self.relation(id).rewrite, id, subject)
    }

    /// Recursion ends: computed relations form no cycle.
    fn is_near_by(&self, op: &Op, id: RelId, subject: SubjectKind) -> bool {
        let part = |part: &Op| self.is_near_by(part, id, subject);
        match &op.kind {
            OpKind::Computed(of) => self.is_near(*of, subject),
            OpKind::Difference(parts) => parts.iter().all(part),
            OpKind::Direct => self.relation(id).assignable.iter().all(|to| match to.kind {
                SubjectKind::Userset(of) => !self.reaches(of, subject),
                SubjectKind::Object(_) | SubjectKind::Wildcard(_) => true,
            }),
            OpKind::FromTupleset { targets, .. } => {
                targets.iter().all(|(_, of)| !self.reaches(*of, subject))
            }
            OpKind::Intersection(parts) | OpKind::Union(parts) => parts.iter().all(part),
        }
    }

    /// Numbers types and relations in the order of the model.
    fn numbered(model: &Model) -> Self {
        let mut types = HashMap::new();
        let mut names = Vec::new();
        let mut next = 0;
        for (id, definition) in type_ids(model) {
            types.insert(definition.name.as_str().into(), id);
            let mut relations = HashMap::new();
            for relation in &definition.relations {
                relations.insert(relation.name.as_str().into(), RelId(next));
                next += 1;
            }
            names.push(relations);
        }
        Self {
            types,
            names,
            relations: Vec::new(),
            conditions: Vec::new(),
            reach: Reach::default(),
            outward: Outward::default(),
        }
    }

    fn relation_count(&self) -> usize {
        self.names.iter().map(HashMap::len).sum()
    }

    fn assignable(&self, to: &Restriction) -> Option<Assignable> {
        let kind = self.subject_kind(&to.type_name, &to.kind)?;
        let condition = match &to.condition {
            Some(name) => Some(self.condition_id(name)?),
            None => None,
        };
        Some(Assignable { kind, condition })
    }

    fn subject_kind(&self, type_name: &str, kind: &RestrictionKind) -> Option<SubjectKind> {
        let type_id = self.type_id(type_name)?;
        Some(match kind {
            RestrictionKind::Object => SubjectKind::Object(type_id),
            RestrictionKind::Userset(relation) => {
                SubjectKind::Userset(self.relation_id(type_id, relation)?)
            }
            RestrictionKind::Wildcard => SubjectKind::Wildcard(type_id),
        })
    }

    /// Recursion is as deep as the readers allow nesting.
    fn op(&self, model: &Model, owner: TypeId, rewrite: &Rewrite) -> Op {
        let part = |part: &Rewrite| self.op(model, owner, part);
        let known = |name: &str| {
            self.relation_id(owner, name)
                .expect("validation found every name")
        };
        let kind = match rewrite {
            Rewrite::Computed { relation, .. } => OpKind::Computed(known(relation)),
            Rewrite::Difference(base, subtract) => {
                OpKind::Difference(Box::new([part(base), part(subtract)]))
            }
            Rewrite::FromTupleset {
                relation, tupleset, ..
            } => OpKind::FromTupleset {
                tupleset: known(tupleset),
                targets: self.targets(model, owner, tupleset, relation),
            },
            Rewrite::Intersection(parts) => OpKind::Intersection(parts.iter().map(part).collect()),
            Rewrite::This => OpKind::Direct,
            Rewrite::Union(parts) => OpKind::Union(parts.iter().map(part).collect()),
        };
        Op {
            kind,
            monotone: false,
        }
    }

    fn targets(
        &self,
        model: &Model,
        owner: TypeId,
        tupleset: &str,
        relation: &str,
    ) -> Vec<(TypeId, RelId)> {
        let links = model.types[owner.0 as usize]
            .relations
            .iter()
            .find(|link| link.name == tupleset);
        links
            .into_iter()
            .flat_map(|links| &links.restrictions)
            .filter_map(|to| {
                let type_id = self.type_id(&to.type_name)?;
                Some((type_id, self.relation_id(type_id, relation)?))
            })
            .collect()
    }
}

impl Op {
    /// Whether this op is monotone, going by what is known of relations so far.
    fn is_monotone(&self, assignable: &[Assignable], known: &[bool]) -> bool {
        let relation = |id: &RelId| known[id.0 as usize];
        match &self.kind {
            OpKind::Computed(id) => relation(id),
            OpKind::Difference(_) | OpKind::Intersection(_) => false,
            OpKind::Direct => assignable.iter().all(|to| match &to.kind {
                SubjectKind::Userset(id) => relation(id),
                SubjectKind::Object(_) | SubjectKind::Wildcard(_) => true,
            }),
            OpKind::FromTupleset { targets, .. } => targets.iter().all(|(_, id)| relation(id)),
            OpKind::Union(parts) => parts.iter().all(|part| part.is_monotone(assignable, known)),
        }
    }

    fn mark(&mut self, assignable: &[Assignable], known: &[bool]) {
        self.monotone = self.is_monotone(assignable, known);
        match &mut self.kind {
            OpKind::Difference(parts) => {
                for part in parts.iter_mut() {
                    part.mark(assignable, known);
                }
            }
            OpKind::Intersection(parts) | OpKind::Union(parts) => {
                for part in parts {
                    part.mark(assignable, known);
                }
            }
            OpKind::Computed(_) | OpKind::Direct | OpKind::FromTupleset { .. } => {}
        }
    }
}

/// Greatest fixed point: a relation is monotone until something below it is found not to be.
fn mark_monotone(relations: &mut [Relation]) {
    let mut known = vec![true; relations.len()];
    loop {
        let mut changed = false;
        for (index, relation) in relations.iter().enumerate() {
            let monotone =
                known[index] && relation.rewrite.is_monotone(&relation.assignable, &known);
            changed |= monotone != known[index];
            known[index] = monotone;
        }
        if !changed {
            break;
        }
    }
    for relation in relations {
        relation.rewrite.mark(&relation.assignable, &known);
    }
}

fn type_ids(model: &Model) -> impl Iterator<Item = (TypeId, &super::model::TypeDef)> {
    (0..).map(TypeId).zip(&model.types)
}

fn conditions(model: &Model) -> Result<Vec<Arc<Condition>>, Vec<Fault>> {
    let mut conditions = Vec::new();
    let mut faults = Vec::new();
    for def in &model.conditions {
        match Condition::compile(def) {
            Ok(condition) => conditions.push(Arc::new(condition)),
            Err(why) => faults.push(Fault::new(
                def.at,
                FaultKind::ConditionExpression,
                format!("condition `{}`: {why}", def.name),
            )),
        }
    }
    if faults.is_empty() {
        Ok(conditions)
    } else {
        Err(faults)
    }
}

/// What `OpenFGA` can do and this engine cannot.
fn unsupported(model: &Model) -> Vec<Fault> {
    let mut faults = Vec::new();
    let relations: usize = model.types.iter().map(|owner| owner.relations.len()).sum();
    if relations > MAX_RELATIONS {
        faults.push(Fault::new(
            Place::default(),
            FaultKind::Unsupported,
            format!("the model has {relations} relations, more than {MAX_RELATIONS}"),
        ));
    }
    let conditions = model.conditions.len();
    if conditions > MAX_CONDITIONS {
        faults.push(Fault::new(
            Place::default(),
            FaultKind::Unsupported,
            format!("the model has {conditions} conditions, more than {MAX_CONDITIONS}"),
        ));
    }
    faults
}

/// Bounds the time that reading expressions takes.
const MAX_CONDITIONS: usize = 256;

/// Bounds the reach table to about 6 MB and its fixed point to well under a second.
pub(crate) const MAX_RELATIONS: usize = 4_096;
