//! What a decision did, step by step: for metrics, the decision log and whoever asks why.

use std::time::Duration;

use super::Stage;
use crate::{
    dispatch::Strategy,
    policy::Route,
    verdict::{Class, Reason},
};

/// Every step of one decision, in the order in which they were begun or passed over.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Steps that ran.
    pub ran: Vec<Ran>,
    /// Steps that the route asks for and that did not run.
    pub skipped: Vec<(Stage, Skip)>,
}

impl Plan {
    /// Notes which of the steps that `route` asks for did not run. Without a reason for it none was
    /// passed over: a preflight, say, passes without asking.
    pub(super) fn pass_over(&mut self, route: &Route, why: Option<Skip>) {
        let Some(why) = why else { return };
        let asked = [
            (Stage::Identity, route.identity.is_some()),
            (Stage::Permission, route.permission.is_some()),
            (Stage::Screening, route.screening.is_some()),
        ];
        for (stage, is_asked) in asked {
            let has_run = |other: Stage| self.ran.iter().any(|ran| ran.stage == other);
            if is_asked && !has_run(stage) {
                // A later step ran all the same: what this one needs was not to be had.
                let went_on = stage == Stage::Permission && has_run(Stage::Screening);
                self.skipped
                    .push((stage, if went_on { Skip::Undecided } else { why }));
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

/// Why a step did not run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Skip {
    /// An earlier step had denied.
    Denied,
    /// It needs what an earlier step could not find out.
    Undecided,
}

impl Skip {
    /// Why steps do not run once `reason` has ended the check.
    pub(super) fn after(reason: Reason) -> Self {
        match reason.class() {
            Class::Undecided => Self::Undecided,
            Class::Allowed | Class::Denied => Self::Denied,
        }
    }

    /// Log word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied before",
            Self::Undecided => "undecided before",
        }
    }
}
