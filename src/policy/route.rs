//! One compiled route: when it applies, and what it asks for.

use std::sync::Arc;

use super::{
    config::{Defaults, MatchConfig, Mode, OnUnavailable, RouteConfig, WhenUnavailable},
    mistakes,
    pattern::{Captured, HostPattern, PathPattern},
    permission_rule::{PermissionRule, compile_permission},
    risk_rule::{RiskRule, compile_risk},
};
use crate::{
    check::{Check, HttpRequest, RequestPath},
    identity,
    permission::Authorizer,
    problem::Problem,
    screening,
};

/// A compiled route.
#[derive(Debug)]
pub struct Route {
    /// Its place among the routes, from 0.
    pub number: usize,
    /// The configured name.
    pub name: String,
    /// Pass without asking anything.
    pub public: bool,
    /// Whose tokens, with which scopes; `None` asks for no token.
    pub identity: Option<identity::Requirement>,
    /// The relation that must exist.
    pub permission: Option<PermissionRule>,
    /// What the body must not carry.
    pub screening: Option<screening::Requirement>,
    /// How risky is too risky.
    pub risk: Option<RiskRule>,
    /// What to answer when identity cannot decide.
    pub identity_unavailable: WhenUnavailable,
    /// What to answer when permission cannot decide.
    pub permission_unavailable: WhenUnavailable,
    /// What to answer when screening cannot decide.
    pub screening_unavailable: WhenUnavailable,
    /// What to answer when risk cannot be scored.
    pub risk_unavailable: WhenUnavailable,
    /// Whether verdicts bite.
    pub mode: Mode,
    allow_cors_preflight: bool,
    host: HostPattern,
    path: Option<PathPattern>,
    rules: MatchConfig,
}

/// What the path pattern captured.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Captures(Captured);

impl Captures {
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(own, _)| **own == *name)
            .map(|(_, value)| value.as_str())
    }
}

/// How a request matched.
#[derive(Clone, Debug, Default)]
pub struct Matched {
    /// What the path captured.
    pub captures: Captures,
    /// A CORS preflight that this route lets pass.
    pub preflight: bool,
}

impl Route {
    pub(super) fn new(
        number: usize,
        config: &RouteConfig,
        defaults: &Defaults,
        identity: &identity::Config,
        authorizer: &Authorizer,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let host = HostPattern::parse(config.matches.host.as_deref());
        let host = keep(
            host.map_err(|why| Problem::new("match.host", why)),
            &mut problems,
        );
        let path = config
            .matches
            .path
            .as_deref()
            .map(PathPattern::parse)
            .transpose();
        let path = keep(
            path.map_err(|why| Problem::new("match.path", why)),
            &mut problems,
        )
        .flatten();
        mistakes::check(config, identity, &mut problems);
        let permission = config.permission.as_ref().and_then(|permission| {
            compile_permission(permission, config, path.as_ref(), authorizer, &mut problems)
        });
        let risk = config
            .risk
            .as_ref()
            .and_then(|risk| compile_risk(risk, config, permission.as_ref(), &mut problems));
        let when = |pick| when_unavailable(config, defaults, pick);
        let identity_unavailable = when(|on| on.identity);
        if permission.is_some() && identity_unavailable == WhenUnavailable::Allow {
            let message = "`allow` leaves nobody to check a permission for; \
                           set it to `deny` or `error`, or remove the route's `permission`";
            problems.push(Problem::new("on_unavailable.identity", message));
        }
        let Some(host) = host.filter(|_| problems.is_empty()) else {
            return Err(problems);
        };
        let rules = MatchConfig {
            headers: lower_case_keys(&config.matches),
            ..config.matches.clone()
        };
        Ok(Self {
            number,
            name: config.name.clone(),
            public: config.public,
            identity: config.identity.clone(),
            permission,
            screening: config.screening,
            risk,
            identity_unavailable,
            permission_unavailable: when(|on| on.permission),
            screening_unavailable: when(|on| on.screening),
            risk_unavailable: when(|on| on.risk),
            mode: config.mode.unwrap_or(defaults.mode),
            allow_cors_preflight: config
                .allow_cors_preflight
                .unwrap_or(defaults.allow_cors_preflight),
            host,
            path,
            rules,
        })
    }

    /// Where requests must go to belong here.
    pub(super) fn place(&self) -> (&HostPattern, Option<&PathPattern>) {
        (&self.host, self.path.as_ref())
    }

    pub(super) fn matches(
        &self,
        check: &Check,
        request: &HttpRequest,
        normal: &str,
    ) -> Option<Matched> {
        let preflight = self.matches_all_but_path(check, request)?;
        let captures = match &self.path {
            Some(path) => Captures(path.matches(normal)?),
            None => Captures::default(),
        };
        Some(Matched {
            captures,
            preflight,
        })
    }

    /// As [`Route::matches`], for the path as it was sent; captures are decoded one by one.
    pub(super) fn matches_raw(
        &self,
        check: &Check,
        request: &HttpRequest,
        raw: &str,
    ) -> Option<Captures> {
        self.matches_all_but_path(check, request)?;
        let Some(path) = &self.path else {
            return Some(Captures::default());
        };
        let decoded = |(name, sent): (Arc<str>, String)| {
            let value = RequestPath::decode(&sent).unwrap_or(sent);
            (name, value)
        };
        Some(Captures(
            path.matches_raw(raw)?.into_iter().map(decoded).collect(),
        ))
    }

    pub(super) fn matches_tcp(&self, check: &Check) -> bool {
        self.rules.tcp && self.matches_context(check)
    }

    /// `Some(whether it is a preflight)` when host, method, headers and context agree.
    fn matches_all_but_path(&self, check: &Check, request: &HttpRequest) -> Option<bool> {
        if self.rules.tcp || !self.host.matches(&request.host) || !self.matches_context(check) {
            return None;
        }
        let requested = preflight_method(request).filter(|_| self.allow_cors_preflight);
        let method = requested.unwrap_or(&request.method);
        if !self.rules.methods.is_empty() && !self.rules.methods.iter().any(|own| own == method) {
            return None;
        }
        // A preflight carries none of the request's own headers, so they cannot be asked for.
        let headers_agree = requested.is_some()
            || self.rules.headers.iter().all(|(name, wanted)| {
                let sent = request.headers.joined(name);
                sent.is_some_and(|sent| {
                    if wanted == "*" {
                        !sent.contains(&b',')
                    } else {
                        sent == wanted.as_bytes()
                    }
                })
            });
        headers_agree.then_some(requested.is_some())
    }

    fn matches_context(&self, check: &Check) -> bool {
        self.rules
            .context
            .iter()
            .all(|(name, wanted)| check.context.get(name) == Some(wanted))
    }
}

/// The method a CORS preflight asks about, when `request` is one.
fn preflight_method(request: &HttpRequest) -> Option<&str> {
    let is_preflight = request.method == "OPTIONS" && request.headers.contains("origin");
    request
        .headers
        .single("access-control-request-method")
        .filter(|_| is_preflight)
}

/// The route's own wish for a step, else the default one, else to deny.
fn when_unavailable(
    config: &RouteConfig,
    defaults: &Defaults,
    pick: fn(&OnUnavailable) -> Option<WhenUnavailable>,
) -> WhenUnavailable {
    let own = config.on_unavailable.as_ref().and_then(pick);
    own.or_else(|| pick(&defaults.on_unavailable))
        .unwrap_or(WhenUnavailable::Deny)
}

fn lower_case_keys(rules: &MatchConfig) -> std::collections::BTreeMap<String, String> {
    rules
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect()
}

pub(super) fn keep<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}
