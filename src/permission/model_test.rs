//! Runs the tests inside a store file, as `fga model test` does.
//!
//! Every test has a store of its own: the model, the file's tuples and the test's own. Each user, object
//! and relation named is one check; lists are compared as sets; an answer that cannot be given is a
//! failure. A tuple that cannot be written fails the whole run.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::{
    Ask,
    condition::Json,
    plan::Plan,
    problems,
    question::WrittenTuple,
    source::Folder,
    store::Store,
    store_file::{self, Loader, StoreFile},
};
use crate::problem::Problem;

/// What the tests of a store file came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Report {
    /// One a test, in the order of the file.
    pub tests: Vec<Outcome>,
}

/// What one test came to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// Its name, or its place: `tests[2]`.
    pub name: String,
    /// Single checks.
    pub checks: Tally,
    /// Lists of objects.
    pub list_objects: Tally,
    /// Lists of users.
    pub list_users: Tally,
    /// One line a failure: what was asked, what came, what was expected.
    pub failures: Vec<String>,
}

/// How many assertions there were, and how many held.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Those that held.
    pub passed: usize,
    /// All of them.
    pub total: usize,
}

impl Report {
    /// Whether every assertion held.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.tests.iter().all(|test| test.failures.is_empty())
    }
}

/// Runs the tests in the store file at `path`.
pub fn run(path: &Path) -> Result<Report, Vec<Problem>> {
    let shown = path.display().to_string();
    let (mut folder, text) = Folder::open(path)
        .1
        .map_err(|error| problems(vec![format!("{shown}: cannot be read: {error}")]))?;
    let file: StoreFile<Vec<Spanned<Test>>> =
        store_file::yaml(&text).map_err(|error| problems(vec![store_file::at(&shown, &error)]))?;
    let plan = store_file::plan(&mut folder, &file, &text, &shown).map_err(problems)?;
    let mut report = Report::default();
    for (index, test) in file.tests.iter().flatten().enumerate() {
        let mut loader = Loader::new(&plan);
        loader.file_tuples(&mut folder, &file, &shown);
        test.value
            .add_tuples(&mut loader, &mut folder, &shown, index);
        let graph = loader.finish().map_err(problems)?;
        let store = Store::new(Plan::clone(&plan), graph);
        report.tests.push(test.value.run(&store, index));
    }
    Ok(report)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    #[expect(dead_code, reason = "for people")]
    description: Option<String>,
    #[serde(default)]
    tuples: Option<Vec<Spanned<WrittenTuple>>>,
    #[serde(default)]
    tuple_file: Option<Spanned<String>>,
    #[serde(default)]
    tuple_files: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    check: Option<Vec<Check>>,
    #[serde(default)]
    list_objects: Option<Vec<ListObjects>>,
    #[serde(default)]
    list_users: Option<Vec<ListUsers>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    users: Option<Vec<String>>,
    #[serde(default)]
    object: Option<String>,
    #[serde(default)]
    objects: Option<Vec<String>>,
    #[serde(default)]
    context: Option<Json>,
    assertions: BTreeMap<String, bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListObjects {
    user: String,
    #[serde(rename = "type")]
    object_type: String,
    #[serde(default)]
    context: Option<Json>,
    assertions: BTreeMap<String, Option<Vec<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListUsers {
    object: String,
    user_filter: Vec<UserFilter>,
    #[serde(default)]
    context: Option<Json>,
    assertions: BTreeMap<String, ExpectedUsers>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserFilter {
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default)]
    relation: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectedUsers {
    #[serde(default)]
    users: Option<Vec<String>>,
}

impl Test {
    fn add_tuples(&self, loader: &mut Loader<'_>, folder: &mut Folder, shown: &str, index: usize) {
        let list = format!("tests[{index}].tuples");
        loader.listed(shown, &list, self.tuples.as_deref().unwrap_or_default());
        let references = self.tuple_file.iter();
        for reference in references.chain(self.tuple_files.iter().flatten()) {
            loader.named(folder, reference, shown);
        }
    }

    fn run(&self, store: &Store, index: usize) -> Outcome {
        let mut outcome = Outcome {
            name: self
                .name
                .clone()
                .unwrap_or_else(|| format!("tests[{index}]")),
            ..Outcome::default()
        };
        for check in self.check.iter().flatten() {
            check.run(store, &mut outcome);
        }
        for list in self.list_objects.iter().flatten() {
            list.run(store, &mut outcome);
        }
        for list in self.list_users.iter().flatten() {
            list.run(store, &mut outcome);
        }
        outcome
    }
}

impl Check {
    fn run(&self, store: &Store, outcome: &mut Outcome) {
        let tally = &mut outcome.checks;
        let users = self.user.iter().chain(self.users.iter().flatten());
        let objects = || self.object.iter().chain(self.objects.iter().flatten());
        if users.clone().next().is_none() || objects().next().is_none() {
            let fault = "check: names no user or no object".to_owned();
            tally.count(Some(fault), &mut outcome.failures);
        }
        for user in users {
            for object in objects() {
                for (relation, expected) in &self.assertions {
                    let asked = format!("check {user} {relation} {object}");
                    let ask = Ask {
                        context: self.context.as_ref(),
                        ..Ask::new(user, relation, object)
                    };
                    let fault = match store.check(&ask) {
                        Ok(found) if found == *expected => None,
                        Ok(found) => Some(format!("{asked}: {found}, not {expected}")),
                        Err(error) => Some(format!("{asked}: {error}")),
                    };
                    tally.count(fault, &mut outcome.failures);
                }
            }
        }
    }
}

impl ListObjects {
    fn run(&self, store: &Store, outcome: &mut Outcome) {
        for (relation, expected) in &self.assertions {
            let asked = format!("list_objects {} {relation} {}", self.user, self.object_type);
            let mut expected: Vec<&str> = expected.iter().flatten().map(String::as_str).collect();
            expected.sort_unstable();
            expected.dedup();
            let ask = Ask {
                context: self.context.as_ref(),
                ..Ask::new(&self.user, relation, "")
            };
            let fault = match store.list_objects(&self.object_type, &ask) {
                Ok(found) if found == expected => None,
                Ok(found) => Some(format!("{asked}: {found:?}, not {expected:?}")),
                Err(error) => Some(format!("{asked}: {error}")),
            };
            outcome.list_objects.count(fault, &mut outcome.failures);
        }
    }
}

impl ListUsers {
    fn run(&self, store: &Store, outcome: &mut Outcome) {
        let tally = &mut outcome.list_users;
        let [filter] = &self.user_filter[..] else {
            let fault = format!("list_users {}: needs one user filter", self.object);
            tally.count(Some(fault), &mut outcome.failures);
            return;
        };
        let filter = match &filter.relation {
            Some(relation) => format!("{}#{relation}", filter.type_name),
            None => filter.type_name.clone(),
        };
        for (relation, expected) in &self.assertions {
            let asked = format!("list_users {filter} {relation} {}", self.object);
            let mut expected: Vec<&str> = expected
                .users
                .iter()
                .flatten()
                .map(String::as_str)
                .collect();
            expected.sort_unstable();
            expected.dedup();
            let ask = Ask {
                context: self.context.as_ref(),
                ..Ask::new("", relation, &self.object)
            };
            let fault = match store.list_users(&filter, &ask) {
                Ok(found) if found == expected => None,
                Ok(found) => Some(format!("{asked}: {found:?}, not {expected:?}")),
                Err(error) => Some(format!("{asked}: {error}")),
            };
            tally.count(fault, &mut outcome.failures);
        }
    }
}

impl Tally {
    fn count(&mut self, fault: Option<String>, failures: &mut Vec<String>) {
        self.total += 1;
        match fault {
            Some(fault) => failures.push(fault),
            None => self.passed += 1,
        }
    }
}
