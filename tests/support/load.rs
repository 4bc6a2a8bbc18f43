//! Load through Envoy with `wrk`, and what came of it.

use std::{fs, net::SocketAddr, process::Command, time::Duration};

use tempfile::TempDir;

use super::{process::Process, tools};

/// What `wrk` may take beyond its own time.
const SLACK: Duration = Duration::from_secs(20);

/// A run under way.
#[derive(Debug)]
pub(crate) struct Load {
    process: Process,
    seconds: u16,
    _dir: TempDir,
}

/// What `wrk` counted.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Outcome {
    /// Answers of any status.
    pub(crate) answers: u64,
    /// Those that were neither 2xx nor 3xx.
    pub(crate) refused: u64,
    /// Connections refused or cut, and answers that did not come.
    pub(crate) lost: u64,
}

impl Load {
    /// Starts GET requests over `connections` connections, each sending one after the other.
    pub(crate) fn start(
        to: SocketAddr,
        path: &str,
        headers: &[(&str, &str)],
        connections: u16,
        seconds: u16,
    ) -> Self {
        let headers = headers
            .iter()
            .flat_map(|(name, value)| ["-H".to_owned(), format!("{name}: {value}")]);
        let args: Vec<String> = headers.collect();
        Self::run(to, path, &args, folder(), connections, seconds)
    }

    /// Starts the requests that a script of `wrk` makes, in the same way.
    pub(crate) fn with_script(
        to: SocketAddr,
        path: &str,
        script: &str,
        connections: u16,
        seconds: u16,
    ) -> Self {
        let dir = folder();
        let file = dir.path().join("requests.lua");
        fs::write(&file, script).expect("write the script");
        let args = ["-s".to_owned(), file.display().to_string()];
        Self::run(to, path, &args, dir, connections, seconds)
    }

    fn run(
        to: SocketAddr,
        path: &str,
        args: &[String],
        dir: TempDir,
        connections: u16,
        seconds: u16,
    ) -> Self {
        let mut command = Command::new(tools::wrk());
        command
            .args(["-t1", "-c", &connections.to_string()])
            .args(["-d", &format!("{seconds}s")])
            .args(args)
            .arg(format!("http://{to}{path}"));
        Self {
            process: Process::start("wrk", command, dir.path()),
            seconds,
            _dir: dir,
        }
    }

    /// Waits for its end.
    pub(crate) async fn outcome(mut self) -> Outcome {
        let status = self
            .process
            .ended(Duration::from_secs(self.seconds.into()) + SLACK)
            .await;
        let text = self.process.stdout();
        assert!(
            status.success(),
            "wrk ended with {status}: {text}{}",
            self.process.stderr()
        );
        Outcome::parse(&text).unwrap_or_else(|| panic!("not wrk's report: {text}"))
    }
}

fn folder() -> TempDir {
    tempfile::Builder::new()
        .prefix("subzero-load-")
        .tempdir()
        .expect("make a folder")
}

impl Outcome {
    fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let line = |has: &str| text.lines().find(|line| line.contains(has));
        let after = |line: &str| line.split_once(':').map(|(_, rest)| rest.to_owned());
        let answers = number(line(" requests in ")?.trim().split(' ').next()?)?;
        // Both lines are left out when they would say 0.
        let refused = line("Non-2xx")
            .and_then(after)
            .map_or(Some(0), |rest| number(&rest))?;
        let lost = line("Socket errors")
            .and_then(after)
            .map_or(Some(0), |rest| {
                rest.split(',')
                    .map(|part| number(part.trim().split(' ').nth(1)?))
                    .sum()
            })?;
        Some(Self {
            answers,
            refused,
            lost,
        })
    }
}
