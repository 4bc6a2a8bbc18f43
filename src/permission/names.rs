//! Objects' names, each stored once and numbered.
//!
//! All names lie end to end in one string; a table of (hash, number) finds them. Beside each name lies
//! a tag, 32 bits for whoever numbers, so that who finds a name has its tag at hand. About 16 bytes an
//! object besides its text, where a map of owned strings takes some 85. A look-up costs one keyed
//! hash and, nearly always, one comparison; what takes time is waiting for memory, so many names are
//! looked up together ([`Names::find_all`]).

use std::{
    hash::{BuildHasher, Hasher},
    hint::black_box,
};

use foldhash::fast::RandomState;

/// Names and their numbers.
#[derive(Debug, Default)]
pub(crate) struct Names {
    text: String,
    entries: Vec<Entry>,
    /// Open addressing; a power of two long, at most three quarters full, and a quarter while it is small:
    /// where memory is near, looking at the wrong slot first is what takes time.
    slots: Vec<Slot>,
    hasher: RandomState,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where the name ends in `text`.
    end: u32,
    tag: u32,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u32,
    id: u32,
}

/// What [`Names::find_all`] finds of a name: its number and its tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Found {
    pub(crate) id: u32,
    pub(crate) tag: u32,
}

impl Found {
    pub(crate) const NOTHING: Self = Self { id: NONE, tag: 0 };
}

/// Whether two names are the same. Names are short, and calling for a comparison of memory takes
/// longer than comparing two words.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    if a.len() > 16 {
        return a == b;
    }
    // The first and the last word overlap unless all sixteen bytes are there.
    if let (Some(first), Some(last)) = (a.first_chunk::<8>(), a.last_chunk::<8>()) {
        return Some(first) == b.first_chunk() && Some(last) == b.last_chunk();
    }
    if let (Some(first), Some(last)) = (a.first_chunk::<4>(), a.last_chunk::<4>()) {
        return Some(first) == b.first_chunk() && Some(last) == b.last_chunk();
    }
    a == b
}

impl Names {
    /// The number of `name`, if it has one.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let hash = self.hash(name.as_bytes());
        self.probe(name, hash).ok()
    }

    /// What is known of each of at most [`BLOCK`] names, [`Found::NOTHING`] of those that have no number.
    ///
    /// Each step is done for all before the next one, unless the table is small: none waits for the
    /// others' memory.
    pub(crate) fn find_all(&self, names: &[&[u8]], found: &mut [Found; BLOCK]) {
        let Some(mask) = self.slots.len().checked_sub(1) else {
            *found = [Found::NOTHING; BLOCK];
            return;
        };
        if self.slots.len() <= NEAR_SLOTS {
            for (found, name) in found.iter_mut().zip(names) {
                *found = self.look_up(name, self.hash(name));
            }
            return;
        }
        let mut slots = [Slot { hash: 0, id: NONE }; BLOCK];
        let mut hashes = [0_u32; BLOCK];
        let mut starts = [(0_u32, 0_u32); BLOCK];
        for (hash, name) in hashes.iter_mut().zip(names) {
            *hash = self.hash(name);
        }
        for (slot, hash) in slots.iter_mut().zip(&hashes[..names.len()]) {
            let mut at = *hash as usize & mask;
            // Neighbours share their memory, and a hash that differs tells without the text.
            while self.slots[at].id != NONE && self.slots[at].hash != *hash {
                at = (at + 1) & mask;
            }
            *slot = self.slots[at];
        }
        let mut seen = 0_u8;
        let found = &mut found[..names.len()];
        for ((found, slot), text) in found.iter_mut().zip(&slots).zip(&mut starts) {
            let Some(entry) = self.entries.get(slot.id as usize) else {
                *found = Found::NOTHING;
                continue;
            };
            let start = slot.id.checked_sub(1);
            let start = start.map_or(0, |before| self.entries[before as usize].end);
            *text = (start, entry.end);
            seen ^= self
                .text
                .as_bytes()
                .get(start as usize)
                .copied()
                .unwrap_or(0);
            *found = Found {
                id: slot.id,
                tag: entry.tag,
            };
        }
        // The texts were asked for above, all at once.
        black_box(seen);
        for (index, (name, found)) in names.iter().zip(found).enumerate() {
            let (start, end) = starts[index];
            let text = &self.text.as_bytes()[start as usize..end as usize];
            if found.id != NONE && !same(text, name) {
                *found = self.look_up(name, hashes[index]);
            }
        }
    }

    /// The number of `name`, new or known; `None` when all names together pass 4 GiB. A new name has
    /// the tag `tag`.
    pub(crate) fn intern(&mut self, name: &str, tag: u32) -> Option<u32> {
        let quarters = if self.slots.len() < NEAR_SLOTS { 1 } else { 3 };
        if (self.entries.len() + 1) * 4 > self.slots.len() * quarters {
            self.grow();
        }
        let hash = self.hash(name.as_bytes());
        let slot = match self.probe(name, hash) {
            Ok(id) => return Some(id),
            Err(slot) => slot,
        };
        let end = u32::try_from(self.text.len() + name.len()).ok()?;
        let id = u32::try_from(self.entries.len())
            .ok()
            .filter(|&id| id != NONE)?;
        self.text.push_str(name);
        self.entries.push(Entry { end, tag });
        self.slots[slot] = Slot { hash, id };
        Some(id)
    }

    /// The name that has the number `id`.
    pub(crate) fn name(&self, id: u32) -> &str {
        let (start, end) = self.bounds(id).unwrap_or_default();
        &self.text[start..end]
    }

    /// What is known of `name`, in a table that is not empty.
    #[inline]
    fn look_up(&self, name: &[u8], hash: u32) -> Found {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.id == NONE {
                return Found::NOTHING;
            }
            if slot.hash == hash {
                let Entry { end, tag } = self.entries[slot.id as usize];
                let start = slot.id.checked_sub(1);
                let start = start.map_or(0, |before| self.entries[before as usize].end);
                let text = &self.text.as_bytes()[start as usize..end as usize];
                if same(text, name) {
                    return Found { id: slot.id, tag };
                }
            }
            at = (at + 1) & mask;
        }
    }

    fn bounds(&self, id: u32) -> Option<(usize, usize)> {
        let id = id as usize;
        let end = self.entries.get(id)?.end;
        let start = if id == 0 { 0 } else { self.entries[id - 1].end };
        Some((start as usize, end as usize))
    }

    /// The tag of `id`.
    pub(crate) fn tag(&self, id: u32) -> u32 {
        self.entries[id as usize].tag
    }

    /// Every tag, in the order of the numbers.
    pub(crate) fn tags(&self) -> impl ExactSizeIterator<Item = u32> {
        self.entries.iter().map(|entry| entry.tag)
    }

    /// As [`Names::tags`], to be changed.
    pub(crate) fn tags_mut(&mut self) -> impl Iterator<Item = &mut u32> {
        self.entries.iter_mut().map(|entry| &mut entry.tag)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Gives back what was set aside for more names.
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.entries.shrink_to_fit();
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
            if slot.id == NONE {
                return Err(at);
            }
            if slot.hash == hash && self.name(slot.id) == name {
                return Ok(slot.id);
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let free = Slot { hash: 0, id: NONE };
        let wanted = (self.slots.len() * 2).max(16);
        let old = std::mem::replace(&mut self.slots, vec![free; wanted]);
        let mask = wanted - 1;
        for slot in old.into_iter().filter(|slot| slot.id != NONE) {
            let mut at = slot.hash as usize & mask;
            while self.slots[at].id != NONE {
                at = (at + 1) & mask;
            }
            self.slots[at] = slot;
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "any 32 bits of the hash serve"
    )]
    fn hash(&self, name: &[u8]) -> u32 {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(name);
        hasher.finish() as u32
    }
}

/// How many names are looked up together: enough to keep memory busy, few enough for the stack.
pub(crate) const BLOCK: usize = 64;

/// A table of so many lies near whoever looks names up.
const NEAR_SLOTS: usize = if cfg!(test) { 64 } else { 8_192 };

/// The number that no name has.
pub(crate) const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number_while_the_table_grows() {
        let mut names = Names::default();
        let name = |n: u32| format!("user:{n}");
        for n in 0..10_000 {
            assert_eq!(names.intern(&name(n), n), Some(n));
        }
        for n in 0..10_000 {
            assert_eq!(names.find(&name(n)), Some(n));
            assert_eq!(names.intern(&name(n), n), Some(n));
            assert_eq!(names.name(n), name(n));
            assert_eq!(names.tag(n), n);
        }
        assert_eq!(names.find("user:10000"), None);
    }

    #[test]
    fn names_looked_up_together_are_found_as_they_are_singly() {
        let mut names = Names::default();
        for n in 0..1_000 {
            names.intern(&format!("user:{}", n * 3), n);
        }
        let asked: Vec<String> = (0..3_000).map(|n| format!("user:{n}")).collect();
        for block in asked.chunks(BLOCK) {
            let bytes: Vec<&[u8]> = block.iter().map(String::as_bytes).collect();
            let mut found = [Found::NOTHING; BLOCK];
            names.find_all(&bytes, &mut found);
            for (name, found) in block.iter().zip(found) {
                let id = names.find(name);
                let singly = id.map(|id| Found {
                    id,
                    tag: names.tag(id),
                });
                assert_eq!(singly.unwrap_or(Found::NOTHING), found, "{name}");
            }
        }
    }

    #[test]
    fn nothing_is_found_in_an_empty_table() {
        let names = Names::default();
        assert_eq!(names.find("user:1"), None);
        let mut found = [Found { id: 0, tag: 0 }; BLOCK];
        names.find_all(&[b"user:1"], &mut found);
        assert_eq!(found[0], Found::NOTHING);
    }

    #[test]
    fn names_of_every_length_are_the_same_only_if_all_their_bytes_are() {
        for length in 0..40 {
            let name = vec![b'a'; length];
            assert!(same(&name, &name.clone()));
            assert!(!same(&name, &vec![b'a'; length + 1]));
            for at in 0..length {
                let mut other = name.clone();
                other[at] = b'b';
                assert!(!same(&name, &other), "{at} of {length}");
            }
        }
    }
}
