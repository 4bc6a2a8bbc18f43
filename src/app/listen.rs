//! Binding, and spreading accepted connections over the workers.
//!
//! Envoy opens one connection a worker thread and keeps it, so connections are dealt out in turn:
//! the kernel's own choice (`SO_REUSEPORT`) can put all of them on one of our threads.
//!
//! A Unix socket is bound under a name of its own and renamed into place. A successor process can
//! so take over a path without a moment in which nobody listens there, while its predecessor
//! answers what it has accepted.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, bail};
use futures_util::FutureExt;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{mpsc, watch},
    task::JoinSet,
    time::sleep,
};

use crate::{
    api::Reach,
    config::{Address, Listen, SocketMode},
};

/// A connection on its way to a worker.
#[derive(Debug)]
pub(super) enum Connection {
    /// With who can reach the listener it came over, whoever has reached it now.
    Tcp(std::net::TcpStream, Reach),
    Unix(std::os::unix::net::UnixStream),
}

/// Who can reach a listener on `address`.
pub(super) fn reach(address: SocketAddr) -> Reach {
    if address.ip().is_loopback() {
        Reach::Local
    } else {
        Reach::Remote
    }
}

/// Everything that listens for Envoy.
#[derive(Debug)]
pub(super) struct Listeners(Vec<Listener>);

#[derive(Debug)]
enum Listener {
    Tcp(TcpListener, Reach),
    Unix(UnixListener, SocketFile),
}

/// A socket's path. Removed at the end, unless a successor has taken it over.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    inode: u64,
}

/// Running accept loops.
#[derive(Debug)]
pub(super) struct Accepting(JoinSet<()>);

impl Listeners {
    /// Binds every address. Must run inside a tokio runtime.
    pub(super) fn bind(listen: &Listen) -> anyhow::Result<Self> {
        let bind = |address: &Address| {
            let listener = match address {
                Address::Tcp(address) => bind_tcp(*address),
                Address::Unix(path) => bind_unix(path, listen.socket_mode),
            };
            listener.with_context(|| format!("listen.grpc: cannot listen on {address}"))
        };
        listen
            .grpc
            .iter()
            .map(bind)
            .collect::<anyhow::Result<_>>()
            .map(Self)
    }

    /// Deals out connections until `stopping`; the addresses really bound.
    pub(super) fn accept(
        self,
        intakes: &[mpsc::Sender<Connection>],
        stopping: &watch::Receiver<bool>,
    ) -> (Vec<Address>, Accepting) {
        let next = Arc::new(AtomicUsize::new(0));
        let mut loops = JoinSet::new();
        let mut bound = Vec::new();
        for listener in self.0 {
            bound.push(listener.address());
            let dealer = Dealer {
                intakes: intakes.to_vec(),
                next: Arc::clone(&next),
            };
            let mut stopping = stopping.clone();
            loops.spawn(async move {
                while let Some(accepted) = tokio::select! {
                    accepted = listener.accept() => Some(accepted),
                    _ = stopping.wait_for(|stop| *stop) => None,
                } {
                    dealer.deal(accepted).await;
                }
                // What the kernel has accepted for us is ours to answer, the stop notwithstanding.
                while let Some(accepted) = listener.accept().now_or_never() {
                    dealer.deal(accepted).await;
                }
            });
        }
        (bound, Accepting(loops))
    }
}

impl Accepting {
    /// Returns when no listener accepts any more.
    pub(super) async fn finish(self) {
        self.0.join_all().await;
    }
}

impl Listener {
    async fn accept(&self) -> io::Result<Connection> {
        match self {
            Self::Tcp(listener, reach) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let stream = stream.into_std()?;
                Ok(Connection::Tcp(stream, *reach))
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                stream.into_std().map(Connection::Unix)
            }
        }
    }

    fn address(&self) -> Address {
        match self {
            Self::Tcp(listener, _) => Address::Tcp(
                listener
                    .local_addr()
                    .unwrap_or_else(|_| ([0, 0, 0, 0], 0).into()),
            ),
            Self::Unix(_, file) => Address::Unix(file.path.clone()),
        }
    }
}

/// Gives connections to the workers in turn.
struct Dealer {
    intakes: Vec<mpsc::Sender<Connection>>,
    next: Arc<AtomicUsize>,
}

impl Dealer {
    async fn deal(&self, accepted: io::Result<Connection>) {
        match accepted {
            Ok(connection) => {
                let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.intakes.len();
                // A worker takes connections until every intake is dropped, so this cannot fail
                // while there is anything to deal.
                let _ = self.intakes[turn].send(connection).await;
            }
            Err(error) => {
                // Out of file descriptors, most likely: trying again at once would only burn CPU.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

fn bind_tcp(address: SocketAddr) -> anyhow::Result<Listener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(Listener::Tcp(
        TcpListener::from_std(listener)?,
        reach(address),
    ))
}

fn bind_unix(path: &Path, mode: SocketMode) -> anyhow::Result<Listener> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if !std::os::unix::fs::FileTypeExt::is_socket(&metadata.file_type()) => {
            bail!(
                "{} is there already and is not a socket; remove it or choose another path",
                path.display()
            )
        }
        _ => {}
    }
    let mut own = path.as_os_str().to_owned();
    own.push(format!(".{}", std::process::id()));
    let own = PathBuf::from(own);
    // Left behind by a process of the same id that was killed while it started.
    let _ = fs::remove_file(&own);
    let listener = UnixListener::bind(&own)?;
    fs::set_permissions(&own, fs::Permissions::from_mode(mode.0))?;
    let inode = fs::symlink_metadata(&own)?.ino();
    fs::rename(&own, path)?;
    Ok(Listener::Unix(
        listener,
        SocketFile {
            path: path.to_owned(),
            inode,
        },
    ))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours =
            fs::symlink_metadata(&self.path).is_ok_and(|metadata| metadata.ino() == self.inode);
        if ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}
