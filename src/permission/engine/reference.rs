//! A second engine, naive and slow, that the real one is held against on random models.
//!
//! It works on text, follows every path to its end and remembers nothing. `OpenFGA` evaluates operands
//! side by side and takes whichever comes first, so some answers depend on luck; this engine gives the
//! set of all answers that luck allows, and the real one must give one of them.

mod disguise;

use std::fmt::Write;

pub(in crate::permission) use self::disguise::Disguised;
use super::tests::store;
use crate::permission::{
    Ask, dsl,
    model::{Model, RelationDef, RestrictionKind, Rewrite},
};

/// A set of outcomes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Possible(u8);

const NONE: Possible = Possible(0);
const YES: Possible = Possible(1);
const NO: Possible = Possible(2);
/// A no that owes something to a cycle.
const CYCLE: Possible = Possible(4);

impl Possible {
    fn has(self, outcome: Self) -> bool {
        self.0 & outcome.0 != 0
    }

    fn and_also(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn each(self) -> impl Iterator<Item = Self> {
        [YES, NO, CYCLE]
            .into_iter()
            .filter(move |one| self.has(*one))
    }

    fn combine(self, other: Self, rule: impl Fn(Self, Self) -> Self) -> Self {
        let mut all = NONE;
        for a in self.each() {
            for b in other.each() {
                all = all.and_also(rule(a, b));
            }
        }
        all
    }

    fn or(self, other: Self) -> Self {
        self.combine(other, |a, b| match (a, b) {
            (YES, _) | (_, YES) => YES,
            (CYCLE, _) | (_, CYCLE) => CYCLE,
            _ => NO,
        })
    }

    fn and(self, other: Self) -> Self {
        self.combine(other, |a, b| match (a, b) {
            (YES, b) => b,
            (a, YES) => a,
            (a, b) => a.and_also(b),
        })
    }

    fn but_not(self, other: Self) -> Self {
        self.combine(other, |a, b| match (a, b) {
            (YES, NO) => YES,
            (YES, YES) => NO,
            (YES, b) => b,
            (a, YES) => a.and_also(NO),
            (a, CYCLE) => a.and_also(CYCLE),
            (a, _) => a,
        })
    }
}

pub(in crate::permission) struct Reference<'a> {
    model: &'a Model,
    /// `user relation object`.
    tuples: &'a [String],
    user: &'a str,
}

impl<'a> Reference<'a> {
    pub(in crate::permission) fn new(
        model: &'a Model,
        tuples: &'a [String],
        user: &'a str,
    ) -> Self {
        Self {
            model,
            tuples,
            user,
        }
    }

    /// Whether the answer is one that luck allows.
    pub(in crate::permission) fn allows(&self, object: &str, relation: &str, answer: bool) -> bool {
        let possible = self.check(object, relation, &mut Vec::new());
        if answer {
            possible.has(YES)
        } else {
            possible.has(NO) || possible.has(CYCLE)
        }
    }

    fn check(&self, object: &str, relation: &str, path: &mut Vec<String>) -> Possible {
        let key = format!("{object}#{relation}");
        if path.contains(&key) {
            return CYCLE;
        }
        if self.user == key {
            return YES;
        }
        let Some(definition) = self.definition(object, relation) else {
            return NONE;
        };
        path.push(key);
        let possible = self.rewrite(object, definition, &definition.rewrite, path);
        path.pop();
        possible
    }

    fn definition(&self, object: &str, relation: &str) -> Option<&RelationDef> {
        let (type_name, _) = object.split_once(':')?;
        let owner = self
            .model
            .types
            .iter()
            .find(|owner| owner.name == type_name)?;
        owner.relations.iter().find(|known| known.name == relation)
    }

    fn rewrite(
        &self,
        object: &str,
        definition: &RelationDef,
        rewrite: &Rewrite,
        path: &mut Vec<String>,
    ) -> Possible {
        match rewrite {
            Rewrite::Computed { relation, .. } => self.check(object, relation, path),
            Rewrite::Difference(base, subtract) => {
                let base = self.rewrite(object, definition, base, path);
                base.but_not(self.rewrite(object, definition, subtract, path))
            }
            Rewrite::FromTupleset {
                relation, tupleset, ..
            } => {
                let mut possible = NO;
                for linked in self.assigned(object, tupleset) {
                    if self.definition(linked, relation).is_some() {
                        possible = possible.or(self.check(linked, relation, path));
                    }
                }
                possible
            }
            Rewrite::Intersection(parts) => parts.iter().fold(YES, |all, part| {
                all.and(self.rewrite(object, definition, part, path))
            }),
            Rewrite::This => self.this(object, definition, path),
            Rewrite::Union(parts) => parts.iter().fold(NO, |all, part| {
                all.or(self.rewrite(object, definition, part, path))
            }),
        }
    }

    fn this(&self, object: &str, definition: &RelationDef, path: &mut Vec<String>) -> Possible {
        let everyone = self.user.split_once(':').map(|(of, _)| format!("{of}:*"));
        let is_set = self.user.contains('#');
        let mut possible = NO;
        for user in self.assigned(object, &definition.name) {
            let matches = user == self.user || (!is_set && Some(user) == everyone.as_deref());
            if matches {
                possible = possible.or(YES);
            } else if let Some((set, relation)) = user.split_once('#') {
                possible = possible.or(self.check(set, relation, path));
            }
        }
        possible
    }

    fn assigned<'s>(&'s self, object: &'s str, relation: &'s str) -> impl Iterator<Item = &'s str> {
        self.tuples.iter().filter_map(move |tuple| {
            let mut parts = tuple.split(' ');
            let user = parts.next()?;
            (parts.next()? == relation && parts.next()? == object).then_some(user)
        })
    }
}

/// A small generator of numbers; what matters is that a seed always gives the same ones.
pub(in crate::permission) struct Dice(pub(in crate::permission) u64);

impl Dice {
    pub(in crate::permission) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}

/// Some expression for `doc#r{number}` over earlier relations and those of parents.
fn expression(dice: &mut Dice, number: u64, depth: u64) -> String {
    let operand = |dice: &mut Dice| match dice.roll(5) {
        0 if depth < 2 => format!("({})", expression(dice, number, depth + 1)),
        1 | 2 => format!("r{} from parent", dice.roll(5)),
        3 => "member from team".to_owned(),
        _ => format!("r{}", dice.roll(number)),
    };
    let operator = [" or ", " and ", " but not "][usize::try_from(dice.roll(3)).unwrap_or(0)];
    let first = operand(dice);
    let mut second = operand(dice);
    while second == first {
        second = operand(dice);
    }
    format!("{first}{operator}{second}")
}

/// A random model of groups and documents; `None` when it came out invalid.
fn random_model(dice: &mut Dice) -> String {
    let mut model = "type user
type group
  relations
    define member: [user, user:*, group#member, doc#r1]
type doc
  relations
    define parent: [doc]
    define team: [group]
    define r0: [user, user:*, doc#r2, group#member]
"
    .to_owned();
    for number in 1..5 {
        let direct = match dice.roll(3) {
            0 => format!(
                "[user, doc#r{}] or ({})",
                dice.roll(5),
                expression(dice, number, 1)
            ),
            1 => format!(
                "[user, user:*, group#member] but not ({})",
                expression(dice, number, 1)
            ),
            _ => expression(dice, number, 0),
        };
        let _ = writeln!(model, "    define r{number}: {direct}");
    }
    model
}

fn random_tuples(dice: &mut Dice, model: &Model) -> Vec<String> {
    let mut tuples = Vec::new();
    for _ in 0..4 + dice.roll(22) {
        let owner = &model.types[usize::try_from(1 + dice.roll(2)).unwrap_or(1)];
        let relations = owner.relations.len() as u64;
        let relation = &owner.relations[usize::try_from(dice.roll(relations)).unwrap_or(0)];
        if relation.restrictions.is_empty() {
            continue;
        }
        let choices = relation.restrictions.len() as u64;
        let to = &relation.restrictions[usize::try_from(dice.roll(choices)).unwrap_or(0)];
        let user = match &to.kind {
            RestrictionKind::Object => format!("{}:{}", to.type_name, dice.roll(4)),
            RestrictionKind::Userset(has) => format!("{}:{}#{has}", to.type_name, dice.roll(4)),
            RestrictionKind::Wildcard => format!("{}:*", to.type_name),
        };
        let object = format!("{}:{}", owner.name, dice.roll(4));
        let tuple = format!("{user} {} {object}", relation.name);
        if !tuples.contains(&tuple) && !user.starts_with(&format!("{object}#{}", relation.name)) {
            tuples.push(tuple);
        }
    }
    tuples
}

/// What is drawn from one seed: a model, two lists of tuples; `None` when the model is not valid.
pub(in crate::permission) fn random_store(seed: u64) -> Option<(String, Vec<String>, Vec<String>)> {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let text = random_model(&mut dice);
    let model = dsl::parse(&format!("model\n  schema 1.1\n{text}")).expect("well formed");
    if !crate::permission::validate::faults(&model).is_empty() {
        return None;
    }
    let tuples = random_tuples(&mut dice, &model);
    let more = random_tuples(&mut dice, &model);
    Some((text, tuples, more))
}

/// Compares every question about one random store, plain and disguised; the number of questions.
fn compare(seed: u64) -> usize {
    let Some((text, tuples, decoys)) = random_store(seed) else {
        return 0;
    };
    let model = dsl::parse(&format!("model\n  schema 1.1\n{text}")).expect("well formed");
    let store = store(&text, &tuples);
    let disguised = Disguised::new(&text, &tuples, &decoys);
    let mut asked = 0;
    let subjects = [
        "user:0",
        "user:3",
        "user:9",
        "user:*",
        "group:1#member",
        "doc:2#r1",
    ];
    for user in subjects {
        for number in 0..4 {
            for relation in ["r0", "r1", "r2", "r3", "r4"] {
                let object = &format!("doc:{number}");
                let reference = Reference::new(&model, &tuples, user);
                let possible = reference.check(object, relation, &mut Vec::new());
                let found = store.check(&Ask::new(user, relation, object));
                let split = disguised.store.check(&Ask {
                    contextual_tuples: &disguised.along(),
                    ..Ask::new(user, relation, object)
                });
                for found in [found, split] {
                    let agrees = match found {
                        Ok(true) => possible.has(YES),
                        Ok(false) => possible.has(NO) || possible.has(CYCLE),
                        Err(_) => false,
                    };
                    assert!(
                        agrees,
                        "seed {seed}: {user} {relation} {object}: {found:?}, not {possible:?}\n{text}\n{}",
                        tuples.join("\n")
                    );
                    asked += 1;
                }
            }
        }
    }
    asked
}

#[test]
fn random_models_are_answered_as_the_naive_engine_answers_them() {
    let asked: usize = (1..=300).map(compare).sum();
    crate::permission::suite::report("random checks against the naive engine", asked, 0);
    assert!(
        asked > 10_000,
        "only {asked} questions: too few models were valid"
    );
}
