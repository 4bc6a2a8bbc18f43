//! One compiled `permission:` section: who must have which relation to what.

use super::{
    config::{PermissionConfig, RouteConfig},
    pattern::PathPattern,
    route::keep,
    template::{Facts, MissingInput, Template},
};
use crate::{
    permission::{Authorizer, Consistency},
    problem::Problem,
};

/// `user:{token.sub}` has `viewer` on `document:{path.id}`.
#[derive(Debug)]
pub struct PermissionRule {
    user: Template,
    /// The relation, written out.
    pub relation: String,
    object: Template,
    /// Whether a server's kept answers will do.
    pub consistency: Consistency,
}

impl PermissionRule {
    /// User and object for this request.
    pub fn fill(&self, facts: &Facts<'_>) -> Result<(String, String), MissingInput> {
        Ok((self.user.fill(facts)?, self.object.fill(facts)?))
    }

    /// What the model lacks that this rule asks for.
    pub(super) fn missing(&self, authorizer: &Authorizer) -> Vec<Problem> {
        if !authorizer.has_store() {
            let message = "no relationships to check against; set `permission.store_file` \
                           or `permission.openfga`";
            return vec![Problem::new("permission", message)];
        }
        let mut problems = Vec::new();
        let (user, object) = (self.user.type_name(), self.object.type_name());
        if !authorizer.type_exists(user) {
            let message = format!("the model has no type `{user}`");
            problems.push(Problem::new("permission.user", message));
        }
        if !authorizer.relation_exists(object, &self.relation) {
            let message = format!(
                "the model has no relation `{}` on type `{object}`",
                self.relation
            );
            problems.push(Problem::new("permission.relation", message));
        }
        problems
    }

    /// Whether the peer certificate can stand in for a token.
    #[must_use]
    pub fn asks_for_peer(&self) -> bool {
        self.user.reads_principal()
    }
}

pub(super) fn compile_permission(
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
    check_facts(&user, "permission.user", route, path, problems);
    check_facts(&object, "permission.object", route, path, problems);
    check_user(&user, route, problems);
    let rule = PermissionRule {
        user,
        relation: config.relation.clone(),
        object,
        consistency: config.consistency,
    };
    problems.extend(rule.missing(authorizer));
    Some(rule)
}

/// What a template reads must be there on this route.
fn check_facts(
    template: &Template,
    key: &str,
    route: &RouteConfig,
    path: Option<&PathPattern>,
    problems: &mut Vec<Problem>,
) {
    for name in template
        .path_names()
        .filter(|name| !path.is_some_and(|path| path.captures(name)))
    {
        let message = format!("`{{path.{name}}}` is not captured; add `{{{name}}}` to match.path");
        problems.push(Problem::new(key, message));
    }
    if template.reads_token() && route.identity.is_none() {
        let message =
            "reads the token, but the route has no `identity`; add `identity: { issuers: [...] }`";
        problems.push(Problem::new(key, message));
    }
    if template.reads_http() && route.matches.tcp {
        problems.push(Problem::new(
            key,
            "reads an HTTP request, but the route matches bare TCP connections",
        ));
    }
}

/// A permission asks about somebody proven.
fn check_user(user: &Template, route: &RouteConfig, problems: &mut Vec<Problem>) {
    if !user.reads_proven() {
        let message =
            "asks about the same user whoever calls; read the token or `{source.principal}`";
        problems.push(Problem::new("permission.user", message));
    } else if route.identity.is_none() && !user.reads_principal() {
        let message = "asks for nobody in particular; add `identity`, or read `{source.principal}` in the user";
        problems.push(Problem::new("permission.user", message));
    }
    for claim in user.claims() {
        let message = format!(
            "reads `{claim}`, which any client can set; read the token, `{{source.principal}}` or \
             Envoy's context or metadata"
        );
        problems.push(Problem::new("permission.user", message));
    }
}
