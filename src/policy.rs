//! Which route a request belongs to, and what that route asks for.
//!
//! Routes are compiled once, at load, into patterns and templates; a mistake in one is a problem
//! with a line number then, never a surprise at request time. The first route that matches wins
//! and nothing matching denies.
//!
//! What a reader would get wrong: the raw and the normal spelling of a path must lead to the
//! *same* route and the same captured values. A request whose two spellings disagree is refused, because the upstream may read
//! the one that policy did not look at.

mod body;
mod config;
mod index;
mod mistakes;
mod pattern;
mod permission_rule;
mod risk_rule;
mod route;
mod template;

use std::{collections::HashSet, sync::Arc};

use self::index::Index;

pub use self::{
    config::{
        Defaults, MatchConfig, Mode, OnUnavailable, PermissionConfig, RiskConfig, RouteConfig,
        WhenUnavailable,
    },
    permission_rule::PermissionRule,
    risk_rule::{Judgement, RiskRule, StepUp},
    route::{Captures, Matched, Route},
    template::{Facts, MissingInput},
};
use crate::{
    check::{Check, HttpRequest},
    identity,
    permission::Authorizer,
    problem::Problem,
    verdict::Reason,
};

/// Every route, in the order in which they are tried.
#[derive(Debug)]
pub struct Policy {
    routes: Vec<Arc<Route>>,
    index: Index,
}

impl Policy {
    /// Compiles the routes, or lists everything that is wrong with them.
    pub fn new(
        routes: &[RouteConfig],
        defaults: &Defaults,
        identity: &identity::Config,
        authorizer: &Authorizer,
    ) -> Result<Self, Vec<Problem>> {
        let mut compiled: Vec<Arc<Route>> = Vec::with_capacity(routes.len());
        let mut problems = Vec::new();
        let (mut names, mut index) = (HashSet::new(), Index::default());
        for (at, config) in routes.iter().enumerate() {
            let key = format!("routes[{at}]");
            if !names.insert(config.name.as_str()) {
                let message = format!(
                    "`{}` names an earlier route too; give each its own name",
                    config.name
                );
                problems.push(Problem::new(format!("{key}.name"), message));
            }
            match Route::new(at, config, defaults, identity, authorizer) {
                Ok(route) => {
                    index.add(at, &route);
                    compiled.push(Arc::new(route));
                }
                Err(found) => {
                    problems.extend(found.into_iter().map(|problem| problem.within(&key)));
                }
            }
        }
        if problems.is_empty() {
            Ok(Self {
                routes: compiled,
                index,
            })
        } else {
            Err(problems)
        }
    }

    /// The names of all routes, for the metric label.
    pub fn route_names(&self) -> impl Iterator<Item = &str> {
        self.routes.iter().map(|route| route.name.as_str())
    }

    /// Whether any route asks for risk.
    #[must_use]
    pub fn uses_risk(&self) -> bool {
        self.routes.iter().any(|route| route.risk.is_some())
    }

    /// The highest score that every enforced route simply lets pass. Routes in shadow mode have no
    /// say: what they try must not change what others answer.
    #[must_use]
    pub fn risk_passes_up_to(&self) -> f32 {
        let enforced = self
            .routes
            .iter()
            .filter(|route| route.mode == Mode::Enforce);
        let limits = enforced.filter_map(|route| Some(route.risk.as_ref()?.passes_up_to()));
        limits.fold(1.0, f32::min)
    }

    /// What routes ask for and `authorizer`'s model, replaced since they were compiled, lacks.
    #[must_use]
    pub fn missing_relations(&self, authorizer: &Authorizer) -> Vec<Problem> {
        let missing = |route: &Arc<Route>| {
            let found = route.permission.as_ref()?.missing(authorizer);
            found
                .into_iter()
                .next()
                .map(|problem| problem.within(&route.name))
        };
        self.routes.iter().filter_map(missing).collect()
    }

    /// The route of `check` and what its path captured, or why there is none.
    pub fn route(&self, check: &Check) -> Result<(&Arc<Route>, Matched), Reason> {
        if let Some(request) = &check.http {
            return self.http_route(check, request);
        }
        let mut routes = self.routes.iter();
        let route = routes
            .find(|route| route.matches_tcp(check))
            .ok_or(Reason::NoRoute)?;
        Ok((route, Matched::default()))
    }

    fn http_route(
        &self,
        check: &Check,
        request: &HttpRequest,
    ) -> Result<(&Arc<Route>, Matched), Reason> {
        let path = request.path.as_ref().map_err(|_| Reason::BadPath)?;
        let candidates = |path| self.index.candidates(&request.host, path).into_iter();
        let by_normal = candidates(path.normal()).find_map(|at| {
            let route = &self.routes[at];
            Some((at, route, route.matches(check, request, path.normal())?))
        });
        if !path.is_normal() {
            let by_raw = candidates(path.raw()).find_map(|at| {
                Some((at, self.routes[at].matches_raw(check, request, path.raw())?))
            });
            // The same route is not enough: `/t/a/../b` would be asked about `b` and served as `a`.
            let agrees = match (&by_raw, &by_normal) {
                (Some((raw_at, sent)), Some((at, _, matched))) => {
                    raw_at == at && *sent == matched.captures
                }
                (None, None) => true,
                _ => false,
            };
            if !agrees {
                return Err(Reason::BadPath);
            }
        }
        by_normal
            .map(|(_, route, matched)| (route, matched))
            .ok_or(Reason::NoRoute)
    }
}

#[cfg(test)]
mod tests;
