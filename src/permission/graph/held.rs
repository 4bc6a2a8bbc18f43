//! The tuples read from the subject's side: where is it assigned?
//!
//! Only tuples without condition: what hangs on a condition is left to the single check. Each list is
//! sorted by relation, so that what does not matter is passed over in one go.

use std::{collections::BTreeMap, ops::Range};

use super::{Graph, Node};
use crate::permission::plan::{RelId, TypeId};

/// By subject: the nodes it is assigned to.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// By object: where its run in `nodes` begins; one more at the end.
    starts: Vec<u32>,
    nodes: Vec<Node>,
    /// By object: where its run in `sets` begins; one more at the end.
    set_starts: Vec<u32>,
    sets: Vec<(RelId, Node)>,
    /// By type: what all of it are assigned to.
    everyone: BTreeMap<TypeId, Vec<Node>>,
}

impl Held {
    /// Turns `graph` around: counts first, then fills.
    pub(super) fn new(graph: &Graph) -> Self {
        let mut places: Vec<u32> = (0..).take(graph.nodes.len()).collect();
        places.sort_by_key(|place| graph.nodes[*place as usize].parts().0);
        let objects = graph.names.len();
        let blank = Node::new(RelId(0), 0);
        let mut held = Self {
            starts: starts(objects, graph.objects.iter().copied()),
            nodes: vec![blank; graph.objects.len()],
            set_starts: starts(objects, graph.usersets.iter().map(|set| set.parts().1)),
            sets: vec![(RelId(0), blank); graph.usersets.len()],
            everyone: BTreeMap::new(),
        };
        let (mut next, mut next_set) = (held.starts.clone(), held.set_starts.clone());
        for place in places {
            let node = graph.nodes[place as usize];
            let assigned = graph.assigned_at(place as usize);
            for &object in assigned.objects {
                held.nodes[take(&mut next, object)] = node;
            }
            for set in assigned.usersets {
                let (relation, object) = set.parts();
                held.sets[take(&mut next_set, object)] = (relation, node);
            }
            for of in assigned.wildcards {
                held.everyone.entry(*of).or_default().push(node);
            }
        }
        held
    }

    /// Where `object` itself is assigned.
    pub(crate) fn by_object(&self, object: u32) -> &[Node] {
        &self.nodes[run(&self.starts, object)]
    }

    /// Where `object` itself is assigned as `relation`.
    pub(crate) fn assigned_as(&self, relation: RelId, object: u32) -> &[Node] {
        let nodes = self.by_object(object);
        let from = nodes.partition_point(|node| node.parts().0 < relation);
        let to = nodes.partition_point(|node| node.parts().0 <= relation);
        &nodes[from..to]
    }

    /// Where sets of `object` are assigned: the relation that makes the set, and the node.
    pub(crate) fn by_sets_of(&self, object: u32) -> &[(RelId, Node)] {
        &self.sets[run(&self.set_starts, object)]
    }

    /// Where all objects of type `of` are assigned.
    pub(crate) fn by_everyone(&self, of: TypeId) -> &[Node] {
        self.everyone.get(&of).map_or(&[], Vec::as_slice)
    }
}

/// Where each object's run begins, when each of `objects` takes one place.
fn starts(count: usize, objects: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut starts = vec![0; count + 1];
    for object in objects {
        starts[object as usize + 1] += 1;
    }
    for at in 0..count {
        starts[at + 1] += starts[at];
    }
    starts
}

fn take(next: &mut [u32], object: u32) -> usize {
    let place = &mut next[object as usize];
    *place += 1;
    *place as usize - 1
}

/// Empty for an object that is not the graph's.
fn run(starts: &[u32], object: u32) -> Range<usize> {
    let at = object as usize;
    match (starts.get(at), starts.get(at.saturating_add(1))) {
        (Some(&from), Some(&to)) => from as usize..to as usize,
        _ => 0..0,
    }
}
