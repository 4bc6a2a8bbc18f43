//! Which routes a request may belong to, found without trying them all.
//!
//! Hosts lead to a tree of path segments, as patterns have them. What is found is a superset: each
//! candidate is still asked whether it matches, in the routes' own order. So the index can only make
//! the answer quicker, never another one.
//!
//! A literal stands in the tree as it is and as it may be sent encoded, so one tree serves both
//! spellings of a path.
//!
//! # Cost
//!
//! A few look-ups a segment, whatever the number of routes; as many steps as there are routes only when
//! all of them have the same host and path.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::{
    pattern::{HostPattern, PathPattern, Segment},
    route::Route,
};

/// The routes for HTTP, by host and path.
#[derive(Debug, Default)]
pub(super) struct Index {
    any_host: Tree,
    hosts: Map<Tree>,
    /// With the leading dot.
    below: Map<Tree>,
}

/// Routes that a request may belong to: hardly ever more than a few.
pub(super) type Candidates = SmallVec<[usize; 8]>;

type Map<V> = HashMap<String, V, RandomState>;

/// Path patterns, segment by segment.
#[derive(Debug, Default)]
struct Tree {
    /// Those that ask for no path.
    any_path: Vec<usize>,
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    literals: Map<usize>,
    /// Behind any segment that is not empty.
    named: Option<Box<Node>>,
    /// The nodes that `literals` leads to.
    nodes: Vec<Node>,
    /// Routes whose path ends here.
    ends: Vec<usize>,
    /// Routes that take whatever follows.
    tails: Vec<usize>,
}

impl Index {
    pub(super) fn add(&mut self, number: usize, route: &Route) {
        let (host, path) = route.place();
        let tree = match host {
            HostPattern::Any => &mut self.any_host,
            HostPattern::Exactly(name) => self.hosts.entry(name.clone()).or_default(),
            HostPattern::Below(suffix) => self.below.entry(suffix.clone()).or_default(),
        };
        match path {
            None => tree.any_path.push(number),
            Some(path) => tree.root.add(number, path),
        }
    }

    /// The numbers of all routes that `host` and `path` may belong to, in order.
    pub(super) fn candidates(&self, host: &str, path: &str) -> Candidates {
        let mut found = Candidates::new();
        self.any_host.find(path, &mut found);
        if let Some(tree) = self.hosts.get(host) {
            tree.find(path, &mut found);
        }
        if !self.below.is_empty() {
            for (dot, _) in host.match_indices('.') {
                if let Some(tree) = self.below.get(&host[dot..]) {
                    tree.find(path, &mut found);
                }
            }
        }
        found.sort_unstable();
        found
    }
}

impl Tree {
    fn find(&self, path: &str, found: &mut Candidates) {
        found.extend_from_slice(&self.any_path);
        if let Some(rest) = path.strip_prefix('/') {
            self.root.find(Some(rest), found);
        }
    }
}

impl Node {
    fn add(&mut self, number: usize, path: &PathPattern) {
        let end = path
            .segments()
            .iter()
            .fold(self, |node, segment| match segment {
                Segment::Name(_) => node.named.get_or_insert_default(),
                Segment::Literal { text, encoded } => node.literal(text, encoded.as_ref()),
            });
        if path.has_tail() {
            end.tails.push(number);
        } else {
            end.ends.push(number);
        }
    }

    fn literal(&mut self, text: &str, encoded: Option<&[String; 2]>) -> &mut Node {
        let next = self.nodes.len();
        let at = *self.literals.entry(text.to_owned()).or_insert(next);
        if at == next {
            self.nodes.push(Node::default());
            for form in encoded.into_iter().flatten() {
                self.literals.insert(form.clone(), at);
            }
        }
        &mut self.nodes[at]
    }

    /// `rest` is what follows the slash after this node's segment, `None` when nothing does.
    fn find(&self, rest: Option<&str>, found: &mut Candidates) {
        let Some(rest) = rest else {
            return found.extend_from_slice(&self.ends);
        };
        found.extend_from_slice(&self.tails);
        let (segment, after) = match rest.split_once('/') {
            Some((segment, after)) => (segment, Some(after)),
            None => (rest, None),
        };
        if let Some(at) = self.literals.get(segment) {
            self.nodes[*at].find(after, found);
        }
        if let Some(named) = self.named.as_ref().filter(|_| !segment.is_empty()) {
            named.find(after, found);
        }
    }
}
