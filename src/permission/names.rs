//! Objects' names, each stored once and numbered.
//!
//! All names lie end to end in one string; a table of (hash, number) finds them. About 12 bytes an
//! object besides its text, where a map of owned strings takes some 85. A look-up costs one keyed
//! hash and, nearly always, one comparison.

use std::hash::{BuildHasher, RandomState};

/// Names and their numbers.
#[derive(Debug, Default)]
pub(crate) struct Names {
    text: String,
    /// Where each name ends in `text`.
    ends: Vec<u32>,
    /// Open addressing; a power of two long, at most three quarters full.
    slots: Vec<Slot>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    id: u32,
}

impl Names {
    /// The number of `name`, if it has one.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let hash = self.hash(name);
        self.probe(name, hash).ok()
    }

    /// The number of `name`, new or known; `None` when all names together pass 4 GiB.
    pub(crate) fn intern(&mut self, name: &str) -> Option<u32> {
        if (self.ends.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let hash = self.hash(name);
        let slot = match self.probe(name, hash) {
            Ok(id) => return Some(id),
            Err(slot) => slot,
        };
        let end = u32::try_from(self.text.len() + name.len()).ok()?;
        let id = u32::try_from(self.ends.len())
            .ok()
            .filter(|&id| id != FREE)?;
        self.text.push_str(name);
        self.ends.push(end);
        self.slots[slot] = Slot { hash, id };
        Some(id)
    }

    /// The name that has the number `id`.
    pub(crate) fn name(&self, id: u32) -> &str {
        let id = id as usize;
        let start = if id == 0 { 0 } else { self.ends[id - 1] };
        &self.text[start as usize..self.ends[id] as usize]
    }

    /// `Ok` with the number, or `Err` with the free slot where the name belongs.
    fn probe(&self, name: &str, hash: u32) -> Result<u32, usize> {
        if self.slots.is_empty() {
            return Err(0);
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.id == FREE {
                return Err(at);
            }
            if slot.hash == hash && self.name(slot.id) == name {
                return Ok(slot.id);
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let free = Slot { hash: 0, id: FREE };
        let wanted = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, vec![free; wanted]);
        let mask = wanted - 1;
        for slot in old.into_iter().filter(|slot| slot.id != FREE) {
            let mut at = slot.hash as usize & mask;
            while self.slots[at].id != FREE {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "any 32 bits of the hash serve"
    )]
    fn hash(&self, name: &str) -> u32 {
        self.hasher.hash_one(name) as u32
    }
}

/// The number that no name has.
const FREE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_while_the_table_grows() {
        let mut names = Names::default();
        let name = |n: u32| format!("user:{n}");
        for n in 0..10_000 {
            assert_eq!(names.intern(&name(n)), Some(n));
        }
        for n in 0..10_000 {
            assert_eq!(names.find(&name(n)), Some(n));
            assert_eq!(names.intern(&name(n)), Some(n));
            assert_eq!(names.name(n), name(n));
        }
        assert_eq!(names.find("user:10000"), None);
    }

    #[test]
    fn nothing_is_found_in_an_empty_table() {
        assert_eq!(Names::default().find("user:1"), None);
    }
}
