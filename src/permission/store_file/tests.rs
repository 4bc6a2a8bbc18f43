//! Good store files load; bad ones say where and why.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::permission::{Ask, suite::data};

const MODEL: &str = "model
  schema 1.1
type user
type doc
  relations
    define viewer: [user]
";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn load_from(folder: &TempDir) -> Result<Store, Vec<String>> {
    load(&folder.path().join("store.fga.yaml"), "store.fga.yaml").store
}

fn load_files(files: &[(&str, &str)]) -> Result<Store, Vec<String>> {
    load_from(&folder(files))
}

fn faults(store: &str) -> Vec<String> {
    load_files(&[("store.fga.yaml", store), ("model.fga", MODEL)]).unwrap_err()
}

fn is_viewer(store: &Store, user: &str) -> bool {
    let (relation, object) = ("viewer", "doc:1");
    store.check(&Ask::new(user, relation, object)).unwrap()
}

#[test]
fn a_store_takes_its_tuples_from_everywhere() {
    let store = load_files(&[
        (
            "store.fga.yaml",
            "name: everything
model_file: ./model/model.fga
tuples:
  - { user: user:a, relation: viewer, object: doc:1 }
tuple_file: tuples/b.yaml
tuple_files: [tuples/c.json, tuples/d.jsonl, tuples/f.csv]
tests:
  - name: ignored
    check: []
",
        ),
        ("model/model.fga", MODEL),
        (
            "tuples/b.yaml",
            "- user: user:b\n  relation: viewer\n  object: doc:1\n",
        ),
        (
            "tuples/c.json",
            r#"[{"user":"user:c","relation":"viewer","object":"doc:1"}]"#,
        ),
        (
            "tuples/d.jsonl",
            "{\"user\":\"user:d\",\"relation\":\"viewer\",\"object\":\"doc:1\"}\n\n",
        ),
        (
            "tuples/f.csv",
            "user_type,user_id,relation,object_type,object_id\nuser,f,viewer,doc,1\n",
        ),
    ])
    .unwrap();
    for user in ["user:a", "user:b", "user:c", "user:d", "user:f"] {
        assert!(is_viewer(&store, user), "{user}");
    }
    assert!(!is_viewer(&store, "user:e"));
}

#[test]
fn the_store_files_of_openfga_load_or_fail_as_they_should() {
    let case = |name: &str| {
        let store = data(&format!("language/stores/{name}/store.fga.yaml"));
        load_files(&[
            ("store.fga.yaml", &store),
            (
                "model.fga",
                &data("language/stores/01-valid-model-file/model.fga"),
            ),
        ])
    };
    case("00-valid-model").unwrap();
    case("01-valid-model-file").unwrap();
    assert!(case("02-missing-model").unwrap_err()[0].contains("has no model"));
    let faults = case("03-additional-properties").unwrap_err();
    assert!(faults[0].contains("unexpected_field2"), "{faults:?}");
}

#[test]
fn a_bad_tuple_is_named_with_line_index_and_reason() {
    let faults = faults(
        "model_file: model.fga
tuples:
  - user: user:a
    relation: viewer
    object: doc:1
  - user: robot:r
    relation: viewer
    object: doc:1
  - user: doc:2
    relation: viewer
    object: doc:1
  - user: user:*
    relation: viewer
    object: doc:1
  - user: user:a
    relation: viewer
    object: doc:1
  - user: user:a
    relation: viewer
    object: doc:1
    condition: { name: c }
",
    );
    assert_eq!(
        faults,
        [
            "store.fga.yaml:6: tuples[1]: `robot` is not a type of the model",
            "store.fga.yaml:9: tuples[2]: `doc:2` is not among the types that relation `viewer` may be assigned to",
            "store.fga.yaml:12: tuples[3]: `user:*` is not among the types that relation `viewer` may be assigned to",
            "store.fga.yaml:18: tuples[5]: `c` is not a condition of the model",
            "store.fga.yaml:15: tuples[4]: says the same as store.fga.yaml:3: tuples[0]",
        ]
    );
}

#[test]
fn a_fault_in_an_inline_model_is_on_its_line_of_the_store_file() {
    let faults = faults(
        "name: x
model: |
  model
    schema 1.1
  type doc
    relations
      define viewer: [user]
",
    );
    assert_eq!(
        faults,
        ["store.fga.yaml:7: `user` is not a type of this model"]
    );
}

#[test]
fn a_fault_in_a_model_file_names_that_file() {
    let faults = load_files(&[
        ("store.fga.yaml", "model_file: model.fga\n"),
        (
            "model.fga",
            "model\n  schema 1.1\ntype doc\n  relations\n    define viewer: [user]\n",
        ),
    ]);
    assert_eq!(
        faults.unwrap_err(),
        ["model.fga:5:21: `user` is not a type of this model"]
    );
}

#[test]
fn a_condition_that_cannot_be_is_refused_with_its_place() {
    let faults = load_files(&[
        ("store.fga.yaml", "model_file: model.fga\n"),
        (
            "model.fga",
            "model\n  schema 1.1\ntype user\ntype doc\n  relations\n    define viewer: [user with late]\n\ncondition late(hour: int) {\n  hour > 'x'\n}\n",
        ),
    ])
    .unwrap_err();
    assert!(
        faults[0].starts_with("model.fga:8:11: condition `late`: "),
        "{faults:?}"
    );
}

const CORE: &str = "module core\ntype user\ntype doc\n  relations\n    define owner: [user]\n";
const WIKI: &str =
    "module wiki\nextend type doc\n  relations\n    define viewer: [user] or owner\n";

fn modular(wiki: &str) -> Result<Store, Vec<String>> {
    load_files(&[
        (
            "store.fga.yaml",
            "model_file: model/fga.mod\ntuples: [{ user: user:a, relation: owner, object: doc:1 }]\n",
        ),
        (
            "model/fga.mod",
            "schema: '1.2'\ncontents:\n  - wiki/wiki.fga\n  - core.fga\n",
        ),
        ("model/core.fga", CORE),
        ("model/wiki/wiki.fga", wiki),
    ])
}

#[test]
fn a_modular_model_is_read_from_below_its_own_folder() {
    assert!(is_viewer(&modular(WIKI).unwrap(), "user:a"));
}

#[test]
fn a_fault_in_a_module_names_its_file_and_line() {
    let faults = modular(&WIKI.replace("or owner", "or nobody")).unwrap_err();
    assert!(
        faults[0].starts_with("model/wiki/wiki.fga:4:30: "),
        "{faults:?}"
    );
    let faults = modular(&WIKI.replace("type doc", "type page")).unwrap_err();
    assert!(
        faults[0].starts_with("model/wiki/wiki.fga:2:13: extended type `page`"),
        "{faults:?}"
    );
    let faults = load_files(&[
        ("store.fga.yaml", "model_file: core.fga\n"),
        ("core.fga", CORE),
    ]);
    assert!(faults.unwrap_err()[0].contains("`fga.mod`"));
}

#[test]
fn yaml_that_is_none_is_named_with_its_line() {
    let faults = faults("model_file: model.fga\ntuples:\n  - user: [\n");
    assert!(faults[0].starts_with("store.fga.yaml:"), "{faults:?}");
    let faults = self::faults("model_file: model.fga\ntupels: []\n");
    assert!(faults[0].starts_with("store.fga.yaml:2: "), "{faults:?}");
}

#[test]
fn references_stay_inside_the_folder() {
    let outside = folder(&[("secret.yaml", "[]")]);
    let secret = outside.path().join("secret.yaml");
    for reference in [
        "../secret.yaml",
        secret.to_str().unwrap(),
        "/etc/passwd",
        "missing.yaml",
        ".",
    ] {
        let store = format!("model_file: model.fga\ntuple_file: {reference}\n");
        let faults = faults(&store);
        let begins = format!("store.fga.yaml:2: tuple file `{reference}` cannot be read: ");
        assert!(faults[0].starts_with(&begins), "{faults:?}");
    }
}

#[cfg(unix)]
#[test]
fn links_may_stay_inside_the_folder_but_not_lead_out() {
    use std::os::unix::fs::symlink;

    let outside = folder(&[("secret.yaml", "[]")]);
    let inside = folder(&[
        ("store.fga.yaml", "model_file: model.fga\n"),
        ("..data/model.fga", MODEL),
    ]);
    symlink("..data/model.fga", inside.path().join("model.fga")).unwrap();
    load_from(&inside).unwrap();

    symlink(
        outside.path().join("secret.yaml"),
        inside.path().join("out.yaml"),
    )
    .unwrap();
    fs::write(
        inside.path().join("store.fga.yaml"),
        "model_file: model.fga\ntuple_file: out.yaml\n",
    )
    .unwrap();
    let faults = load_from(&inside).unwrap_err();
    assert!(
        faults[0].contains("outside the store file's folder"),
        "{faults:?}"
    );
}

#[test]
fn only_the_first_faults_are_told_in_full() {
    let bad = "  - { user: robot:r, relation: viewer, object: doc:1 }\n".repeat(30);
    let faults = faults(&format!("model_file: model.fga\ntuples:\n{bad}"));
    assert_eq!(faults.len(), 21);
    assert_eq!(faults[20], "and 10 more like these");
}
