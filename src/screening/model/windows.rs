//! Adds up the weights of a text and of every stretch of it, in one pass.
//!
//! An attack of two lines in a long document drowns in the whole, so blocks of [`BLOCK`] tokens are
//! scored alone, by twos and by fours. A feature counts once a stretch however often it comes: for
//! each place the block that it was last seen in is kept, so a sum over four blocks is the sum of
//! the four, less what had been seen already in the three before.
//!
//! Cost: a load and a comparison a feature, as most weigh nothing; some cycles more for one that does.
//! Nothing is allocated: the memory of the places is the thread's.

use std::{cell::RefCell, ops::Range};

use super::features::{self, A_TOKEN, PLACES, Sink};

/// Tokens of a block.
pub(super) const BLOCK: usize = 32;
/// Most blocks that are scored together, short of the whole text.
const MOST: usize = 4;
/// The same as an age.
const OLDEST: u32 = 4;
/// The counts of blocks that are scored together.
pub(super) const SIZES: [usize; 3] = [1, 2, 4];

/// The weights of all features.
pub(super) type Weights = [i8; PLACES];

/// A stretch of the text and the sum of the weights of what it holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Stretch {
    pub(super) sum: i32,
    pub(super) tokens: usize,
    pub(super) range: Range<usize>,
}

/// Calls `each` with every stretch of `text`, which is folded: its blocks by ones, twos and fours,
/// and the whole.
pub(super) fn stretches(weights: &Weights, text: &str, each: impl FnMut(Stretch)) {
    thread_local! {
        static SEEN: RefCell<Seen> = RefCell::default();
    }
    SEEN.with_borrow_mut(|seen| {
        let first = seen.begin();
        let mut reader = Reader {
            weights,
            seen: &mut seen.places,
            first,
            now: first,
            weighing: [0; MOST_FEATURES],
            count: 0,
            block: Block::default(),
            recent: [Block::default(); MOST],
            blocks: 0,
            whole: 0,
            tokens: 0,
            each,
        };
        features::read(text, &mut reader);
        let last = reader.finish(text.len());
        seen.next = last;
    });
}

/// In which block each feature was seen last. Blocks are numbered on from text to text, so that
/// nothing has to be cleared between two of them.
#[derive(Debug)]
struct Seen {
    places: Box<[u32; PLACES]>,
    next: u32,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            places: vec![0; PLACES].try_into().expect("as many as were made"),
            next: GAP,
        }
    }
}

impl Seen {
    /// The number of the next text's first block.
    fn begin(&mut self) -> u32 {
        if self.next > u32::MAX / 2 {
            self.places.fill(0);
            self.next = GAP;
        }
        self.next
    }
}

/// Numbers left out between two texts: what the one before had counts as long ago.
const GAP: u32 = OLDEST + 1;

/// Ages of features: seen in this block, one to three blocks ago, longer ago in this text, never.
const AGES: usize = MOST + 2;

/// Most features of a block.
const MOST_FEATURES: usize = A_TOKEN * BLOCK;

/// What is known of one block once it is over.
#[derive(Clone, Copy, Debug, Default)]
struct Block {
    /// The sum of its features; then without those of the block before, of the two before, and of
    /// the three before.
    sums: [i32; MOST],
    tokens: usize,
    start: usize,
    end: usize,
}

struct Reader<'a, F> {
    weights: &'a Weights,
    seen: &'a mut [u32; PLACES],
    first: u32,
    now: u32,
    /// This block's features that have a weight, as often as they come.
    weighing: [u16; MOST_FEATURES],
    count: usize,
    block: Block,
    /// The last blocks, the newest last.
    recent: [Block; MOST],
    blocks: usize,
    whole: i32,
    tokens: usize,
    each: F,
}

impl<F: FnMut(Stretch)> Sink for Reader<'_, F> {
    #[inline]
    fn feature(&mut self, place: u16) {
        // Always noted, and overwritten by the next if it weighs nothing: no branch to guess.
        if let Some(last) = self.weighing.get_mut(self.count) {
            *last = place;
            self.count += usize::from(self.weights[usize::from(place)] != 0);
        }
    }

    #[inline]
    fn token(&mut self, start: usize, end: usize) {
        if self.block.tokens == 0 {
            self.block.start = start;
        }
        self.block.end = end;
        self.block.tokens += 1;
        if self.block.tokens == BLOCK {
            self.close();
        }
    }
}

impl<F: FnMut(Stretch)> Reader<'_, F> {
    fn close(&mut self) {
        let present = self.by_age();
        // From the oldest to the newest: what was never seen is new to every stretch.
        let mut sum = present[AGES - 1] + present[AGES - 2];
        for age in (0..MOST).rev() {
            self.block.sums[age] = sum;
            sum += present[age];
        }
        self.whole += present[AGES - 1];
        self.tokens += self.block.tokens;
        self.recent.rotate_left(1);
        self.recent[MOST - 1] = self.block;
        self.blocks += 1;
        for size in SIZES {
            if self.blocks >= size {
                let blocks = &self.recent[MOST - size..];
                let sums = blocks.iter().enumerate();
                let stretch = Stretch {
                    sum: sums.map(|(before, block)| block.sums[before]).sum(),
                    tokens: blocks.iter().map(|block| block.tokens).sum(),
                    range: blocks[0].start..self.block.end,
                };
                (self.each)(stretch);
            }
        }
        self.block = Block::default();
        self.count = 0;
        self.now += 1;
    }

    /// The weights of this block's features, added up by their age.
    fn by_age(&mut self) -> [i32; AGES] {
        let mut present = [0; AGES];
        for place in &self.weighing[..self.count] {
            let place = usize::from(*place);
            let before = std::mem::replace(&mut self.seen[place], self.now);
            let age = (self.now - before).min(OLDEST) + u32::from(before < self.first);
            present[age as usize] += i32::from(self.weights[place]);
        }
        present
    }

    /// Ends the text; returns the number that the next one begins with.
    fn finish(mut self, length: usize) -> u32 {
        if self.block.tokens > 0 {
            self.close();
        }
        if self.blocks > 1 {
            (self.each)(Stretch {
                sum: self.whole,
                tokens: self.tokens,
                range: 0..length,
            });
        }
        self.now + GAP
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The places of each block's features, and its tokens.
    #[derive(Default)]
    struct Plain {
        blocks: Vec<(HashSet<u16>, usize)>,
        open: HashSet<u16>,
        tokens: usize,
    }

    impl Sink for Plain {
        fn feature(&mut self, place: u16) {
            self.open.insert(place);
        }

        fn token(&mut self, _start: usize, _end: usize) {
            self.tokens += 1;
            if self.tokens == BLOCK {
                self.blocks
                    .push((std::mem::take(&mut self.open), self.tokens));
                self.tokens = 0;
            }
        }
    }

    fn weights() -> Box<Weights> {
        let weight = |place: usize| i8::try_from(place * 31 % 127).expect("below 127");
        let weights: Vec<i8> = (0..PLACES).map(weight).collect();
        weights.into_boxed_slice().try_into().expect("as many")
    }

    /// The sums as they are defined: each feature of the stretch once.
    fn slow(weights: &Weights, text: &str) -> Vec<(i32, usize)> {
        let mut plain = Plain::default();
        features::read(text, &mut plain);
        if plain.tokens > 0 {
            plain.blocks.push((plain.open, plain.tokens));
        }
        let blocks = &plain.blocks;
        let over = |blocks: &[(HashSet<u16>, usize)]| {
            let places: HashSet<u16> = blocks.iter().flat_map(|b| b.0.iter().copied()).collect();
            let sum: i32 = places
                .iter()
                .map(|place| i32::from(weights[usize::from(*place)]))
                .sum();
            (sum, blocks.iter().map(|block| block.1).sum())
        };
        let mut sums = Vec::new();
        for end in 1..=blocks.len() {
            for size in SIZES.into_iter().filter(|size| *size <= end) {
                sums.push(over(&blocks[end - size..end]));
            }
        }
        if blocks.len() > 1 {
            sums.push(over(blocks));
        }
        sums
    }

    #[test]
    fn sums_over_stretches_are_those_of_each_stretch_by_itself() {
        let weights = weights();
        let words = [
            "ignore", "the", "rules", "of", "chess", "and", "1984", "...", "你",
        ];
        for length in [0, 1, 31, 32, 33, 64, 100, 129, 500] {
            let text: Vec<&str> = (0..length)
                .map(|at| words[(at * at + at / 7) % words.len()])
                .collect();
            let text = text.join(" ");
            let mut fast = Vec::new();
            stretches(&weights, &text, |found| {
                fast.push((found.sum, found.tokens));
            });
            assert_eq!(fast, slow(&weights, &text), "{length} words");
        }
    }

    #[test]
    fn one_text_leaves_nothing_behind_for_the_next() {
        let weights = weights();
        let sums = |text: &str| {
            let mut sums = Vec::new();
            stretches(&weights, text, |found| sums.push(found));
            sums
        };
        let first = sums("ignore the rules");
        sums(&"the rules of chess ".repeat(100));
        assert_eq!(sums("ignore the rules"), first);
    }
}
