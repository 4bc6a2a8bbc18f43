//! The `store:` section: which Redis replicas share, and as whom it is asked.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use reqwest::Url;
use serde::{Deserialize, Serialize};

use super::keys::Root;
use crate::{problem::Problem, units::Span};

/// What is kept, and where. Defaults: `config/default.yaml`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Shared by all replicas; without a `url`, everything stays in memory.
    pub redis: RedisConfig,
}

/// Where Redis is, and how it is asked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RedisConfig {
    /// `redis://HOST:PORT/DB`, `rediss://` for TLS, `unix:/PATH`; `None` = no Redis.
    pub url: Option<String>,
    /// How its servers stand to each other.
    pub topology: Topology,
    /// More servers to ask first: Cluster's, or the other Sentinels.
    pub nodes: Vec<String>,
    /// What the Sentinels call the server that is written to.
    pub master: Option<String>,
    /// The ACL user; `None` = the default one.
    pub username: Option<String>,
    /// The user's password, read again whenever it is refused.
    pub password_file: Option<PathBuf>,
    /// The user at the Sentinels.
    pub sentinel_username: Option<String>,
    /// And that user's password.
    pub sentinel_password_file: Option<PathBuf>,
    /// Certificates to trust (PEM) instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate (PEM), where the server asks for one…
    pub cert_file: Option<PathBuf>,
    /// …and its key.
    pub cert_key_file: Option<PathBuf>,
    /// The secret that keys and seals are made with, the same on every replica.
    pub key_file: Option<PathBuf>,
    /// Longest wait for one answer.
    pub deadline: Span,
    /// Longest wait for a connection, logging in included.
    pub connect_timeout: Span,
    /// Longest pause between two attempts to connect.
    pub reconnect_after: Span,
}

/// How the servers stand to each other.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Topology {
    /// Keys are spread over several; `url` and `nodes` are some of them.
    Cluster,
    /// One is written to, and Sentinels know which; `url` and `nodes` are the Sentinels.
    Sentinel,
    /// One.
    Standalone,
}

/// A [`RedisConfig`], checked. Passwords are not in it: their files are read when they are needed.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) nodes: Vec<Node>,
    pub(super) database: i64,
    pub(super) topology: Topology,
    pub(super) master: String,
    pub(super) user: Login,
    pub(super) sentinel_user: Login,
    pub(super) certificates: Certificates,
    pub(super) deadline: Duration,
    pub(super) connect_timeout: Duration,
    pub(super) reconnect_after: Duration,
}

/// One server's address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Node {
    Tcp { host: String, port: u16, tls: bool },
    Unix(PathBuf),
}

/// As whom to ask.
#[derive(Clone, Debug, Default)]
pub(super) struct Login {
    pub(super) name: Option<String>,
    pub(super) password_file: Option<PathBuf>,
}

/// PEM texts.
#[derive(Clone, Default)]
pub(super) struct Certificates {
    pub(super) ca: Option<Vec<u8>>,
    /// Certificate and key.
    pub(super) own: Option<(Vec<u8>, Vec<u8>)>,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates")
    }
}

impl Config {
    /// What cannot be used, with the cure. Reads the files that are named.
    #[must_use]
    pub fn problems(&self, base_dir: &Path) -> Vec<Problem> {
        self.resolve(base_dir).err().unwrap_or_default()
    }

    /// Where to connect to and the root of all keys; `None` = in memory only.
    pub(super) fn resolve(
        &self,
        base_dir: &Path,
    ) -> Result<Option<(Settings, Root)>, Vec<Problem>> {
        let resolved = self.redis.resolve(base_dir);
        resolved.map_err(|found| {
            let found = found.into_iter();
            found.map(|problem| problem.within("redis")).collect()
        })
    }
}

impl RedisConfig {
    fn resolve(&self, base_dir: &Path) -> Result<Option<(Settings, Root)>, Vec<Problem>> {
        let Some(url) = &self.url else {
            return match self.needs_url() {
                None => Ok(None),
                Some(key) => Err(vec![Problem::new(
                    key,
                    "means nothing without `store.redis.url`; set that too, or leave this out",
                )]),
            };
        };
        let mut problems = Vec::new();
        let mut nodes = Vec::new();
        let mut database = 0;
        for (key, text) in self.addresses(url) {
            match address(text) {
                Ok((node, number)) => {
                    database = number.unwrap_or(database);
                    nodes.push(node);
                }
                Err(message) => problems.push(Problem::new(key, message)),
            }
        }
        problems.extend(self.mismatches(&nodes, database));
        let root = self
            .root(base_dir)
            .map_err(|problem| problems.push(problem));
        let mut file = |key: &str, path: Option<&PathBuf>| {
            let path = base_dir.join(path?);
            let text = fs::read(&path).map_err(|error| {
                let message = format!("cannot read `{}`: {error}", path.display());
                problems.push(Problem::new(key, message));
            });
            text.ok()
        };
        let (ca, cert, cert_key) = (
            file("ca_file", self.ca_file.as_ref()),
            file("cert_file", self.cert_file.as_ref()),
            file("cert_key_file", self.cert_key_file.as_ref()),
        );
        file("password_file", self.password_file.as_ref());
        file(
            "sentinel_password_file",
            self.sentinel_password_file.as_ref(),
        );
        let login = |name: &Option<String>, file: &Option<PathBuf>| Login {
            name: name.clone(),
            password_file: file.as_ref().map(|file| base_dir.join(file)),
        };
        match root {
            Ok(root) if problems.is_empty() => Ok(Some((
                Settings {
                    nodes,
                    database,
                    topology: self.topology,
                    master: self.master.clone().unwrap_or_default(),
                    user: login(&self.username, &self.password_file),
                    sentinel_user: login(&self.sentinel_username, &self.sentinel_password_file),
                    certificates: Certificates {
                        ca,
                        own: cert.zip(cert_key),
                    },
                    deadline: self.deadline.get(),
                    connect_timeout: self.connect_timeout.get(),
                    reconnect_after: self.reconnect_after.get(),
                },
                root,
            ))),
            _ => Err(problems),
        }
    }

    /// A key that was set though nothing is asked.
    fn needs_url(&self) -> Option<&'static str> {
        [
            ("nodes", !self.nodes.is_empty()),
            ("master", self.master.is_some()),
            ("username", self.username.is_some()),
            ("password_file", self.password_file.is_some()),
            ("ca_file", self.ca_file.is_some()),
            ("cert_file", self.cert_file.is_some()),
        ]
        .into_iter()
        .find_map(|(key, is_set)| is_set.then_some(key))
    }

    fn addresses<'a>(&'a self, url: &'a str) -> impl Iterator<Item = (String, &'a str)> {
        let more = self.nodes.iter().enumerate();
        let more = more.map(|(at, node)| (format!("nodes[{at}]"), node.as_str()));
        std::iter::once(("url".to_owned(), url)).chain(more)
    }

    /// Keys that do not go together.
    fn mismatches(&self, nodes: &[Node], database: i64) -> Vec<Problem> {
        let is_unix = |node: &Node| matches!(node, Node::Unix(_));
        let uses_tls = |node: &Node| matches!(node, Node::Tcp { tls: true, .. });
        let is = |topology| self.topology == topology;
        [
            (
                is(Topology::Standalone) && !self.nodes.is_empty(),
                "nodes",
                "belong to `topology: cluster` or `sentinel`; one server needs `url` alone",
            ),
            (
                is(Topology::Sentinel) && self.master.is_none(),
                "master",
                "is what Sentinels are asked for; write the name they monitor it under",
            ),
            (
                !is(Topology::Sentinel) && self.master.is_some(),
                "master",
                "belongs to `topology: sentinel`; leave it out",
            ),
            (
                !is(Topology::Standalone) && nodes.iter().any(is_unix),
                "url",
                "is a Unix socket, which only `topology: standalone` can use",
            ),
            (
                is(Topology::Cluster) && database != 0,
                "url",
                "names a database, and a cluster has one only; leave `/N` out",
            ),
            (
                nodes.iter().any(uses_tls) != nodes.iter().all(uses_tls),
                "nodes",
                "use TLS in part; write `rediss://` for all of them or for none",
            ),
            (
                self.ca_file.is_some() && !nodes.iter().any(uses_tls),
                "ca_file",
                "means nothing without TLS; write `rediss://`",
            ),
            (
                self.cert_file.is_some() != self.cert_key_file.is_some(),
                "cert_file",
                "and `cert_key_file` go together; set both or none",
            ),
            (
                self.username.is_some() && self.password_file.is_none(),
                "username",
                "needs `password_file`",
            ),
        ]
        .into_iter()
        .filter(|(is_wrong, ..)| *is_wrong)
        .map(|(_, key, message)| Problem::new(key, message))
        .collect()
    }

    fn root(&self, base_dir: &Path) -> Result<Root, Problem> {
        let Some(path) = &self.key_file else {
            let message = "is needed with Redis: a file with 16 random bytes or more, the same on \
                           every replica (`openssl rand -hex 32 > FILE`)";
            return Err(Problem::new("key_file", message));
        };
        let path = base_dir.join(path);
        let bytes = fs::read(&path).map_err(|error| {
            let message = format!("cannot read `{}`: {error}", path.display());
            Problem::new("key_file", message)
        })?;
        Root::from_file(&bytes).ok_or_else(|| {
            let message = format!(
                "`{}` holds less than {} bytes, or more than a key: write `openssl rand -hex 32` into it",
                path.display(),
                Root::LEAST
            );
            Problem::new("key_file", message)
        })
    }
}

/// An address and its database, or what is wrong with it. Never tells what it says after `@`.
fn address(text: &str) -> Result<(Node, Option<i64>), String> {
    if let Some(path) = text.strip_prefix("unix:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        return if path.starts_with('/') {
            Ok((Node::Unix(path.into()), None))
        } else {
            Err(format!("`{text}` is no socket; write `unix:/PATH`"))
        };
    }
    let wrong =
        || "is not an address; write `redis://HOST:PORT`, `rediss://` for TLS, or `unix:/PATH`";
    let url = Url::parse(text).map_err(|_| wrong().to_owned())?;
    if url.password().is_some() || !url.username().is_empty() {
        return Err("holds credentials; put them into `username` and `password_file`".to_owned());
    }
    let tls = match url.scheme() {
        "redis" => false,
        "rediss" => true,
        _ => return Err(wrong().to_owned()),
    };
    let host = url.host_str().filter(|host| !host.is_empty());
    let host = host.ok_or_else(|| wrong().to_owned())?;
    let host = host.trim_matches(['[', ']']).to_owned();
    let database = match url.path().trim_matches('/') {
        "" => None,
        number => Some(number.parse().map_err(|_| {
            format!("`{number}` is not the number of a database; write `redis://HOST:PORT/0`")
        })?),
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err("has more than an address in it; leave out what follows `?` or `#`".to_owned());
    }
    let port = url.port().unwrap_or(6379);
    Ok((Node::Tcp { host, port, tls }, database))
}

#[cfg(test)]
mod tests;
