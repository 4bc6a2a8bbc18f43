//! Store files that pass, fail, and cannot be run.

use std::fs;

use super::*;
use crate::permission::suite::data;

fn run_text(text: &str) -> Result<Report, Vec<Problem>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.fga.yaml");
    fs::write(&path, text).unwrap();
    run(&path)
}

const STORE: &str = "model: |
  model
    schema 1.1
  type user
  type doc
    relations
      define viewer: [user]
      define editor: [user]
tuples:
  - { user: user:a, relation: viewer, object: doc:1 }
tests:
";

#[test]
fn every_user_object_and_relation_is_one_check() {
    let report = run_text(&format!(
        "{STORE}
  - name: first
    tuples:
      - {{ user: user:b, relation: viewer, object: doc:1 }}
    check:
      - users: [user:a, user:b]
        objects: [doc:1]
        assertions: {{ viewer: true, editor: false }}
    list_objects:
      - user: user:b
        type: doc
        assertions: {{ viewer: [doc:1], editor: }}
  - check:
      - user: user:b
        object: doc:1
        assertions: {{ viewer: false }}
"
    ))
    .unwrap();
    assert!(report.passed(), "{report:?}");
    let [first, second] = &report.tests[..] else {
        panic!("{report:?}");
    };
    assert_eq!(
        first.checks,
        Tally {
            passed: 4,
            total: 4
        }
    );
    assert_eq!(
        first.list_objects,
        Tally {
            passed: 2,
            total: 2
        }
    );
    assert_eq!(second.name, "tests[1]");
    assert_eq!(
        second.checks,
        Tally {
            passed: 1,
            total: 1
        }
    );
}

#[test]
fn a_wrong_answer_and_an_error_are_failures() {
    let report = run_text(&format!(
        "{STORE}
  - name: wrong
    check:
      - user: user:a
        object: doc:1
        assertions: {{ viewer: false, owner: true }}
      - user: user:a
        object: doc:1
        context: {{ hour: 3 }}
        assertions: {{ viewer: true }}
    list_objects:
      - user: user:a
        type: doc
        assertions: {{ viewer: [doc:2] }}
"
    ))
    .unwrap();
    assert!(!report.passed());
    assert_eq!(
        report.tests[0].failures,
        [
            "check user:a owner doc:1: ask for permission: `owner` is not a relation of type `doc`",
            "check user:a viewer doc:1: true, not false",
            "list_objects user:a viewer doc: [\"doc:1\"], not [\"doc:2\"]",
        ]
    );
}

#[test]
fn a_tuple_written_twice_fails_the_run() {
    let problems = run_text(&format!(
        "{STORE}
  - name: twice
    tuples:
      - {{ user: user:a, relation: viewer, object: doc:1 }}
    check: []
"
    ))
    .unwrap_err();
    assert!(
        problems[0]
            .message
            .contains("tests[0].tuples[0]: says the same as"),
        "{problems:?}"
    );
}

#[test]
fn openfgas_own_valid_store_passes() {
    let report = run_text(&data("language/stores/00-valid-model/store.fga.yaml")).unwrap();
    assert_eq!(report.tests[0].failures, Vec::<String>::new());
    assert_eq!(
        report.tests[1].list_users,
        Tally {
            passed: 1,
            total: 1
        }
    );
    assert!(report.passed(), "{report:?}");
}
