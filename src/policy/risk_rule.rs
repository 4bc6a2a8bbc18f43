//! One compiled `risk:` section: how risky is too risky, and what a riskier caller can do about it.
//!
//! What a reader would get wrong: a step-up that no token could ever satisfy sends callers round in
//! circles, so the section must say what satisfies it, and a token that does passes.

use super::{
    config::{RiskConfig, RouteConfig},
    permission_rule::PermissionRule,
};
use crate::{clock::UnixSeconds, identity::Identity, problem::Problem, units::Span};

/// Thresholds of one route; at least one of them is there.
#[derive(Clone, Debug, PartialEq)]
pub struct RiskRule {
    deny_above: Option<f32>,
    step_up: Option<StepUp>,
}

/// From where on the caller has to prove itself again, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct StepUp {
    above: f32,
    acr_values: Option<String>,
    max_age: Option<Span>,
}

/// What a score means on a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Judgement {
    /// Refuse.
    Deny,
    /// Let pass.
    Pass,
    /// Let pass: the token is what a step-up would ask for.
    SteppedUp,
    /// Ask for a stronger or more recent authentication.
    StepUp,
}

impl RiskRule {
    /// What `score` means for `identity` at the time `now`.
    #[must_use]
    pub fn judge(&self, score: f32, identity: &Identity, now: UnixSeconds) -> Judgement {
        if self.deny_above.is_some_and(|limit| score > limit) {
            return Judgement::Deny;
        }
        match &self.step_up {
            Some(step_up) if score > step_up.above => {
                let (acr, since) = (identity.authentication_class(), identity.authenticated_at());
                if step_up.is_satisfied(acr, since, now) {
                    Judgement::SteppedUp
                } else {
                    Judgement::StepUp
                }
            }
            _ => Judgement::Pass,
        }
    }

    /// The lowest score that is not simply let pass.
    #[must_use]
    pub fn passes_up_to(&self) -> f32 {
        let step_up = self.step_up.as_ref().map(|step_up| step_up.above);
        let limits = [self.deny_above, step_up].into_iter().flatten();
        limits.fold(1.0, f32::min)
    }

    /// What a caller with a higher score can do, if anything.
    #[must_use]
    pub fn step_up(&self) -> Option<&StepUp> {
        self.step_up.as_ref()
    }
}

impl StepUp {
    /// The parameters of RFC 9470's challenge: `acr_values="..."`, `max_age="..."`.
    #[must_use]
    pub fn parameters(&self) -> String {
        let mut parameters = Vec::new();
        if let Some(values) = &self.acr_values {
            parameters.push(format!("acr_values=\"{values}\""));
        }
        if let Some(age) = self.max_age {
            parameters.push(format!("max_age=\"{}\"", age.get().as_secs()));
        }
        parameters.join(", ")
    }

    /// Whether the token already says what the challenge would ask for, all of it.
    fn is_satisfied(
        &self,
        acr: Option<&str>,
        since: Option<UnixSeconds>,
        now: UnixSeconds,
    ) -> bool {
        let acr = self.acr_values.as_ref().is_none_or(|values| {
            acr.is_some_and(|acr| values.split(' ').any(|value| value == acr))
        });
        let age = self.max_age.is_none_or(|max| {
            since.is_some_and(|since| {
                since <= now.saturating_add(SKEW)
                    && now.saturating_sub(since) <= max.get().as_secs()
            })
        });
        acr && age
    }
}

/// The section as a rule, if nothing is wrong with it.
pub(super) fn compile_risk(
    config: &RiskConfig,
    route: &RouteConfig,
    permission: Option<&PermissionRule>,
    problems: &mut Vec<Problem>,
) -> Option<RiskRule> {
    let before = problems.len();
    let mut wrong = |key: &str, message: String| problems.push(Problem::new(key, message));
    let limits = [
        ("risk.deny_above", config.deny_above),
        ("risk.step_up_above", config.step_up_above),
    ];
    for (key, limit) in limits {
        if let Some(limit) = limit.filter(|limit| !(0.0..1.0).contains(limit)) {
            let message = format!("`{limit}` is not a number from 0 to below 1, such as `0.9`");
            wrong(key, message);
        }
    }
    match (config.deny_above, config.step_up_above) {
        (None, None) => {
            let message = "refuses nothing; set `deny_above`, `step_up_above` or both";
            wrong("risk", message.to_owned());
        }
        (Some(deny), Some(step_up)) if step_up >= deny => {
            let message = format!("`{step_up}` is not below `deny_above`, which denies before it");
            wrong("risk.step_up_above", message);
        }
        _ => {}
    }
    let has_peer = permission.is_some_and(PermissionRule::asks_for_peer);
    if route.identity.is_none() && !has_peer {
        let message = "needs to know who calls; add `identity: { issuers: [...] }`";
        wrong("risk", message.to_owned());
    }
    let step_up = compile_step_up(config, route, &mut wrong);
    (problems.len() == before).then_some(RiskRule {
        deny_above: config.deny_above.map(narrow),
        step_up,
    })
}

fn compile_step_up(
    config: &RiskConfig,
    route: &RouteConfig,
    wrong: &mut impl FnMut(&str, String),
) -> Option<StepUp> {
    let Some(above) = config.step_up_above else {
        let told = [
            ("risk.acr_values", config.acr_values.is_some()),
            ("risk.max_age", config.max_age.is_some()),
        ];
        for (key, _) in told.iter().filter(|(_, told)| *told) {
            wrong(
                key,
                "belongs to a step-up; set `step_up_above` too".to_owned(),
            );
        }
        return None;
    };
    if config.acr_values.is_none() && config.max_age.is_none() {
        let message = "needs `acr_values` or `max_age`, or no token could ever satisfy it";
        wrong("risk.step_up_above", message.to_owned());
    }
    if route.identity.is_none() {
        let message =
            "asks for another token, but the route has no `identity`; use `deny_above` alone";
        wrong("risk.step_up_above", message.to_owned());
    }
    if let Some(age) = config.max_age.filter(|age| age.get().subsec_nanos() > 0) {
        let message = format!("`{age}` is not whole seconds, which the challenge counts in");
        wrong("risk.max_age", message);
    }
    if let Some(text) = config.acr_values.as_deref().filter(|text| !is_list(text)) {
        let message = format!(
            "`{text}` is not a list of names with one space between them, in visible ASCII \
             without quotes and backslashes, of up to {MAX_ACR_BYTES} bytes"
        );
        wrong("risk.acr_values", message);
    }
    Some(StepUp {
        above: narrow(above),
        acr_values: config.acr_values.clone(),
        max_age: config.max_age,
    })
}

/// Goes into a header between quotes as it stands.
fn is_list(text: &str) -> bool {
    let is_name = |name: &str| {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        !name.is_empty() && name.bytes().all(fits)
    };
    text.len() <= MAX_ACR_BYTES && text.split(' ').all(is_name)
}

const MAX_ACR_BYTES: usize = 512;

/// As exact as scores are: 0.8 here is the same number as a score of 0.8.
#[expect(clippy::cast_possible_truncation, reason = "the nearest is meant")]
fn narrow(limit: f64) -> f32 {
    limit as f32
}

/// How far the issuer's clock may be ahead of ours, in seconds.
const SKEW: UnixSeconds = 30;

#[cfg(test)]
mod tests;
