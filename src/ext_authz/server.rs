//! Connections: HTTP/2, one for each of Envoy's threads, each with thousands of calls in flight.
//!
//! What a reader would get wrong: over a stream that can write several buffers at once, `h2` keeps
//! every data frame of 256 bytes or more in its own buffer, holds one such frame at a time, and so
//! writes each answer by itself: a system call here and a wake-up of Envoy a check. Over one that
//! cannot, frames up to a KiB are copied behind each other, which costs less than a tenth of that.

use std::{pin::pin, sync::Arc};

use hyper::server::conn::http2::Builder;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
};
use tonic::service::Routes;

use super::{Door, service::Service};
use crate::written::Written;

/// What a connection may bring.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest question, in bytes.
    pub message_bytes: usize,
    /// Most calls at once.
    pub streams: u32,
}

/// Answers on connections. Clones share the door.
#[derive(Clone, Debug)]
pub struct Server {
    service: Service,
    http: Builder<TokioExecutor>,
}

impl Server {
    /// Envoy's questions go to `door`, all other calls to `others`.
    #[must_use]
    pub fn new(door: Door, others: Routes, limits: Limits) -> Self {
        let mut http = Builder::new(TokioExecutor::new());
        http.max_concurrent_streams(limits.streams)
            // Clients hang up in crowds, and Envoy takes back all their checks at once. Beyond this
            // number the connection would end, with everybody else's checks.
            .max_pending_accept_reset_streams(usize::try_from(limits.streams).ok())
            .auto_date_header(false);
        let service = Service {
            door: Arc::new(door),
            others: TowerToHyperService::new(others),
            max_message_bytes: limits.message_bytes,
        };
        Self { service, http }
    }

    /// Answers on one connection until it ends. On `stopping` the other side is told to open another
    /// one, and what it has asked already is answered.
    pub async fn serve(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        mut stopping: watch::Receiver<bool>,
    ) {
        let stream = TokioIo::new(Written::by_buffer(stream));
        let mut connection = pin!(self.http.serve_connection(stream, self.service.clone()));
        let stop = async {
            // An error means that the sender is gone, which is a stop too.
            let _ = stopping.wait_for(|stop| *stop).await;
        };
        let served = tokio::select! {
            biased;
            served = &mut connection => served,
            () = stop => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "a connection ended badly");
        }
    }
}
