//! Where a byte of a rewritten text came from.
//!
//! Decoding JSON escapes, stripping invisible characters, collapsing blanks and unwrapping `%41` are
//! all the same operation seen from here: most bytes are copied one to one, and now and then a few
//! bytes stand for a few others. A map holds only those exceptions, so an untouched text costs
//! nothing, and maps are followed one after the other from a finding back to the body.
//!
//! A range that begins or ends inside an exception grows to cover all of it: an offset never points
//! into the middle of an escape or of a character.

use std::ops::Range;

/// `out_len` bytes at `out` stand for `src_len` bytes at `src`; what follows is copied one to one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Step {
    out: usize,
    out_len: usize,
    src: usize,
    src_len: usize,
}

/// The exceptions of one rewriting, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct OffsetMap {
    /// Where the text begins in its source, before any step.
    base: usize,
    steps: Vec<Step>,
}

impl OffsetMap {
    /// A map of a text that is copied from `base` on.
    pub(super) fn from_base(base: usize) -> Self {
        Self {
            base,
            steps: Vec::new(),
        }
    }

    /// Notes that `out` (just written) stands for `src`. Calls come in the order of `out`.
    pub(super) fn push(&mut self, out: Range<usize>, src: Range<usize>) {
        self.steps.push(Step {
            out: out.start,
            out_len: out.len(),
            src: src.start,
            src_len: src.len(),
        });
    }

    /// Whether every byte stands where it stood.
    #[cfg(test)]
    pub(super) fn is_identity(&self) -> bool {
        self.base == 0 && self.steps.is_empty()
    }

    /// The source of `range`.
    pub(super) fn source(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.start(range.start);
        start..self.end(range.end).max(start)
    }

    fn start(&self, at: usize) -> usize {
        let after = self.steps.partition_point(|step| step.out <= at);
        match after.checked_sub(1).map(|last| self.steps[last]) {
            None => self.base + at,
            Some(step) if at < step.out + step.out_len => step.src,
            Some(step) => step.src + step.src_len + (at - step.out - step.out_len),
        }
    }

    fn end(&self, at: usize) -> usize {
        let after = self.steps.partition_point(|step| step.out < at);
        match after.checked_sub(1).map(|last| self.steps[last]) {
            None => self.base + at,
            Some(step) if at <= step.out + step.out_len => step.src + step.src_len,
            Some(step) => step.src + step.src_len + (at - step.out - step.out_len),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_grows_to_whole_exceptions_and_leaves_removed_text_out() {
        // `a\u0062c` became `abc`, and two bytes before `d` were removed.
        let mut map = OffsetMap::from_base(10);
        map.push(1..2, 11..17);
        map.push(3..3, 18..20);
        assert_eq!(map.source(&(0..1)), 10..11);
        assert_eq!(map.source(&(1..2)), 11..17);
        assert_eq!(map.source(&(2..3)), 17..18, "ends before what was removed");
        assert_eq!(map.source(&(3..4)), 20..21, "begins after what was removed");
        assert_eq!(map.source(&(0..4)), 10..21);
        assert!(OffsetMap::default().is_identity());
    }
}
