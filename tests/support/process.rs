//! A child process that never outlives its value.
//!
//! Its output goes to files, so that a full pipe cannot stall it. When a test fails while it runs,
//! the ends of both files are printed.

use std::{
    fs::{self, File},
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

/// How often a condition is looked at again.
const POLL: Duration = Duration::from_millis(2);

/// How long one look at a condition may take.
const ONE_LOOK: Duration = Duration::from_secs(2);

/// Lines of each log shown when a test fails.
const TAIL: usize = 30;

/// A running child.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    name: String,
    logs: PathBuf,
}

impl Process {
    /// Starts `command`; its output goes to `NAME.out` and `NAME.err` in `logs`.
    pub(crate) fn start(name: &str, mut command: Command, logs: &Path) -> Self {
        let log = |kind: &str| {
            let path = logs.join(format!("{name}.{kind}"));
            File::create(&path).unwrap_or_else(|error| panic!("create {}: {error}", path.display()))
        };
        let child = command
            .stdin(Stdio::null())
            .stdout(log("out"))
            .stderr(log("err"))
            .spawn()
            .unwrap_or_else(|error| panic!("start {name} ({command:?}): {error}"));
        Self {
            child,
            name: name.to_owned(),
            logs: logs.to_owned(),
        }
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All it has written to stdout.
    pub(crate) fn stdout(&self) -> String {
        self.log("out")
    }

    /// All it has written to stderr.
    pub(crate) fn stderr(&self) -> String {
        self.log("err")
    }

    /// Resident memory in bytes, from the kernel.
    pub(crate) fn resident_bytes(&self) -> u64 {
        self.status("VmRSS:") * 1024
    }

    /// Its threads.
    pub(crate) fn threads(&self) -> u64 {
        self.status("Threads:")
    }

    /// Its open files and sockets.
    pub(crate) fn descriptors(&self) -> u64 {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid()));
        open.map_or(0, |open| open.count() as u64)
    }

    /// A number of the kernel's about it; 0 when it is gone.
    fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        number.unwrap_or_default()
    }

    /// Waits until `address` accepts connections.
    pub(crate) async fn until_accepting(&mut self, address: SocketAddr, within: Duration) {
        let what = format!("accept connections on {address}");
        self.until(&what, within, async || {
            TcpStream::connect(address).await.is_ok()
        })
        .await;
    }

    /// Waits until `condition` holds.
    ///
    /// # Panics
    ///
    /// When the process has ended, or time is up: with its logs.
    pub(crate) async fn until<F>(&mut self, what: &str, within: Duration, condition: impl Fn() -> F)
    where
        F: Future<Output = bool>,
    {
        let held = self.try_until(what, within, condition).await;
        held.unwrap_or_else(|why| panic!("{why}"));
    }

    /// As [`Process::until`], but says what went wrong.
    pub(crate) async fn try_until<F>(
        &mut self,
        what: &str,
        within: Duration,
        condition: impl Fn() -> F,
    ) -> Result<(), String>
    where
        F: Future<Output = bool>,
    {
        let start = Instant::now();
        // One connection that is never answered is no reason to stop asking.
        while !timeout(ONE_LOOK, condition()).await.unwrap_or(false) {
            let (name, tails) = (&self.name, self.tails());
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!(
                    "{name} ended ({status}) before it could {what}\n{tails}"
                ));
            }
            if start.elapsed() >= within {
                return Err(format!("{name} did not {what} within {within:?}\n{tails}"));
            }
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Sends a signal by name, such as `TERM` or `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name, &pid])
            .status()
            .expect("run sh");
        assert!(status.success(), "send {name} to {} ({pid})", self.name);
    }

    /// Waits for it to end by itself.
    pub(crate) async fn ended(&mut self, within: Duration) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("wait for a child of ours") {
                return status;
            }
            assert!(
                start.elapsed() < within,
                "{} did not end within {within:?}\n{}",
                self.name,
                self.tails()
            );
            sleep(POLL).await;
        }
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        // Both fail only when it is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn log(&self, kind: &str) -> String {
        let bytes = fs::read(self.logs.join(format!("{}.{kind}", self.name))).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn tails(&self) -> String {
        let tail = |text: String| {
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(TAIL)..].join("\n")
        };
        let (out, err) = (tail(self.stdout()), tail(self.stderr()));
        let name = &self.name;
        format!("---- {name}: stdout ----\n{out}\n---- {name}: stderr ----\n{err}\n----")
    }
}

impl Drop for Process {
    #[expect(
        clippy::print_stderr,
        reason = "a failing test shows what its processes said"
    )]
    fn drop(&mut self) {
        self.kill();
        if thread::panicking() {
            eprintln!("{}", self.tails());
        }
    }
}
