//! Subzero itself: the built binary in its own process, with its own socket, ports and folder.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{client::Request, metrics::Metrics, ports, process::Process};

/// It is ready within 0.2 s; a busy machine, a debug build and an issuer to ask take longer.
const START: Duration = Duration::from_secs(20);

/// What to start.
#[derive(Debug)]
pub(crate) struct Setup {
    binary: PathBuf,
    config: String,
    dir: TempDir,
    environment: Vec<(String, String)>,
    socket: Option<PathBuf>,
    grpc: u16,
    http: u16,
    admin: u16,
}

impl Setup {
    /// `binary` with this configuration, which leaves out `listen`.
    ///
    /// Tests pass `env!("CARGO_BIN_EXE_subzero")`.
    pub(crate) fn new(binary: impl AsRef<Path>, config: &str) -> Self {
        Self {
            binary: binary.as_ref().to_owned(),
            config: config.to_owned(),
            // Short, because a socket's path has to fit into 107 bytes.
            dir: tempfile::Builder::new()
                .prefix("subzero-")
                .tempdir()
                .expect("make a folder"),
            environment: Vec::new(),
            socket: None,
            grpc: ports::free(),
            http: ports::free(),
            admin: ports::free(),
        }
    }

    /// Puts a file beside the configuration, to be named there without a folder.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        fs::write(self.dir.path().join(name), content).expect("write a file of the configuration");
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Listens on this Unix socket instead of one of its own: a successor takes over its
    /// predecessor's.
    pub(crate) fn socket(mut self, path: &Path) -> Self {
        self.socket = Some(path.to_owned());
        self
    }

    /// Sets the ports: gRPC, HTTP, admin.
    pub(crate) fn ports(mut self, [grpc, http, admin]: [u16; 3]) -> Self {
        (self.grpc, self.http, self.admin) = (grpc, http, admin);
        self
    }

    /// Starts it and waits until `/readyz` says so.
    pub(crate) async fn start(self) -> Subzero {
        let mut subzero = self.spawn();
        subzero.until_ready().await;
        subzero
    }

    /// Starts it and waits for nothing: for tests about not becoming ready.
    pub(crate) fn spawn(self) -> Subzero {
        let own = self.dir.path().join("s.sock");
        let socket = self.socket.unwrap_or(own);
        let listen = format!(
            "listen:\n  grpc: [\"unix:{}\", \"127.0.0.1:{}\"]\n  http: \"127.0.0.1:{}\"\n  admin: \"127.0.0.1:{}\"\n",
            socket.display(),
            self.grpc,
            self.http,
            self.admin,
        );
        write_config(self.dir.path(), &listen, &self.config);
        let mut command = Command::new(&self.binary);
        command
            .args(["serve", "--config", "subzero.yaml"])
            .current_dir(self.dir.path());
        command.envs(self.environment);
        let spawned = Instant::now();
        Subzero {
            process: Process::start("subzero", command, self.dir.path()),
            socket,
            grpc: ports::local(self.grpc),
            http: ports::local(self.http),
            admin: ports::local(self.admin),
            ready_after: Duration::ZERO,
            spawned,
            listen,
            dir: self.dir,
        }
    }
}

/// A running Subzero.
#[derive(Debug)]
pub(crate) struct Subzero {
    pub(crate) process: Process,
    /// Where Envoy asks.
    pub(crate) socket: PathBuf,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// From spawning it to ready.
    pub(crate) ready_after: Duration,
    spawned: Instant,
    listen: String,
    // Removed after the process is gone: fields are dropped in this order.
    dir: TempDir,
}

impl Subzero {
    /// Waits until `/readyz` answers 200.
    pub(crate) async fn until_ready(&mut self) {
        let admin = self.admin;
        let ready = async || status(admin, "/readyz").await == Some(200);
        self.process.until("become ready", START, ready).await;
        self.ready_after = self.spawned.elapsed();
    }

    /// `/readyz`'s status now; `None` when nobody answers.
    pub(crate) async fn readiness(&self) -> Option<u16> {
        status(self.admin, "/readyz").await
    }

    /// The folder of its configuration.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// One scrape.
    pub(crate) async fn metrics(&self) -> Metrics {
        Metrics::parse(&Request::get("/metrics").send(self.admin).await.text())
    }

    /// Replaces the configuration file in one step, as an editor or a config map does, and asks for a
    /// reload with SIGHUP. `listen` stays as it is.
    pub(crate) fn reload(&self, config: &str) {
        write_config(self.dir(), &self.listen, config);
        self.process.signal("HUP");
    }

    /// Waits until a scrape satisfies `condition`.
    pub(crate) async fn until_metrics(&mut self, what: &str, condition: impl Fn(&Metrics) -> bool) {
        let admin = self.admin;
        let holds = async || {
            let Ok(page) = Request::get("/metrics").try_send(admin).await else {
                return false;
            };
            condition(&Metrics::parse(&page.text()))
        };
        self.process.until(what, START, holds).await;
    }
}

async fn status(admin: SocketAddr, path: &str) -> Option<u16> {
    let answer = Request::get(path).try_send(admin).await;
    answer.ok().map(|answer| answer.status)
}

fn write_config(dir: &Path, listen: &str, config: &str) {
    let (draft, path) = (dir.join("subzero.yaml.draft"), dir.join("subzero.yaml"));
    fs::write(&draft, format!("{listen}{config}")).expect("write the configuration");
    fs::rename(draft, path).expect("put the configuration in place");
}
