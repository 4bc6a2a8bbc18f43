//! Who has a relation to one object: the definition worked out with sets of users instead of single truths.
//!
//! A set may hold "all of the type" ([`Users::all`]) with exceptions, so `but not` and `and` come out exact.
//! For the tests in store files: every path is followed, and nothing is remembered between paths.

use std::collections::BTreeMap;

use super::{MAX_DEPTH, MAX_FRAMES, MAX_STEPS, Question, Truth, Undecided, Walk, target};
use crate::permission::{
    graph::Node,
    plan::{Op, OpKind, SubjectKind},
};

/// A set of users of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Users {
    /// Whether those who are not named are in it.
    pub(crate) all: bool,
    /// By object: whether it is in it.
    pub(crate) named: BTreeMap<u32, bool>,
}

impl Users {
    fn has(&self, user: u32) -> bool {
        self.named.get(&user).copied().unwrap_or(self.all)
    }

    fn join(self, other: &Self, rule: impl Fn(bool, bool) -> bool) -> Self {
        let users = self.named.keys().chain(other.named.keys());
        Self {
            all: rule(self.all, other.all),
            named: users
                .map(|&user| (user, rule(self.has(user), other.has(user))))
                .collect(),
        }
    }
}

/// Users, and whether a cycle was met on the way.
type Found = Result<(Users, bool), Undecided>;

/// Everyone of the kind of `question.subject` who has the relation `node.0` on `node.1`.
pub(crate) fn list(question: Question<'_>, node: Node) -> Result<Users, Undecided> {
    super::SCRATCH.with_borrow_mut(|scratch| {
        scratch.clear();
        let mut walk = Walk {
            question,
            scratch,
            frames: 0,
            steps: 0,
            failure: None,
        };
        Ok(walk.users(node, 0)?.0)
    })
}

impl Walk<'_> {
    fn users(&mut self, node: Node, depth: u8) -> Found {
        self.steps += 1;
        if depth >= MAX_DEPTH || self.steps > MAX_STEPS {
            return Err(Undecided::TooDeep);
        }
        let Question { plan, subject, .. } = self.question;
        let (relation, object) = node.parts();
        let mut users = Users::default();
        if subject.kind == SubjectKind::Userset(relation) {
            users.named.insert(object, true);
        }
        if self.scratch.path.contains(&node) {
            return Ok((Users::default(), true));
        }
        if !plan.reaches(relation, subject.kind) {
            return Ok((users, false));
        }
        self.scratch.path.push(node);
        let found = self.users_by(&plan.relation(relation).rewrite, node, depth);
        self.scratch.path.pop();
        let (found, cycle) = found?;
        Ok((users.join(&found, |a, b| a || b), cycle))
    }

    fn users_by(&mut self, op: &Op, node: Node, depth: u8) -> Found {
        self.frames += 1;
        if self.frames > MAX_FRAMES {
            return Err(Undecided::TooDeep);
        }
        let found = match &op.kind {
            OpKind::Computed(id) => self.users(Node::new(*id, node.parts().1), depth),
            OpKind::Difference(parts) => {
                let (base, base_cycle) = self.users_by(&parts[0], node, depth)?;
                let (less, less_cycle) = self.users_by(&parts[1], node, depth)?;
                let cycle = base_cycle || less_cycle;
                // As for a check: a cycle on either side denies.
                Ok(if cycle {
                    (Users::default(), true)
                } else {
                    (base.join(&less, |base, less| base && !less), false)
                })
            }
            OpKind::Direct => self.users_direct(node, depth),
            OpKind::FromTupleset { tupleset, targets } => {
                let links = self.assigned(Node::new(*tupleset, node.parts().1));
                let mut objects = Vec::new();
                let read = self.objects(&links, &mut objects);
                self.refuse(read)?;
                let nodes = objects.iter().filter_map(|&object| {
                    let relation = target(targets, self.type_of(object))?;
                    Some(Node::new(relation, object))
                });
                self.users_of_any(&nodes.collect::<Vec<_>>(), Users::default(), depth)
            }
            OpKind::Intersection(parts) => {
                let mut all: Option<Users> = None;
                let mut cycle = false;
                for part in parts {
                    let (users, met) = self.users_by(part, node, depth)?;
                    cycle |= met;
                    all = Some(match all {
                        Some(all) => all.join(&users, |a, b| a && b),
                        None => users,
                    });
                }
                Ok((all.unwrap_or_default(), cycle))
            }
            OpKind::Union(parts) => {
                let mut all = Users::default();
                let mut cycle = false;
                for part in parts {
                    let (users, met) = self.users_by(part, node, depth)?;
                    cycle |= met;
                    all = all.join(&users, |a, b| a || b);
                }
                Ok((all, cycle))
            }
        };
        self.frames -= 1;
        found
    }

    fn users_direct(&mut self, node: Node, depth: u8) -> Found {
        let layers = self.assigned(node);
        let mut users = Users::default();
        if let SubjectKind::Object(of) = self.question.subject.kind {
            let mut named = Vec::new();
            let read = self.objects(&layers, &mut named);
            self.refuse(read)?;
            let named = named.into_iter().filter(|id| self.type_of(*id) == of);
            users.named = named.map(|id| (id, true)).collect();
            let all = self.is_for_all(&layers, of);
            self.refuse(all)?;
            users.all = all == Truth::Yes;
        }
        let mut usersets = Vec::new();
        let read = self.usersets(&layers, &mut usersets);
        self.refuse(read)?;
        self.users_of_any(&usersets, users, depth)
    }

    fn users_of_any(&mut self, nodes: &[Node], mut users: Users, depth: u8) -> Found {
        let mut cycle = false;
        for &node in nodes {
            let (more, met) = self.users(node, depth + 1)?;
            cycle |= met;
            users = users.join(&more, |a, b| a || b);
        }
        Ok((users, cycle))
    }

    /// Unlike in a check, a condition that cannot be evaluated is never passed over.
    fn refuse(&mut self, read: Truth) -> Result<(), Undecided> {
        match (self.failure.take(), read) {
            (Some(why), _) => Err(Undecided::Failed(why)),
            (None, Truth::No | Truth::Yes) => Ok(()),
            (None, Truth::Failed) => Err(Undecided::Failed(String::new())),
            (None, Truth::TooDeep) => Err(Undecided::TooDeep),
        }
    }
}
