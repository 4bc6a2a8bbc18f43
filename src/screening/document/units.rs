//! The parts of a lane that are read by themselves, so that what was read before need not be again.
//!
//! ```text
//! lane      one long message, then short ones, then a long one
//! units     |---- long ----|        |-- short ones --|        |-- long --|
//! borders              |------|                |------|
//! ```
//!
//! A long string is a unit, wherever it stands and whoever sent it before; short ones are gathered
//! until they are long together. What could be cut in two by that is read once more where two units
//! meet. How a lane is cut depends on what stands before the cut alone: a chat that has grown has
//! the units it had, and new ones at its end.
//!
//! Cost: the text of borders comes twice, at most an eighth of it again.

use std::ops::Range;

use super::{Lane, SEAM};

impl Lane {
    /// The lane's units, then their borders; the lane itself where it is but one. Each is a lane of
    /// its own, with seams of its own.
    pub(in crate::screening) fn units(self) -> Vec<Self> {
        let units = self.long_enough();
        if units.len() < 2 {
            return vec![self];
        }
        let is_short = |unit: &Range<usize>| unit.len() <= 2 * SEAM;
        let mut borders: Vec<Range<usize>> = Vec::new();
        for pair in units.windows(2) {
            // A short unit is read with its borders, and not again.
            let [start, end] = [
                if is_short(&pair[0]) {
                    pair[0].start
                } else {
                    pair[0].end - SEAM
                },
                if is_short(&pair[1]) {
                    pair[1].end
                } else {
                    pair[1].start + SEAM
                },
            ];
            match borders.last_mut() {
                Some(last) if start <= last.end => last.end = end,
                _ => borders.push(start..end),
            }
        }
        let long = units.into_iter().filter(|unit| !is_short(unit));
        long.chain(borders)
            .map(|range| self.only(&[range]))
            .collect()
    }

    /// Where units stand: a line break apart, and at least [`LEAST`] bytes long but for the last of
    /// several short strings before a long one.
    fn long_enough(&self) -> Vec<Range<usize>> {
        let mut units: Vec<Range<usize>> = Vec::new();
        let mut open = false;
        for piece in &self.pieces {
            let end = piece.at + piece.len;
            match units.last_mut() {
                Some(last) if open && piece.len < LEAST => last.end = end,
                _ => units.push(piece.at..end),
            }
            open = units.last().is_some_and(|last| last.len() < LEAST);
        }
        units
    }
}

/// The least that is worth being a unit. Shorter ones have more borders to read twice (1 KB made the
/// first sight of a chat of 48 KB dearer by three fifths), longer ones leave more to read again
/// behind the end of a chat.
const LEAST: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;
    use crate::screening::finding::Trust;

    fn lane(parts: &[String]) -> Lane {
        let mut lane = Lane::default();
        for (index, part) in parts.iter().enumerate() {
            lane.push(index, part, Trust::User);
        }
        lane
    }

    fn texts(parts: &[String]) -> Vec<String> {
        lane(parts)
            .units()
            .into_iter()
            .map(|unit| unit.text)
            .collect()
    }

    fn message(letter: &str, length: usize) -> String {
        letter.repeat(length / letter.len())
    }

    #[test]
    fn a_long_message_is_read_by_itself_and_with_what_stands_next_to_it() {
        let (a, b, c) = (message("a", 5_000), message("b", 300), message("c", 6_000));
        let read = texts(&[a.clone(), b.clone(), c.clone()]);
        let border = format!("{}\n{b}\n{}", &a[..SEAM], &c[..SEAM]);
        assert_eq!(read, [a, c, border]);
        let short: Vec<String> = (0..3).map(|_| message("x", 200)).collect();
        assert_eq!(texts(&short), [short.join("\n")]);
    }

    #[test]
    fn what_a_finding_in_a_unit_is_in_is_known() {
        let parts = [message("a", 5_000), message("b", 4_500)];
        let units = lane(&parts).units();
        assert_eq!(units[1].leaf_of(&(3..9)), (1, 3..9));
        assert_eq!(units[2].leaf_of(&(0..9)), (0, 5_000 - SEAM..5_009 - SEAM));
        assert_eq!(units[2].leaf_of(&(SEAM + 1..SEAM + 3)), (1, 0..2));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn all_is_read_near_places_together_and_a_longer_chat_has_what_the_shorter_had(
            lengths in proptest::collection::vec(prop_oneof![0..40_usize, 100..600_usize, 900..3_000_usize, 3_900..9_000_usize], 1..12),
        ) {
            // No two places look alike.
            let mut count = 0_u32;
            let mut fresh = |length| {
                let mut text = String::new();
                while text.len() < length {
                    count += 1;
                    let _ = write!(text, "{count:x}é ");
                }
                text
            };
            let parts: Vec<String> = lengths.into_iter().map(&mut fresh).collect();
            let whole = lane(&parts).text;
            let read = texts(&parts);
            let step = |at: usize| super::super::floor(&whole, at);
            for at in (0..whole.len()).step_by(97) {
                let near = &whole[step(at)..step(at + SEAM)];
                prop_assert!(read.iter().any(|unit| unit.contains(near)), "{at}: {near}");
            }
            let bytes: usize = read.iter().map(String::len).sum();
            prop_assert!(bytes <= whole.len() + whole.len() / 2 + 4 * SEAM);

            let grown = [parts, vec![fresh(5_000)]].concat();
            let again = texts(&grown);
            let new: usize = again.iter().filter(|unit| !read.contains(unit)).map(String::len).sum();
            prop_assert!(new <= 5_050 + LEAST + 4 * SEAM, "{new}");
        }
    }
}
