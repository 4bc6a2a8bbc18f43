//! Judges a model: every name known, every relation reachable, nothing that cannot mean anything.
//!
//! In rounds, as `OpenFGA`'s own validator does it: names, then references, then duplicates, then
//! entry points. A round runs only when the earlier ones found nothing, so one slip of the pen does
//! not bury the reader under its consequences.

mod entry;
mod order;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use super::model::{
    Fault, FaultKind, Model, RelationDef, Restriction, RestrictionKind, Rewrite, TypeDef,
};

/// Everything that is wrong with `model`.
pub(crate) fn faults(model: &Model) -> Vec<Fault> {
    let mut faults = Vec::new();
    schema(model, &mut faults);
    names(model, &mut faults);
    if !faults.is_empty() {
        return faults;
    }
    let index = Index::new(model);
    for definition in &model.types {
        if index.is_duplicate(definition) {
            continue;
        }
        for relation in &definition.relations {
            references(model, &index, definition, relation, &mut faults);
        }
    }
    if faults.is_empty() {
        duplicates(model, &mut faults);
    }
    if faults.is_empty() {
        entry::points(model, &mut faults);
    }
    unused_conditions(model, &mut faults);
    faults
}

/// Relations by type and name.
pub(super) struct Index<'a> {
    types: HashMap<&'a str, HashMap<&'a str, &'a RelationDef>>,
    /// Types defined more than once: what their relations refer to cannot be told.
    duplicates: HashSet<&'a str>,
}

impl<'a> Index<'a> {
    pub(super) fn new(model: &'a Model) -> Self {
        let relations = |definition: &'a TypeDef| {
            let relations = definition.relations.iter();
            relations.map(|def| (def.name.as_str(), def)).collect()
        };
        let mut types = HashMap::new();
        let mut duplicates = HashSet::new();
        for definition in &model.types {
            let name = definition.name.as_str();
            if types.insert(name, relations(definition)).is_some() {
                duplicates.insert(name);
            }
        }
        Self { types, duplicates }
    }

    fn is_duplicate(&self, definition: &TypeDef) -> bool {
        self.duplicates.contains(definition.name.as_str())
    }

    pub(super) fn has_type(&self, type_name: &str) -> bool {
        self.types.contains_key(type_name)
    }

    pub(super) fn relation(&self, type_name: &str, relation: &str) -> Option<&'a RelationDef> {
        self.types.get(type_name)?.get(relation).copied()
    }
}

fn schema(model: &Model, faults: &mut Vec<Fault>) {
    let fault = match model.schema.as_str() {
        "1.1" | "1.2" => return,
        "" => Fault::new(
            model.schema_at,
            FaultKind::SchemaRequired,
            match &model.module {
                Some(module) => format!(
                    "this is module `{module}` of a modular model: name the `fga.mod` that lists it"
                ),
                None => "a schema version is required: write `schema 1.1`".to_owned(),
            },
        ),
        other => Fault::new(
            model.schema_at,
            FaultKind::InvalidSchema,
            format!("schema `{other}` is not supported: write `schema 1.1`"),
        ),
    };
    faults.push(fault);
}

fn names(model: &Model, faults: &mut Vec<Fault>) {
    for definition in &model.types {
        let name = definition.name.as_str();
        if matches!(name, "self" | "this") {
            faults.push(Fault::new(
                definition.at,
                FaultKind::ReservedType,
                format!("a type cannot be named `{name}`"),
            ));
        } else if !is_name(name, MAX_TYPE_CHARS) {
            faults.push(Fault::new(
                definition.at,
                FaultKind::InvalidName,
                format!(
                    "type `{}` must have 1 to {MAX_TYPE_CHARS} characters, none of them `:`, `#`, `@`, `*` or white space",
                    shorten(name)
                ),
            ));
        }
        for relation in &definition.relations {
            let name = relation.name.as_str();
            if matches!(name, "self" | "this") {
                faults.push(Fault::new(
                    relation.at,
                    FaultKind::ReservedRelation,
                    format!("a relation cannot be named `{name}`"),
                ));
            } else if !is_name(name, MAX_RELATION_CHARS) {
                faults.push(Fault::new(
                    relation.at,
                    FaultKind::InvalidName,
                    format!(
                        "relation `{}` must have 1 to {MAX_RELATION_CHARS} characters, none of them `:`, `#`, `@`, `*` or white space",
                        shorten(name)
                    ),
                ));
            }
        }
    }
}

fn is_name(name: &str, max_chars: usize) -> bool {
    let fits = !name.is_empty() && name.chars().count() <= max_chars;
    let forbidden = |c: char| matches!(c, ':' | '#' | '@' | '*') || c.is_whitespace();
    fits && !name.contains(forbidden)
}

fn shorten(name: &str) -> String {
    name.chars().take(64).collect()
}

fn references(
    model: &Model,
    index: &Index<'_>,
    owner: &TypeDef,
    relation: &RelationDef,
    faults: &mut Vec<Fault>,
) {
    let leaves = relation.rewrite.leaves();
    let assignable = leaves.iter().any(|leaf| matches!(leaf, Rewrite::This));
    if assignable == relation.restrictions.is_empty() {
        let message = if assignable {
            format!("assignable relation `{}` names no types", relation.name)
        } else {
            format!(
                "relation `{}` names types but is not assignable",
                relation.name
            )
        };
        faults.push(Fault::new(
            relation.at,
            FaultKind::AssignableWithoutTypes,
            message,
        ));
    }
    for restriction in &relation.restrictions {
        restricted_to(model, index, restriction, faults);
    }
    for leaf in leaves {
        match leaf {
            Rewrite::Computed { relation, at } => {
                if index.relation(&owner.name, relation).is_none() {
                    faults.push(Fault::new(
                        *at,
                        FaultKind::MissingDefinition,
                        format!("relation `{relation}` does not exist"),
                    ));
                }
            }
            Rewrite::FromTupleset { .. } => from_tupleset(index, owner, leaf, faults),
            Rewrite::Difference(..)
            | Rewrite::Intersection(_)
            | Rewrite::This
            | Rewrite::Union(_) => {}
        }
    }
}

fn restricted_to(
    model: &Model,
    index: &Index<'_>,
    restriction: &Restriction,
    faults: &mut Vec<Fault>,
) {
    let type_name = &restriction.type_name;
    if !index.has_type(type_name) {
        faults.push(Fault::new(
            restriction.at,
            FaultKind::InvalidType,
            format!("`{type_name}` is not a type of this model"),
        ));
    } else if let RestrictionKind::Userset(relation) = &restriction.kind
        && index.relation(type_name, relation).is_none()
    {
        faults.push(Fault::new(
            restriction.at,
            FaultKind::InvalidRelationType,
            format!("`{relation}` is not a relation of `{type_name}`"),
        ));
    }
    if let Some(name) = &restriction.condition
        && model.conditions.iter().all(|known| known.name != *name)
    {
        faults.push(Fault::new(
            restriction.at,
            FaultKind::ConditionNotDefined,
            format!("condition `{name}` is not defined in this model"),
        ));
    }
}

fn from_tupleset(index: &Index<'_>, owner: &TypeDef, leaf: &Rewrite, faults: &mut Vec<Fault>) {
    let Rewrite::FromTupleset {
        relation,
        tupleset,
        at,
    } = leaf
    else {
        return;
    };
    let Some(links) = index.relation(&owner.name, tupleset) else {
        faults.push(Fault::new(
            *at,
            FaultKind::InvalidRelationType,
            format!("`{tupleset}` is not a relation of `{}`", owner.name),
        ));
        return;
    };
    let only_objects = |to: &Restriction| to.kind == RestrictionKind::Object;
    if links.rewrite != Rewrite::This || !links.restrictions.iter().all(only_objects) {
        faults.push(Fault::new(
            *at,
            FaultKind::TuplesetNotDirect,
            format!("`{tupleset}` stands after `from`, so it may be nothing but a list of types"),
        ));
        return;
    }
    let leads_nowhere = |to: &&Restriction| index.relation(&to.type_name, relation).is_none();
    if links.restrictions.iter().all(|to| leads_nowhere(&to)) {
        faults.extend(links.restrictions.iter().map(|to| {
            Fault::new(
                *at,
                FaultKind::InvalidRelationOnTupleset,
                format!(
                    "`{relation}` does not exist on `{}`, which is what `{tupleset}` leads to",
                    to.type_name
                ),
            )
        }));
    }
}

fn duplicates(model: &Model, faults: &mut Vec<Fault>) {
    let mut seen = HashMap::new();
    for definition in &model.types {
        if let Some(first) = seen.insert(&definition.name, definition.at) {
            faults.push(Fault::new(
                first,
                FaultKind::Duplicated,
                format!(
                    "type `{}` is defined again on line {}",
                    definition.name, definition.at.line
                ),
            ));
        }
        for relation in &definition.relations {
            duplicates_in(relation, faults);
        }
    }
}

fn duplicates_in(relation: &RelationDef, faults: &mut Vec<Fault>) {
    let mut listed = HashSet::new();
    for restriction in &relation.restrictions {
        if !listed.insert(restriction.to_string()) {
            faults.push(Fault::new(
                restriction.at,
                FaultKind::Duplicated,
                format!("`{restriction}` stands twice in `{}`", relation.name),
            ));
        }
    }
    let parts: Vec<&Rewrite> = match &relation.rewrite {
        Rewrite::Difference(base, subtract) => vec![base, subtract],
        Rewrite::Intersection(parts) | Rewrite::Union(parts) => parts.iter().collect(),
        Rewrite::Computed { .. } | Rewrite::FromTupleset { .. } | Rewrite::This => return,
    };
    let mut named = HashSet::new();
    for part in parts {
        let (name, at) = match part {
            Rewrite::Computed { relation, at } => (relation.clone(), *at),
            Rewrite::FromTupleset {
                relation,
                tupleset,
                at,
            } => (format!("{relation} from {tupleset}"), *at),
            Rewrite::This => ("[…]".to_owned(), relation.at),
            Rewrite::Difference(..) | Rewrite::Intersection(_) | Rewrite::Union(_) => continue,
        };
        if !named.insert(name.clone()) {
            faults.push(Fault::new(
                at,
                FaultKind::Duplicated,
                format!("`{name}` stands twice in `{}`", relation.name),
            ));
        }
    }
}

fn unused_conditions(model: &Model, faults: &mut Vec<Fault>) {
    let used: HashSet<&String> = model
        .types
        .iter()
        .flat_map(|definition| &definition.relations)
        .flat_map(|relation| &relation.restrictions)
        .filter_map(|restriction| restriction.condition.as_ref())
        .collect();
    for condition in &model.conditions {
        if !used.contains(&condition.name) {
            faults.push(Fault::new(
                condition.at,
                FaultKind::ConditionNotUsed,
                format!("condition `{}` is not used", condition.name),
            ));
        }
    }
}

const MAX_RELATION_CHARS: usize = 50;
const MAX_TYPE_CHARS: usize = 254;
