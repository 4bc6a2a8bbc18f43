//! Cycles, depth and breadth: where engines differ, and what each may cost.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use super::*;
use crate::permission::{
    Ask, Error, dsl,
    graph::{Builder, Tuple},
    store::Store,
};

/// A store of `model` (without its header) and `tuples`, each `user relation object`.
pub(in crate::permission) fn store<T: AsRef<str>>(model: &str, tuples: &[T]) -> Store {
    let model = dsl::parse(&format!("model\n  schema 1.1\n{model}")).expect("well formed");
    let plan = Plan::compile(&model).unwrap_or_else(|faults| panic!("{faults:?}"));
    let mut builder = Builder::new(&plan);
    for tuple in tuples {
        let parts: Vec<&str> = tuple.as_ref().split(' ').collect();
        let [user, relation, object] = parts[..] else {
            panic!("{parts:?} is no tuple");
        };
        let tuple = Tuple {
            user,
            relation,
            object,
            condition: None,
        };
        builder
            .add(0, tuple)
            .unwrap_or_else(|reason| panic!("{parts:?}: {reason}"));
    }
    let graph = builder.build();
    Store::new(plan, graph)
}

fn check(store: &Store, question: &str) -> Result<bool, Error> {
    let parts: Vec<&str> = question.split(' ').collect();
    let [user, relation, object] = parts[..] else {
        panic!("{question} is no question");
    };
    store.check(&Ask::new(user, relation, object))
}

const GROUPS: &str = "type user
type group
  relations
    define member: [user, user:*, group#member]
    define banned: [user, group#banned]
    define allowed: member but not banned
    define both: member and banned
";

#[test]
fn a_cycle_under_but_not_denies() {
    let store = store(
        GROUPS,
        &[
            "user:a member group:1",
            "group:2#banned banned group:1",
            "group:1#banned banned group:2",
        ],
    );
    assert_eq!(check(&store, "user:a banned group:1"), Ok(false));
    assert_eq!(check(&store, "user:a allowed group:1"), Ok(false));
}

#[test]
fn a_set_that_is_its_own_ancestor_further_up_denies_too() {
    let store = store(
        GROUPS,
        &[
            "user:a member group:1",
            "group:2#banned banned group:1",
            "group:3#banned banned group:2",
            "group:2#banned banned group:3",
        ],
    );
    assert_eq!(check(&store, "user:a allowed group:1"), Ok(false));
}

#[test]
fn a_diamond_is_no_cycle() {
    let store = store(
        GROUPS,
        &[
            "user:a member group:1",
            "group:2#banned banned group:1",
            "group:3#banned banned group:1",
            "group:4#banned banned group:2",
            "group:4#banned banned group:3",
        ],
    );
    assert_eq!(check(&store, "user:a allowed group:1"), Ok(true));
}

#[test]
fn a_cycle_in_a_union_is_just_not_found() {
    let store = store(
        GROUPS,
        &[
            "group:2#member member group:1",
            "group:1#member member group:2",
            "user:a member group:2",
        ],
    );
    assert_eq!(check(&store, "user:a member group:1"), Ok(true));
    assert_eq!(check(&store, "user:b member group:1"), Ok(false));
}

#[test]
fn a_set_contains_itself_without_tuples() {
    let store = store::<&str>(GROUPS, &[]);
    assert_eq!(check(&store, "group:1#member member group:1"), Ok(true));
    assert_eq!(check(&store, "group:1#member member group:2"), Ok(false));
    assert_eq!(check(&store, "group:1 member group:1"), Ok(false));
}

#[test]
fn a_wildcard_takes_in_users_that_no_tuple_names() {
    let store = store(GROUPS, &["user:* member group:1", "user:b banned group:1"]);
    assert_eq!(check(&store, "user:nobody allowed group:1"), Ok(true));
    assert_eq!(check(&store, "user:* member group:1"), Ok(true));
    assert_eq!(check(&store, "user:b allowed group:1"), Ok(false));
    assert_eq!(check(&store, "user:b both group:1"), Ok(true));
}

/// `count` groups, each holding the next one's `relation`, and `user:deep` in the last.
fn chain(relation: &str, count: usize) -> Vec<String> {
    let mut tuples: Vec<String> = (0..count)
        .map(|n| format!("group:{}#{relation} {relation} group:{n}", n + 1))
        .collect();
    tuples.push(format!("user:deep {relation} group:{count}"));
    tuples
}

#[test]
fn the_twenty_fifth_hop_is_too_deep() {
    let near = store(GROUPS, &chain("member", 24));
    assert_eq!(check(&near, "user:deep member group:0"), Ok(true));
    assert_eq!(check(&near, "user:none member group:0"), Ok(false));
    let far = store(GROUPS, &chain("member", 25));
    assert_eq!(
        check(&far, "user:deep member group:0"),
        Err(Error::TooComplex)
    );
    assert_eq!(check(&far, "user:deep member group:1"), Ok(true));
}

#[test]
fn too_deep_is_undecided_and_yields_to_what_is_certain() {
    let mut tuples = chain("banned", 30);
    tuples.push("user:a member group:0".to_owned());
    let store = store(GROUPS, &tuples);
    assert_eq!(
        check(&store, "user:a allowed group:0"),
        Err(Error::TooComplex)
    );
    assert_eq!(
        check(&store, "user:b allowed group:0"),
        Ok(false),
        "base is a certain no"
    );
    assert_eq!(
        check(&store, "user:b both group:0"),
        Ok(false),
        "one side is a certain no"
    );
}

#[test]
fn a_relation_that_the_subject_cannot_have_is_never_too_deep() {
    let model = format!("{GROUPS}type robot\n");
    let store = store(&model, &chain("member", 30));
    assert_eq!(check(&store, "robot:r member group:0"), Ok(false));
}

#[test]
fn depth_counts_hops_also_below_an_exclusion() {
    let folders = |count: usize| {
        let mut tuples: Vec<String> = (0..count)
            .map(|n| format!("folder:{} parent folder:{n}", n + 1))
            .collect();
        tuples.push(format!("user:deep viewer folder:{count}"));
        store(FOLDERS, &tuples)
    };
    assert_eq!(check(&folders(24), "user:deep viewer folder:0"), Ok(true));
    assert_eq!(
        check(&folders(25), "user:deep viewer folder:0"),
        Err(Error::TooComplex)
    );
}

const FOLDERS: &str = "type user
type folder
  relations
    define parent: [folder]
    define jump: [folder]
    define blocked: [user]
    define viewer: ([user] or viewer from parent) but not blocked
    define remote: ([user] or remote from parent or viewer from jump) but not blocked
type pair
  relations
    define near: [folder]
    define away: [folder]
    define both: viewer from near and viewer from away
    define reached: viewer from near and remote from away
";

#[test]
fn what_a_cycle_cut_on_one_path_is_worked_out_again_on_another() {
    let store = store(
        FOLDERS,
        &[
            "folder:x parent folder:a",
            "folder:a parent folder:x",
            "folder:y parent folder:a",
            "user:u viewer folder:y",
            "folder:a near pair:1",
            "folder:x away pair:1",
        ],
    );
    assert_eq!(check(&store, "user:u viewer folder:x"), Ok(true));
    assert_eq!(check(&store, "user:u both pair:1"), Ok(true));
}

#[test]
fn what_was_found_near_is_not_taken_for_granted_from_afar() {
    let mut tuples = vec![
        "user:u viewer folder:c20".to_owned(),
        "folder:c0 near pair:1".to_owned(),
        "folder:f0 away pair:1".to_owned(),
        "folder:c0 jump folder:f9".to_owned(),
    ];
    tuples.extend((0..20).map(|n| format!("folder:c{} parent folder:c{n}", n + 1)));
    tuples.extend((0..9).map(|n| format!("folder:f{} parent folder:f{n}", n + 1)));
    let store = store(FOLDERS, &tuples);
    assert_eq!(check(&store, "user:u viewer folder:c0"), Ok(true));
    assert_eq!(
        check(&store, "user:u reached pair:1"),
        Err(Error::TooComplex)
    );
}

/// Runs `question`, which must not take longer than a careless engine would need by far.
fn check_soon(store: &Store, question: &str) -> Result<bool, Error> {
    let begun = Instant::now();
    let answer = check(store, question);
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "took {:?}",
        begun.elapsed()
    );
    answer
}

#[test]
fn groups_that_all_hold_each_other_are_walked_once() {
    let mut tuples = Vec::new();
    for a in 0..60 {
        for b in (0..60).filter(|b| *b != a) {
            tuples.push(format!("group:{a}#member member group:{b}"));
        }
    }
    tuples.push("user:a member group:59".to_owned());
    let store = store(GROUPS, &tuples);
    assert_eq!(check_soon(&store, "user:a member group:0"), Ok(true));
    assert_eq!(check_soon(&store, "user:b member group:0"), Ok(false));
}

#[test]
fn diamonds_below_an_exclusion_are_not_walked_path_by_path() {
    let mut tuples = Vec::new();
    for level in 0..20 {
        for (a, b) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            tuples.push(format!(
                "folder:{}.{a} parent folder:{level}.{b}",
                level + 1
            ));
        }
    }
    tuples.push("user:a viewer folder:20.1".to_owned());
    let store = store(FOLDERS, &tuples);
    assert_eq!(check_soon(&store, "user:a viewer folder:0.0"), Ok(true));
    assert_eq!(check_soon(&store, "user:b viewer folder:0.0"), Ok(false));
}

#[test]
fn a_knot_of_exclusions_ends_in_too_complex_and_not_in_a_hang() {
    let mut tuples = Vec::new();
    for a in 0..40 {
        for b in (0..40).filter(|b| *b != a) {
            tuples.push(format!("folder:{a} parent folder:{b}"));
        }
    }
    tuples.push("user:a blocked folder:1".to_owned());
    let store = store(FOLDERS, &tuples);
    assert_eq!(
        check_soon(&store, "user:a viewer folder:0"),
        Err(Error::TooComplex)
    );
}

#[test]
fn long_chains_of_computed_relations_do_not_overflow_the_stack() {
    let mut model =
        "type user\ntype doc\n  relations\n    define never: [user]\n    define r0: [user]\n"
            .to_owned();
    for n in 1..4_000 {
        let _ = writeln!(model, "    define r{n}: r{} but not never", n - 1);
    }
    let store = store(&model, &["user:a r0 doc:1"]);
    assert_eq!(check(&store, "user:a r100 doc:1"), Ok(true));
    assert_eq!(check(&store, "user:a r3999 doc:1"), Err(Error::TooComplex));
}
