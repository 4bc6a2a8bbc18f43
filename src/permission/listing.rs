//! Which objects has a user a relation to: every object of the type, checked one by one.
//!
//! For the tests in store files, which are small. It is no index: a store with a million documents
//! costs a million checks.

use super::{Ask, Error, store::Store, tuple};

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
}
