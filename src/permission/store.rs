//! A model with its tuples: all that a check needs, fixed once loaded.

use super::{
    Ask, Error,
    engine::{self, Subject, Truth},
    graph::{Graph, Node},
    plan::{Plan, SubjectKind},
    tuple,
};

/// A model and the tuples under it.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) plan: Plan,
    pub(crate) graph: Graph,
}

impl Store {
    /// Whether what is asked holds. Three look-ups by name, then numbers only.
    pub(crate) fn check(&self, ask: &Ask<'_>) -> Result<bool, Error> {
        let object = tuple::object(&self.plan, ask.object).map_err(Error::Invalid)?;
        let relation =
            tuple::relation(&self.plan, &object, ask.relation).map_err(Error::Invalid)?;
        let subject = tuple::subject(&self.plan, ask.user).map_err(Error::Invalid)?;
        let object_id = self.graph.find(object.name);
        let subject_id = match subject.kind {
            SubjectKind::Wildcard(_) => None,
            // A set of an object that no tuple names still contains itself.
            SubjectKind::Userset(_) if subject.object == object.name => {
                Some(object_id.unwrap_or(UNNAMED))
            }
            SubjectKind::Object(_) | SubjectKind::Userset(_) => self.graph.find(subject.object),
        };
        let subject = Subject {
            kind: subject.kind,
            object: subject_id,
        };
        let node = Node::new(relation, object_id.unwrap_or(UNNAMED));
        match engine::check(&self.plan, &self.graph, subject, node) {
            Truth::No => Ok(false),
            Truth::TooDeep => Err(Error::TooComplex),
            Truth::Yes => Ok(true),
        }
    }

    /// Whether the model defines `relation` on `object_type`.
    pub(crate) fn relation_exists(&self, object_type: &str, relation: &str) -> bool {
        let owner = self.plan.type_id(object_type);
        owner.is_some_and(|owner| self.plan.relation_id(owner, relation).is_some())
    }
}

/// Stands for an object that no tuple names; [`super::names::Names`] never gives this number.
const UNNAMED: u32 = u32::MAX;
