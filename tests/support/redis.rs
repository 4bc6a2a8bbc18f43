//! The real server that replicas share: alone, as a cluster of three, and watched by Sentinels.

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use redis::{Client, Value, aio::MultiplexedConnection};
use tempfile::TempDir;
use tokio::time::sleep;

use super::{ports, process::Process, tools};

/// It accepts within 50 ms; a busy machine may take its time.
const START: Duration = Duration::from_secs(20);

/// A cluster agrees on itself within seconds.
const AGREE: Duration = Duration::from_secs(30);

/// One running server, or one that was killed and may come back.
#[derive(Debug)]
pub(crate) struct Redis {
    pub(crate) address: SocketAddr,
    pub(crate) process: Process,
    arguments: Vec<String>,
    starts: usize,
    // Removed after the process is gone: fields are dropped in this order.
    dir: TempDir,
}

impl Redis {
    /// One that keeps nothing on disk.
    pub(crate) async fn start() -> Self {
        Self::with(&["--save", "", "--appendonly", "no"]).await
    }

    /// With arguments of its own.
    pub(crate) async fn with(arguments: &[&str]) -> Self {
        Self::at(ports::free(), arguments).await
    }

    async fn at(port: u16, arguments: &[&str]) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("subzero-redis-")
            .tempdir()
            .expect("make a folder");
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let address = ports::local(port);
        let process = launch(address, &arguments, dir.path(), 0);
        let mut redis = Self {
            address,
            process,
            arguments,
            starts: 0,
            dir,
        };
        redis.until_accepting().await;
        redis
    }

    /// `redis://…` of it.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// Ends it at once (SIGKILL).
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again where it was, with what it had on disk.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.starts += 1;
        self.process = launch(self.address, &self.arguments, self.dir.path(), self.starts);
        self.until_accepting().await;
    }

    async fn until_accepting(&mut self) {
        let address = self.address;
        self.process.until_accepting(address, START).await;
    }

    /// Asks it something, as the default user.
    pub(crate) async fn ask(&self, words: &[&str]) -> Value {
        ask(self.address, words).await
    }

    /// A connection of a test's own.
    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        connection(self.address).await
    }
}

/// Asks the server at `address`.
pub(crate) async fn ask(address: SocketAddr, words: &[&str]) -> Value {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(word);
    }
    let mut connection = connection(address).await;
    let answer: Result<Value, _> = command.query_async(&mut connection).await;
    answer.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

async fn connection(address: SocketAddr) -> MultiplexedConnection {
    let client = Client::open(format!("redis://{address}")).expect("an address");
    let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(START));
    let connection = client.get_multiplexed_async_connection_with_config(&config);
    connection.await.expect("connect to redis")
}

/// What an answer says, as text.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text.clone(),
        other => format!("{other:?}"),
    }
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("{other:?} is no number"),
    }
}

/// Three servers that share the keys.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Redis>,
}

impl Cluster {
    /// Starts three and waits until they agree.
    pub(crate) async fn start() -> Self {
        let (mut nodes, mut buses) = (Vec::new(), Vec::new());
        for _ in 0..3 {
            // Else its bus takes the port 10000 above, which may be a connection's.
            let bus = ports::free().to_string();
            buses.push(bus.clone());
            let arguments = [
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "1000",
                "--save",
                "",
            ];
            nodes.push(Redis::with(&arguments).await);
        }
        let slots = [(0, 5460), (5461, 10922), (10923, 16383)];
        for (node, (first, last)) in nodes.iter().zip(slots) {
            let range = [first.to_string(), last.to_string()];
            node.ask(&["CLUSTER", "ADDSLOTSRANGE", &range[0], &range[1]])
                .await;
        }
        for (node, bus) in nodes.iter().zip(&buses).skip(1) {
            let port = node.address.port().to_string();
            let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, bus];
            nodes[0].ask(&meet).await;
        }
        let cluster = Self { nodes };
        cluster.until_agreed().await;
        cluster
    }

    /// Waits until every node sees all slots served.
    pub(crate) async fn until_agreed(&self) {
        let start = Instant::now();
        for node in &self.nodes {
            loop {
                let info = text(&node.ask(&["CLUSTER", "INFO"]).await);
                let known = info.contains("cluster_known_nodes:3");
                if info.contains("cluster_state:ok") && known {
                    break;
                }
                assert!(start.elapsed() < AGREE, "no cluster came of it: {info}");
                sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// The node that has a key like `pattern`, and the key.
    pub(crate) async fn holder_of(&self, pattern: &str) -> (usize, String) {
        for (at, node) in self.nodes.iter().enumerate() {
            if let Value::Array(keys) = node.ask(&["KEYS", pattern]).await
                && let Some(key) = keys.first()
            {
                return (at, text(key));
            }
        }
        panic!("no node has a key like {pattern}")
    }

    /// Moves the slot of `key` from one node to another, keys and all, as resharding does.
    pub(crate) async fn migrate(&self, key: &str, from: usize, to: usize) {
        let slot = number(&self.nodes[from].ask(&["CLUSTER", "KEYSLOT", key]).await).to_string();
        let count = ["CLUSTER", "COUNTKEYSINSLOT", &slot];
        if number(&self.nodes[from].ask(&count).await) == 0 {
            return;
        }
        let [source, target] = [self.id(from).await, self.id(to).await];
        let set = async |at: usize, words: &[&str]| {
            let mut all = vec!["CLUSTER", "SETSLOT", &slot];
            all.extend(words);
            self.nodes[at].ask(&all).await;
        };
        set(to, &["IMPORTING", &source]).await;
        set(from, &["MIGRATING", &target]).await;
        let port = self.nodes[to].address.port().to_string();
        loop {
            let some = ["CLUSTER", "GETKEYSINSLOT", &slot, "100"];
            let Value::Array(keys) = self.nodes[from].ask(&some).await else {
                panic!("no list of keys")
            };
            if keys.is_empty() {
                break;
            }
            for key in keys.iter().map(text) {
                let migrate = ["MIGRATE", "127.0.0.1", &port, &key, "0", "5000", "REPLACE"];
                self.nodes[from].ask(&migrate).await;
            }
        }
        set(to, &["NODE", &target]).await;
        set(from, &["NODE", &target]).await;
    }

    async fn id(&self, at: usize) -> String {
        text(&self.nodes[at].ask(&["CLUSTER", "MYID"]).await)
    }
}

/// A server, a copy of it, and three Sentinels that watch them.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) servers: Vec<Redis>,
    pub(crate) sentinels: Vec<Redis>,
}

impl Watched {
    /// What the Sentinels call the server.
    pub(crate) const MASTER: &str = "main";

    /// Starts them and waits until each Sentinel knows the others and the copy.
    pub(crate) async fn start() -> Self {
        let first = Redis::start().await;
        let port = first.address.port().to_string();
        let copy = Redis::with(&[
            "--save",
            "",
            "--replicaof",
            "127.0.0.1",
            &port,
            "--repl-diskless-sync-delay",
            "0",
        ])
        .await;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(sentinel(first.address.port()).await);
        }
        let watched = Self {
            servers: vec![first, copy],
            sentinels,
        };
        let start = Instant::now();
        for sentinel in &watched.sentinels {
            loop {
                let said = sentinel.ask(&["SENTINEL", "MASTER", Self::MASTER]).await;
                let said = format!("{said:?}");
                let has = |name: &str, number: &str| {
                    said.split_once(&format!("{name:?}"))
                        .or_else(|| said.split_once(name))
                        .is_some_and(|(_, rest)| {
                            rest.trim_start_matches(|c: char| !c.is_ascii_digit())
                                .starts_with(number)
                        })
                };
                if has("num-slaves", "1") && has("num-other-sentinels", "2") {
                    break;
                }
                assert!(
                    start.elapsed() < AGREE,
                    "the Sentinels do not agree: {said}"
                );
                sleep(Duration::from_millis(50)).await;
            }
        }
        watched
    }
}

async fn sentinel(master: u16) -> Redis {
    let dir = tempfile::Builder::new()
        .prefix("subzero-sentinel-")
        .tempdir()
        .expect("make a folder");
    let name = Watched::MASTER;
    let file = dir.path().join("sentinel.conf");
    let config = format!(
        "sentinel monitor {name} 127.0.0.1 {master} 2\n\
         sentinel down-after-milliseconds {name} 500\n\
         sentinel failover-timeout {name} 3000\n"
    );
    fs::write(&file, config).expect("write the Sentinel's configuration");
    let arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
    let address = ports::local(ports::free());
    let process = launch(address, &arguments, dir.path(), 0);
    let mut sentinel = Redis {
        address,
        process,
        arguments,
        starts: 0,
        dir,
    };
    sentinel.until_accepting().await;
    sentinel
}

fn launch(address: SocketAddr, arguments: &[String], dir: &Path, start: usize) -> Process {
    let mut command = Command::new(tools::redis());
    // A file of its own comes first, if there is one.
    let (file, rest) = match arguments.split_first() {
        Some((file, rest)) if !file.starts_with("--") => (Some(file), rest),
        _ => (None, arguments),
    };
    command.args(file);
    command
        .args(["--port", &address.port().to_string(), "--bind", "127.0.0.1"])
        .args(["--dir", &dir.display().to_string(), "--daemonize", "no"])
        .args(rest)
        .current_dir(dir);
    Process::start(&format!("redis-{start}"), command, dir)
}
