//! The step as the pipeline sees it: grants, refusals, reloads.

use std::fs;

use super::*;
use crate::{check::Source, verdict::Reason};

const STORE: &str = "model: |
  model
    schema 1.1
  type user
  type group
    relations
      define member: [user]
  type doc
    relations
      define viewer: [user, group#member]
tuples:
  - { user: user:anne, relation: viewer, object: doc:1 }
";

fn ask<'a>(user: &'a str, object: &'a str) -> Ask<'a> {
    Ask::new(user, "viewer", object)
}

fn load(folder: &Path) -> Result<Authorizer, Vec<Problem>> {
    let config = Config {
        store_file: Some(PathBuf::from("store.fga.yaml")),
        openfga: None,
    };
    Authorizer::load(&config, folder)
}

#[test]
fn without_a_store_nothing_can_be_decided() {
    let authorizer = Authorizer::load(
        &Config {
            store_file: None,
            openfga: None,
        },
        Path::new("."),
    )
    .unwrap();
    let error = authorizer.check(&ask("user:anne", "doc:1")).unwrap_err();
    assert_eq!(error.reason(), Reason::PermissionUnavailable);
    assert!(!authorizer.has_store());
    assert!(!authorizer.relation_exists("doc", "viewer"));
    assert_eq!(authorizer.reload_if_changed(), Ok(false));
}

#[test]
fn a_store_that_cannot_be_read_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let problems = load(folder.path()).unwrap_err();
    assert_eq!(problems[0].key, "store_file");
    assert!(
        problems[0]
            .message
            .starts_with("store.fga.yaml: cannot be read: ")
    );
}

#[test]
fn errors_carry_the_numbers_of_openfga() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("store.fga.yaml"), STORE).unwrap();
    let authorizer = load(folder.path()).unwrap();
    assert_eq!(authorizer.check(&ask("user:anne", "doc:1")), Ok(true));
    assert_eq!(authorizer.check(&ask("user:bert", "doc:1")), Ok(false));
    assert!(authorizer.relation_exists("doc", "viewer"));
    assert!(!authorizer.relation_exists("doc", "owner"));
    for (user, object) in [
        ("user:anne", "doc:*"),
        ("user:anne", "doc:1:2"),
        ("user:anne", "doc"),
        ("user:anne", "folder:1"),
        ("anne", "doc:1"),
        ("user:a b", "doc:1"),
        ("group:1#owner", "doc:1"),
    ] {
        let error = authorizer.check(&ask(user, object)).unwrap_err();
        assert_eq!(error.code(), Some(2000), "{user} {object}");
        assert_eq!(error.reason(), Reason::MissingInput);
    }
}

#[tokio::test]
async fn a_grant_is_given_to_one_user_and_never_to_a_set() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("store.fga.yaml"), STORE).unwrap();
    let authorizer = load(folder.path()).unwrap();
    let who = identity();
    let authorize = async |user: &str| {
        let ask = ask(user, "doc:1");
        let deadline = Instant::now();
        let asked = authorizer.authorize(&who, &ask, Consistency::default(), deadline);
        asked.await
    };
    let (granted, origin) = authorize("user:anne").await;
    assert!(granted.is_ok());
    assert_eq!(origin, Some(Origin::Embedded));
    let (denied, origin) = authorize("user:bert").await;
    assert_eq!(denied.unwrap_err().reason(), Reason::PermissionDenied);
    assert_eq!(origin, Some(Origin::Embedded));
    for set in ["group:1#member", "user:*"] {
        let (refused, origin) = authorize(set).await;
        assert_eq!(refused.unwrap_err(), Error::SetAsSubject);
        assert_eq!(origin, None);
    }
}

fn identity() -> Identity {
    let source = Source {
        principal: Some("spiffe://mesh/ns/a/sa/b".to_owned()),
        ..Source::default()
    };
    Identity::from_peer(&source).expect("attested")
}

#[test]
fn a_changed_file_is_served_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.fga.yaml");
    fs::write(&path, STORE).unwrap();
    let authorizer = load(folder.path()).unwrap();
    assert_eq!(authorizer.reload_if_changed(), Ok(false));

    fs::write(&path, STORE.replace("user:anne", "user:bertha")).unwrap();
    assert_eq!(authorizer.reload_if_changed(), Ok(true));
    assert_eq!(authorizer.check(&ask("user:anne", "doc:1")), Ok(false));
    assert_eq!(authorizer.check(&ask("user:bertha", "doc:1")), Ok(true));

    fs::write(&path, "model: nonsense\n").unwrap();
    let problems = authorizer.reload_if_changed().unwrap_err();
    assert!(
        problems[0].message.starts_with("store.fga.yaml:1: "),
        "{problems:?}"
    );
    assert_eq!(authorizer.reload_if_changed(), Ok(false), "told once");
    assert_eq!(
        authorizer.check(&ask("user:bertha", "doc:1")),
        Ok(true),
        "old store kept"
    );

    fs::remove_file(&path).unwrap();
    assert!(authorizer.reload_if_changed().is_err());
    assert_eq!(authorizer.check(&ask("user:bertha", "doc:1")), Ok(true));

    fs::write(&path, STORE).unwrap();
    assert_eq!(authorizer.reload_if_changed(), Ok(true));
    assert_eq!(authorizer.check(&ask("user:anne", "doc:1")), Ok(true));
}

#[test]
fn a_change_in_a_file_that_the_store_names_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let tuples =
        |user: &str| format!("[{{user: 'user:{user}', relation: viewer, object: 'doc:1'}}]");
    fs::write(
        folder.path().join("store.fga.yaml"),
        STORE.replace("tuples:\n", "tuple_file: more.yaml\ntuples:\n"),
    )
    .unwrap();
    fs::write(folder.path().join("more.yaml"), tuples("carl")).unwrap();
    let authorizer = load(folder.path()).unwrap();
    assert_eq!(authorizer.check(&ask("user:carl", "doc:1")), Ok(true));

    fs::write(folder.path().join("more.yaml"), tuples("dorothea")).unwrap();
    assert_eq!(authorizer.reload_if_changed(), Ok(true));
    assert_eq!(authorizer.check(&ask("user:carl", "doc:1")), Ok(false));
    assert_eq!(authorizer.check(&ask("user:dorothea", "doc:1")), Ok(true));
}
