//! What there is to do, and what became of it: the words that dispatch and its callers share.

use std::{fmt, ops::Range, time::Duration};

use serde::Serialize;

/// What kind of work it is: the metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Summaries of records.
    Analytics,
    /// SHA-256 of items.
    Hash,
    /// Verifying tokens.
    Jwt,
    /// A caller's own patterns against texts.
    Pattern,
    /// Relationship checks.
    Permission,
    /// Screening prompts.
    Prompt,
    /// Risk scores.
    Risk,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Self; 7] = [
        Self::Analytics,
        Self::Hash,
        Self::Jwt,
        Self::Pattern,
        Self::Permission,
        Self::Prompt,
        Self::Risk,
    ];

    /// Label and log word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Analytics => "analytics",
            Self::Hash => "hash",
            Self::Jwt => "jwt",
            Self::Pattern => "pattern",
            Self::Permission => "permission",
            Self::Prompt => "prompt",
            Self::Risk => "risk",
        }
    }

    /// What its work is made of.
    #[must_use]
    pub fn nature(self) -> Nature {
        match self {
            Self::Analytics | Self::Hash | Self::Jwt | Self::Pattern | Self::Prompt => Nature::Cpu,
            Self::Permission | Self::Risk => Nature::Native,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What work is made of, declared once an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Nature {
    /// Computation: where it runs is chosen.
    Cpu,
    /// Waiting for others: always awaited.
    Io,
    /// Table look-ups and arithmetic over columns: always in place, since a thread's wake-up costs
    /// more than thousands of items.
    Native,
}

/// Where work ran: the metric label.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Awaited.
    Async,
    /// In place, on the thread that asked.
    Inline,
    /// On the pool's threads.
    Pool,
    /// In place, many items at once.
    Vector,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 4] = [Self::Async, Self::Inline, Self::Pool, Self::Vector];

    /// Label and log word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Inline => "inline",
            Self::Pool => "pool",
            Self::Vector => "vector",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who goes first when the pool is busy. Full queues shed the last lane first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Lane {
    /// A proxy holds a request back for it.
    Critical,
    /// Somebody waits for one answer.
    High,
    /// Many answers at once.
    Batch,
}

impl Lane {
    /// Every lane, first come first.
    pub const ALL: [Self; 3] = [Self::Critical, Self::High, Self::Batch];

    /// Label and log word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Batch => "batch",
        }
    }
}

/// What an item's cost depends on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Weight {
    /// Items that differ in kind have costs of their own: a token's algorithm, say. Below
    /// [`Weight::CLASSES`]; 0 where all are alike.
    pub class: u8,
    /// How many bytes are worked on.
    pub bytes: usize,
}

impl Weight {
    /// Classes an operation may have.
    pub const CLASSES: usize = 8;

    /// A check's own item, apart from those of batches: most tokens of checks are known already, and
    /// a single permission shares nothing with others.
    pub const OF_A_CHECK: Self = Self { class: 7, bytes: 0 };
}

/// Something to do to each of many items.
///
/// Shared between threads while it runs, so what it reads is owned or counted (`Arc`, `Bytes`).
pub trait Work: Send + Sync + 'static {
    /// What kind of work it is.
    const OPERATION: Operation;

    /// What comes of one item.
    type Output: Send + 'static;

    /// How many items there are.
    fn len(&self) -> usize;

    /// Whether there is nothing to do.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What item `item` weighs. Called for every item before anything runs, so it must be cheap.
    fn weight(&self, item: usize) -> Weight;

    /// What every item weighs, where all weigh the same: saves looking at each.
    fn uniform(&self) -> Option<Weight> {
        None
    }

    /// Does `items` and returns one output for each, in order. Pieces of one batch run on several
    /// threads at once, each with its own range.
    fn run(&self, items: Range<usize>) -> Vec<Self::Output>;
}

/// All outputs, in the order of the items, and how they came about.
#[derive(Debug)]
pub struct Done<T> {
    /// One for each item.
    pub outputs: Vec<T>,
    /// What the caller is told about it.
    pub report: Report,
}

/// How a batch ran: the `dispatch` part of an answer.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Report {
    /// What kind of work it was.
    pub operation: Operation,
    /// Where it ran.
    pub strategy: Strategy,
    /// How many items.
    pub items: usize,
    /// How many bytes in them.
    pub bytes: usize,
    /// What it was expected to take, in microseconds.
    pub predicted_us: f64,
    /// What it took, in microseconds, waiting included.
    pub actual_us: f64,
    /// From how many such items on the pool is quicker; `null` where it never is.
    pub break_even_items: Option<u64>,
}

/// Why nothing came of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The deadline passed before all was done.
    #[error("time ran out before the work was done")]
    Deadline,
    /// Its lane is full.
    #[error("too much work is waiting; try again in {0:?}")]
    Overloaded(Duration),
    /// An item panicked: a defect of ours.
    #[error("the work failed")]
    Panicked,
}
