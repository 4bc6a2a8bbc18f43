//! The real nginx with `examples/nginx/nginx.conf`, its three addresses replaced and nothing else.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use tempfile::TempDir;

use super::{ports, process::Process, tools};

/// The addresses as they stand in the file.
const LISTENER: &str = "listen 127.0.0.1:10000;";
const SERVICE: &str = "server 127.0.0.1:8080;";
const SUBZERO: &str = "server 127.0.0.1:9192;";

/// nginx accepts within 50 ms; a busy machine may take its time.
const START: Duration = Duration::from_secs(20);

/// A running nginx.
#[derive(Debug)]
pub(crate) struct Nginx {
    /// Where requests go.
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    // Removed after the process is gone: fields are dropped in this order.
    _dir: TempDir,
}

impl Nginx {
    /// Starts it before `service`, asking Subzero at `http`, and waits until it accepts.
    pub(crate) async fn start(service: SocketAddr, http: SocketAddr) -> Self {
        Self::with(service, http, |config| config).await
    }

    /// With a change to the configuration, for a test about that very setting.
    pub(crate) async fn with(
        service: SocketAddr,
        http: SocketAddr,
        change: impl FnOnce(String) -> String,
    ) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("subzero-nginx-")
            .tempdir()
            .expect("make a folder");
        let path = tools::root().join("examples/nginx/nginx.conf");
        let config = fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
        let mut config = change(config);
        let port = ports::free();
        for (from, to) in [
            (LISTENER, format!("listen 127.0.0.1:{port};")),
            (SERVICE, format!("server {service};")),
            (SUBZERO, format!("server {http};")),
        ] {
            let hits = config.matches(from).count();
            assert_eq!(hits, 1, "`{from}` should stand in the configuration once");
            config = config.replace(from, &to);
        }
        let file = dir.path().join("nginx.conf");
        fs::write(&file, config).expect("write nginx's configuration");
        let mut nginx = Self {
            address: ports::local(port),
            process: Process::start("nginx", command(dir.path(), &file), dir.path()),
            _dir: dir,
        };
        nginx.process.until_accepting(nginx.address, START).await;
        nginx
    }
}

/// One process that stays in the foreground, so that killing it leaves nothing behind.
fn command(dir: &Path, file: &Path) -> Command {
    let mut command = Command::new(tools::nginx());
    command.arg("-p").arg(dir).arg("-c").arg(file);
    command.args(["-e", "stderr", "-g", "daemon off; master_process off;"]);
    command
}
