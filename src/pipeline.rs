//! The steps of a check in turn, and what to answer when one of them cannot.
//!
//! A decision starts as a denial and every step must earn the next one: a permission cannot be
//! asked for without the [`Identity`] that only a verified token or peer certificate makes.
//! "Denied" and "could not decide" stay apart to the end, since the operator chooses what the
//! second one means, step by step.
//!
//! Cost: the steps themselves, one clock read around each, and counters resolved at load.

mod metrics;
mod permit;
mod plan;
mod progress;
mod risk;
mod screen;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use uuid::{NoContext, Timestamp, Uuid};

use self::progress::{Progress, Stop};
pub use self::{
    metrics::{Metrics, Stage},
    plan::{Plan, Ran, Skip},
};
use crate::{
    check::Check,
    coalesce::{Coalescer, Kind},
    dispatch::{Dispatcher, Operation, Refused, Weight},
    identity::{Identity, Requirement, Stripped, Verifier},
    permission::{Authorizer, Origin},
    policy::{Matched, Mode, Policy, Route},
    risk::Assessor,
    screening::{Findings, Screener},
    verdict::Reason,
};

/// Everything one configuration compiles to. Replaced whole on reload; a check finishes on the one
/// it began with.
#[derive(Debug)]
pub struct Pipeline {
    policy: Policy,
    verifier: Arc<Verifier>,
    authorizer: Arc<Authorizer>,
    screener: Arc<Screener>,
    risk: risk::Step,
    dispatcher: Dispatcher,
    metrics: Metrics,
    prompts: Coalescer<screen::Screened>,
    texts: Coalescer<Result<screen::Found, Refused>>,
}

/// What is answered.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Outcome {
    /// It may pass.
    Allow,
    /// It may not, whatever the proxy's failure mode is.
    Deny,
    /// An error in the proxy's sense: its own failure mode decides.
    Error,
}

impl Outcome {
    /// Label and log word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }

    /// Every outcome, for metrics that start at zero.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Deny, Self::Error];
}

/// One check, decided.
#[derive(Debug)]
pub struct Decision {
    /// Names this decision in logs, headers and metadata.
    pub id: Uuid,
    /// What the proxy is told.
    pub outcome: Outcome,
    /// Whether it is allowed only because its route is in shadow mode.
    pub shadowed: bool,
    /// Why. In shadow mode: why it would have been denied, though `outcome` allows.
    pub reason: Reason,
    /// The route, when one matched.
    pub route: Option<Arc<Route>>,
    /// Who asked, when known.
    pub subject: Option<Arc<str>>,
    /// With [`Reason::ProofNonce`]: the nonce that the caller's next proof must carry.
    pub nonce: Option<String>,
    /// Where the answer about the permission came from, when there was one.
    pub permission: Option<Origin>,
    /// What screening saw.
    pub findings: Findings,
    /// How unlike its subject the request is, from 0 to 1 in hundredths, when it was scored.
    pub risk: Option<f32>,
    /// With [`Reason::RiskTooHigh`]: a token as the route's `risk` asks for would pass.
    pub step_up: bool,
    /// Which steps ran, and why others did not.
    pub plan: Plan,
    /// From decoding to verdict.
    pub cost: Duration,
}

impl Decision {
    fn in_shadow(&self) -> bool {
        self.route
            .as_ref()
            .is_some_and(|route| route.mode == Mode::Shadow)
    }
}

impl Pipeline {
    /// Puts the steps together.
    #[must_use]
    pub fn new(
        policy: Policy,
        verifier: Arc<Verifier>,
        authorizer: Arc<Authorizer>,
        screener: Arc<Screener>,
        assessor: Arc<Assessor>,
        dispatcher: Dispatcher,
        metrics: &Metrics,
    ) -> Self {
        let metrics = metrics.for_routes(policy.route_names());
        Self {
            risk: risk::Step::new(assessor, dispatcher.clone(), &policy),
            dispatcher,
            policy,
            verifier,
            authorizer,
            screener,
            prompts: Coalescer::new(Kind::Prompt, screen::LAST_RESORT, &metrics.coalesced),
            texts: Coalescer::new(Kind::Prompt, screen::LAST_RESORT, &metrics.coalesced),
            metrics,
        }
    }

    /// Which request asks for what.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Who verifies tokens, for readiness and background work.
    #[must_use]
    pub fn verifier(&self) -> &Arc<Verifier> {
        &self.verifier
    }

    /// Who answers permissions, for hot reload.
    #[must_use]
    pub fn authorizer(&self) -> &Arc<Authorizer> {
        &self.authorizer
    }

    /// Who screens, for callers that have a text rather than a check.
    #[must_use]
    pub fn screener(&self) -> &Arc<Screener> {
        &self.screener
    }

    /// Who scores risk, for scrapes, reloads and callers that have no check.
    #[must_use]
    pub fn assessor(&self) -> &Arc<Assessor> {
        self.risk.assessor()
    }

    /// Decides one check. Never fails: a panic in a step is a denial with reason `internal`.
    pub async fn decide(&self, check: &Check) -> Decision {
        self.decide_unless(None, check).await
    }

    /// Decides, or, when there is a reason not to, refuses for it without running a step. Routes in
    /// shadow mode let pass what is refused.
    pub async fn decide_unless(&self, refused: Option<Reason>, check: &Check) -> Decision {
        let started = Instant::now();
        if let Some(request) = &check.http {
            self.metrics.body(request.body.state());
        }
        let mut progress = Progress::default();
        let (route, ending) = match (self.policy.route(check), refused) {
            (Ok((route, _)), Some(reason)) => (Some(Arc::clone(route)), Err(Stop::denied(reason))),
            (Ok((route, matched)), None) => {
                let steps = self.steps(check, route, &matched, &mut progress);
                // AssertUnwindSafe: after a panic only plain data in `progress` is read.
                let ending = std::panic::AssertUnwindSafe(steps).catch_unwind().await;
                (
                    Some(Arc::clone(route)),
                    ending.unwrap_or(Err(Stop::denied(Reason::Internal))),
                )
            }
            (Err(reason), _) => (None, Err(Stop::denied(reason))),
        };
        let ended = Instant::now();
        let ending = match ending {
            Ok(_) if ended > check.deadline => Err(Stop::denied(Reason::Deadline)),
            ending => ending,
        };
        if let (Some(route), Err(stop)) = (&route, &ending) {
            progress.plan.pass_over(route, stop.reason);
        }
        let is_shadow = route
            .as_ref()
            .is_some_and(|route| route.mode == Mode::Shadow);
        let (outcome, shadowed, reason) = match ending {
            Ok(reason) => (
                Outcome::Allow,
                false,
                progress.waved_through.unwrap_or(reason),
            ),
            Err(stop) if is_shadow => (Outcome::Allow, true, stop.reason),
            Err(stop) => (stop.outcome(), false, stop.reason),
        };
        let (outcome, shadowed, reason) = match &route {
            // A pass that cannot be made good on is none, in shadow mode neither.
            Some(route) if outcome == Outcome::Allow && keeps_back(route, check) => {
                (Outcome::Deny, false, Reason::Internal)
            }
            _ => (outcome, shadowed, reason),
        };
        self.risk.learn(&progress, reason);
        let decision = Decision {
            id: new_id(),
            outcome,
            shadowed,
            reason,
            route,
            subject: progress.subject,
            nonce: progress.nonce,
            permission: progress.permission,
            findings: progress.findings,
            risk: progress.risk.score,
            step_up: progress.risk.step_up,
            plan: progress.plan,
            cost: ended.saturating_duration_since(started),
        };
        self.metrics.decided(&decision);
        decision
    }

    async fn steps(
        &self,
        check: &Check,
        route: &Route,
        matched: &Matched,
        progress: &mut Progress,
    ) -> Result<Reason, Stop> {
        if route.public || matched.preflight {
            return Ok(Reason::Public);
        }
        let identity = self.identify(check, route, progress).await?;
        self.permit_and_screen(check, route, matched, identity.as_ref(), progress)
            .await?;
        // Last: it needs no permission to be expensive, and it learns from what the others say.
        self.risk.judge(route, identity.as_ref(), progress).await?;
        Ok(Reason::Ok)
    }

    /// Who asks: by token, else by peer certificate where the permission reads it. `None` when the
    /// route asks for nobody, or when identity is unavailable and the route says to go on.
    async fn identify(
        &self,
        check: &Check,
        route: &Route,
        progress: &mut Progress,
    ) -> Result<Option<Identity>, Stop> {
        let identity = match (&route.identity, &check.http, &route.permission) {
            (Some(want), Some(request), _) => {
                let choice = self.dispatcher.stay(Operation::Jwt, Weight::OF_A_CHECK);
                let started = Instant::now();
                let verifying = self
                    .verifier
                    .verify(request, &check.source, want, check.deadline);
                let verified = verifying.await;
                let took = started.elapsed();
                self.dispatcher.ran(&choice, took);
                progress.ran(Stage::Identity, &choice, took);
                match verified {
                    Ok(identity) => Some(identity),
                    Err(error) => {
                        progress.unidentified(&error, route)?;
                        None
                    }
                }
            }
            // `check-config` refuses such a route; denying here keeps it so.
            (Some(_), None, _) => return Err(Stop::denied(Reason::MissingInput)),
            (None, _, Some(rule)) if rule.asks_for_peer() => {
                let peer = Identity::from_peer(&check.source);
                Some(peer.ok_or_else(|| Stop::denied(Reason::MissingInput))?)
            }
            (None, ..) => None,
        };
        progress.subject = identity.as_ref().map(Identity::shared_subject);
        progress.risk.encounter = self.risk.meet(identity.as_ref(), check);
        Ok(identity)
    }
}

/// In the order of time, to the millisecond. Not `Uuid::now_v7`, whose order within one is kept by a
/// lock that all threads share.
fn new_id() -> Uuid {
    Uuid::new_v7(Timestamp::now(NoContext))
}

/// Whether letting `check` pass would hand the upstream the credential that `route` keeps back
/// (`strip`), because the asker cannot be told to take it out.
fn keeps_back(route: &Route, check: &Check) -> bool {
    let stripped = route.identity.as_ref().and_then(Requirement::stripped);
    let leaks = match stripped {
        Some(Stripped::Header(_)) => !check.removes.headers,
        Some(Stripped::Query(_)) => !check.removes.query,
        None => false,
    };
    if leaks {
        tracing::warn!(
            route = route.name,
            "refused: the route strips its token, which this proxy cannot be told to do; \
             ask over gRPC, or turn `strip` off and take the token out in the proxy's configuration"
        );
    }
    leaks
}
