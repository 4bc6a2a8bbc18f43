//! The sets that each subject is in, worked out when a store is loaded.
//!
//! A walk meets many groups, and asks of each whether the subject is in it. Most subjects are in few,
//! those that lie in groups of groups included, so all of them are listed and compared.
//!
//! # Cost
//!
//! Some hundred nanoseconds a subject when a store is loaded; four bytes an object and eight for each
//! set that it is in.

use super::spread::follow;
use crate::permission::{
    graph::{Graph, Node},
    plan::{Plan, RelId, SubjectKind},
};

/// By subject: the sets that it is in, as (relation, object).
#[derive(Debug, Default)]
pub(crate) struct Memberships {
    /// The relations whose sets are listed.
    relations: Vec<RelId>,
    /// By object: where its run in `sets` begins; one more at the end.
    starts: Vec<u32>,
    sets: Vec<Node>,
}

impl Memberships {
    pub(crate) fn new(plan: &Plan, graph: &Graph) -> Self {
        let relations: Vec<RelId> = plan.sets().collect();
        if relations.is_empty() || relations.len() > MOST_RELATIONS {
            return Self::default();
        }
        let mut all = Self {
            relations,
            starts: vec![0],
            sets: Vec::new(),
        };
        let (mut open, mut found) = (Vec::new(), Vec::new());
        for subject in 0..graph.end() {
            found.clear();
            match all.find(plan, graph, subject, &mut open, &mut found) {
                Some(()) => all.sets.extend(&found),
                None => all.sets.push(TOO_MANY),
            }
            let end = u32::try_from(all.sets.len()).unwrap_or(u32::MAX);
            all.starts.push(end);
        }
        all.sets.shrink_to_fit();
        all
    }

    /// Whether sets of this relation are listed.
    pub(super) fn covers(&self, relation: RelId) -> bool {
        self.relations.contains(&relation)
    }

    /// The sets that `subject` is in; `None` when these are too many to list.
    pub(super) fn of(&self, subject: u32) -> Option<&[Node]> {
        let at = subject as usize;
        let (from, to) = (self.starts.get(at)?, self.starts.get(at + 1)?);
        let sets = self.sets.get(*from as usize..*to as usize)?;
        (sets.first() != Some(&TOO_MANY)).then_some(sets)
    }

    /// Adds the sets that `subject` is in; `None` when these are too many to list.
    fn find(
        &self,
        plan: &Plan,
        graph: &Graph,
        subject: u32,
        open: &mut Vec<Node>,
        found: &mut Vec<Node>,
    ) -> Option<()> {
        let kind = SubjectKind::Object(graph.type_of(subject));
        for &relation in &self.relations {
            if !plan.reaches(relation, kind) {
                continue;
            }
            let from = found.len();
            let mut is_full = false;
            let is_new = |node: Node| {
                let is_new = !found[from..].contains(&node);
                is_full |= is_new && found.len() == MOST_FOUND;
                if is_new && !is_full {
                    found.push(node);
                }
                is_new && !is_full
            };
            follow((plan, graph), subject, relation, MOST_STEPS, open, is_new)?;
            if is_full {
                return None;
            }
            // What only led there is forgotten.
            let mut kept = from;
            for at in from..found.len() {
                if found[at].parts().0 == relation {
                    found[kept] = found[at];
                    kept += 1;
                }
            }
            found.truncate(kept);
        }
        Some(())
    }
}

/// Bounds the time that loading takes.
const MOST_RELATIONS: usize = 8;

/// What is found is a list that is searched from its start, so it must stay short.
const MOST_FOUND: usize = 48;

/// Steps for one subject and relation. Most pass by what a group may do, which may be much.
const MOST_STEPS: usize = 2_000;

/// Stands for a list that is too long: no model has so many relations.
const TOO_MANY: Node = Node::LAST;

#[cfg(test)]
mod tests {
    use crate::permission::engine::tests::store;

    const MODEL: &str = "type user
type team
  relations
    define lead: [user]
    define member: [user, user:*, team#member] or lead
type doc
  relations
    define viewer: [team#member]
";

    #[test]
    fn a_subject_s_sets_are_those_it_is_in_by_whatever_way() {
        let mut tuples = vec![
            "user:a member team:1".to_owned(),
            "team:1#member member team:2".to_owned(),
            "user:a lead team:3".to_owned(),
            "user:b member team:4".to_owned(),
            "user:* member team:5".to_owned(),
        ];
        tuples.extend((100..200).map(|n| format!("user:c member team:{n}")));
        let store = store(MODEL, &tuples);
        let find = |name: &str| store.graph.find(name).expect("is there");
        let of = |name| {
            let sets = store.memberships.of(find(name))?.iter();
            let mut names: Vec<&str> = sets.map(|set| store.graph.name(set.parts().1)).collect();
            names.sort_unstable();
            Some(names)
        };
        assert_eq!(
            of("user:a"),
            Some(vec!["team:1", "team:2", "team:3", "team:5"])
        );
        assert_eq!(of("user:b"), Some(vec!["team:4", "team:5"]));
        assert_eq!(of("user:c"), None, "too many");
        assert_eq!(
            of("team:1"),
            Some(vec![]),
            "its members are in sets, it is not"
        );
        let team = store.plan.type_id("team").expect("is there");
        let relation = |name| store.plan.relation_id(team, name).expect("is there");
        assert!(store.memberships.covers(relation("member")));
        assert!(!store.memberships.covers(relation("lead")));
    }
}
