//! What the steps of one check have gathered so far, and how one of them stops the rest.

use std::{fmt, sync::Arc, time::Duration};

use super::{Outcome, Plan, Ran, Stage, risk, screen::Look};
use crate::{
    dispatch::Choice,
    identity,
    permission::Origin,
    policy::{Route, WhenUnavailable},
    screening::{self, Findings},
    verdict::{Class, Reason},
};

/// What the steps have gathered so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) subject: Option<Arc<str>>,
    pub(super) permission: Option<Origin>,
    /// What the caller's next proof must carry.
    pub(super) nonce: Option<String>,
    pub(super) findings: Findings,
    pub(super) plan: Plan,
    pub(super) risk: risk::Trail,
    /// A step could not decide and its route says to go on.
    pub(super) waved_through: Option<Reason>,
}

/// How a step stops the rest.
pub(super) struct Stop {
    pub(super) reason: Reason,
    /// What the route says about undecided checks at this step.
    pub(super) unavailable: WhenUnavailable,
}

impl Progress {
    pub(super) fn ran(&mut self, stage: Stage, choice: &Choice, took: Duration) {
        self.plan.ran.push(Ran::of(stage, choice, took));
    }

    pub(super) fn screened(
        &mut self,
        look: Look,
        want: screening::Requirement,
        route: &Route,
    ) -> Result<(), Stop> {
        self.plan.ran.push(look.ran);
        match look.found {
            Ok(findings) => {
                let denial = findings.denial(&want);
                self.findings = findings;
                denial.map_or(Ok(()), |reason| Err(Stop::denied(reason)))
            }
            Err(error) => {
                let unavailable = route.screening_unavailable;
                self.stop_or_wave(error.reason(), unavailable, route, &error)
            }
        }
    }

    pub(super) fn unidentified(
        &mut self,
        error: &identity::Error,
        route: &Route,
    ) -> Result<(), Stop> {
        if let identity::Error::Nonce(nonce) = error {
            self.nonce = Some(nonce.clone());
        }
        let unavailable = if error.may_be_waved_through() {
            route.identity_unavailable
        } else {
            WhenUnavailable::Deny
        };
        self.stop_or_wave(error.reason(), unavailable, route, error)
    }

    /// Stops at a step's error, unless the step could not decide and the route says to go on.
    pub(super) fn stop_or_wave(
        &mut self,
        reason: Reason,
        unavailable: WhenUnavailable,
        route: &Route,
        error: &dyn fmt::Display,
    ) -> Result<(), Stop> {
        tracing::debug!(route = route.name, %reason, %error, "step stopped");
        let unavailable = if reason.is_up_to_the_route() {
            unavailable
        } else {
            WhenUnavailable::Deny
        };
        if reason.class() == Class::Undecided && unavailable == WhenUnavailable::Allow {
            self.waved_through.get_or_insert(reason);
            return Ok(());
        }
        Err(Stop {
            reason,
            unavailable,
        })
    }
}

impl Stop {
    pub(super) fn denied(reason: Reason) -> Self {
        Self {
            reason,
            unavailable: WhenUnavailable::Deny,
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        match (self.reason.class(), self.unavailable) {
            (Class::Undecided, WhenUnavailable::Error) => Outcome::Error,
            _ => Outcome::Deny,
        }
    }
}
