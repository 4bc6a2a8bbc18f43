//! The `routes:` and `route_defaults:` sections, as written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{identity, permission::Consistency, screening, units::Span};

/// One entry of `routes:`. Sections left out take their values from `route_defaults:`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Unique; the metric label and what logs say.
    pub name: String,
    /// Which requests this route is for.
    #[serde(rename = "match")]
    pub matches: MatchConfig,
    /// Pass without asking anything. Excludes identity, permission and screening.
    #[serde(default)]
    pub public: bool,
    /// Whose tokens are accepted, and the scopes they need.
    pub identity: Option<identity::Requirement>,
    /// The relation that must exist.
    pub permission: Option<PermissionConfig>,
    /// What the body must not carry.
    pub screening: Option<screening::Requirement>,
    /// How unlike its subject a request may be.
    pub risk: Option<RiskConfig>,
    /// What to answer when a step cannot decide.
    pub on_unavailable: Option<OnUnavailable>,
    /// Whether verdicts bite.
    pub mode: Option<Mode>,
    /// Let CORS preflights for this route pass without a token.
    pub allow_cors_preflight: Option<bool>,
}

/// Conditions that must all hold. Those left out hold for every request.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MatchConfig {
    /// `api.example`, or `*.example` for every host below it.
    pub host: Option<String>,
    /// `/docs/{id}`, `/files/{*rest}`.
    pub path: Option<String>,
    /// `[GET, POST]`; empty = every method.
    pub methods: Vec<String>,
    /// Header name to its exact value, or to `*` for any single value.
    pub headers: BTreeMap<String, String>,
    /// Envoy context extension to its exact value.
    pub context: BTreeMap<String, String>,
    /// A bare TCP connection instead of an HTTP request.
    pub tcp: bool,
}

/// The three parts of a relationship check.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PermissionConfig {
    /// `user:{token.sub}`.
    pub user: String,
    /// `viewer`.
    pub relation: String,
    /// `document:{path.id}`.
    pub object: String,
    /// Whether a server's kept answers will do.
    #[serde(default)]
    pub consistency: Consistency,
}

/// From which scores on a request is refused.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RiskConfig {
    /// `0.9`: a higher score is denied.
    pub deny_above: Option<f64>,
    /// `0.6`: a higher score needs a token that satisfies the next two.
    pub step_up_above: Option<f64>,
    /// Authentication classes, of which the token's `acr` must be one: `"phr phrh"`.
    pub acr_values: Option<String>,
    /// How long ago the token's `auth_time` may be.
    pub max_age: Option<Span>,
}

/// Whether a route's verdicts bite.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// A denial is a denial.
    Enforce,
    /// Decide, count and log, but let everything pass.
    Shadow,
}

/// What to answer for a step that could not decide.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenUnavailable {
    /// Go on as if the step had passed.
    Allow,
    /// 503, whatever the proxy's failure mode is.
    Deny,
    /// An error in the proxy's sense: its own `failure_mode_allow` decides.
    Error,
}

/// [`WhenUnavailable`] for each step; those left out come from `route_defaults`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OnUnavailable {
    /// When the issuer's keys cannot be had.
    pub identity: Option<WhenUnavailable>,
    /// When the permission engine cannot answer.
    pub permission: Option<WhenUnavailable>,
    /// When screening cannot run.
    pub screening: Option<WhenUnavailable>,
    /// When risk cannot be scored, because nobody was identified.
    pub risk: Option<WhenUnavailable>,
}

/// What routes take for keys they leave out.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// See [`RouteConfig::mode`].
    pub mode: Mode,
    /// See [`RouteConfig::on_unavailable`].
    pub on_unavailable: OnUnavailable,
    /// See [`RouteConfig::allow_cors_preflight`].
    pub allow_cors_preflight: bool,
}
