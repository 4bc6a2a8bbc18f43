//! The JSON door's connections: accepted, secured where that is configured, bounded in number, and
//! dropped when nothing comes.
//!
//! Whether a connection speaks TLS is settled when it comes, so a reload never cuts one.

use std::{net::TcpListener, sync::Arc, time::Duration};

use axum::{Router, http::Request};
use hyper::{
    body::Incoming,
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{
    Api, Reach, router,
    tls::{Names, Tls},
};
use crate::written::Written;

/// Serves the JSON door, with `forward_auth` beside it, until the process ends.
pub async fn serve(
    listener: TcpListener,
    api: Api,
    reach: Reach,
    forward_auth: Router,
) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let door = Door {
        service: TowerToHyperService::new(router(&api, reach).merge(forward_auth)),
        http: http(),
    };
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // The kernel holds further ones back until one of ours ends.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return Ok(());
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors, most likely: trying again at once would only burn CPU.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // Answers are small and awaited; without this they wait for the last one's acknowledgement.
        let _ = stream.set_nodelay(true);
        let (door, tls) = (door.clone(), api.settings().tls().map(Tls::config));
        tokio::spawn(async move {
            door.answer(stream, tls).await;
            drop(place);
        });
    }
}

/// What answers on one connection.
#[derive(Clone, Debug)]
struct Door {
    service: TowerToHyperService<Router>,
    http: http1::Builder,
}

impl Door {
    /// What goes wrong on a connection is its caller's doing, and the caller sees it.
    async fn answer(self, stream: TcpStream, tls: Option<Arc<ServerConfig>>) {
        let Some(tls) = tls else {
            return self.serve(stream, None).await;
        };
        let accepting = TlsAcceptor::from(tls).accept(stream);
        match timeout(HANDSHAKE_PATIENCE, accepting).await {
            Ok(Ok(stream)) => {
                let names = Names::of(stream.get_ref().1.peer_certificates());
                self.serve(stream, names).await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "no TLS with a caller of the api"),
            Err(_) => tracing::debug!("a caller of the api began TLS and did not finish"),
        }
    }

    async fn serve(
        self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        names: Option<Names>,
    ) {
        let service = service_fn(|mut request: Request<Incoming>| {
            if let Some(names) = &names {
                request.extensions_mut().insert(names.clone());
            }
            self.service.call(request)
        });
        let _ = self
            .http
            .serve_connection(TokioIo::new(Written::in_pieces(stream, PIECE)), service)
            .await;
    }
}

fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_PATIENCE)
        .max_buf_size(PIECE);
    http
}

/// Most bytes that are read or written at a time: some thirty microseconds. A thread that gives way does so
/// only between system calls. Many kernels let none be interrupted, and writing the megabyte of a large
/// batch's answer takes one of them a millisecond, in which no check can have the core.
const PIECE: usize = 32 << 10;

/// Most connections at once; an idle one costs some kilobytes.
const MAX_CONNECTIONS: usize = 1_024;

/// Longest wait for a request's head, idle connections included.
const HEADER_PATIENCE: Duration = Duration::from_mins(1);

/// Longest wait for a TLS handshake.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
