//! Which objects has a user a relation to: every object of the type, checked one by one. And which
//! users have one to an object.
//!
//! For the tests in store files, which are small. It is no index: a store with a million documents
//! costs a million checks.

use super::{
    Ask, Error,
    engine::{
        Question, Subject,
        users::{self, Users},
    },
    graph::Node,
    plan::{RelId, SubjectKind, TypeId},
    store::{Store, UNNAMED},
    tuple,
};

/// Why there is no list.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum ListError {
    #[error(transparent)]
    Check(#[from] Error),
    #[error("`{0}` is not a relation of the type")]
    RelationNotFound(String),
    #[error("`{0}` is not a type of the model")]
    TypeNotFound(String),
}

impl ListError {
    /// `OpenFGA`'s number for this error.
    #[cfg(test)]
    pub(crate) fn code(&self) -> Option<u16> {
        match self {
            Self::Check(error) => error.code(),
            Self::RelationNotFound(_) => Some(2022),
            Self::TypeNotFound(_) => Some(2021),
        }
    }
}

impl Store {
    /// The objects of `object_type` to which `ask.user` has `ask.relation`, sorted; `ask.object` is
    /// not looked at.
    pub(crate) fn list_objects(
        &self,
        object_type: &str,
        ask: &Ask<'_>,
    ) -> Result<Vec<String>, ListError> {
        let owner = self
            .plan
            .type_id(object_type)
            .ok_or_else(|| ListError::TypeNotFound(object_type.to_owned()))?;
        if self.plan.relation_id(owner, ask.relation).is_none() {
            return Err(ListError::RelationNotFound(ask.relation.to_owned()));
        }
        tuple::subject(&self.plan, ask.user).map_err(Error::Invalid)?;
        let extra = self.overlay(ask.contextual_tuples)?;
        let more = extra.iter().flat_map(|extra| extra.objects_of(owner));
        let mut objects = Vec::new();
        for object in self.graph.objects_of(owner).chain(more) {
            if self.check_over(extra.as_ref(), &Ask { object, ..*ask })? {
                objects.push(object.to_owned());
            }
        }
        objects.sort_unstable();
        Ok(objects)
    }

    /// Who of `filter` (`user`, or `group#member`) has `ask.relation` to `ask.object`, sorted, with
    /// `type:*` where all have; `ask.user` is not looked at.
    pub(crate) fn list_users(&self, filter: &str, ask: &Ask<'_>) -> Result<Vec<String>, ListError> {
        let of = ask.object.split(':').next().unwrap_or_default();
        if self.plan.type_id(of).is_none() {
            return Err(ListError::TypeNotFound(of.to_owned()));
        }
        let object = tuple::object(&self.plan, ask.object).map_err(Error::Invalid)?;
        let relation = self.plan.relation_id(object.type_id, ask.relation);
        let relation =
            relation.ok_or_else(|| ListError::RelationNotFound(ask.relation.to_owned()))?;
        let (kind, type_name) = self.filter(filter)?;
        let extra = self.overlay(ask.contextual_tuples)?;
        let find_extra = || extra.as_ref().and_then(|extra| extra.find(object.name));
        let number = self.graph.find(object.name).or_else(find_extra);
        let question = Question {
            plan: &self.plan,
            graph: &self.graph,
            extra: extra.as_ref(),
            context: ask.context,
            subject: Subject { kind, object: None },
        };
        let node = Node::new(relation, number.unwrap_or(UNNAMED));
        let Users { all, named } = users::list(question, node).map_err(Error::from)?;
        let set = filter.split_once('#').map(|(_, relation)| relation);
        let mut users: Vec<String> = named
            .into_iter()
            .filter(|(_, is_in)| *is_in)
            .map(|(id, _)| {
                let name = match &extra {
                    _ if id == UNNAMED => object.name,
                    Some(extra) if id >= self.graph.end() => extra.name(id),
                    _ => self.graph.name(id),
                };
                set.map_or_else(|| name.to_owned(), |set| format!("{name}#{set}"))
            })
            .collect();
        users.extend(all.then(|| format!("{type_name}:*")));
        users.sort_unstable();
        Ok(users)
    }

    fn filter<'f>(&self, filter: &'f str) -> Result<(SubjectKind, &'f str), ListError> {
        let (name, set) = match filter.split_once('#') {
            Some((name, set)) => (name, Some(set)),
            None => (filter, None),
        };
        let known = |id: Option<TypeId>| id.ok_or_else(|| ListError::TypeNotFound(name.to_owned()));
        let owner = known(self.plan.type_id(name))?;
        let Some(set) = set else {
            return Ok((SubjectKind::Object(owner), name));
        };
        let relation: Option<RelId> = self.plan.relation_id(owner, set);
        let relation = relation.ok_or_else(|| ListError::RelationNotFound(set.to_owned()))?;
        Ok((SubjectKind::Userset(relation), name))
    }
}
