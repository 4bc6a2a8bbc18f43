//! A small office and questions about it, for finding out what an answer costs on this machine.
//!
//! Users are in groups of groups and documents in folders of folders, so that an answer is found
//! some steps away, as in most stores. What a reader would get wrong: nobody else sees this store.

use std::sync::Arc;

use super::Batch;
use crate::permission::{
    dsl,
    graph::{Builder, Tuple},
    plan::Plan,
    question::{Question, WrittenTuple},
    store::Store,
};

impl Batch {
    /// `count` different questions, about half of them answered with yes. With `brings_tuples` each
    /// brings one of its own along; names have `padding` bytes more than they need.
    ///
    /// # Panics
    ///
    /// Never: the model is part of the program.
    #[must_use]
    pub fn sample(count: usize, padding: usize, brings_tuples: bool) -> Self {
        let names = Names("x".repeat(padding));
        let questions = (0..count).map(|at| {
            let mut question = Question::new(
                names.of("user", at % USERS),
                "viewer",
                names.of("document", at.wrapping_mul(7) % DOCUMENTS),
            );
            if brings_tuples {
                question.contextual_tuples = vec![WrittenTuple {
                    user: names.of("user", USERS),
                    relation: "owner".to_owned(),
                    object: question.object.clone(),
                    condition: None,
                }];
            }
            question
        });
        Self::over(names.office().into(), questions.collect())
    }

    /// The same questions over the same store, with nothing known of the answers.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self::over(Arc::clone(&self.store), self.questions.clone())
    }
}

/// What everything is called.
struct Names(String);

impl Names {
    fn of(&self, kind: &str, number: usize) -> String {
        format!("{kind}:{}{number}", self.0)
    }

    fn office(&self) -> Store {
        let model = dsl::parse(MODEL).expect("is part of the program");
        let plan = Plan::compile(&model).expect("is part of the program");
        let mut builder = Builder::new(&plan);
        let mut add = |user: String, relation: &str, object: String| {
            let tuple = Tuple {
                user: &user,
                relation,
                object: &object,
                condition: None,
            };
            builder.add(0, tuple).expect("the model has a place for it");
        };
        for user in 0..USERS {
            let group = self.of("group", user % GROUPS);
            add(self.of("user", user), "member", group);
        }
        // Four trees of groups and four of folders, so that some see a document and some do not.
        for group in TREES..GROUPS {
            let inner = format!("{}#member", self.of("group", group));
            add(inner, "member", self.of("group", group - TREES));
        }
        for folder in 0..FOLDERS {
            let readers = format!("{}#member", self.of("group", folder % GROUPS));
            add(readers, "viewer", self.of("folder", folder));
            if let Some(parent) = folder.checked_sub(TREES) {
                add(
                    self.of("folder", parent),
                    "parent",
                    self.of("folder", folder),
                );
            }
        }
        for document in 0..DOCUMENTS {
            let name = || self.of("document", document);
            add(self.of("folder", document % FOLDERS), "parent", name());
            add(self.of("user", document % USERS), "owner", name());
        }
        let graph = builder.build();
        Store::new(plan, graph)
    }
}

const MODEL: &str = "model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type folder
  relations
    define parent: [folder]
    define viewer: [user, group#member] or viewer from parent
type document
  relations
    define parent: [folder]
    define owner: [user]
    define viewer: [user, group#member] or owner or viewer from parent
";

const TREES: usize = 4;
const USERS: usize = 64;
const GROUPS: usize = 16;
const FOLDERS: usize = 32;
const DOCUMENTS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::Work;

    #[test]
    fn some_are_answered_with_yes_and_some_with_no() {
        for (padding, brings_tuples) in [(0, false), (100, false), (0, true)] {
            let batch = Batch::sample(400, padding, brings_tuples);
            let answers = batch.run(0..400);
            let yes = answers.iter().filter(|answer| **answer == Ok(true)).count();
            let no = answers
                .iter()
                .filter(|answer| **answer == Ok(false))
                .count();
            assert_eq!(yes + no, 400, "no errors");
            assert!((100..300).contains(&yes), "{yes} of 400");
        }
    }
}
