//! The real Envoy with a configuration from `envoy/raw/`, its four addresses replaced and nothing else.

use std::{
    collections::BTreeMap,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{client, ports, process::Process, tools};

/// The addresses as they stand in `envoy/raw/*.yaml`.
const LISTENER: &str = "address: 127.0.0.1, port_value: 10000 ";
const ADMIN: &str = "address: 127.0.0.1, port_value: 9901 ";
const SERVICE: &str = "address: 127.0.0.1, port_value: 8080 ";
const SOCKET: &str = "/run/subzero/subzero.sock";
/// Subzero's, where it is asked over HTTP.
const HTTP: &str = "address: 127.0.0.1, port_value: 9192 ";

/// Envoy accepts within 0.2 s; a busy machine may take its time.
const START: Duration = Duration::from_secs(20);

/// What to start.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// The configuration's text, addresses as in the file.
    pub(crate) config: String,
    pub(crate) listener: u16,
    pub(crate) admin: u16,
    pub(crate) service: SocketAddr,
    /// Subzero's socket.
    pub(crate) socket: PathBuf,
    /// Subzero's HTTP address, where that is asked instead.
    pub(crate) http: Option<SocketAddr>,
    /// Worker threads; each opens its own connection to Subzero.
    pub(crate) concurrency: u16,
}

impl Setup {
    /// `envoy/raw/FILE` on free ports, with one worker.
    pub(crate) fn new(file: &str, service: SocketAddr, socket: &Path) -> Self {
        let path = tools::root().join("envoy/raw").join(file);
        let config = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        Self {
            config,
            listener: ports::free(),
            admin: ports::free(),
            service,
            socket: socket.to_owned(),
            http: None,
            concurrency: 1,
        }
    }

    /// `envoy/raw/FILE`, which asks Subzero over HTTP.
    pub(crate) fn over_http(file: &str, service: SocketAddr, http: SocketAddr) -> Self {
        Self {
            http: Some(http),
            ..Self::new(file, service, Path::new(""))
        }
    }

    /// Changes one setting, written as in the file, for a test about that very setting.
    ///
    /// # Panics
    ///
    /// When `from` is not in the file exactly once.
    pub(crate) fn with(mut self, from: &str, to: &str) -> Self {
        self.config = replaced_once(&self.config, from, to);
        self
    }

    /// Starts it and waits until it accepts.
    pub(crate) async fn start(self) -> Envoy {
        let dir = tempfile::Builder::new()
            .prefix("subzero-envoy-")
            .tempdir()
            .expect("make a folder");
        let mut config = self.config;
        for (from, port) in [
            (LISTENER, self.listener),
            (ADMIN, self.admin),
            (SERVICE, self.service.port()),
        ] {
            let to = format!("address: 127.0.0.1, port_value: {port} ");
            config = replaced_once(&config, from, &to);
        }
        let socket = self.socket.to_str().expect("a UTF-8 path");
        let config = match self.http {
            None => replaced_all(&config, SOCKET, socket),
            Some(http) => {
                let to = format!("address: 127.0.0.1, port_value: {} ", http.port());
                replaced_once(&config, HTTP, &to)
            }
        };
        let path = dir.path().join("envoy.yaml");
        fs::write(&path, config).expect("write Envoy's configuration");

        let mut command = Command::new(tools::envoy());
        command
            .arg("-c")
            .arg(&path)
            .arg("--concurrency")
            .arg(self.concurrency.to_string());
        // Many run side by side, and access logs must not sit in a buffer while a test waits.
        command.args([
            "--disable-hot-restart",
            "--file-flush-interval-msec",
            "20",
            "--log-level",
            "warn",
        ]);
        let mut envoy = Envoy {
            process: Process::start("envoy", command, dir.path()),
            address: ports::local(self.listener),
            admin: ports::local(self.admin),
            dir,
        };
        envoy.process.until_accepting(envoy.admin, START).await;
        envoy.process.until_accepting(envoy.address, START).await;
        envoy
    }
}

/// A running Envoy.
#[derive(Debug)]
pub(crate) struct Envoy {
    /// Where requests go.
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) process: Process,
    // Removed after the process is gone: fields are dropped in this order.
    dir: TempDir,
}

impl Envoy {
    /// All counters and gauges by name.
    pub(crate) async fn stats(&self) -> BTreeMap<String, u64> {
        let answer = client::Request::get("/stats").send(self.admin).await.text();
        let pairs = answer.lines().filter_map(|line| line.split_once(": "));
        pairs
            .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
            .collect()
    }

    /// One counter or gauge; one that Envoy has not made yet is 0.
    pub(crate) async fn stat(&self, name: &str) -> u64 {
        self.stats().await.get(name).copied().unwrap_or_default()
    }

    /// The access log so far.
    pub(crate) fn access_log(&self) -> Vec<Value> {
        let lines = self.process.stdout();
        lines
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The access log line of this `x-request-id` (Envoy keeps a caller's own only where it trusts the
    /// caller) or, if `key` says so, of another field; waits for it.
    pub(crate) async fn logged(&mut self, key: &str, value: &str) -> Value {
        let hit = |log: Vec<Value>| log.into_iter().find(|line| line[key] == value);
        let dir = self.dir.path().join("envoy.out");
        let read = move || {
            let text = fs::read_to_string(&dir).unwrap_or_default();
            hit(text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .collect())
        };
        let what = format!("log a request with {key} = `{value}`");
        self.process
            .until(&what, START, async || read().is_some())
            .await;
        read().expect("was there a moment ago")
    }
}

fn replaced_once(text: &str, from: &str, to: &str) -> String {
    let hits = text.matches(from).count();
    assert_eq!(hits, 1, "`{from}` should stand in the configuration once");
    text.replacen(from, to, 1)
}

/// For the socket, which a comment may name too.
fn replaced_all(text: &str, from: &str, to: &str) -> String {
    assert!(
        text.contains(from),
        "`{from}` should stand in the configuration"
    );
    text.replace(from, to)
}
