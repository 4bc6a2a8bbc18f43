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
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tonic::{
    Request,
    service::{InterceptorLayer, Routes},
    transport::Server,
};
use tonic_health::{
    ServingStatus,
    server::{HealthReporter, health_reporter},
};

use super::listen::Connection;
use crate::{
    admission::Admission,
    api::{self, Api, Reach},
    ext_authz::Door,
    proto::{AuthorizationServer, DESCRIPTORS},
};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// A runtime for everything that is not a check.
pub(super) fn control() -> anyhow::Result<Runtime> {
    Builder::new_current_thread()
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
        admission: &Admission,
        stopping: &watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let (end, ended) = mpsc::channel(count);
        let (health, health_service) = health_reporter();
        let mut intakes = Vec::with_capacity(count);
        for index in 0..count {
            let (intake, connections) = mpsc::channel(INTAKE_CONNECTIONS);
            intakes.push(intake);
            let routes = |reach| -> anyhow::Result<Routes> {
                let authorization = AuthorizationServer::new(door.clone())
                    .max_decoding_message_size(MAX_MESSAGE_BYTES);
                let mut routes = Routes::builder();
                routes
                    .add_service(authorization)
                    .add_service(health_service.clone())
                    .add_service(reflection()?);
                api::grpc_routes(&mut routes, api, reach, MAX_MESSAGE_BYTES);
                Ok(routes.routes())
            };
            let (local, remote) = (routes(Reach::Local)?, routes(Reach::Remote)?);
            let (stopping, end) = (stopping.clone(), end.clone());
            let admission = admission.clone();
            let runtime = control()?;
            thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || {
                    runtime.block_on(answer(local, remote, admission, connections, stopping));
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

/// Answers on every connection dealt to this worker; on `stopping` sends GOAWAY and finishes.
/// Listeners that others can reach have routes of their own, which want keys.
async fn answer(
    local: Routes,
    remote: Routes,
    admission: Admission,
    connections: mpsc::Receiver<Connection>,
    stopping: watch::Receiver<bool>,
) {
    let (tcp_in, tcp) = mpsc::channel(INTAKE_CONNECTIONS);
    let (unix_in, unix) = mpsc::channel(INTAKE_CONNECTIONS);
    let (remote_in, from_remote) = mpsc::channel(INTAKE_CONNECTIONS);
    let sort = async move {
        let mut connections = ReceiverStream::new(connections);
        while let Some(connection) = connections.next().await {
            // A send fails only when the server below has ended, and so has the connection.
            match connection {
                Connection::Tcp(stream, reach) => {
                    let intake = match reach {
                        Reach::Local => &tcp_in,
                        Reach::Remote => &remote_in,
                    };
                    drop(intake.send(TcpStream::from_std(stream)).await);
                }
                Connection::Unix(stream) => drop(unix_in.send(UnixStream::from_std(stream)).await),
            }
        }
    };
    let stop = |mut stopping: watch::Receiver<bool>| async move {
        // An error means that the sender is gone, which is a stop too.
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let server = |routes: &Routes| {
        let admission = admission.clone();
        // Counted when its head has been read, before its task runs: see `admission`.
        let count = move |mut request: Request<()>| {
            request.extensions_mut().insert(admission.arrive());
            Ok(request)
        };
        Server::builder()
            .max_concurrent_streams(MAX_STREAMS)
            .layer(InterceptorLayer::new(count))
            .add_routes(routes.clone())
    };
    let tcp = server(&local)
        .serve_with_incoming_shutdown(ReceiverStream::new(tcp), stop(stopping.clone()));
    let unix = server(&local)
        .serve_with_incoming_shutdown(ReceiverStream::new(unix), stop(stopping.clone()));
    let from_remote = server(&remote)
        .serve_with_incoming_shutdown(ReceiverStream::new(from_remote), stop(stopping));
    let ((), tcp, unix, from_remote) = tokio::join!(sort, tcp, unix, from_remote);
    for error in [tcp.err(), unix.err(), from_remote.err()]
        .into_iter()
        .flatten()
    {
        tracing::error!(%error, "a worker's server ended");
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

/// Envoy multiplexes every check of a thread over one connection, so this bounds checks in flight.
const MAX_STREAMS: u32 = 16_384;

/// Largest check: the largest `screening.max_body`, with room for headers, certificate and metadata.
/// A larger one is a gRPC error, which Envoy takes for "could not decide".
const MAX_MESSAGE_BYTES: usize = MAX_BODY_BYTES + (8 << 20);

/// Largest `screening.max_body`. Fixed, so that a reload can raise the key without a restart.
pub(super) const MAX_BODY_BYTES: usize = 32 << 20;
