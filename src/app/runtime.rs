//! Runtime flavour and allocator: the two choices that decide what a check costs before any of our
//! code runs. `benches/door.rs` measures the alternatives; the figures are in the README.
//!
//! One `current_thread` runtime a core, each with connections of its own: no task ever moves
//! between threads, so nothing is paid for the possibility. jemalloc is on by default and can be
//! left out (`--no-default-features`): with few headers a check the two are within noise.

use std::thread;

use anyhow::Context;
use tokio::{
    net::{TcpStream, UnixStream},
    runtime::{Builder, Runtime},
    sync::{mpsc, watch},
    task::JoinSet,
};
use tonic_health::{
    ServingStatus,
    server::{HealthReporter, health_reporter},
};

use super::listen::Connection;
use crate::{
    api::{self, Api, Reach},
    dispatch,
    ext_authz::{ConnectionLimits, Door, Server},
    proto::DESCRIPTORS,
};

#[cfg(all(feature = "jemalloc", not(test)))]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A runtime for everything that is not a check.
pub(super) fn control() -> anyhow::Result<Runtime> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")
}

/// A runtime of `threads` threads that run only where no check wants to.
pub(super) fn patient(threads: usize) -> anyhow::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .thread_name("long")
        .on_thread_start(dispatch::give_way)
        .enable_all()
        .build()
        .context("cannot start a runtime")
}

/// How many threads answer checks: `configured`, or what the CPU quota allows.
pub(super) fn worker_count(configured: usize) -> usize {
    match configured {
        0 => thread::available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

/// The threads that answer checks.
#[derive(Debug)]
pub(super) struct Workers {
    intakes: Vec<mpsc::Sender<Connection>>,
    ended: mpsc::Receiver<()>,
    health: HealthReporter,
}

impl Workers {
    pub(super) fn start(
        count: usize,
        door: &Door,
        api: &Api,
        stopping: &watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let (end, ended) = mpsc::channel(count);
        let (health, health_service) = health_reporter();
        let mut intakes = Vec::with_capacity(count);
        for index in 0..count {
            let (intake, connections) = mpsc::channel(INTAKE_CONNECTIONS);
            intakes.push(intake);
            let server = |reach| -> anyhow::Result<Server> {
                let others = api::grpc_routes(api, reach, LIMITS.message_bytes)
                    .add_service(health_service.clone())
                    .add_service(reflection()?);
                Ok(Server::new(door.clone(), others, LIMITS))
            };
            let servers = Servers {
                local: server(Reach::Local)?,
                remote: server(Reach::Remote)?,
            };
            let (stopping, end) = (stopping.clone(), end.clone());
            let runtime = control()?;
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    runtime.block_on(servers.answer(connections, stopping));
                    drop(end);
                })?;
        }
        Ok(Self {
            intakes,
            ended,
            health,
        })
    }

    /// Where to send connections, one for each worker.
    pub(super) fn intakes(&self) -> &[mpsc::Sender<Connection>] {
        &self.intakes
    }

    /// Says through `grpc.health.v1` whether checks are answered.
    pub(super) async fn report(&self, serving: bool) {
        let status = if serving {
            ServingStatus::Serving
        } else {
            ServingStatus::NotServing
        };
        let services = ["", "envoy.service.auth.v3.Authorization"];
        for service in services.into_iter().chain(api::SERVICES) {
            self.health.set_service_status(service, status).await;
        }
    }

    /// Returns when every worker has answered what it had.
    pub(super) async fn finish(mut self) {
        self.intakes.clear();
        while self.ended.recv().await.is_some() {}
    }
}

/// What a worker answers with. Listeners that others can reach have services of their own, which want
/// keys.
#[derive(Debug)]
struct Servers {
    local: Server,
    remote: Server,
}

impl Servers {
    /// Answers on every connection dealt to this worker, until no more can come and all have ended.
    async fn answer(
        &self,
        mut connections: mpsc::Receiver<Connection>,
        stopping: watch::Receiver<bool>,
    ) {
        let mut serving = JoinSet::new();
        loop {
            tokio::select! {
                connection = connections.recv() => match connection {
                    Some(connection) => self.take(connection, &stopping, &mut serving),
                    None => break,
                },
                Some(_) = serving.join_next() => {}
            }
        }
        serving.join_all().await;
    }

    fn take(
        &self,
        connection: Connection,
        stopping: &watch::Receiver<bool>,
        serving: &mut JoinSet<()>,
    ) {
        let stopping = stopping.clone();
        let taken = match connection {
            Connection::Tcp(stream, reach) => TcpStream::from_std(stream).map(|stream| {
                let server = match reach {
                    Reach::Local => self.local.clone(),
                    Reach::Remote => self.remote.clone(),
                };
                serving.spawn(async move { server.serve(stream, stopping).await });
            }),
            Connection::Unix(stream) => UnixStream::from_std(stream).map(|stream| {
                let server = self.local.clone();
                serving.spawn(async move { server.serve(stream, stopping).await });
            }),
        };
        if let Err(error) = taken {
            tracing::error!(%error, "a connection cannot be answered on");
        }
    }
}

fn reflection() -> anyhow::Result<
    tonic_reflection::server::v1::ServerReflectionServer<
        impl tonic_reflection::server::v1::ServerReflection,
    >,
> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()
        .context("cannot build server reflection")
}

/// Connections waiting for a worker; Envoy opens one for each of its own threads.
const INTAKE_CONNECTIONS: usize = 64;

pub(super) const LIMITS: ConnectionLimits = ConnectionLimits {
    // The largest `screening.max_body`, with room for headers, certificate and metadata. A larger
    // check is a gRPC error, which Envoy takes for "could not decide".
    message_bytes: MAX_BODY_BYTES + (8 << 20),
    // Envoy multiplexes every check of a thread over one connection, so this bounds checks in flight.
    streams: 16_384,
};

/// Largest `screening.max_body`. Fixed, so that a reload can raise the key without a restart.
pub(super) const MAX_BODY_BYTES: usize = 32 << 20;
