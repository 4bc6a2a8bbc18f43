//! The language of the tables: what is sent, what comes back, what the service receives.

use crate::{support::client::Request, world::World};

/// One request and all that must come of it.
#[derive(Debug)]
pub(crate) struct Case {
    name: String,
    request: Request,
    expect: Expect,
}

#[derive(Debug)]
enum Expect {
    /// Subzero says no, with this status and reason; the service receives nothing.
    Denied(u16, &'static str),
    /// Envoy itself answers, without asking; the service receives nothing.
    RefusedByEnvoy(u16),
    /// The service receives it.
    Passed(Passed),
}

#[derive(Debug, Default)]
struct Passed {
    path: String,
    subject: Option<&'static str>,
    findings: Option<&'static str>,
    absent: Vec<&'static str>,
    body: Option<String>,
}

/// Denied by Subzero.
pub(crate) fn deny(name: &str, request: Request, status: u16, reason: &'static str) -> Case {
    Case {
        name: name.into(),
        request,
        expect: Expect::Denied(status, reason),
    }
}

/// Refused by Envoy before Subzero is asked.
pub(crate) fn refuse(name: &str, request: Request, status: u16) -> Case {
    Case {
        name: name.into(),
        request,
        expect: Expect::RefusedByEnvoy(status),
    }
}

/// Passed, and the service receives exactly this request target.
pub(crate) fn pass(name: &str, request: Request, path: &str) -> Case {
    let passed = Passed {
        path: path.into(),
        ..Passed::default()
    };
    Case {
        name: name.into(),
        request,
        expect: Expect::Passed(passed),
    }
}

impl Case {
    /// The service is told that this subject asks.
    pub(crate) fn subject(self, subject: &'static str) -> Self {
        self.passed(|passed| passed.subject = Some(subject))
    }

    /// The service is told of findings of these categories.
    pub(crate) fn findings(self, findings: &'static str) -> Self {
        self.passed(|passed| passed.findings = Some(findings))
    }

    /// The service receives none of these headers.
    pub(crate) fn without(self, names: &[&'static str]) -> Self {
        self.passed(|passed| passed.absent = names.to_vec())
    }

    /// The service receives this body.
    pub(crate) fn body(self, body: impl Into<String>) -> Self {
        self.passed(|passed| passed.body = Some(body.into()))
    }

    fn passed(mut self, change: impl FnOnce(&mut Passed)) -> Self {
        match &mut self.expect {
            Expect::Passed(passed) => change(passed),
            other => panic!(
                "{}: only what passes reaches the service, not {other:?}",
                self.name
            ),
        }
        self
    }

    /// What is not as expected.
    async fn run(self, world: &World) -> Vec<String> {
        let (response, received) = world.exchange(&self.name, self.request).await;
        let mut wrong = Vec::new();
        let mut check = |what: &str, found: String, expected: String| {
            if found != expected {
                wrong.push(format!(
                    "{}: {what}: found {found}, expected {expected}",
                    self.name
                ));
            }
        };
        let (status, reason) = (response.status, response.reason().to_owned());
        match self.expect {
            Expect::RefusedByEnvoy(expected) => {
                check(
                    "status and reason",
                    format!("{status} {reason}"),
                    format!("{expected} "),
                );
                check("requests received", received.len().to_string(), "0".into());
            }
            Expect::Denied(expected, why) => {
                check(
                    "status and reason",
                    format!("{status} {reason}"),
                    format!("{expected} {why}"),
                );
                check("requests received", received.len().to_string(), "0".into());
                let problem = response.json();
                check(
                    "problem",
                    problem["reason"].to_string(),
                    format!("\"{why}\""),
                );
                check(
                    "problem status",
                    problem["status"].to_string(),
                    expected.to_string(),
                );
                let kind = response
                    .header("content-type")
                    .unwrap_or_default()
                    .to_owned();
                check("content type", kind, "application/problem+json".into());
                let challenged = response.header("www-authenticate").is_some();
                check(
                    "challenge",
                    challenged.to_string(),
                    (expected == 401 || why == "token_scope").to_string(),
                );
            }
            Expect::Passed(passed) => {
                check(
                    "status and reason",
                    format!("{status} {reason}"),
                    "200 ".into(),
                );
                let Some(request) = received.first().filter(|_| received.len() == 1) else {
                    check("requests received", received.len().to_string(), "1".into());
                    return wrong;
                };
                check("path", request.path.clone(), passed.path);
                let of = |name: &str| {
                    let of_name = request
                        .headers
                        .iter()
                        .filter(|(own, _)| own.eq_ignore_ascii_case(name));
                    of_name
                        .map(|(_, value)| value.as_str())
                        .collect::<Vec<_>>()
                        .join(" | ")
                };
                check(
                    "subject",
                    of("x-subzero-subject"),
                    passed.subject.unwrap_or_default().into(),
                );
                // How many rules see the same thing is not the table's business.
                let mut findings = of("x-subzero-findings");
                findings.retain(|c| !c.is_ascii_digit() && c != '=');
                check(
                    "findings",
                    findings,
                    passed.findings.unwrap_or_default().into(),
                );
                check(
                    "decision id's length",
                    of("x-subzero-decision").len().to_string(),
                    "32".into(),
                );
                for name in passed.absent {
                    check(name, of(name), String::new());
                }
                if let Some(body) = passed.body {
                    check(
                        "body",
                        String::from_utf8_lossy(&request.body).into_owned(),
                        body,
                    );
                }
            }
        }
        wrong
    }
}

/// Runs every case and fails with all that went wrong, not with the first.
pub(crate) async fn run(world: &World, cases: Vec<Case>, at_least: usize) {
    let count = cases.len();
    assert!(
        count >= at_least,
        "the table has {count} cases and should have {at_least}"
    );
    let mut names = std::collections::HashSet::new();
    let mut wrong = Vec::new();
    for case in cases {
        assert!(
            names.insert(case.name.clone()),
            "two cases are called `{}`",
            case.name
        );
        wrong.extend(case.run(world).await);
    }
    assert!(
        wrong.is_empty(),
        "{} of {count} cases:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}
