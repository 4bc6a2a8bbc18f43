//! Truth as the engine knows it, and how operators combine it.
//!
//! A cycle in the data is carried along beside a no, since under `but not` it denies.

use super::MAX_DEPTH;

/// What is known of a part of the question.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Truth {
    /// Undecided: a condition cannot be evaluated.
    Failed,
    No,
    /// Undecided: the way there is longer than is followed. Of the two it is the one kept, since it
    /// alone can come out otherwise when the same place is met nearer.
    TooDeep,
    Yes,
}

impl Truth {
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::TooDeep, _) | (_, Self::TooDeep) => Self::TooDeep,
            (Self::Failed, _) | (_, Self::Failed) => Self::Failed,
            (Self::No, Self::No) => Self::No,
        }
    }
}

/// What a part of the walk found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) truth: Truth,
    /// A no that owes something to a cycle in the data.
    pub(super) cycle: bool,
    /// Whether a path was cut where it met itself, anywhere below: then this holds for this path only.
    pub(super) cut: bool,
    /// Hops that were followed below here.
    pub(super) height: u8,
}

impl Outcome {
    pub(super) const NO: Self = Self::plain(Truth::No);
    pub(super) const TOO_DEEP: Self = Self::plain(Truth::TooDeep);
    pub(super) const YES: Self = Self::plain(Truth::Yes);

    pub(super) const fn plain(truth: Truth) -> Self {
        Self {
            truth,
            cycle: false,
            cut: false,
            height: 0,
        }
    }

    /// This outcome with `truth` instead, and what `other` knows of cuts and heights.
    pub(super) fn join(self, other: Self) -> Self {
        Self {
            cut: self.cut || other.cut,
            height: self.height.max(other.height),
            ..self
        }
    }

    /// `self or other`.
    pub(super) fn or(self, other: Self) -> Self {
        let joined = self.join(other);
        match (self.truth, other.truth) {
            (Truth::Yes, _) | (_, Truth::Yes) => joined.with(Truth::Yes, false),
            (Truth::TooDeep, _) | (_, Truth::TooDeep) => joined.with(Truth::TooDeep, false),
            (Truth::Failed, _) | (_, Truth::Failed) => joined.with(Truth::Failed, false),
            (Truth::No, Truth::No) => joined.with(Truth::No, self.cycle || other.cycle),
        }
    }

    /// `self and other`.
    pub(super) fn and(self, other: Self) -> Self {
        let joined = self.join(other);
        match (self.truth, other.truth) {
            (Truth::No, _) | (_, Truth::No) => joined.with(Truth::No, self.cycle || other.cycle),
            (Truth::TooDeep, _) | (_, Truth::TooDeep) => joined.with(Truth::TooDeep, false),
            (Truth::Failed, _) | (_, Truth::Failed) => joined.with(Truth::Failed, false),
            (Truth::Yes, Truth::Yes) => joined.with(Truth::Yes, false),
        }
    }

    /// `self but not other`: a cycle on either side denies.
    pub(super) fn but_not(self, other: Self) -> Self {
        let joined = self.join(other);
        let cycle = self.cycle || other.cycle;
        match (self.truth, other.truth) {
            (Truth::No, _) | (_, Truth::Yes) => joined.with(Truth::No, cycle),
            (_, Truth::No) if cycle => joined.with(Truth::No, true),
            (Truth::TooDeep, _) | (_, Truth::TooDeep) => joined.with(Truth::TooDeep, false),
            (Truth::Failed, _) | (_, Truth::Failed) => joined.with(Truth::Failed, false),
            (Truth::Yes, Truth::No) => joined.with(Truth::Yes, false),
        }
    }

    pub(super) fn with(self, truth: Truth, cycle: bool) -> Self {
        Self {
            truth,
            cycle,
            ..self
        }
    }

    /// The same seen from one hop further out.
    pub(super) fn hop(self) -> Self {
        Self {
            height: self.height.saturating_add(1),
            ..self
        }
    }
}

/// What is known of a node in this check, whatever path led there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Known {
    /// A yes or no, with the greatest depth at which it was found.
    pub(super) settled: Option<(Outcome, u8)>,
    /// The smallest depth from which the node was too deep to settle.
    pub(super) too_deep_from: Option<u8>,
}

impl Known {
    pub(super) fn at(self, depth: u8) -> Option<Outcome> {
        if let Some((outcome, found_at)) = self.settled
            && (depth <= found_at || depth + outcome.height < MAX_DEPTH)
        {
            return Some(outcome);
        }
        let from = self.too_deep_from?;
        (depth >= from).then_some(Outcome::TOO_DEEP)
    }

    pub(super) fn learn(&mut self, outcome: Outcome, depth: u8) {
        if outcome.truth == Truth::TooDeep {
            let from = self.too_deep_from.map_or(depth, |from| from.min(depth));
            self.too_deep_from = Some(from);
        } else {
            self.settled = Some((outcome, depth));
        }
    }
}
