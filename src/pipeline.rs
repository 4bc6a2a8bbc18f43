//! The steps of a check in turn, and what to answer when one of them cannot.
//!
//! A decision starts as a denial and every step must earn the next one: a permission cannot be
//! asked for without the [`Identity`] that only a verified token or peer certificate makes.
//! "Denied" and "could not decide" stay apart to the end, since the operator chooses what the
//! second one means, step by step.
//!
//! Cost: the steps themselves, one clock read around each, and counters resolved at load.

mod metrics;
mod plan;

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::FutureExt;
use uuid::Uuid;

pub use self::{
    metrics::{Metrics, Stage},
    plan::{Plan, Ran, Skip},
};
use crate::{
    check::Check,
    dispatch::Strategy,
    identity::{Identity, Verifier},
    permission::{Ask, Authorizer},
    policy::{Facts, Matched, Mode, PermissionRule, Policy, Route, WhenUnavailable},
    screening::{self, Findings, Screener},
    verdict::{Class, Reason},
};

/// Everything one configuration compiles to. Replaced whole on reload; a check finishes on the one
/// it began with.
#[derive(Debug)]
pub struct Pipeline {
    policy: Policy,
    verifier: Arc<Verifier>,
    authorizer: Arc<Authorizer>,
    screener: Arc<Screener>,
    metrics: Metrics,
}

/// What is answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
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
    pub subject: Option<String>,
    /// What screening saw.
    pub findings: Findings,
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

/// What the steps have gathered so far.
#[derive(Debug, Default)]
struct Progress {
    subject: Option<String>,
    findings: Findings,
    plan: Plan,
    /// A step could not decide and its route says to go on.
    waved_through: Option<Reason>,
}

/// How a step stops the rest.
struct Stop {
    reason: Reason,
    /// What the route says about undecided checks at this step.
    unavailable: WhenUnavailable,
}

impl Pipeline {
    /// Puts the steps together.
    #[must_use]
    pub fn new(
        policy: Policy,
        verifier: Arc<Verifier>,
        authorizer: Arc<Authorizer>,
        screener: Arc<Screener>,
        metrics: &Metrics,
    ) -> Self {
        let metrics = metrics.for_routes(policy.route_names());
        Self {
            policy,
            verifier,
            authorizer,
            screener,
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

    /// Decides one check. Never fails: a panic in a step is a denial with reason `internal`.
    pub async fn decide(&self, check: &Check) -> Decision {
        let started = Instant::now();
        if let Some(request) = &check.http {
            self.metrics.body(request.body.state());
        }
        let mut progress = Progress::default();
        let (route, ending) = match self.policy.route(check) {
            Ok((route, matched)) => {
                let steps = self.steps(check, route, &matched, &mut progress);
                // AssertUnwindSafe: after a panic only plain data in `progress` is read.
                let ending = std::panic::AssertUnwindSafe(steps).catch_unwind().await;
                (
                    Some(Arc::clone(route)),
                    ending.unwrap_or(Err(Stop::denied(Reason::Internal))),
                )
            }
            Err(reason) => (None, Err(Stop::denied(reason))),
        };
        let ending = match ending {
            Ok(_) if Instant::now() > check.deadline => Err(Stop::denied(Reason::Deadline)),
            ending => ending,
        };
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
        let decision = Decision {
            id: Uuid::now_v7(),
            outcome,
            shadowed,
            reason,
            route,
            subject: progress.subject,
            findings: progress.findings,
            plan: progress.plan,
            cost: started.elapsed(),
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
        // Permission before screening: it is the cheaper one, and a caller without permission
        // should not learn what our screening thinks of a prompt.
        if let (Some(rule), Some(identity)) = (&route.permission, &identity) {
            let facts = Facts {
                check,
                identity,
                captures: &matched.captures,
            };
            self.permit(rule, &facts, route, progress).await?;
        }
        if let (Some(want), Some(request)) = (&route.screening, &check.http) {
            let started = Instant::now();
            let screened = self.screener.screen(request, want, check.deadline).await;
            progress.ran(Stage::Screening, started);
            progress.screened(screened, *want, route)?;
        }
        Ok(Reason::Ok)
    }

    async fn permit(
        &self,
        rule: &PermissionRule,
        facts: &Facts<'_>,
        route: &Route,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let started = Instant::now();
        let (user, object) = rule.fill(facts).map_err(|missing| {
            tracing::debug!(route = route.name, %missing, "permission cannot be asked");
            Stop::denied(missing.reason())
        })?;
        let ask = Ask::new(&user, &rule.relation, &object);
        let asked = self.authorizer.authorize(facts.identity, &ask).await;
        progress.ran(Stage::Permission, started);
        match asked {
            Ok(_) => Ok(()),
            Err(error) => {
                let unavailable = route.permission_unavailable;
                progress.stop_or_wave(error.reason(), unavailable, route, &error)
            }
        }
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
                let started = Instant::now();
                let verified = self.verifier.verify(request, want, check.deadline).await;
                progress.ran(Stage::Identity, started);
                match verified {
                    Ok(identity) => Some(identity),
                    Err(error) => {
                        progress.stop_or_wave(
                            error.reason(),
                            route.identity_unavailable,
                            route,
                            &error,
                        )?;
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
        progress.subject = identity
            .as_ref()
            .map(|identity| identity.subject().to_owned());
        Ok(identity)
    }
}

impl Progress {
    fn ran(&mut self, stage: Stage, started: Instant) {
        self.plan.ran.push(Ran {
            stage,
            strategy: Strategy::Inline,
            predicted: None,
            actual: started.elapsed(),
        });
    }

    fn screened(
        &mut self,
        screened: Result<Findings, screening::Error>,
        want: screening::Requirement,
        route: &Route,
    ) -> Result<(), Stop> {
        match screened {
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

    /// Stops at a step's error, unless the step could not decide and the route says to go on.
    fn stop_or_wave(
        &mut self,
        reason: Reason,
        unavailable: WhenUnavailable,
        route: &Route,
        error: &dyn fmt::Display,
    ) -> Result<(), Stop> {
        tracing::debug!(route = route.name, %reason, %error, "step stopped");
        if reason.class() == Class::Undecided && unavailable == WhenUnavailable::Allow {
            self.waved_through = Some(reason);
            return Ok(());
        }
        Err(Stop {
            reason,
            unavailable,
        })
    }
}

impl Stop {
    fn denied(reason: Reason) -> Self {
        Self {
            reason,
            unavailable: WhenUnavailable::Deny,
        }
    }

    fn outcome(&self) -> Outcome {
        match (self.reason.class(), self.unavailable) {
            (Class::Undecided, WhenUnavailable::Error) => Outcome::Error,
            _ => Outcome::Deny,
        }
    }
}
