//! Finds relations that nobody can ever have, and relations that are defined by themselves.
//!
//! A relation has an entry point when some chain of definitions ends in an object or wildcard that
//! may be assigned. Worked out as a least fixed point: linear rounds, at most one per relation. The
//! other question, whether a relation is computed from itself without a tuple in between, is `OpenFGA`'s
//! server's: such a model loads in its editor but cannot be written. So is what its own search misses
//! ([`super::order`]).

use std::collections::{HashMap, HashSet};

use super::{Index, order::Search};
use crate::permission::model::{
    Fault, FaultKind, Model, RelationDef, Restriction, RestrictionKind, Rewrite,
};

/// A type and a relation of it.
pub(super) type Key<'a> = (&'a str, &'a str);

/// A fault for each relation without entry point, or computed from itself.
pub(super) fn points(model: &Model, faults: &mut Vec<Fault>) {
    let index = Index::new(model);
    let relations: Vec<(Key<'_>, &RelationDef)> = model
        .types
        .iter()
        .flat_map(|owner| {
            let relations = owner.relations.iter();
            relations.map(|relation| ((owner.name.as_str(), relation.name.as_str()), relation))
        })
        .collect();
    let entered = entered(&index, &relations);
    let loops = loops(&relations);
    for (key, relation) in &relations {
        let (owner, name) = *key;
        if loops.contains(key) {
            faults.push(Fault::new(
                relation.at,
                FaultKind::NoEntryPoint,
                format!("relation `{name}` of `{owner}` is defined by itself (a loop)"),
            ));
        } else if !entered.contains(key) {
            faults.push(Fault::new(
                relation.at,
                FaultKind::NoEntryPoint,
                format!("nobody can ever have relation `{name}` of `{owner}` (no entry point)"),
            ));
        }
    }
    if faults.is_empty() {
        missed(&index, &relations, faults);
    }
}

/// A fault for each relation whose entry point `OpenFGA`'s server misses.
fn missed<'a>(
    index: &'a Index<'a>,
    relations: &[(Key<'a>, &'a RelationDef)],
    faults: &mut Vec<Fault>,
) {
    let mut search = Search::new(index);
    for &((owner, name), relation) in relations {
        if search.enters((owner, name), relation) == Some(false) {
            faults.push(Fault::new(
                relation.at,
                FaultKind::NoEntryPoint,
                format!(
                    "OpenFGA's server refuses relation `{name}` of `{owner}`: it finds no entry point, \
                     since it meets a relation twice on its way there; write one of the two out"
                ),
            ));
        }
    }
}

fn entered<'a>(index: &Index<'a>, relations: &[(Key<'a>, &'a RelationDef)]) -> HashSet<Key<'a>> {
    let mut entered = HashSet::new();
    loop {
        let before = entered.len();
        for (key, relation) in relations {
            if !entered.contains(key) && enters(index, *key, relation, &relation.rewrite, &entered)
            {
                entered.insert(*key);
            }
        }
        if entered.len() == before {
            return entered;
        }
    }
}

/// Recursion is as deep as the parser allows parentheses.
fn enters(
    index: &Index<'_>,
    key: Key<'_>,
    relation: &RelationDef,
    rewrite: &Rewrite,
    entered: &HashSet<Key<'_>>,
) -> bool {
    let part = |part: &Rewrite| enters(index, key, relation, part, entered);
    match rewrite {
        Rewrite::Computed { relation, .. } => entered.contains(&(key.0, relation.as_str())),
        Rewrite::Difference(base, subtract) => part(base) && part(subtract),
        Rewrite::FromTupleset {
            relation, tupleset, ..
        } => index.relation(key.0, tupleset).is_some_and(|links| {
            let mut targets = links.restrictions.iter();
            targets.any(|to| entered.contains(&(to.type_name.as_str(), relation.as_str())))
        }),
        Rewrite::Intersection(parts) => parts.iter().all(part),
        Rewrite::This => relation.restrictions.iter().any(|to| assigns(to, entered)),
        Rewrite::Union(parts) => parts.iter().any(part),
    }
}

fn assigns(to: &Restriction, entered: &HashSet<Key<'_>>) -> bool {
    match &to.kind {
        RestrictionKind::Object | RestrictionKind::Wildcard => true,
        RestrictionKind::Userset(relation) => {
            entered.contains(&(to.type_name.as_str(), relation.as_str()))
        }
    }
}

/// The relations that are computed from themselves: every one on a cycle of computed relations.
fn loops<'a>(relations: &[(Key<'a>, &'a RelationDef)]) -> HashSet<Key<'a>> {
    let mut uses: HashMap<Key<'a>, Vec<Key<'a>>> = HashMap::new();
    let mut used_by: HashMap<Key<'a>, Vec<Key<'a>>> = HashMap::new();
    for (key, relation) in relations {
        let computed = relation
            .rewrite
            .leaves()
            .into_iter()
            .filter_map(|leaf| match leaf {
                Rewrite::Computed { relation, .. } => Some((key.0, relation.as_str())),
                _ => None,
            });
        for used in computed {
            uses.entry(*key).or_default().push(used);
            used_by.entry(used).or_default().push(*key);
        }
    }
    // What uses nothing is on no cycle; without it, what only used that is on none either.
    let mut waiting: HashMap<Key<'a>, usize> =
        uses.iter().map(|(key, of)| (*key, of.len())).collect();
    let mut done: Vec<Key<'a>> = relations.iter().map(|(key, _)| *key).collect();
    done.retain(|key| !waiting.contains_key(key));
    while let Some(key) = done.pop() {
        for user in used_by.get(&key).into_iter().flatten() {
            let left = waiting.entry(*user).or_insert(1);
            *left -= 1;
            if *left == 0 {
                done.push(*user);
            }
        }
    }
    waiting.retain(|_, left| *left > 0);
    waiting
        .into_keys()
        .filter(|key| comes_back(*key, &uses))
        .collect()
}

fn comes_back<'a>(start: Key<'a>, uses: &HashMap<Key<'a>, Vec<Key<'a>>>) -> bool {
    let mut open = vec![start];
    let mut seen = HashSet::new();
    while let Some(key) = open.pop() {
        for used in uses.get(&key).into_iter().flatten() {
            if *used == start {
                return true;
            }
            if seen.insert(*used) {
                open.push(*used);
            }
        }
    }
    false
}
