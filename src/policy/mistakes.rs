//! What a route may not say: each mistake is told at load, with its key and the cure.

use super::config::{MatchConfig, RouteConfig};
use crate::{identity, problem::Problem, screening};

/// Adds what is wrong with a route, apart from its patterns and templates.
pub(super) fn check(
    config: &RouteConfig,
    identity: &identity::Config,
    problems: &mut Vec<Problem>,
) {
    check_name(&config.name, problems);
    check_methods(&config.matches, problems);
    check_headers(&config.matches, problems);
    check_together(config, problems);
    if let Some(requirement) = &config.identity {
        check_issuers(requirement, identity, problems);
    }
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

fn check_headers(rules: &MatchConfig, problems: &mut Vec<Problem>) {
    for name in rules.headers.keys() {
        let key = format!("match.headers.{name}");
        let lower = name.to_ascii_lowercase();
        if http::HeaderName::from_bytes(lower.as_bytes()).is_err() {
            problems.push(Problem::new(key, format!("`{name}` is not a header name")));
        } else if HOP_BY_HOP.contains(&lower.as_str()) {
            let message =
                format!("`{name}` belongs to one connection and is not passed on; match another");
            problems.push(Problem::new(key, message));
        }
    }
}

/// RFC 9110, section 7.6.1.
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Rules about keys that exclude or need each other.
fn check_together(config: &RouteConfig, problems: &mut Vec<Problem>) {
    let asks = [
        ("identity", config.identity.is_some()),
        ("permission", config.permission.is_some()),
        ("screening", config.screening.is_some()),
        ("risk", config.risk.is_some()),
    ];
    let off = |want: &screening::Requirement| {
        let is_off = |category| want.action(category) == screening::Action::Off;
        screening::Category::ALL.into_iter().all(is_off)
    };
    if config.screening.as_ref().is_some_and(off) {
        let message = "is off in all it looks for; remove it, or set one to `deny` or `flag`";
        problems.push(Problem::new("screening", message));
    }
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
    let own = requirement.problems().into_iter();
    problems.extend(own.map(|problem| problem.within("identity")));
    if requirement.issuers.is_empty() {
        problems.push(Problem::new(
            "identity.issuers",
            "names no issuer; list at least one of identity.issuers",
        ));
    }
    for (at, scope) in requirement.scopes.iter().enumerate() {
        if scope.is_empty() || scope.contains(char::is_whitespace) {
            let message = format!("`{scope}` is not one scope; list each by itself");
            problems.push(Problem::new(format!("identity.scopes[{at}]"), message));
        }
    }
    let is_asked = |name: &&String| {
        let issuer = known.issuers.get(*name);
        issuer.is_some_and(|issuer| issuer.introspection.is_some())
    };
    if let [first, second, ..] = requirement
        .issuers
        .iter()
        .filter(is_asked)
        .collect::<Vec<_>>()[..]
    {
        let message = format!(
            "`{first}` and `{second}` both have `introspection`, and an opaque token does not say whose it is; name one of them"
        );
        problems.push(Problem::new("identity.issuers", message));
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
