//! The `dispatch:` section.

use serde::{Deserialize, Serialize};

use super::SHORTEST_PIECE_NS;
use crate::{problem::Problem, units::Span};

/// Where work may run, and how much of it may wait. Defaults: `config/default.yaml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Cores to count on, as a fraction; 0 = what affinity and the CPU quota allow.
    pub cores: f64,
    /// Longest that work may hold a thread which others wait for.
    pub hold: Span,
    /// Longest piece of a batch.
    pub piece: Span,
    /// Most entries waiting, by lane.
    pub queue: Queue,
}

/// Most entries waiting for the pool. A batch is one entry, however long it is.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// Parts of checks.
    pub critical: usize,
    /// Single questions to the API.
    pub high: usize,
    /// Batches.
    pub batch: usize,
}

impl Config {
    /// For dispatchers without a pool, and for tests: small bounds, everything else as usual.
    pub(super) fn in_place() -> Self {
        let span = |text: &str| text.parse().expect("a span of time");
        Self {
            cores: 0.0,
            hold: span("200us"),
            piece: span("100us"),
            queue: Queue {
                critical: 4,
                high: 4,
                batch: 4,
            },
        }
    }

    /// What cannot be used, with the cure.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !(self.cores == 0.0 || (0.01..=1024.0).contains(&self.cores)) {
            let message = format!(
                "`{}` is not a number of cores: 0 takes what the machine allows, `0.5` is half a core",
                self.cores
            );
            problems.push(Problem::new("cores", message));
        }
        if (self.piece.get().as_nanos() as f64) < SHORTEST_PIECE_NS {
            let message = format!(
                "`{}` is less than it takes to hand a piece over; use `10us` or more, such as `100us`",
                self.piece
            );
            problems.push(Problem::new("piece", message));
        }
        for (name, entries) in [
            ("queue.critical", self.queue.critical),
            ("queue.high", self.queue.high),
            ("queue.batch", self.queue.batch),
        ] {
            if entries == 0 {
                problems.push(Problem::new(
                    name,
                    "`0` would refuse everything; use 1 or more",
                ));
            }
        }
        problems
    }
}
