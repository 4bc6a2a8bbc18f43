//! One compiled route: when it applies, and what it asks for.

use super::{
    config::{
        Defaults, MatchConfig, Mode, OnUnavailable, PermissionConfig, RouteConfig, WhenUnavailable,
    },
    pattern::{HostPattern, PathPattern},
    template::{Facts, MissingInput, Template},
};
use crate::{
    check::{Check, HttpRequest},
    identity,
    permission::Authorizer,
    problem::Problem,
    screening,
};

/// A compiled route.
#[derive(Debug)]
pub struct Route {
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
    /// What to answer when identity cannot decide.
    pub identity_unavailable: WhenUnavailable,
    /// What to answer when permission cannot decide.
    pub permission_unavailable: WhenUnavailable,
    /// What to answer when screening cannot decide.
    pub screening_unavailable: WhenUnavailable,
    /// Whether verdicts bite.
    pub mode: Mode,
    allow_cors_preflight: bool,
    host: HostPattern,
    path: Option<PathPattern>,
    rules: MatchConfig,
}

/// What the path pattern captured.
#[derive(Clone, Debug, Default)]
pub struct Captures(Vec<(String, String)>);

impl Captures {
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(own, _)| own == name)
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

/// `user:{token.sub}` has `viewer` on `document:{path.id}`.
#[derive(Debug)]
pub struct PermissionRule {
    user: Template,
    /// The relation, written out.
    pub relation: String,
    object: Template,
}

impl PermissionRule {
    /// User and object for this request.
    pub fn fill(&self, facts: &Facts<'_>) -> Result<(String, String), MissingInput> {
        Ok((self.user.fill(facts)?, self.object.fill(facts)?))
    }

    /// Whether the peer certificate can stand in for a token.
    #[must_use]
    pub fn asks_for_peer(&self) -> bool {
        self.user.reads_principal()
    }
}

impl Route {
    pub(super) fn new(
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
        check_name(&config.name, &mut problems);
        check_methods(&config.matches, &mut problems);
        check_together(config, &mut problems);
        if let Some(requirement) = &config.identity {
            check_issuers(requirement, identity, &mut problems);
        }
        let permission = config.permission.as_ref().and_then(|permission| {
            compile_permission(permission, config, path.as_ref(), authorizer, &mut problems)
        });
        let when = |pick: fn(&OnUnavailable) -> Option<WhenUnavailable>| {
            let own = config.on_unavailable.as_ref().and_then(pick);
            own.or_else(|| pick(&defaults.on_unavailable))
                .unwrap_or(WhenUnavailable::Deny)
        };
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
            name: config.name.clone(),
            public: config.public,
            identity: config.identity.clone(),
            permission,
            screening: config.screening,
            identity_unavailable,
            permission_unavailable: when(|on| on.permission),
            screening_unavailable: when(|on| on.screening),
            mode: config.mode.unwrap_or(defaults.mode),
            allow_cors_preflight: config
                .allow_cors_preflight
                .unwrap_or(defaults.allow_cors_preflight),
            host,
            path,
            rules,
        })
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

    pub(super) fn matches_raw(&self, check: &Check, request: &HttpRequest, raw: &str) -> bool {
        self.matches_all_but_path(check, request).is_some()
            && self.path.as_ref().is_none_or(|path| path.matches_raw(raw))
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

fn compile_permission(
    config: &PermissionConfig,
    route: &RouteConfig,
    path: Option<&PathPattern>,
    authorizer: &Authorizer,
    problems: &mut Vec<Problem>,
) -> Option<PermissionRule> {
    let user = keep(Template::parse(&config.user, "permission.user"), problems);
    let object = keep(
        Template::parse(&config.object, "permission.object"),
        problems,
    );
    let (user, object) = (user?, object?);
    for (template, key) in [(&user, "permission.user"), (&object, "permission.object")] {
        for name in template
            .path_names()
            .filter(|name| !path.is_some_and(|path| path.captures(name)))
        {
            let message =
                format!("`{{path.{name}}}` is not captured; add `{{{name}}}` to match.path");
            problems.push(Problem::new(key, message));
        }
        if template.reads_token() && route.identity.is_none() {
            let message = "reads the token, but the route has no `identity`; add `identity: { issuers: [...] }`";
            problems.push(Problem::new(key, message));
        }
        if template.reads_http() && route.matches.tcp {
            problems.push(Problem::new(
                key,
                "reads an HTTP request, but the route matches bare TCP connections",
            ));
        }
    }
    if route.identity.is_none() && !user.reads_principal() {
        let message = "asks for nobody in particular; add `identity`, or read `{source.principal}` in the user";
        problems.push(Problem::new("permission.user", message));
    }
    if !authorizer.has_store() {
        let message = "no relationships to check against; set `permission.store_file`";
        problems.push(Problem::new("permission", message));
    } else if !authorizer.relation_exists(object.type_name(), &config.relation) {
        let message = format!(
            "the model has no relation `{}` on type `{}`",
            config.relation,
            object.type_name()
        );
        problems.push(Problem::new("permission.relation", message));
    }
    Some(PermissionRule {
        user,
        relation: config.relation.clone(),
        object,
    })
}

fn check_name(name: &str, problems: &mut Vec<Problem>) {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
        let message =
            format!("`{name}` is not a name of up to 64 letters, digits, `-`, `_` and `.`");
        problems.push(Problem::new("name", message));
    }
    if name == NO_ROUTE {
        problems.push(Problem::new(
            "name",
            format!("`{NO_ROUTE}` is kept for requests that match no route"),
        ));
    }
}

/// The metric label of checks that no route matches.
pub(super) const NO_ROUTE: &str = "none";

fn check_methods(rules: &MatchConfig, problems: &mut Vec<Problem>) {
    for (at, method) in rules.methods.iter().enumerate() {
        if method.is_empty()
            || !method
                .bytes()
                .all(|byte| byte.is_ascii_uppercase() || byte == b'-')
        {
            let message =
                format!("`{method}` is not a method; write it in capitals, such as `GET`");
            problems.push(Problem::new(format!("match.methods[{at}]"), message));
        }
    }
}

/// Rules about keys that exclude or need each other.
fn check_together(config: &RouteConfig, problems: &mut Vec<Problem>) {
    let asks = [
        ("identity", config.identity.is_some()),
        ("permission", config.permission.is_some()),
        ("screening", config.screening.is_some()),
    ];
    for (key, _) in asks.iter().filter(|(_, asked)| *asked && config.public) {
        problems.push(Problem::new(
            *key,
            "has no meaning on a public route; remove it, or remove `public: true`",
        ));
    }
    if !config.public && asks.iter().all(|(_, asked)| !asked) {
        let message = "asks for nothing; say `public: true` if everybody may pass";
        problems.push(Problem::new("", message));
    }
    let rules = &config.matches;
    if rules.tcp {
        let http_only = [
            ("match.host", rules.host.is_some()),
            ("match.path", rules.path.is_some()),
            ("match.methods", !rules.methods.is_empty()),
            ("match.headers", !rules.headers.is_empty()),
            ("identity", config.identity.is_some()),
            ("screening", config.screening.is_some()),
        ];
        for (key, _) in http_only.iter().filter(|(_, set)| *set) {
            problems.push(Problem::new(
                *key,
                "needs an HTTP request, but the route matches bare TCP connections",
            ));
        }
    }
}

fn check_issuers(
    requirement: &identity::Requirement,
    known: &identity::Config,
    problems: &mut Vec<Problem>,
) {
    if requirement.issuers.is_empty() {
        problems.push(Problem::new(
            "identity.issuers",
            "names no issuer; list at least one of identity.issuers",
        ));
    }
    for (at, name) in requirement.issuers.iter().enumerate() {
        if !known.issuers.contains_key(name) {
            let names: Vec<&str> = known.issuers.keys().map(String::as_str).collect();
            let message = format!(
                "`{name}` is not configured under identity.issuers, which has: {}",
                names.join(", ")
            );
            problems.push(Problem::new(format!("identity.issuers[{at}]"), message));
        }
    }
}

fn lower_case_keys(rules: &MatchConfig) -> std::collections::BTreeMap<String, String> {
    rules
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .collect()
}

fn keep<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}
