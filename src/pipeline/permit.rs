//! Asking for the permission, and looking into the body: beside each other where both take long.
//!
//! In turn, permission first, nobody's body is looked into who has no permission, and that is how it is
//! as long as either is cheap. A permission that is asked of another service takes as long as that
//! takes; a long body may be screened meanwhile. Permission has the first word all the same: without it the
//! screening is given up, and what it has found already is told to nobody.
//!
//! # What a reader would get wrong
//!
//! A body that is found hostile does not stop the question for the permission. Whoever has none would learn
//! from the reason, and from how soon it comes, what our screening thinks of a prompt; and the same check would
//! be denied for one reason or the other, whichever came first.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use futures_util::{
    FutureExt,
    future::{Either, select},
};

use super::{Pipeline, Progress, Ran, Skip, Stage, Stop, screen::Look};
use crate::{
    check::{Check, HttpRequest},
    dispatch::{Operation, Weight},
    identity::Identity,
    permission::{self, Ask, Origin},
    policy::{Facts, Matched, PermissionRule, Route},
};

/// What came of asking for a permission.
struct Asked {
    error: Option<permission::Error>,
    origin: Option<Origin>,
    ran: Ran,
}

impl Pipeline {
    /// Earns the permission and then, or meanwhile, looks into the body, where the route asks for the two.
    pub(super) async fn permit_and_screen(
        &self,
        check: &Check,
        route: &Route,
        matched: &Matched,
        identity: Option<&Identity>,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let wanted = route.screening.as_ref().zip(check.http.as_ref());
        let mut screening = pin!(async {
            match wanted {
                Some((want, request)) => {
                    let looked = self.screen(request, want, check.deadline).await;
                    looked.map(|look| Some((look, want)))
                }
                None => Ok(None),
            }
        });
        let mut looked = None;
        if let (Some(rule), Some(identity)) = (&route.permission, identity) {
            let facts = Facts {
                check,
                identity,
                captures: &matched.captures,
            };
            let mut permitting = pin!(self.permit(rule, &facts, route));
            let at_once = if self.is_worth_beginning(wanted.map(|(_, request)| request)) {
                permitting.as_mut().now_or_never()
            } else {
                Some(permitting.as_mut().await)
            };
            let meanwhile = at_once.is_none();
            let asked = match at_once {
                Some(asked) => asked,
                None => match select(permitting, screening.as_mut()).await {
                    Either::Left((asked, _)) => asked,
                    Either::Right((found, permitting)) => {
                        looked = Some(found);
                        permitting.await
                    }
                },
            };
            let permitted = progress.permitted(asked?, route);
            if permitted.is_err() && meanwhile {
                progress
                    .screened_in_vain(looked.and_then(Result::ok).flatten().map(|(look, _)| look));
                return permitted;
            }
            permitted?;
        }
        let looked = match looked {
            Some(looked) => looked,
            None => screening.await,
        };
        looked?.map_or(Ok(()), |(look, want)| progress.screened(look, *want, route))
    }

    /// Whether to look into the body while the permission is asked for.
    fn is_worth_beginning(&self, request: Option<&HttpRequest>) -> bool {
        self.authorizer.is_remote()
            && request.is_some_and(|request| self.foresee_screening(request) >= DEAR)
    }

    async fn permit(
        &self,
        rule: &PermissionRule,
        facts: &Facts<'_>,
        route: &Route,
    ) -> Result<Asked, Stop> {
        let started = Instant::now();
        let (user, object) = rule.fill(facts).map_err(|missing| {
            tracing::debug!(route = route.name, %missing, "permission cannot be asked");
            Stop::denied(missing.reason())
        })?;
        let ask = Ask::new(&user, &rule.relation, &object);
        let (who, deadline) = (facts.identity, facts.check.deadline);
        // A server's answers are counted where they are waited for, kept ones are no work.
        let choice = (!self.authorizer.is_remote()).then(|| {
            self.dispatcher
                .stay(Operation::Permission, Weight::OF_A_CHECK)
        });
        let (answer, origin) = self
            .authorizer
            .authorize(who, &ask, rule.consistency, deadline)
            .await;
        let took = started.elapsed();
        let ran = match choice {
            Some(choice) => {
                self.dispatcher.ran(&choice, took);
                Ran::of(Stage::Permission, &choice, took)
            }
            None => Ran::waited(Stage::Permission, took),
        };
        Ok(Asked {
            error: answer.err(),
            origin,
            ran,
        })
    }
}

impl Progress {
    fn permitted(&mut self, asked: Asked, route: &Route) -> Result<(), Stop> {
        self.plan.ran.push(asked.ran);
        self.permission = asked.origin;
        asked.error.map_or(Ok(()), |error| {
            let unavailable = route.permission_unavailable;
            self.stop_or_wave(error.reason(), unavailable, route, &error)
        })
    }

    /// Notes a screening whose findings are not used: one that has ended, or that is given up now.
    fn screened_in_vain(&mut self, look: Option<Look>) {
        match look {
            Some(look) => self.plan.ran.push(look.ran),
            None => self.plan.skipped.push((Stage::Screening, Skip::Stopped)),
        }
    }
}

/// What screening is predicted to take, at least, to be begun before the permission is there: about what it
/// takes to ask a service nearby. With less there is little to gain, and a denial wastes it.
const DEAR: Duration = Duration::from_micros(100);
