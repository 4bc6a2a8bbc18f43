//! A drive of a million tuples: users in nested groups, folders in trees, documents in folders.
//!
//! Everything is drawn from seeds, so each run asks the same.

use std::{fmt::Write, fs, path::Path};

use subzero::permission::{Question, Questions};

/// The store file's name.
pub(crate) const STORE_FILE: &str = "store.fga.yaml";

/// Folders and groups that hang below each other, for the nested check.
const CHAIN: usize = 8;

const STORE: &str = "name: drive
model: |
  model
    schema 1.1
  type user
  type group
    relations
      define member: [user, group#member]
  type folder
    relations
      define parent: [folder]
      define owner: [user]
      define editor: [user, group#member] or owner or editor from parent
      define viewer: [user, user:*, group#member] or editor or viewer from parent
  type document
    relations
      define parent: [folder]
      define blocked: [user]
      define owner: [user]
      define editor: [user, group#member] or owner or editor from parent
      define viewer: [user, user:*, group#member] or editor or viewer from parent
      define reader: viewer but not blocked
tuple_file: tuples.csv
";

/// Numbers from a seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).expect("31 bits") % sides
    }
}

/// The sizes of a drive.
#[derive(Clone, Copy)]
pub(crate) struct Drive {
    tuples: usize,
    users: usize,
    groups: usize,
    folders: usize,
    documents: usize,
}

impl Drive {
    /// A million tuples.
    pub(crate) const LARGE: Self = Self {
        tuples: 1_000_000,
        users: 100_000,
        groups: 5_000,
        folders: 20_000,
        documents: 250_000,
    };

    /// As many tuples as the store has that `OpenFGA` was measured with.
    pub(crate) const SMALL: Self = Self {
        tuples: 939,
        users: 100,
        groups: 10,
        folders: 20,
        documents: 120,
    };

    /// Writes the store file and its tuples, and says how many these are.
    pub(crate) fn write(&self, folder: &Path) -> usize {
        let mut rows = Rows::new();
        let mut dice = Dice::new(1);
        for group in 0..self.groups {
            for _ in 0..30 {
                rows.user(dice.roll(self.users), "member", "group", group);
            }
            // Half of the small groups are in a team, most teams in a department.
            let (departments, teams) = (self.groups / 25, self.groups / 5);
            if group >= teams && dice.roll(2) == 0 {
                rows.group(group, "member", "group", dice.roll(teams));
            } else if group >= departments.max(1) && group < teams {
                rows.group(group, "member", "group", dice.roll(departments.max(1)));
            }
        }
        for child in 1..self.folders {
            rows.add("folder", child / 4, "", "parent", "folder", child);
        }
        for folder in 0..self.folders {
            rows.group(dice.roll(self.groups), "viewer", "folder", folder);
            if dice.roll(3) == 0 {
                rows.group(dice.roll(self.groups), "editor", "folder", folder);
            }
            rows.user(dice.roll(self.users), "owner", "folder", folder);
        }
        for document in 0..self.documents {
            rows.add(
                "folder",
                dice.roll(self.folders),
                "",
                "parent",
                "document",
                document,
            );
            rows.user(dice.roll(self.users), "owner", "document", document);
            if dice.roll(10) == 0 {
                rows.group(dice.roll(self.groups), "viewer", "document", document);
            }
            if dice.roll(20) == 0 {
                rows.user(dice.roll(self.users), "blocked", "document", document);
            }
        }
        self.chain(&mut rows);
        while rows.count < self.tuples {
            rows.user(
                dice.roll(self.users),
                "viewer",
                "document",
                dice.roll(self.documents),
            );
        }
        fs::write(folder.join(STORE_FILE), STORE).expect("written");
        fs::write(folder.join("tuples.csv"), &rows.text).expect("written");
        rows.count
    }

    /// A user in the innermost of nested groups, the outermost of which sees the top of nested folders.
    fn chain(&self, rows: &mut Rows) {
        rows.user(self.users, "member", "group", self.groups);
        for step in 0..CHAIN {
            rows.group(
                self.groups + step,
                "member",
                "group",
                self.groups + step + 1,
            );
            rows.add(
                "folder",
                self.folders + step,
                "",
                "parent",
                "folder",
                self.folders + step + 1,
            );
        }
        rows.group(self.groups + CHAIN, "viewer", "folder", self.folders);
        rows.add(
            "folder",
            self.folders + CHAIN,
            "",
            "parent",
            "document",
            self.documents,
        );
        rows.user(self.users + 1, "viewer", "document", self.documents);
    }

    /// A user and an object that one tuple joins.
    pub(crate) fn direct(&self) -> (String, String) {
        (
            name("user", self.users + 1),
            name("document", self.documents),
        )
    }

    /// A user and an object with nested groups and folders between them.
    pub(crate) fn nested(&self) -> (String, String) {
        (name("user", self.users), name("document", self.documents))
    }

    /// Questions of one user about as many documents.
    pub(crate) fn one_user(&self, relation: &str, count: usize) -> Questions {
        let mut dice = Dice::new(3);
        let user = name("user", 77);
        let ask = |_| {
            Question::new(
                user.clone(),
                relation,
                name("document", dice.roll(self.documents)),
            )
        };
        (0..count).map(ask).collect()
    }

    /// Questions of anyone about anything.
    pub(crate) fn random(&self, dice: &mut Dice, count: usize) -> Vec<Question> {
        const RELATIONS: [&str; 4] = ["viewer", "editor", "owner", "reader"];
        let ask = |_| {
            let user = name("user", dice.roll(self.users));
            match dice.roll(8) {
                0 => Question::new(
                    user,
                    RELATIONS[dice.roll(3)],
                    name("folder", dice.roll(self.folders)),
                ),
                _ => Question::new(
                    user,
                    RELATIONS[dice.roll(4)],
                    name("document", dice.roll(self.documents)),
                ),
            }
        };
        (0..count).map(ask).collect()
    }
}

/// Tuples as CSV, each only once.
struct Rows {
    text: String,
    count: usize,
    seen: std::collections::HashSet<(u8, usize, u8, usize)>,
}

impl Rows {
    fn new() -> Self {
        Self {
            text: "user_type,user_id,user_relation,relation,object_type,object_id\n".to_owned(),
            count: 0,
            seen: std::collections::HashSet::new(),
        }
    }

    fn user(&mut self, user: usize, relation: &str, object_type: &str, object: usize) {
        self.add("user", user, "", relation, object_type, object);
    }

    fn group(&mut self, group: usize, relation: &str, object_type: &str, object: usize) {
        self.add("group", group, "member", relation, object_type, object);
    }

    fn add(
        &mut self,
        user_type: &str,
        user: usize,
        set: &str,
        relation: &str,
        object_type: &str,
        object: usize,
    ) {
        let first = |text: &str| text.as_bytes()[0];
        // No two relations of a type begin alike, nor do two types that share one.
        let key = (first(relation), user, first(object_type), object);
        if self.seen.insert(key) {
            self.count += 1;
            let user = number(user);
            let object = number(object);
            let _ = writeln!(
                self.text,
                "{user_type},{user},{set},{relation},{object_type},{object}"
            );
        }
    }
}

fn name(of: &str, id: usize) -> String {
    format!("{of}:{}", number(id))
}

/// As wide as names of the wild, not as short as numbers.
fn number(id: usize) -> String {
    format!("{id:07}")
}
