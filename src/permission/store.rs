//! A model with its tuples: all that a check needs, fixed once loaded.

use super::{
    Ask, Error, MAX_CONTEXTUAL_TUPLES,
    batch::Memberships,
    engine::{self, Question, Subject, Undecided},
    graph::{Builder, Graph, Node, Tuple},
    plan::{Plan, SubjectKind},
    tuple,
};

/// A model and the tuples under it.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) plan: Plan,
    pub(crate) graph: Graph,
    /// For batches.
    pub(crate) memberships: Memberships,
}

impl Store {
    pub(crate) fn new(plan: Plan, graph: Graph) -> Self {
        Self {
            memberships: Memberships::new(&plan, &graph),
            plan,
            graph,
        }
    }

    /// Whether what is asked holds. Three look-ups by name, then numbers only.
    pub(crate) fn check(&self, ask: &Ask<'_>) -> Result<bool, Error> {
        let extra = self.overlay(ask.contextual_tuples)?;
        self.check_over(extra.as_ref(), ask)
    }

    /// As [`Store::check`], with the contextual tuples already laid over.
    pub(crate) fn check_over(&self, extra: Option<&Graph>, ask: &Ask<'_>) -> Result<bool, Error> {
        let object = tuple::object(&self.plan, ask.object).map_err(Error::Invalid)?;
        let relation =
            tuple::relation(&self.plan, &object, ask.relation).map_err(Error::Invalid)?;
        let subject = tuple::subject(&self.plan, ask.user).map_err(Error::Invalid)?;
        let find = |name| {
            let extra = || extra.and_then(|extra| extra.find(name));
            self.graph.find(name).or_else(extra)
        };
        let object_id = find(object.name);
        let subject_id = match subject.kind {
            SubjectKind::Wildcard(_) => None,
            // A set of an object that no tuple names still contains itself.
            SubjectKind::Userset(_) if subject.object == object.name => {
                Some(object_id.unwrap_or(UNNAMED))
            }
            SubjectKind::Object(_) | SubjectKind::Userset(_) => find(subject.object),
        };
        let question = Question {
            plan: &self.plan,
            graph: &self.graph,
            extra,
            context: ask.context,
            subject: Subject {
                kind: subject.kind,
                object: subject_id,
            },
        };
        let node = Node::new(relation, object_id.unwrap_or(UNNAMED));
        Ok(engine::check(question, node)?)
    }

    /// The graph of tuples that come with a question, laid over the stored one.
    pub(crate) fn overlay(&self, tuples: &[Tuple<'_>]) -> Result<Option<Graph>, Error> {
        if tuples.is_empty() {
            return Ok(None);
        }
        if tuples.len() > MAX_CONTEXTUAL_TUPLES {
            return Err(Error::Invalid(format!(
                "more than {MAX_CONTEXTUAL_TUPLES} contextual tuples"
            )));
        }
        let mut builder = Builder::over(&self.plan, &self.graph);
        for (index, tuple) in (0..).zip(tuples) {
            builder
                .add(index, *tuple)
                .map_err(|why| Error::ContextualTuple(format!("{index}: {why}")))?;
        }
        Ok(Some(builder.build()))
    }

    /// Whether the model defines `name`.
    pub(crate) fn type_exists(&self, name: &str) -> bool {
        self.plan.type_id(name).is_some()
    }

    /// Whether the model defines `relation` on `object_type`.
    pub(crate) fn relation_exists(&self, object_type: &str, relation: &str) -> bool {
        let owner = self.plan.type_id(object_type);
        owner.is_some_and(|owner| self.plan.relation_id(owner, relation).is_some())
    }
}

impl From<Undecided> for Error {
    fn from(undecided: Undecided) -> Self {
        match undecided {
            Undecided::Failed(why) => Self::Condition(why),
            Undecided::TooDeep => Self::TooComplex,
        }
    }
}

/// Stands for an object that no tuple names; [`super::names::Names`] never gives this number.
pub(crate) const UNNAMED: u32 = u32::MAX;
