//! The configuration: one YAML file over embedded defaults, then `SUBZERO_SECTION__KEY`.
//!
//! `default.yaml` is the only place of defaults. Every feature owns its part and checks it; this
//! module puts the parts together and knows on which line each value stands. Unknown keys are
//! errors: a misspelt rule must not be a rule that is not there.

mod listen;
mod source;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use self::listen::{Address, Listen, SocketMode};
use self::source::Source;
use crate::{
    admission, api, decisions, dispatch, forward_auth, identity, permission,
    policy::{self, RouteConfig},
    problem::Problem,
    risk, screening, store,
    telemetry::LogConfig,
    units::Span,
    upstream,
};

/// Everything that can be configured.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where to listen. Changed by a restart only.
    pub listen: Listen,
    /// Where work runs. Changed by a restart only.
    pub dispatch: dispatch::Config,
    /// How much may be in flight. Changed by a restart only.
    pub admission: admission::Config,
    /// How many threads answer. Changed by a restart only.
    pub runtime: Runtime,
    /// Bounds of one check.
    pub limits: Limits,
    /// How to leave.
    pub drain: Drain,
    /// What is logged, and how. Changed by a restart only.
    pub log: LogConfig,
    /// What is kept of decisions in memory. Changed by a restart only.
    pub decisions: decisions::Config,
    /// Where each decision is told. Changed by a restart only.
    pub decision_log: decisions::LogConfig,
    /// Token issuers.
    pub identity: identity::Config,
    /// Relationships.
    pub permission: permission::Config,
    /// Bodies.
    pub screening: screening::Config,
    /// Histories of subjects.
    pub risk: risk::Config,
    /// Other services.
    pub upstream: upstream::Config,
    /// What replicas share. Changed by a restart only.
    pub store: store::Config,
    /// Questions of services that do not stand behind Envoy.
    pub api: api::Config,
    /// Proxies that ask by a plain HTTP request. Changed by a restart only.
    pub forward_auth: forward_auth::Config,
    /// What routes take for keys they leave out.
    pub route_defaults: policy::Defaults,
    /// Which request asks for what.
    pub routes: Vec<RouteConfig>,
}

/// The `runtime:` section.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Threads that answer checks; 0 = as many as the CPU quota allows.
    pub workers: usize,
}

/// The `limits:` section.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Longest time for one check.
    pub deadline: Span,
}

/// The `drain:` section.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// From readiness off to the first GOAWAY.
    pub delay: Span,
    /// From there to the end, checks in flight or not.
    pub timeout: Span,
}

/// A configuration and where its values stand.
#[derive(Debug)]
pub struct Loaded {
    /// What to run.
    pub config: Config,
    /// Where relative paths start.
    pub base_dir: PathBuf,
    source: Source,
}

impl Loaded {
    /// Reads the embedded defaults, `file` over them and the environment over both.
    ///
    /// # Errors
    ///
    /// One line for each thing that is wrong, as `file:line: key: what and the cure`.
    pub fn read(file: Option<&Path>) -> Result<Self, Vec<String>> {
        let text = file.map(fs::read_to_string).transpose();
        let text = text.map_err(|error| vec![cannot_read(file, &error)])?;
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Self::from_parts(file, text.as_deref().unwrap_or_default(), variables)
    }

    fn from_parts(
        file: Option<&Path>,
        text: &str,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Vec<String>> {
        let mut source = Source::default();
        let name = file
            .map(|file| file.display().to_string())
            .unwrap_or_default();
        source
            .add_yaml("default.yaml", DEFAULTS)
            .and_then(|()| source.add_yaml(&name, text))
            .and_then(|()| source.add_variables(variables))
            .map_err(|problem| vec![problem])?;
        let empty = source.empty_below("routes");
        if !empty.is_empty() {
            return Err(empty.iter().map(|problem| source.locate(problem)).collect());
        }
        let config = source
            .read()
            .map_err(|problem| vec![source.locate(&problem)])?;
        let base_dir = file
            .and_then(Path::parent)
            .map(Path::to_owned)
            .unwrap_or_default();
        Ok(Self {
            config,
            base_dir,
            source,
        })
    }

    /// `file:line: key: message` for each problem that a feature found in its part.
    #[must_use]
    pub fn locate(&self, problems: &[Problem]) -> Vec<String> {
        problems
            .iter()
            .map(|problem| self.source.locate(problem))
            .collect()
    }
}

fn cannot_read(file: Option<&Path>, error: &io::Error) -> String {
    let file = file.unwrap_or(Path::new("")).display();
    format!("{file}: cannot be read: {error}")
}

/// The commented defaults, also printed in the documentation.
pub const DEFAULTS: &str = include_str!("config/default.yaml");

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Loaded, Vec<String>> {
        Loaded::from_parts(Some(Path::new("etc/my.yaml")), text, std::iter::empty())
    }

    #[test]
    fn the_defaults_alone_are_a_configuration() {
        let loaded = Loaded::from_parts(None, "", std::iter::empty()).expect("defaults");
        assert!(loaded.config.routes.is_empty());
        assert_eq!(loaded.config.listen.grpc.len(), 1);
    }

    #[test]
    fn mistakes_are_told_with_line_key_and_cure() {
        for (text, expected) in [
            (
                "listen:\n  grpc: [nonsense]\n",
                "etc/my.yaml:2: listen.grpc[0]: `nonsense` is not an address",
            ),
            (
                "limits:\n  deadline: 5\n",
                "etc/my.yaml:2: limits.deadline: `5` is not a span of time",
            ),
            (
                "limits:\n  deadlin: 5s\n",
                "etc/my.yaml:2: limits.deadlin: unknown field `deadlin`",
            ),
            ("routs: []\n", "etc/my.yaml:1: routs: unknown field `routs`"),
            (
                "log: { level: loud }\n",
                "etc/my.yaml:1: log.level: unknown variant `loud`",
            ),
            (
                "routes:\n  - name: a\n    match: {}\n    screening:\n",
                "etc/my.yaml:4: routes[0].screening: has no value",
            ),
            (
                "routes:\n  - match: {}\n",
                "etc/my.yaml:2: routes[0]: missing field `name`",
            ),
        ] {
            let refused = read(text).expect_err("refused");
            assert!(
                refused[0].starts_with(expected),
                "{refused:?} does not start with {expected}"
            );
        }
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        assert_eq!(read("").expect("reads").base_dir, Path::new("etc"));
    }
}
