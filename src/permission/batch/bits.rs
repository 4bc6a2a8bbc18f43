//! A set of small numbers, as bits in pages: a test is two loads, and only pages in use take memory.

/// A set of numbers.
#[derive(Debug, Default)]
pub(super) struct Bits {
    /// By page: its place among `pages`, from 1; 0 where it has none.
    places: Vec<u32>,
    pages: Vec<Page>,
}

type Page = [u64; WORDS];

impl Bits {
    /// Puts `number` in; whether it was not there yet.
    pub(super) fn insert(&mut self, number: u32) -> bool {
        let (page, word, bit) = parts(number);
        if page >= self.places.len() {
            self.places.resize(page + 1, 0);
        }
        if self.places[page] == 0 {
            self.pages.push([0; WORDS]);
            self.places[page] = u32::try_from(self.pages.len()).unwrap_or(u32::MAX);
        }
        let word = &mut self.pages[self.places[page] as usize - 1][word];
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// The numbers of both, word by word as `join` has it; of two empty words it must make an empty one.
    pub(super) fn joined(&self, other: &Self, join: impl Fn(u64, u64) -> u64) -> Self {
        let mut all = Self {
            places: vec![0; self.places.len().max(other.places.len())],
            pages: Vec::new(),
        };
        for (number, place) in all.places.iter_mut().enumerate() {
            let (one, two) = (self.page(number), other.page(number));
            if one.is_none() && two.is_none() {
                continue;
            }
            let (one, two) = (one.unwrap_or(&EMPTY), two.unwrap_or(&EMPTY));
            all.pages
                .push(std::array::from_fn(|word| join(one[word], two[word])));
            *place = u32::try_from(all.pages.len()).unwrap_or(u32::MAX);
        }
        all
    }

    /// What they take beside themselves.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.places) + size_of_val(&*self.pages)
    }

    fn page(&self, number: usize) -> Option<&Page> {
        let place = self.places.get(number)?.checked_sub(1)?;
        self.pages.get(place as usize)
    }

    #[inline]
    pub(super) fn has(&self, number: u32) -> bool {
        let (page, word, bit) = parts(number);
        match self.places.get(page) {
            None | Some(0) => false,
            Some(&place) => self.pages[place as usize - 1][word] & bit != 0,
        }
    }
}

fn parts(number: u32) -> (usize, usize, u64) {
    let number = number as usize;
    (
        number / PAGE_BITS,
        number % PAGE_BITS / 64,
        1 << (number % 64),
    )
}

/// A page is half a kibibyte.
const WORDS: usize = 64;

const PAGE_BITS: usize = WORDS * 64;

const EMPTY: Page = [0; WORDS];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_joined_number_by_number() {
        let of = |numbers: &[u32]| {
            let mut bits = Bits::default();
            for number in numbers {
                bits.insert(*number);
            }
            bits
        };
        let (one, two) = (of(&[1, 5_000, 90_000]), of(&[1, 2, 90_000, 400_000]));
        for (join, kept) in [
            ((|a, b| a & b) as fn(u64, u64) -> u64, &[1, 90_000][..]),
            (|a, b| a & !b, &[5_000]),
            (|a, b| a | b, &[1, 2, 5_000, 90_000, 400_000]),
        ] {
            let joined = one.joined(&two, join);
            let all = [0, 1, 2, 3, 5_000, 5_001, 90_000, 400_000, 9_000_000];
            let held: Vec<u32> = all.into_iter().filter(|at| joined.has(*at)).collect();
            assert_eq!(held, kept);
        }
    }

    #[test]
    fn what_was_put_in_is_there_and_nothing_else() {
        let mut bits = Bits::default();
        let numbers = [0, 63, 64, 4_095, 4_096, 1_000_000, 20_000_000];
        assert!(numbers.iter().all(|number| bits.insert(*number)));
        assert!(!numbers.iter().any(|number| bits.insert(*number)));
        for number in numbers {
            assert!(bits.has(number));
            assert!(numbers.contains(&(number + 1)) || !bits.has(number + 1));
        }
        assert!(!bits.has(u32::MAX));
    }
}
