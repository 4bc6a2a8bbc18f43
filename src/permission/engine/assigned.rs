//! Who is assigned to one place by tuples: stored ones, those that came with the question, and what the
//! conditions of both say.
//!
//! # What a reader would get wrong
//!
//! - Where a tuple of the question names the same user, relation and object as a stored one, the stored
//!   one does not count. That is for the subject itself only: sets are read from both.
//! - A condition that cannot be evaluated is not always an error. Among tuples that are read together it
//!   is passed over when at least one of them counts; `OpenFGA`'s iterators do so.

use super::{Truth, Walk};
use crate::permission::{
    condition::Values,
    graph::{Assigned, Conditional, EdgeSubject, Graph, Node},
    plan::{RelId, SubjectKind, TypeId},
};

/// The tuples of one place, stored and brought along.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layers<'a> {
    pub(super) stored: Assigned<'a>,
    /// Looked up only when needed: most questions bring nothing along.
    extra: Option<&'a Graph>,
    node: Node,
    /// No conditions, nothing brought along: the usual case.
    pub(super) is_plain: bool,
}

/// Where a tuple is from.
#[derive(Clone, Copy, Debug)]
enum Layer {
    Extra,
    Stored,
}

/// What reading several tuples together came to.
#[derive(Debug, Default)]
struct Reading {
    counted: bool,
    failed: Option<Truth>,
}

impl Reading {
    fn note(&mut self, truth: Truth) -> bool {
        match truth {
            Truth::Failed | Truth::TooDeep => self.failed = Some(truth),
            Truth::No => {}
            Truth::Yes => self.counted = true,
        }
        truth == Truth::Yes
    }

    /// No, or the error that was not passed over.
    fn error(&self) -> Truth {
        match self.failed {
            Some(failed) if !self.counted => failed,
            _ => Truth::No,
        }
    }
}

impl<'a> Walk<'a> {
    pub(super) fn assigned(&self, node: Node) -> Layers<'a> {
        let stored = self.question.graph.assigned(node);
        let extra = self.question.extra;
        Layers {
            stored,
            extra,
            node,
            is_plain: extra.is_none() && stored.conditional.is_empty(),
        }
    }

    /// Whether the subject is assigned by a tuple, itself or as one of all.
    pub(super) fn is_among(&mut self, layers: &Layers<'a>) -> Truth {
        if layers.is_plain {
            return if self.is_listed(&layers.stored) {
                Truth::Yes
            } else {
                Truth::No
            };
        }
        let itself = self.is_named(layers);
        match self.question.subject.kind {
            SubjectKind::Object(of) if itself != Truth::Yes => {
                itself.or(self.is_for_all(layers, of))
            }
            _ => itself,
        }
    }

    /// Whether all objects of type `of` are assigned.
    pub(super) fn is_for_all(&mut self, layers: &Layers<'a>, of: TypeId) -> Truth {
        let all = EdgeSubject::Wildcard(of);
        let mut reading = Reading::default();
        for (layer, assigned) in layers.each() {
            if assigned.wildcards.contains(&of) {
                return Truth::Yes;
            }
            for tuple in assigned.conditional.iter().filter(|to| to.subject == all) {
                let truth = self.holds(layer, *tuple);
                if reading.note(truth) {
                    return Truth::Yes;
                }
            }
        }
        reading.error()
    }

    /// Puts the sets that are assigned here on `found`; no, or the error that reading them was.
    pub(super) fn usersets(&mut self, layers: &Layers<'a>, found: &mut Vec<Node>) -> Truth {
        found.extend_from_slice(layers.stored.usersets);
        found.extend_from_slice(layers.extra().usersets);
        let mut failed: Vec<(RelId, Truth)> = Vec::new();
        for (layer, assigned) in layers.each() {
            for tuple in assigned.conditional {
                let EdgeSubject::Userset(node) = tuple.subject else {
                    continue;
                };
                match self.holds(layer, *tuple) {
                    Truth::No => {}
                    Truth::Yes => found.push(node),
                    failure => failed.push((node.parts().0, failure)),
                }
            }
        }
        self.unpassed(&failed, found)
    }

    /// Puts the objects that are assigned here on `found`; no, or the error that reading them was.
    pub(super) fn objects(&mut self, layers: &Layers<'a>, found: &mut Vec<u32>) -> Truth {
        found.extend_from_slice(layers.stored.objects);
        found.extend_from_slice(layers.extra().objects);
        let mut reading = Reading {
            counted: !found.is_empty(),
            failed: None,
        };
        for (layer, assigned) in layers.each() {
            for tuple in assigned.conditional {
                if let EdgeSubject::Object(id) = tuple.subject {
                    let truth = self.holds(layer, *tuple);
                    if reading.note(truth) {
                        found.push(id);
                    }
                }
            }
        }
        reading.error()
    }

    /// The first error that nothing read together with it passes over.
    fn unpassed(&self, failed: &[(RelId, Truth)], found: &[Node]) -> Truth {
        let subject = self.question.subject.kind;
        let is_set = matches!(subject, SubjectKind::Userset(_));
        let group = |id: RelId| (!is_set && self.question.plan.is_near(id, subject)).then_some(id);
        let unpassed = failed.iter().find(|(id, _)| {
            let mine = group(*id);
            found.iter().all(|node| group(node.parts().0) != mine)
        });
        unpassed.map_or(Truth::No, |(_, failure)| *failure)
    }

    /// Whether a tuple without condition names the subject.
    fn is_listed(&self, assigned: &Assigned<'_>) -> bool {
        let subject = self.question.subject;
        match subject.kind {
            SubjectKind::Object(of) => {
                let named = |id: u32| assigned.objects.binary_search(&id).is_ok();
                subject.object.is_some_and(named) || assigned.wildcards.contains(&of)
            }
            SubjectKind::Userset(has) => {
                let named = |id| assigned.usersets.contains(&Node::new(has, id));
                subject.object.is_some_and(named)
            }
            SubjectKind::Wildcard(of) => assigned.wildcards.contains(&of),
        }
    }

    /// Whether a tuple names the subject itself.
    fn is_named(&mut self, layers: &Layers<'a>) -> Truth {
        let subject = self.question.subject;
        let wanted = match (subject.kind, subject.object) {
            (SubjectKind::Object(_), Some(id)) => EdgeSubject::Object(id),
            (SubjectKind::Userset(has), Some(id)) => EdgeSubject::Userset(Node::new(has, id)),
            (SubjectKind::Wildcard(of), _) => EdgeSubject::Wildcard(of),
            (SubjectKind::Object(_) | SubjectKind::Userset(_), None) => return Truth::No,
        };
        for (layer, assigned) in layers.each() {
            let listed = match wanted {
                EdgeSubject::Object(id) => assigned.objects.binary_search(&id).is_ok(),
                EdgeSubject::Userset(node) => assigned.usersets.contains(&node),
                EdgeSubject::Wildcard(of) => assigned.wildcards.contains(&of),
            };
            if listed {
                return Truth::Yes;
            }
            let mut conditional = assigned.conditional.iter();
            if let Some(tuple) = conditional.find(|to| to.subject == wanted) {
                return self.holds(layer, *tuple);
            }
        }
        Truth::No
    }

    /// Whether the condition of `tuple` holds. Worked out once in a check for each (condition, values).
    fn holds(&mut self, layer: Layer, tuple: Conditional) -> Truth {
        let Conditional {
            condition: id,
            values,
            ..
        } = tuple;
        let key = (id, matches!(layer, Layer::Extra), values);
        if let Some(&known) = self.scratch.conditions.get(&key) {
            return known;
        }
        let plan = self.question.plan;
        let condition = plan.condition(id);
        if let Some(context) = self.question.context
            && !self.scratch.request.contains_key(&id)
        {
            let bound = condition.bind_request(context);
            self.scratch.request.insert(id, bound);
        }
        let request: Option<&Values> = match self.scratch.request.get(&id) {
            None => None,
            Some(Ok(values)) => Some(values),
            Some(Err(why)) => {
                self.failure.get_or_insert_with(|| why.clone());
                return Truth::Failed;
            }
        };
        let graph: Option<&Graph> = match layer {
            Layer::Extra => self.question.extra,
            Layer::Stored => Some(self.question.graph),
        };
        let own = graph.map(|graph| graph.values(values));
        let left = (super::MAX_STEPS.saturating_sub(self.steps) / STEPS_PER_NODE) as u64;
        let (answer, cost) = condition.holds(own, request, left);
        let cost = usize::try_from(cost).unwrap_or(usize::MAX);
        self.steps += STEPS_PER_CONDITION.saturating_add(cost.saturating_mul(STEPS_PER_NODE));
        let truth = match answer {
            Ok(true) => Truth::Yes,
            Ok(false) => Truth::No,
            Err(why) => {
                self.failure.get_or_insert(why);
                Truth::Failed
            }
        };
        self.scratch.conditions.insert(key, truth);
        truth
    }
}

impl<'a> Layers<'a> {
    /// What came with the question first: it counts before what is stored.
    fn each(&self) -> [(Layer, Assigned<'a>); 2] {
        [(Layer::Extra, self.extra()), (Layer::Stored, self.stored)]
    }

    fn extra(&self) -> Assigned<'a> {
        let extra = self.extra.map(|extra| extra.assigned(self.node));
        extra.unwrap_or_default()
    }
}

/// A step is some ten nanoseconds; setting up an evaluation takes a microsecond or two.
const STEPS_PER_CONDITION: usize = 200;

/// Evaluating a node of an expression takes some hundred nanoseconds.
const STEPS_PER_NODE: usize = 10;
