//! What is decided when something fails, as a table: what `/failure-table` serves and
//! `ARCHITECTURE.md` shows.
//!
//! What a reader would get wrong: a row does not decide anything. It says what the steps do, and
//! the tests that break real servers in each of these ways (`tests/it/failures.rs`) keep it true;
//! another test keeps the page and the document the same.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::verdict::Reason;

/// One kind of failure of one thing that checks depend on.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Row {
    /// What fails.
    pub(super) dependency: &'static str,
    /// How.
    pub(super) failure: &'static str,
    /// What comes of it.
    pub(super) verdict: Verdict,
    /// The reason that is given; `None` where it is decided as if nothing had failed.
    #[serde(serialize_with = "word")]
    pub(super) reason: Option<Reason>,
    /// Where it is seen.
    pub(super) seen_in: &'static str,
}

/// What comes of it, by the route's `on_unavailable` for the step.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// As the setting says: `deny` 503, `error` an error in Envoy's sense, `allow` goes on.
    BySetting,
    /// Whatever the setting.
    Denied(u16),
    /// An API call, which no route's setting is about.
    Refused(u16),
    /// As always.
    Usual,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BySetting => f.write_str("`deny` 503, `error` Envoy's own, `allow` goes on"),
            Self::Denied(status) => write!(f, "denied, {status}"),
            Self::Refused(status) => write!(f, "the API answers {status}"),
            Self::Usual => f.write_str("as always"),
        }
    }
}

/// Every row.
pub(super) const TABLE: &[Row] = &[
    row(
        KEYS,
        "refused, reset or unreachable, without a set younger than `max_stale`",
        Verdict::BySetting,
        Some(Reason::KeysUnavailable),
        "`subzero_upstream_requests_total{outcome=\"connect\"}`, `/readyz`",
    ),
    row(
        KEYS,
        "slow beyond `fetch_timeout` or silent, without such a set",
        Verdict::BySetting,
        Some(Reason::KeysUnavailable),
        "`{outcome=\"timeout\"}`, `/readyz`",
    ),
    row(
        KEYS,
        "cut in the middle of an answer, or garbage, without such a set",
        Verdict::BySetting,
        Some(Reason::KeysUnavailable),
        "`{outcome=\"http\"}` or `\"parse\"`, `/readyz`",
    ),
    row(
        KEYS,
        "flapping, without such a set",
        Verdict::BySetting,
        Some(Reason::KeysUnavailable),
        "until the first good fetch; tries are 1 s apart, then ever more, 1 min at most",
    ),
    row(
        KEYS,
        "any of these, with such a set",
        Verdict::Usual,
        None,
        "`/readyz`, `subzero_keys_age_seconds`",
    ),
    row(
        KEYS,
        "any of these, and a token names a key that the set has not",
        Verdict::Denied(503),
        Some(Reason::KeysUnavailable),
        "`subzero_checks_total`; with a set that was fetched well it is 401 `token_signature`, after one \
         fetch within the issuer's budget",
    ),
    row(
        INTROSPECTION,
        "the issuer cannot be asked, or says nothing that can be read",
        Verdict::BySetting,
        Some(Reason::KeysUnavailable),
        "`subzero_upstream_requests_total{upstream=\"introspection:NAME\"}`; tokens asked about lately are known",
    ),
    row(
        INTROSPECTION,
        "as many questions as `introspection_max_in_flight` are open",
        Verdict::Denied(503),
        Some(Reason::Overloaded),
        "`subzero_checks_total`",
    ),
    row(
        INTROSPECTION,
        "refuses our credentials",
        Verdict::BySetting,
        Some(Reason::KeysUnavailable),
        "log, `{outcome=\"http\"}`",
    ),
    row(
        INTROSPECTION,
        "flapping: so many questions failed that it is left alone",
        Verdict::BySetting,
        Some(Reason::KeysUnavailable),
        "`subzero_breaker_state`, `{outcome=\"open\"}`, `/readyz`",
    ),
    row(
        ENDPOINT,
        "refused, reset, slow, silent, cut, or garbage",
        Verdict::Refused(503),
        Some(Reason::KeysUnavailable),
        "`subzero_upstream_requests_total{upstream=\"token:NAME\"}`",
    ),
    row(
        ENDPOINT,
        "flapping: so many calls failed that it is left alone",
        Verdict::Refused(503),
        Some(Reason::KeysUnavailable),
        "`subzero_breaker_state`, `{outcome=\"open\"}`, `/readyz`",
    ),
    row(
        ENDPOINT,
        "refuses our credentials",
        Verdict::Refused(503),
        Some(Reason::KeysUnavailable),
        "log, `{outcome=\"http\"}`",
    ),
    row(
        ENDPOINT,
        "says no to the exchange itself",
        Verdict::Refused(200),
        Some(Reason::PermissionDenied),
        "the answer: `authenticated: false`",
    ),
    row(
        PERMISSION,
        "refused, reset, slow beyond `timeout`, silent, cut, or garbage",
        Verdict::BySetting,
        Some(Reason::PermissionUnavailable),
        "`subzero_upstream_requests_total{upstream=\"openfga\"}`",
    ),
    row(
        PERMISSION,
        "any of these, and the answer was given lately",
        Verdict::Usual,
        None,
        "`subzero_cache_requests_total{cache=\"permission\"}`",
    ),
    row(
        PERMISSION,
        "flapping: so many calls failed that it is left alone",
        Verdict::BySetting,
        Some(Reason::PermissionUnavailable),
        "`subzero_breaker_state`, `{outcome=\"open\"}`, `/readyz`",
    ),
    row(
        PERMISSION,
        "refuses our credentials",
        Verdict::BySetting,
        Some(Reason::PermissionUnavailable),
        "`{outcome=\"http\"}`; the key's file is read again",
    ),
    row(
        REDIS,
        "refused, reset, silent, garbage, or refuses our credentials: revocations",
        Verdict::Usual,
        None,
        "`/readyz`; each replica has the list, and believes it for `max_stale`",
    ),
    row(
        REDIS,
        "the same for longer than `max_stale`, or since the start",
        Verdict::BySetting,
        Some(Reason::KeysUnavailable),
        "`/readyz`",
    ),
    row(
        REDIS,
        "the same: a proof that may be shown once",
        Verdict::BySetting,
        Some(Reason::KeysUnavailable),
        "`subzero_upstream_requests_total{upstream=\"redis\"}`",
    ),
    row(
        REDIS,
        "the same: kept answers, histories of risk",
        Verdict::Usual,
        None,
        "each replica has its own",
    ),
    row(
        REDIS,
        "slow or failing so often that it is left alone",
        Verdict::BySetting,
        Some(Reason::KeysUnavailable),
        "for proofs, as above; `subzero_breaker_state`, `{outcome=\"open\"}`; revocations go on",
    ),
    row(
        REDIS,
        "away, when a token is to be revoked",
        Verdict::Refused(503),
        None,
        "the answer; it holds on this replica, and everywhere once Redis is back",
    ),
    row(
        REDIS,
        "full, when a token is to be revoked",
        Verdict::Refused(507),
        None,
        "the answer, `{outcome=\"refused\"}`",
    ),
    row(
        POOL,
        "its lane is full, for a check",
        Verdict::Denied(503),
        Some(Reason::Overloaded),
        "`subzero_shed_total`",
    ),
    row(
        POOL,
        "its lane is full, for a call of the API",
        Verdict::Refused(429),
        Some(Reason::Overloaded),
        "`subzero_shed_total`, `Retry-After`",
    ),
    row(
        ADMISSION,
        "more is in flight than its limit, for a check",
        Verdict::Denied(503),
        Some(Reason::Overloaded),
        "`subzero_shed_total`, `subzero_admission_limit`, `Retry-After`",
    ),
    row(
        ADMISSION,
        "more is in flight than the lane's share, for a call of the API",
        Verdict::Refused(429),
        Some(Reason::Overloaded),
        "the same; batches go first, checks last",
    ),
    row(
        "decision log",
        "full, gone or stuck",
        Verdict::Usual,
        None,
        "`subzero_decision_log_total`: lines are lost rather than checks delayed",
    ),
    row(
        "embedded permission engine",
        "a question is deeper or wider than is worked out",
        Verdict::BySetting,
        Some(Reason::PermissionUnavailable),
        "`subzero_checks_total`",
    ),
    row(
        "history of risk",
        "nobody was identified, and the route let that pass",
        Verdict::BySetting,
        Some(Reason::RiskUnavailable),
        "`subzero_checks_total`",
    ),
    row(
        "time",
        "the deadline passes before the verdict stands",
        Verdict::Denied(503),
        Some(Reason::Deadline),
        "`subzero_checks_total`",
    ),
    row(
        "a step, or work shared with others",
        "panics",
        Verdict::Denied(503),
        Some(Reason::Internal),
        "log, `subzero_checks_total`",
    ),
];

const ADMISSION: &str = "admission";
const ENDPOINT: &str = "token endpoint";
const INTROSPECTION: &str = "introspection";
const KEYS: &str = "issuer's keys";
const PERMISSION: &str = "permission server";
const POOL: &str = "pool";
const REDIS: &str = "Redis";

const fn row(
    dependency: &'static str,
    failure: &'static str,
    verdict: Verdict,
    reason: Option<Reason>,
    seen_in: &'static str,
) -> Row {
    Row {
        dependency,
        failure,
        verdict,
        reason,
        seen_in,
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "the form that serde asks for"
)]
fn word<S: Serializer>(reason: &Option<Reason>, to: S) -> Result<S::Ok, S::Error> {
    reason.map(Reason::as_str).serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Class;

    /// The table as `ARCHITECTURE.md` shows it.
    fn markdown() -> String {
        let mut text =
            "| what fails | how | verdict | reason | seen in |\n|---|---|---|---|---|\n".to_owned();
        for row in TABLE {
            let reason = row
                .reason
                .map_or_else(String::new, |reason| format!("`{reason}`"));
            let (dependency, failure) = (row.dependency, row.failure);
            let (verdict, seen_in) = (row.verdict, row.seen_in);
            let line = format!("| {dependency} | {failure} | {verdict} | {reason} | {seen_in} |\n");
            text.push_str(&line);
        }
        text
    }

    #[test]
    fn the_document_shows_the_table_as_it_is() {
        let document = include_str!("../../ARCHITECTURE.md");
        let table = markdown();
        assert!(
            document.contains(&table),
            "ARCHITECTURE.md should have:\n{table}"
        );
    }

    #[test]
    fn what_could_not_be_decided_is_never_called_denied() {
        for row in TABLE {
            let class = row.reason.map(Reason::class);
            match row.verdict {
                Verdict::BySetting => assert_eq!(class, Some(Class::Undecided), "{row:?}"),
                Verdict::Usual => assert_eq!(class, None, "{row:?}"),
                Verdict::Denied(status) => {
                    let reason = row.reason.expect("a denial has a reason");
                    assert_eq!(reason.http_status(), status, "{row:?}");
                }
                // Calls that are about no caller have a status and no reason.
                Verdict::Refused(status) => assert!(class.is_some() || status >= 500, "{row:?}"),
            }
        }
    }
}
