//! A TCP proxy on loopback that does to its connections what networks and dying servers do.
//!
//! Put it before a real server and give its address to Subzero. It passes bytes on as they are, so it
//! serves HTTP/1, HTTP/2, TLS and Redis alike, and its faults are those of connections:
//!
//! ```text
//! let proxy = Proxy::start(server).await;
//! proxy.set(Fault::Slow(Duration::from_millis(300)));   // from now on, open connections included
//! proxy.cut();                                          // close what is open
//! ```
//!
//! # What a reader would get wrong
//!
//! Faults hit open connections too, at their next bytes: clients keep theirs, and a fault for new
//! ones alone would show nothing. [`Fault::Refuse`] really closes the listener, so that whoever dials
//! is refused by the kernel; the port stays the proxy's own.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpSocket, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::{Mutex, watch},
    task::JoinHandle,
    time::sleep,
};

/// What happens to connections.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    /// Nothing is ever answered, and nothing is closed.
    BlackHole,
    /// In turn nothing wrong and [`Fault::Reset`], each for so long.
    Flapping(Duration),
    /// Whatever is sent is answered with bytes of no protocol.
    Garbage,
    /// None.
    None,
    /// Nobody listens, and what was open is closed.
    Refuse,
    /// A connection is reset as soon as it sends something.
    Reset,
    /// The first so many bytes of an answer come through, then the connection is reset.
    ResetAfter(usize),
    /// Whatever is sent is answered with these bytes: one service's way to say no.
    Says(&'static str),
    /// Each answer waits for so long.
    Slow(Duration),
    /// A byte of an answer at a time, so far apart.
    Trickle(Duration),
}

/// A running proxy; it ends when dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// Where to dial.
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    accepted: AtomicU64,
    began: Instant,
    /// Counts up to have everything that is open closed.
    cut: watch::Sender<u64>,
    fault: watch::Sender<Fault>,
    open: AtomicUsize,
    server: SocketAddr,
}

impl Proxy {
    /// A proxy before `server`, without a fault yet.
    ///
    /// # Panics
    ///
    /// When loopback has no port to listen on, or `server` is not on loopback.
    pub(crate) async fn start(server: SocketAddr) -> Self {
        assert!(server.ip().is_loopback(), "{server} is not on loopback");
        let listener = TcpListener::bind((server.ip(), 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let state = Arc::new(State {
            accepted: AtomicU64::new(0),
            began: Instant::now(),
            cut: watch::Sender::new(0),
            fault: watch::Sender::new(Fault::None),
            open: AtomicUsize::new(0),
            server,
        });
        let task = tokio::spawn(run(listener, address, Arc::clone(&state)));
        Self {
            address,
            state,
            task,
        }
    }

    /// From now on, for open connections and for new ones.
    pub(crate) fn set(&self, fault: Fault) {
        self.state.fault.send_replace(fault);
        if fault == Fault::Refuse {
            self.cut();
        }
    }

    /// Resets everything that is open, as a server does that is killed.
    pub(crate) fn cut(&self) {
        self.state.cut.send_modify(|times| *times += 1);
    }

    /// Connections taken so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.state.accepted.load(Ordering::Relaxed)
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.state.open.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn run(listener: TcpListener, address: SocketAddr, state: Arc<State>) {
    let mut fault = state.fault.subscribe();
    let mut listener = Some(listener);
    loop {
        if *fault.borrow_and_update() == Fault::Refuse {
            listener = None;
            if fault.changed().await.is_err() {
                return;
            }
            continue;
        }
        let listening = match listener.take() {
            Some(listening) => listening,
            None => listen(address).await,
        };
        tokio::select! {
            taken = listening.accept() => {
                if let Ok((client, _)) = taken {
                    state.accepted.fetch_add(1, Ordering::Relaxed);
                    take(client, &state);
                }
            }
            changed = fault.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        listener = Some(listening);
    }
}

/// The same port again: ours, but the kernel may need a moment.
async fn listen(address: SocketAddr) -> TcpListener {
    for _ in 0..200 {
        let bound = TcpSocket::new_v4().and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            socket.listen(1024)
        });
        if let Ok(listener) = bound {
            return listener;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{address} cannot be listened on again")
}

/// Serves one connection on a task of its own, unless there are too many.
fn take(mut client: TcpStream, state: &Arc<State>) {
    if state.open.fetch_add(1, Ordering::Relaxed) >= MOST_OPEN {
        state.open.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    let (state, mut cut) = (Arc::clone(state), state.cut.subscribe());
    tokio::spawn(async move {
        let is_whole = tokio::select! {
            served = serve(&mut client, &state) => served.is_ok(),
            _cut = cut.changed() => false,
        };
        if !is_whole {
            // Closed by a reset. Where that is refused it is closed all the same.
            let _refused = client.set_zero_linger();
        }
        drop(client);
        state.open.fetch_sub(1, Ordering::Relaxed);
    });
}

async fn serve(client: &mut TcpStream, state: &State) -> io::Result<()> {
    // A server that is down shows as a reset, like one that dies.
    let mut server = TcpStream::connect(state.server).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let ((from_client, to_client), (from_server, to_server)) = (client.split(), server.split());
    let (to_client, lost) = (Mutex::new(to_client), AtomicBool::new(false));
    let asking = ask(from_client, to_server, &to_client, (state, &lost));
    let answering = answer(from_server, &to_client, (state, &lost));
    // Whichever ends with an error ends both; a side that has said all waits for the other.
    tokio::try_join!(asking, answering)?;
    Ok(())
}

type ToClient<'a> = Mutex<WriteHalf<'a>>;

/// From the client to the server.
async fn ask(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    to_client: &ToClient<'_>,
    (state, lost): (&State, &AtomicBool),
) -> io::Result<()> {
    let mut bytes = vec![0; BUFFER];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return to.shutdown().await;
        }
        match state.fault() {
            Fault::BlackHole => lost.store(true, Ordering::Relaxed),
            _ if lost.load(Ordering::Relaxed) => return Err(io::ErrorKind::ConnectionReset.into()),
            Fault::Garbage => to_client.lock().await.write_all(NONSENSE).await?,
            Fault::Says(answer) => to_client.lock().await.write_all(answer.as_bytes()).await?,
            Fault::Refuse | Fault::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
            Fault::Flapping(_)
            | Fault::None
            | Fault::ResetAfter(_)
            | Fault::Slow(_)
            | Fault::Trickle(_) => to.write_all(&bytes[..read]).await?,
        }
    }
}

/// From the server to the client.
async fn answer(
    mut from: ReadHalf<'_>,
    to: &ToClient<'_>,
    (state, lost): (&State, &AtomicBool),
) -> io::Result<()> {
    let mut bytes = vec![0; BUFFER];
    loop {
        let read = from.read(&mut bytes).await?;
        if read == 0 {
            return to.lock().await.shutdown().await;
        }
        let bytes = &bytes[..read];
        match state.fault() {
            Fault::BlackHole => lost.store(true, Ordering::Relaxed),
            _ if lost.load(Ordering::Relaxed) => return Err(io::ErrorKind::ConnectionReset.into()),
            Fault::Garbage | Fault::Says(_) => {}
            Fault::Flapping(_) | Fault::None => to.lock().await.write_all(bytes).await?,
            Fault::Refuse | Fault::Reset => return Err(io::ErrorKind::ConnectionReset.into()),
            Fault::ResetAfter(most) => {
                let through = &bytes[..read.min(most)];
                to.lock().await.write_all(through).await?;
                // It must be on its way before the reset overtakes it.
                sleep(Duration::from_millis(20)).await;
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            Fault::Slow(wait) => {
                sleep(wait).await;
                to.lock().await.write_all(bytes).await?;
            }
            Fault::Trickle(wait) => {
                for byte in bytes {
                    to.lock().await.write_all(&[*byte]).await?;
                    sleep(wait).await;
                }
            }
        }
    }
}

impl State {
    /// The fault of this moment.
    fn fault(&self) -> Fault {
        match *self.fault.borrow() {
            Fault::Flapping(each) => {
                let turns = self.began.elapsed().as_nanos() / each.as_nanos().max(1);
                if turns.is_multiple_of(2) {
                    Fault::None
                } else {
                    Fault::Reset
                }
            }
            fault => fault,
        }
    }
}

/// Neither HTTP nor HTTP/2 nor TLS nor RESP, and with an end of line so that readers of lines see it.
const NONSENSE: &[u8] = b"\x00\xff\x7fnot the protocol\xfe\r\n\r\n";

const BUFFER: usize = 64 << 10;

/// More connections than any test needs; what runs away ends here.
const MOST_OPEN: usize = 4_096;
