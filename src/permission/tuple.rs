//! Reads `type:id`, `type:*` and `type:id#relation`, and says what is wrong with the rest.
//!
//! `OpenFGA`'s rules: exactly one colon, at most one `#`, no white space, an object of at most 256 bytes and
//! a subject of at most 512.

use super::plan::{Plan, RelId, SubjectKind, TypeId};

/// A subject, taken apart but not yet looked up among the store's objects.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) kind: SubjectKind,
    /// `type:id`; for a wildcard, `type:*`.
    pub(crate) object: &'a str,
}

/// An object with its type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    pub(crate) type_id: TypeId,
    pub(crate) name: &'a str,
}

/// Takes `user` apart.
pub(crate) fn subject<'a>(plan: &Plan, user: &'a str) -> Result<Subject<'a>, String> {
    if user.len() > MAX_SUBJECT_BYTES {
        return Err(format!("the user is longer than {MAX_SUBJECT_BYTES} bytes"));
    }
    let (object, relation) = match user.split_once('#') {
        Some((object, relation)) => (object, Some(relation)),
        None => (user, None),
    };
    let (type_name, id) = split(object, "user")?;
    let type_id = known_type(plan, type_name)?;
    let kind = match relation {
        None if id == "*" => SubjectKind::Wildcard(type_id),
        None => SubjectKind::Object(type_id),
        Some(_) if id == "*" => {
            return Err(format!("`{}` is a wildcard with a relation", shown(user)));
        }
        Some(relation) => SubjectKind::Userset(known_relation(plan, type_id, type_name, relation)?),
    };
    Ok(Subject { kind, object })
}

/// Takes `name` apart.
pub(crate) fn object<'a>(plan: &Plan, name: &'a str) -> Result<Object<'a>, String> {
    if name.len() > MAX_OBJECT_BYTES {
        return Err(format!(
            "the object is longer than {MAX_OBJECT_BYTES} bytes"
        ));
    }
    let (type_name, id) = split(name, "object")?;
    if id == "*" {
        return Err(format!("`{}` is a wildcard, not an object", shown(name)));
    }
    let type_id = known_type(plan, type_name)?;
    Ok(Object { type_id, name })
}

/// The relation that `name` is on `object`'s type.
pub(crate) fn relation(plan: &Plan, object: &Object<'_>, name: &str) -> Result<RelId, String> {
    let type_name = object.name.split(':').next().unwrap_or_default();
    known_relation(plan, object.type_id, type_name, name)
}

fn known_type(plan: &Plan, name: &str) -> Result<TypeId, String> {
    plan.type_id(name)
        .ok_or_else(|| format!("`{}` is not a type of the model", shown(name)))
}

fn known_relation(
    plan: &Plan,
    owner: TypeId,
    type_name: &str,
    name: &str,
) -> Result<RelId, String> {
    plan.relation_id(owner, name).ok_or_else(|| {
        format!(
            "`{}` is not a relation of type `{}`",
            shown(name),
            shown(type_name)
        )
    })
}

fn split<'a>(name: &'a str, what: &str) -> Result<(&'a str, &'a str), String> {
    let forbidden = |c: char| c == ':' || c == '#' || c.is_whitespace() || c.is_control();
    name.split_once(':')
        .filter(|(type_name, id)| {
            !type_name.is_empty()
                && !id.is_empty()
                && !type_name.contains(forbidden)
                && !id.contains(forbidden)
        })
        .ok_or_else(|| format!("{what} `{}` is not of the form `type:id`", shown(name)))
}

/// Enough of a name to find it by, with nothing that could upset a log.
fn shown(name: &str) -> String {
    name.chars()
        .take(64)
        .flat_map(char::escape_default)
        .collect()
}

const MAX_OBJECT_BYTES: usize = 256;
const MAX_SUBJECT_BYTES: usize = 512;
