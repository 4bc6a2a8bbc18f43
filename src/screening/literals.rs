//! Every literal that starts a rule, looked for at once.
//!
//! ```text
//! four bytes of the text -> no literal has such:  nearly always
//!                        -> some have:            compare
//! ```
//!
//! Phrases and secrets are looked for in one pass over the folded text: it costs as much as the pass for
//! either. Each literal is known by those four of its bytes that are rarest in English.
//!
//! # What a reader would get wrong
//!
//! This is no automaton on purpose. An automaton of a thousand literals takes megabytes, and each byte waits
//! for the state that the one before led to; here the places of a text are looked at independently of each
//! other, in tables that stay near the core.
//!
//! # Cost
//!
//! Two to three nanoseconds a byte of prose; some tens where a text repeats what many literals have in
//! common.

use std::{collections::BTreeMap, ops::Range};

use memchr::memchr_iter;

use super::blocks::eight;

/// The literals, and what each leads to.
#[derive(Debug)]
pub(super) struct Literals<Lead> {
    /// By the hash of three bytes: a bit for each byte that may come next, of which three bits count,
    /// where some literal is known by the four.
    filter: Box<[u8; 1 << FILTER_BITS]>,
    /// Open addressing, at most half full.
    slots: Vec<Slot>,
    places: Vec<Place>,
    texts: Vec<Box<[u8]>>,
    leads: Vec<Vec<Lead>>,
    /// Literals of fewer than three bytes.
    short: Vec<usize>,
}

/// Three bytes that literals are known by; free without places.
#[derive(Clone, Debug, Default)]
struct Slot {
    three: u32,
    places: Range<usize>,
}

/// Where in which literal they stand.
#[derive(Clone, Copy, Debug)]
struct Place {
    literal: usize,
    at: usize,
    /// How the literal begins.
    head: Head,
}

/// Up to eight bytes that are compared at once.
#[derive(Clone, Copy, Debug)]
struct Head {
    bytes: u64,
    /// Which of them count.
    mask: u64,
}

impl Head {
    fn of(literal: &[u8]) -> Self {
        let mask = u64::MAX >> (64 - 8 * literal.len().clamp(1, 8));
        let bytes = eight(literal);
        Self { bytes, mask }
    }

    fn begins(self, bytes: &[u8]) -> bool {
        eight(bytes) & self.mask == self.bytes
    }
}

/// A literal in a text. In the order of the ends.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Hit {
    end: usize,
    start: usize,
    literal: usize,
}

impl<Lead> Literals<Lead> {
    /// Takes literals in folded form, none of them empty; one may come more than once.
    pub(super) fn new(rows: impl Iterator<Item = (String, Lead)>) -> Self {
        let mut known: BTreeMap<String, Vec<Lead>> = BTreeMap::new();
        for (literal, lead) in rows {
            known.entry(literal).or_default().push(lead);
        }
        let (literals, leads): (Vec<String>, Vec<_>) = known.into_iter().unzip();
        let mut short = Vec::new();
        let mut by_three: BTreeMap<u32, Vec<Place>> = BTreeMap::new();
        for (literal, text) in literals.iter().enumerate() {
            let bytes = text.as_bytes();
            if bytes.len() < 3 {
                short.push(literal);
                continue;
            }
            let length = bytes.len().min(4);
            let rarest = bytes.windows(length).map(commonness).enumerate();
            let at = rarest.min_by_key(|(_, common)| *common);
            let at = at.map_or(0, |(at, _)| at);
            let places = by_three.entry(three(&bytes[at..])).or_default();
            let head = Head::of(bytes);
            places.push(Place { literal, at, head });
        }
        let mut all = Self {
            filter: vec![0; 1 << FILTER_BITS].try_into().expect("as long"),
            slots: vec![Slot::default(); (2 * by_three.len()).next_power_of_two()],
            places: Vec::new(),
            texts: literals
                .into_iter()
                .map(|text| text.into_bytes().into())
                .collect(),
            leads,
            short,
        };
        for (three, places) in by_three {
            all.add(three, &places);
        }
        all
    }

    fn add(&mut self, three: u32, places: &[Place]) {
        for Place { literal, at, .. } in places {
            let next = self.texts[*literal].get(at + 3);
            self.filter[filtered(three)] |= next.map_or(u8::MAX, |next| 1 << (next % 8));
        }
        let mask = self.slots.len() - 1;
        let mut slot = hash(three) & mask;
        while !self.slots[slot].places.is_empty() {
            slot = (slot + 1) & mask;
        }
        let from = self.places.len();
        self.places.extend_from_slice(places);
        self.slots[slot] = Slot {
            three,
            places: from..self.places.len(),
        };
    }

    /// Calls `found` with each literal of `text` and what it leads to, in the order of their ends.
    pub(super) fn each(&self, text: &str, mut found: impl FnMut(&[Lead], Range<usize>)) {
        let bytes = text.as_bytes();
        let mut hits = Vec::new();
        // So many places have three bytes.
        let all = bytes.len().saturating_sub(2);
        for from in (0..all).step_by(TOGETHER) {
            let mut marks = self.marks(bytes, from..all.min(from + TOGETHER));
            while marks != 0 {
                self.compare(bytes, from + marks.trailing_zeros() as usize, &mut hits);
                marks &= marks - 1;
            }
        }
        for &literal in &self.short {
            let text = &self.texts[literal];
            let starts = memchr_iter(text[0], bytes).filter(|at| bytes[*at..].starts_with(text));
            hits.extend(starts.map(|start| Hit {
                end: start + text.len(),
                start,
                literal,
            }));
        }
        hits.sort_unstable();
        for hit in hits {
            found(&self.leads[hit.literal], hit.start..hit.end);
        }
    }

    /// A bit for each of at most [`TOGETHER`] places where a literal may be.
    #[inline]
    fn marks(&self, bytes: &[u8], places: Range<usize>) -> u64 {
        let mut marks = 0;
        if places.len() == TOGETHER
            && let Some(block) = bytes[places.start..].first_chunk::<{ TOGETHER + 4 }>()
        {
            for from in (0..TOGETHER).step_by(4) {
                let eight = eight(&block[from..]);
                for at in 0..4 {
                    marks |= self.mark(low(eight >> (8 * at))) << (from + at);
                }
            }
        } else {
            // What would follow the text matters to longer literals only, which are not there.
            let four =
                |at: usize| three(&bytes[at..]) | u32::from(*bytes.get(at + 3).unwrap_or(&0)) << 24;
            for (at, place) in places.enumerate() {
                marks |= self.mark(four(place)) << at;
            }
        }
        marks
    }

    /// 1 where these four bytes may be those that a literal is known by.
    #[inline]
    fn mark(&self, four: u32) -> u64 {
        let next = (four >> 24) % 8;
        u64::from(self.filter[filtered(four)] >> next & 1)
    }

    /// Notes the literals that are known by the three bytes at `at` and are there.
    fn compare(&self, bytes: &[u8], at: usize, hits: &mut Vec<Hit>) {
        let three = three(&bytes[at..]);
        let mask = self.slots.len() - 1;
        let mut slot = hash(three) & mask;
        while self.slots[slot].three != three {
            if self.slots[slot].places.is_empty() {
                return;
            }
            slot = (slot + 1) & mask;
        }
        let slot = &self.slots[slot];
        for place in &self.places[slot.places.clone()] {
            let Some(start) = at.checked_sub(place.at) else {
                continue;
            };
            let literal = &self.texts[place.literal];
            if place.head.begins(&bytes[start..]) && bytes[start..].starts_with(literal) {
                hits.push(Hit {
                    end: start + literal.len(),
                    start,
                    literal: place.literal,
                });
            }
        }
    }
}

/// The first three of `bytes`, of which there are as many.
fn three(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])
}

/// The low half, of which three bytes count.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the rest is looked at next"
)]
fn low(eight: u64) -> u32 {
    eight as u32
}

/// Where the filter has its mark of three bytes; a fourth above them does not count.
fn filtered(three: u32) -> usize {
    // The factor's last byte is 0, so what is above the three is shifted out.
    (three.wrapping_mul(0x9e37_7900) >> (u32::BITS - FILTER_BITS)) as usize
}

fn hash(three: u32) -> usize {
    (three.wrapping_mul(0x9e37_79b1) >> 12) as usize
}

/// How often bytes come side by side in folded English, roughly, on a scale of its own: what a literal is
/// known by should be rare.
fn commonness(bytes: &[u8]) -> usize {
    let of_pair = |pair: &[u8]| {
        let mut common = COMMON_PAIRS.as_bytes().chunks(2);
        let rank = common.position(|common| common == pair);
        let apart = || 1 + single(pair[0]) * single(pair[1]) / 3;
        rank.map_or_else(apart, |rank| 720_000 / (12 + rank))
    };
    bytes.windows(2).map(of_pair).product()
}

/// The same of a byte by itself.
fn single(byte: u8) -> usize {
    match byte {
        b' ' => 180,
        b'e' => 100,
        b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 60,
        b'h' | b'l' | b'd' => 38,
        b'u' | b'c' | b'm' | b'f' | b'p' => 22,
        b'g' | b'w' | b'y' | b'b' | b',' | b'.' => 14,
        b'v' | b'k' | b'0'..=b'9' => 7,
        b'-' | b'\'' | b'"' | b'(' | b')' | b':' | b'/' | b'_' => 4,
        b'x' | b'j' | b'q' | b'z' => 2,
        _ => 1,
    }
}

/// The pairs that come most often in what people ask language models, in that order.
const COMMON_PAIRS: &str = "\
    e  t aths int heanerd re ionn te satesenorstr  o ctindouy . , nt wsengitar ptoisal fleedo \
    de eio dco m r bl hari hnsvea meg asmall: f foneli nraroeatactutchofurhiicecusceacelettrpr yyoomhoh \
    be--si lnowicapeilow unaollorslaulpodige gexplncem";

/// The filter takes 32 KiB: as much as a core has nearest.
const FILTER_BITS: u32 = 15;

/// Places of a text that are looked at without a branch: a bit each.
const TOGETHER: usize = 64;

/// How many neighbourhoods are tried between two looks at the clock.
pub(super) const CHECKED: usize = 16;

/// The neighbourhoods that rules are tried in; those of one rule are merged, so that no rule
/// searches any text twice.
#[derive(Debug, Default)]
pub(super) struct Windows {
    windows: Vec<(usize, Range<usize>)>,
    /// Where in `windows` each rule's last one is; made when the first literal is seen.
    last: Vec<u32>,
}

impl Windows {
    /// Adds one of `rule`, of the `rules` there are. Windows come in the order of their ends.
    pub(super) fn add(&mut self, rules: usize, rule: usize, window: Range<usize>) {
        if self.last.is_empty() {
            self.last = vec![u32::MAX; rules];
        }
        match self.windows.get_mut(self.last[rule] as usize) {
            Some((_, open)) if window.start <= open.end => open.end = window.end.max(open.end),
            _ => {
                self.last[rule] = u32::try_from(self.windows.len()).unwrap_or(u32::MAX);
                self.windows.push((rule, window));
            }
        }
    }

    /// Whether there is nothing to try.
    pub(super) fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Each rule and a place to try it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Range<usize>)> {
        self.windows.iter().cloned()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By looking for each at each place.
    fn expected(literals: &[String], text: &str) -> Vec<(usize, usize, usize)> {
        let mut hits = Vec::new();
        for (number, literal) in literals.iter().enumerate() {
            let starts = 0..=text.len().saturating_sub(literal.len());
            let is_there = |at: &usize| text.as_bytes()[*at..].starts_with(literal.as_bytes());
            let ends = starts
                .filter(is_there)
                .map(|at| (at + literal.len(), at, number));
            hits.extend(ends);
        }
        hits.sort_unstable();
        hits
    }

    proptest! {
        #[test]
        fn all_that_is_there_is_found_and_nothing_else(
            literals in prop::collection::btree_set("[abé ]{1,6}", 1..40),
            text in "[abcé ]{0,300}",
        ) {
            let literals: Vec<String> = literals.into_iter().collect();
            let rows = literals.iter().cloned().zip(0..);
            let all = Literals::new(rows);
            let mut hits = Vec::new();
            all.each(&text, |leads, hit| hits.push((hit.end, hit.start, leads[0])));
            let ends: Vec<usize> = hits.iter().map(|hit| hit.0).collect();
            prop_assert!(ends.is_sorted());
            hits.sort_unstable();
            prop_assert_eq!(hits, expected(&literals, &text));
        }
    }

    #[test]
    fn a_literal_that_comes_twice_leads_to_both() {
        let rows = [("password", 1), ("key", 2), ("password", 3)];
        let all = Literals::new(rows.into_iter().map(|(text, lead)| (text.to_owned(), lead)));
        let mut seen = Vec::new();
        all.each("my password, my key", |leads, hit| {
            seen.push((leads.to_vec(), hit));
        });
        assert_eq!(seen, [(vec![1, 3], 3..11), (vec![2], 16..19)]);
    }

    #[test]
    fn without_literals_nothing_is_found() {
        let none = Literals::<()>::new(std::iter::empty());
        none.each("anything at all", |_, _| panic!("there is nothing"));
    }
}
