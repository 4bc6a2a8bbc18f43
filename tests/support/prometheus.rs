//! The real Prometheus, scraping one address once a second.

use std::{fmt::Write as _, fs, net::SocketAddr, process::Command, time::Duration};

use serde_json::Value;
use tempfile::TempDir;

use super::{client::Request, ports, process::Process, tools};

/// It answers within a second; a busy machine may take its time.
const START: Duration = Duration::from_secs(30);

/// A running Prometheus.
#[derive(Debug)]
pub(crate) struct Prometheus {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    // Removed after the process is gone: fields are dropped in this order.
    _dir: TempDir,
}

impl Prometheus {
    /// Starts it and waits until it has scraped `target` once.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("subzero-prometheus-")
            .tempdir()
            .expect("make a folder");
        let config = format!(
            "global: {{ scrape_interval: 1s }}\nscrape_configs: [{{ job_name: subzero, static_configs: [{{ targets: ['{target}'] }}] }}]\n"
        );
        fs::write(dir.path().join("prometheus.yaml"), config).expect("write its configuration");
        let address = ports::local(ports::free());
        let mut command = Command::new(tools::prometheus("prometheus"));
        command.current_dir(dir.path()).args([
            "--config.file=prometheus.yaml".to_owned(),
            "--storage.tsdb.path=data".to_owned(),
            format!("--web.listen-address={address}"),
            "--log.level=warn".to_owned(),
        ]);
        let mut prometheus = Self {
            address,
            process: Process::start("prometheus", command, dir.path()),
            _dir: dir,
        };
        let scraped = async || {
            let up = ask(address, "up == 1").await;
            up.is_ok_and(|samples| !samples.is_empty())
        };
        prometheus
            .process
            .until("scrape once", START, scraped)
            .await;
        prometheus
    }

    /// The samples of an expression now, as `(labels, value)`.
    ///
    /// # Errors
    ///
    /// What Prometheus says is wrong with it.
    pub(crate) async fn query(&self, expression: &str) -> Result<Vec<(Value, f64)>, String> {
        ask(self.address, expression).await
    }
}

async fn ask(address: SocketAddr, expression: &str) -> Result<Vec<(Value, f64)>, String> {
    let mut encoded = String::new();
    for byte in expression.bytes() {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("a String takes everything");
        }
    }
    let answer = Request::get(&format!("/api/v1/query?query={encoded}"))
        .try_send(address)
        .await
        .map_err(|error| format!("{error:?}"))?;
    let answer: Value = serde_json::from_slice(answer.text().as_bytes())
        .map_err(|error| format!("{error}: {}", answer.text()))?;
    if answer["status"] != "success" {
        return Err(answer["error"].to_string());
    }
    let samples = answer["data"]["result"].as_array().into_iter().flatten();
    let read = |sample: &Value| {
        let value = sample["value"][1].as_str()?.parse().ok()?;
        Some((sample["metric"].clone(), value))
    };
    Ok(samples.filter_map(read).collect())
}
