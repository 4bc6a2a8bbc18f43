//! Which kinds of subject can have which relation, whatever the tuples.
//!
//! One bit a (relation, kind of subject), worked out when the model is loaded; a look-up is one load.

use super::plan::{Op, OpKind, RelId, Relation, SubjectKind};

/// A table of bits: a row a relation, a column a kind of subject.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reach {
    types: usize,
    words_per_row: usize,
    bits: Vec<u64>,
}

impl Reach {
    pub(crate) fn new(types: usize, relations: &[Relation]) -> Self {
        let columns = 2 * types + relations.len();
        let words_per_row = columns.div_ceil(64);
        let mut reach = Self {
            types,
            words_per_row,
            bits: vec![0; words_per_row * relations.len()],
        };
        let mut sources: Vec<Vec<RelId>> = Vec::with_capacity(relations.len());
        for (row, relation) in (0..).zip(relations) {
            let mut from = Vec::new();
            reach.seed(row, relation, &relation.rewrite, &mut from);
            sources.push(from);
        }
        while reach.spread(&sources) {}
        reach
    }

    pub(crate) fn reaches(&self, id: RelId, subject: SubjectKind) -> bool {
        let column = self.column(subject);
        let word = self.bits[id.0 as usize * self.words_per_row + column / 64];
        word >> (column % 64) & 1 == 1
    }

    /// Sets what is assigned directly, and collects the relations that this one takes over from.
    fn seed(&mut self, row: u32, relation: &Relation, op: &Op, from: &mut Vec<RelId>) {
        match &op.kind {
            OpKind::Computed(id) => self.take_over(row, *id, from),
            OpKind::Difference(parts) => {
                for part in parts.iter() {
                    self.seed(row, relation, part, from);
                }
            }
            OpKind::Direct => {
                for to in &relation.assignable {
                    let kind = to.kind;
                    match kind {
                        SubjectKind::Object(_) => self.set(row, kind),
                        SubjectKind::Userset(id) => self.take_over(row, id, from),
                        SubjectKind::Wildcard(type_id) => {
                            self.set(row, kind);
                            self.set(row, SubjectKind::Object(type_id));
                        }
                    }
                }
            }
            OpKind::FromTupleset { targets, .. } => {
                for (_, id) in targets {
                    self.take_over(row, *id, from);
                }
            }
            OpKind::Intersection(parts) | OpKind::Union(parts) => {
                for part in parts {
                    self.seed(row, relation, part, from);
                }
            }
        }
    }

    fn take_over(&mut self, row: u32, id: RelId, from: &mut Vec<RelId>) {
        self.set(row, SubjectKind::Userset(id));
        from.push(id);
    }

    /// One round; whether anything changed.
    fn spread(&mut self, sources: &[Vec<RelId>]) -> bool {
        let mut changed = false;
        for (row, from) in sources.iter().enumerate() {
            for id in from {
                for word in 0..self.words_per_row {
                    let source = self.bits[id.0 as usize * self.words_per_row + word];
                    let target = &mut self.bits[row * self.words_per_row + word];
                    changed |= source & !*target != 0;
                    *target |= source;
                }
            }
        }
        changed
    }

    fn set(&mut self, row: u32, subject: SubjectKind) {
        let column = self.column(subject);
        self.bits[row as usize * self.words_per_row + column / 64] |= 1 << (column % 64);
    }

    fn column(&self, subject: SubjectKind) -> usize {
        match subject {
            SubjectKind::Object(id) => id.0 as usize,
            SubjectKind::Wildcard(id) => self.types + id.0 as usize,
            SubjectKind::Userset(id) => 2 * self.types + id.0 as usize,
        }
    }
}
