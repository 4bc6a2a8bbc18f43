//! `subzero ask`: one question to a running Subzero, put as Envoy would put it.
//!
//! It goes through the gRPC door itself, so what it proves is the whole way: the listener, the routes
//! in force, the answer. Headers may hold a token, and arguments are seen by everybody on the machine:
//! `--header NAME=@FILE` reads the value from a file.

use std::{collections::HashMap, fs, process::ExitCode, time::Duration};

use clap::Args;
use serde_json::json;
use tonic::transport::Endpoint;

use crate::{
    proto::{
        AttributeContext, AuthorizationClient, CheckRequest, CheckResponse, HttpRequest,
        HttpResponse, Kind, Request, Struct,
    },
    verdict::{Class, Reason},
};

/// What to ask, and what to expect.
#[derive(Debug, Args)]
pub(super) struct Question {
    /// Path, with a query if there is one
    #[arg(default_value = "/")]
    path: String,
    /// Where Subzero listens for Envoy
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9191")]
    to: String,
    /// Method of the request
    #[arg(long, default_value = "GET")]
    method: String,
    /// Host of the request
    #[arg(long, default_value = "localhost")]
    host: String,
    /// Header, `name=value` or `name=@FILE`
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = pair)]
    headers: Vec<(String, String)>,
    /// Context extension, as Envoy's own configuration sets it
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    context: Vec<(String, String)>,
    /// Exit 0 for this answer alone: `allowed`, `denied` or a reason such as `token_missing`
    #[arg(long, value_name = "WHAT", value_parser = expectation)]
    expect: Option<Expected>,
}

/// What makes the exit code 0.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Allowed,
    Denied,
    Because(Reason),
}

/// What came back.
struct Answer {
    allowed: bool,
    reason: Option<Reason>,
    status: i32,
    decision: String,
}

/// Asks, prints one JSON object, and compares.
pub(super) fn run(question: &Question) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let answer = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(ask(question)));
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => {
            eprintln!("subzero: {why}");
            return ExitCode::FAILURE;
        }
    };
    println!(
        "{}",
        json!({
            "allowed": answer.allowed,
            "reason": answer.reason.map(Reason::as_str),
            "status": answer.status,
            "decision": answer.decision,
        })
    );
    if question.is_met_by(&answer) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

impl Question {
    fn is_met_by(&self, answer: &Answer) -> bool {
        match self.expect.unwrap_or(Expected::Allowed) {
            Expected::Allowed => answer.allowed,
            // Subzero could not decide: that is no denial.
            Expected::Denied => {
                !answer.allowed
                    && answer
                        .reason
                        .is_some_and(|reason| reason.class() == Class::Denied)
            }
            Expected::Because(reason) => answer.reason == Some(reason),
        }
    }

    fn as_envoy_puts_it(&self) -> Result<CheckRequest, String> {
        let mut headers = HashMap::from([
            (":method".to_owned(), self.method.clone()),
            (":path".to_owned(), self.path.clone()),
            (":authority".to_owned(), self.host.clone()),
        ]);
        for (name, value) in &self.headers {
            let value = match value.strip_prefix('@') {
                None => value.clone(),
                Some(file) => fs::read_to_string(file)
                    .map_err(|error| format!("--header {name}: {file}: cannot be read: {error}"))?
                    .trim_end()
                    .to_owned(),
            };
            headers.insert(name.to_ascii_lowercase(), value);
        }
        let http = HttpRequest {
            method: self.method.clone(),
            path: self.path.clone(),
            host: self.host.clone(),
            scheme: "http".to_owned(),
            protocol: "HTTP/1.1".to_owned(),
            headers,
            ..HttpRequest::default()
        };
        Ok(CheckRequest {
            attributes: Some(AttributeContext {
                request: Some(Request {
                    http: Some(http),
                    ..Request::default()
                }),
                context_extensions: self.context.iter().cloned().collect(),
                ..AttributeContext::default()
            }),
        })
    }
}

async fn ask(question: &Question) -> Result<Answer, String> {
    let request = question.as_envoy_puts_it()?;
    let endpoint = Endpoint::from_shared(question.to.clone())
        .map_err(|_| {
            format!(
                "`{}` is not an address such as `http://127.0.0.1:9191`",
                question.to
            )
        })?
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE);
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| format!("{}: {}", question.to, because(&error)))?;
    let answer = AuthorizationClient::new(channel)
        .check(request)
        .await
        .map_err(|status| format!("{}: {}", question.to, status.message()))?;
    Ok(Answer::read(answer.into_inner()))
}

impl Answer {
    /// A response without a status is an allow to Envoy, so it is one here.
    fn read(response: CheckResponse) -> Self {
        let allowed = response.status.is_none_or(|status| status.code == 0);
        let status = match response.http_response {
            Some(HttpResponse::DeniedResponse(denied) | HttpResponse::ErrorResponse(denied)) => {
                denied.status.map_or(0, |status| status.code)
            }
            _ => 0,
        };
        let own = response
            .dynamic_metadata
            .and_then(|mut all| all.fields.remove("subzero"))
            .and_then(|value| value.kind);
        let own = match own {
            Some(Kind::StructValue(own)) => own,
            _ => Struct::default(),
        };
        let text = |name: &str| match own.fields.get(name).and_then(|value| value.kind.as_ref()) {
            Some(Kind::StringValue(text)) => text.clone(),
            _ => String::new(),
        };
        let reason = text("reason");
        Self {
            allowed,
            reason: Reason::ALL
                .into_iter()
                .find(|known| known.as_str() == reason),
            status,
            decision: text("decision_id"),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    text.split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("`{text}` is not `name=value`"))
}

fn expectation(text: &str) -> Result<Expected, String> {
    match text {
        "allowed" => Ok(Expected::Allowed),
        "denied" => Ok(Expected::Denied),
        _ => Reason::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .map(Expected::Because)
            .ok_or_else(|| {
                format!("`{text}` is none of `allowed`, `denied` and the reasons of the README")
            }),
    }
}

/// The innermost cause: what tonic says itself is only `transport error`.
pub(super) fn because(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
