//! What a decision did, step by step: for metrics, the decision log and whoever asks why.

use std::time::Duration;

use smallvec::SmallVec;

use super::Stage;
use crate::{
    dispatch::{Choice, Strategy},
    policy::Route,
    verdict::{Class, Reason},
};

/// Every step of one decision, in the order in which they were begun or passed over.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Steps that ran.
    pub ran: SmallVec<[Ran; 4]>,
    /// Steps that the route asks for and that did not run, or not to their end.
    pub skipped: Vec<(Stage, Skip)>,
}

impl Plan {
    /// Notes which of the steps that `route` asks for did not run, since `reason` ended the check
    /// before.
    pub(super) fn pass_over(&mut self, route: &Route, reason: Reason) {
        let why = match reason.class() {
            Class::Undecided => Skip::Undecided,
            Class::Allowed | Class::Denied => Skip::Denied,
        };
        let asked = [
            (Stage::Identity, route.identity.is_some()),
            (Stage::Permission, route.permission.is_some()),
            (Stage::Screening, route.screening.is_some()),
            (Stage::Risk, route.risk.is_some()),
        ];
        for (stage, is_asked) in asked {
            let is_told = self.ran.iter().any(|ran| ran.stage == stage)
                || self.skipped.iter().any(|(told, _)| *told == stage);
            if is_asked && !is_told {
                self.skipped.push((stage, why));
            }
        }
    }
}

/// One step that ran.
#[derive(Clone, Copy, Debug)]
pub struct Ran {
    /// Which step.
    pub stage: Stage,
    /// Where it ran.
    pub strategy: Strategy,
    /// What it was expected to take; `None` where nothing is foretold.
    pub predicted: Option<Duration>,
    /// What it took.
    pub actual: Duration,
}

impl Ran {
    /// A step that ran as chosen.
    pub(super) fn of(stage: Stage, choice: &Choice, took: Duration) -> Self {
        Self {
            stage,
            strategy: choice.strategy(),
            predicted: Some(choice.predicted()),
            actual: took,
        }
    }

    /// A step that waited for another service.
    pub(super) fn waited(stage: Stage, took: Duration) -> Self {
        Self {
            stage,
            strategy: Strategy::Async,
            predicted: None,
            actual: took,
        }
    }
}

/// Why a step did not run, or not to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Skip {
    /// An earlier step had denied.
    Denied,
    /// An earlier step ended the check while this one ran beside it.
    Stopped,
    /// An earlier step could not decide.
    Undecided,
}

impl Skip {
    /// Log word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied before",
            Self::Stopped => "stopped midway",
            Self::Undecided => "undecided before",
        }
    }
}
