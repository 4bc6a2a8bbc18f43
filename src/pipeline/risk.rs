//! The last step: is this request like its subject, and what is learnt from how it ended.
//!
//! What a reader would get wrong: histories are fed by every route with an identity as soon as one
//! route asks for risk. What a subject is denied elsewhere counts; where it comes from is learnt
//! only where it was scored and let pass, and only if every other route would have done the same or
//! the caller has proven itself once more.

use std::{sync::Arc, time::Instant};

use super::{Progress, Skip, Stage, Stop};
use crate::{
    check::Check,
    dispatch::{Dispatcher, Operation, Weight},
    identity::Identity,
    policy::{Judgement, Policy, Route},
    risk::{Assessor, Encounter, Ending},
    screening::Category,
    verdict::{Class, Reason},
};

/// Who scores, and what may be learnt from it.
#[derive(Debug)]
pub(super) struct Step {
    assessor: Arc<Assessor>,
    dispatcher: Dispatcher,
    /// Nobody is remembered for a configuration that asks for nothing.
    is_used: bool,
    /// Above this score an enforced route would not have let the request pass, so where it comes
    /// from is not familiar yet.
    familiar_up_to: f32,
}

/// What this step leaves behind for those after it.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// Who came from where, when histories are to learn of it.
    pub(super) encounter: Option<Encounter>,
    pub(super) score: Option<f32>,
    /// Refused, but a token as the route asks for would pass.
    pub(super) step_up: bool,
    /// Let pass, and taken for the subject's own.
    is_familiar: bool,
}

impl Step {
    pub(super) fn new(assessor: Arc<Assessor>, dispatcher: Dispatcher, policy: &Policy) -> Self {
        Self {
            assessor,
            dispatcher,
            is_used: policy.uses_risk(),
            familiar_up_to: policy.risk_passes_up_to(),
        }
    }

    pub(super) fn assessor(&self) -> &Arc<Assessor> {
        &self.assessor
    }

    /// Who comes from where, if it matters to any route.
    pub(super) fn meet(&self, identity: Option<&Identity>, check: &Check) -> Option<Encounter> {
        let identity = identity.filter(|_| self.is_used)?;
        Some(self.assessor.meet(identity, check))
    }

    /// Scores the check, where its route asks for it.
    pub(super) async fn judge(
        &self,
        route: &Route,
        identity: Option<&Identity>,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let Some(rule) = &route.risk else {
            return Ok(());
        };
        let encounter = progress.risk.encounter.as_ref();
        // Before the clock starts: waiting for Redis is no part of what scoring costs.
        let fetched = self.assessor.fetch(encounter).await;
        let choice = self.dispatcher.stay(Operation::Risk, Weight::OF_A_CHECK);
        let started = Instant::now();
        let score = fetched.and_then(|()| self.assessor.score(encounter));
        let score = match score {
            Ok(score) => score,
            Err(error) => {
                progress.plan.skipped.push((Stage::Risk, Skip::Undecided));
                return progress.stop_or_wave(
                    error.reason(),
                    route.risk_unavailable,
                    route,
                    &error,
                );
            }
        };
        let took = started.elapsed();
        self.dispatcher.ran(&choice, took);
        progress.ran(Stage::Risk, &choice, took);
        progress.risk.score = Some(score);
        // Where there is a score, there is somebody.
        let judged = identity.map_or(Judgement::Deny, |identity| {
            rule.judge(score, identity, self.assessor.now())
        });
        progress.risk.is_familiar = match judged {
            Judgement::Pass => score <= self.familiar_up_to,
            Judgement::SteppedUp => true,
            Judgement::Deny | Judgement::StepUp => false,
        };
        match judged {
            Judgement::Pass | Judgement::SteppedUp => Ok(()),
            Judgement::StepUp => {
                progress.risk.step_up = true;
                Err(Stop::denied(Reason::RiskTooHigh))
            }
            Judgement::Deny => Err(Stop::denied(Reason::RiskTooHigh)),
        }
    }

    /// Tells the subject's history how the check ended. In shadow mode, too, `reason` is what the
    /// rules say, so that trying a route teaches the same as enforcing it.
    pub(super) fn learn(&self, progress: &Progress, reason: Reason) {
        let Some(encounter) = &progress.risk.encounter else {
            return;
        };
        // Personal data may be what a service is for; where it is not, it is denied, which counts.
        let found = [
            Category::Injection,
            Category::InvisibleText,
            Category::Secret,
        ];
        self.assessor.observe(
            encounter,
            Ending {
                denied: reason.class() == Class::Denied && reason != Reason::RiskTooHigh,
                found: found
                    .into_iter()
                    .any(|category| progress.findings.count(category) > 0),
                familiar: progress.risk.is_familiar && reason.class() == Class::Allowed,
            },
        );
    }
}
