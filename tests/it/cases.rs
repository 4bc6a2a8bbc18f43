//! The language of the tables: what is sent, what comes back, what the service receives.

use crate::{
    support::{
        client::{Request, Response},
        upstream::Received,
    },
    world::Exchange,
};

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
    async fn run(self, world: &impl Exchange) -> Vec<String> {
        let (response, received) = world.exchange(&self.name, self.request).await;
        let mut wrong = Wrong {
            case: self.name,
            found: Vec::new(),
        };
        let answer = format!("{} {}", response.status, response.reason());
        match self.expect {
            Expect::RefusedByEnvoy(status) => {
                wrong.unless("status and reason", &answer, &format!("{status} "));
                wrong.unless("requests received", &received.len().to_string(), "0");
            }
            Expect::Denied(status, reason) => {
                wrong.unless("status and reason", &answer, &format!("{status} {reason}"));
                wrong.unless("requests received", &received.len().to_string(), "0");
                wrong.unless_problem(&response, status, reason);
            }
            Expect::Passed(passed) => {
                wrong.unless("status and reason", &answer, "200 ");
                wrong.unless("requests received", &received.len().to_string(), "1");
                if let Some(request) = received.first() {
                    wrong.unless_received(request, &passed);
                }
            }
        }
        wrong.found
    }
}

/// What one case found wrong.
struct Wrong {
    case: String,
    found: Vec<String>,
}

impl Wrong {
    fn unless(&mut self, what: &str, found: &str, expected: &str) {
        if found != expected {
            self.found.push(format!(
                "{}: {what}: found {found}, expected {expected}",
                self.case
            ));
        }
    }

    /// The refusal is the one of the contract: problem, content type, challenge.
    fn unless_problem(&mut self, response: &Response, status: u16, reason: &str) {
        let problem = response.json();
        self.unless(
            "problem",
            &problem["reason"].to_string(),
            &format!("\"{reason}\""),
        );
        self.unless(
            "problem status",
            &problem["status"].to_string(),
            &status.to_string(),
        );
        let kind = response.header("content-type").unwrap_or_default();
        self.unless("content type", kind, "application/problem+json");
        let challenged = response.header("www-authenticate").is_some();
        let should_be = status == 401 || reason == "token_scope";
        self.unless("challenge", &challenged.to_string(), &should_be.to_string());
    }

    /// The service received what was sent, and from us what was decided.
    fn unless_received(&mut self, request: &Received, passed: &Passed) {
        let all = |name: &str| {
            let named = request
                .headers
                .iter()
                .filter(|(own, _)| own.eq_ignore_ascii_case(name));
            named
                .map(|(_, value)| value.as_str())
                .collect::<Vec<_>>()
                .join(" | ")
        };
        self.unless("path", &request.path, &passed.path);
        self.unless(
            "subject",
            &all("x-subzero-subject"),
            passed.subject.unwrap_or_default(),
        );
        self.unless(
            "decision id's length",
            &all("x-subzero-decision").len().to_string(),
            "32",
        );
        // How many rules see the same thing is not the table's business.
        let mut findings = all("x-subzero-findings");
        findings.retain(|c| !c.is_ascii_digit() && c != '=');
        self.unless("findings", &findings, passed.findings.unwrap_or_default());
        for name in &passed.absent {
            self.unless(name, &all(name), "");
        }
        if let Some(body) = &passed.body {
            self.unless("body", &String::from_utf8_lossy(&request.body), body);
        }
    }
}

/// Runs every case and fails with all that went wrong, not with the first.
pub(crate) async fn run(world: &impl Exchange, cases: Vec<Case>, at_least: usize) {
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
