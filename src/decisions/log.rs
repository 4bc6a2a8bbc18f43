//! The decision log: a bounded queue and the thread that empties it.
//!
//! What a reader would get wrong: nobody waits for the log. A full queue drops the line and counts
//! it, and a disk that is full, slow or gone is the writer's trouble alone
//! (`subzero_decision_log_total`).
//!
//! # Cost
//!
//! A check puts two pointers into the queue. The writer looks at the queue every [`GATHER`] while
//! lines keep coming, and writes what it finds in one go, so that hardly any line pays for waking a
//! thread: only the first one after a quiet second does. Hashing subjects and making JSON is the
//! writer's work.

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread::{self, Thread},
    time::Duration,
};

use tokio::{sync::oneshot, time::timeout};
use uuid::Uuid;

use super::{
    LogConfig, Metrics, SubjectKey,
    entry::{Entry, Told},
    sink::Sink,
};
use crate::{pipeline::Decision, verdict::Class};

/// The near end: offers lines.
pub(super) struct Log {
    queue: SyncSender<Entry>,
    state: Arc<State>,
    writer: Thread,
    ended: Mutex<Option<oneshot::Receiver<()>>>,
    metrics: Metrics,
    allowed_one_in: u32,
}

/// What both ends look at.
#[derive(Debug, Default)]
struct State {
    /// The writer has found nothing and sleeps until it is woken.
    asleep: AtomicBool,
    /// The writer is to end once the queue is empty.
    closing: AtomicBool,
    /// What the queue holds.
    bytes: AtomicUsize,
}

impl Log {
    pub(super) fn start(
        config: &LogConfig,
        key: Arc<SubjectKey>,
        metrics: &Metrics,
    ) -> io::Result<Self> {
        let (queue, lines) = sync_channel(config.queue);
        let (end, ended) = oneshot::channel();
        let state = Arc::new(State::default());
        let writer = Writer {
            lines,
            state: Arc::clone(&state),
            key,
            sink: Sink::new(config.to.clone()),
            metrics: metrics.clone(),
            allowed_one_in: config.allowed_one_in,
            buffer: Vec::with_capacity(BATCH_BYTES + 4_096),
        };
        let thread = thread::Builder::new()
            .name("decision-log".into())
            .spawn(move || {
                writer.run();
                // Nobody may be waiting any more.
                let _ = end.send(());
            })?;
        Ok(Self {
            queue,
            state,
            writer: thread.thread().clone(),
            ended: Mutex::new(Some(ended)),
            metrics: metrics.clone(),
            allowed_one_in: config.allowed_one_in,
        })
    }

    /// Puts a line into the queue, or drops and counts it; unless it is not in the sample.
    pub(super) fn offer(&self, entry: &Entry) {
        if is_sampled(&entry.decision) && !is_chosen(entry.decision.id, self.allowed_one_in) {
            return;
        }
        let bytes = entry.bytes;
        let queued = self.state.bytes.fetch_add(bytes, Ordering::Relaxed);
        if queued + bytes > QUEUE_BYTES {
            self.state.bytes.fetch_sub(bytes, Ordering::Relaxed);
            self.metrics.dropped.inc();
            return;
        }
        let refused = match self.queue.try_send(entry.clone()) {
            Ok(()) => {
                // A wake-up missed here costs a second at most: see `IDLE`.
                if self.state.asleep.load(Ordering::Relaxed)
                    && self.state.asleep.swap(false, Ordering::Relaxed)
                {
                    self.writer.unpark();
                }
                return;
            }
            Err(TrySendError::Full(_)) => &self.metrics.dropped,
            Err(TrySendError::Disconnected(_)) => &self.metrics.failed,
        };
        self.state.bytes.fetch_sub(bytes, Ordering::Relaxed);
        refused.inc();
    }

    /// Writes what is queued and ends; whether that was done within `within`.
    pub(super) async fn finish(&self, within: Duration) -> bool {
        self.close();
        let ended = self
            .ended
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        match ended {
            None => true,
            Some(ended) => timeout(within, ended).await.is_ok(),
        }
    }

    fn close(&self) {
        self.state.closing.store(true, Ordering::Release);
        self.writer.unpark();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").finish_non_exhaustive()
    }
}

/// The far end: makes lines and writes them.
struct Writer {
    lines: Receiver<Entry>,
    state: Arc<State>,
    key: Arc<SubjectKey>,
    sink: Sink,
    metrics: Metrics,
    allowed_one_in: u32,
    buffer: Vec<u8>,
}

impl Writer {
    fn run(mut self) {
        loop {
            // Read first: what was queued before it closed is written still.
            let closing = self.state.closing.load(Ordering::Acquire);
            match self.gather() {
                0 if closing => break,
                0 => {
                    self.state.asleep.store(true, Ordering::Relaxed);
                    thread::park_timeout(IDLE);
                    self.state.asleep.store(false, Ordering::Relaxed);
                }
                lines => {
                    self.write(lines);
                    if self.buffer.capacity() > 2 * BATCH_BYTES {
                        self.buffer = Vec::with_capacity(BATCH_BYTES);
                    }
                    if !closing && lines < BATCH_LINES {
                        thread::park_timeout(GATHER);
                    }
                }
            }
        }
    }

    /// Makes lines of what is queued, up to a batch; how many.
    fn gather(&mut self) -> usize {
        self.buffer.clear();
        let mut lines = 0;
        while lines < BATCH_LINES && self.buffer.len() < BATCH_BYTES {
            let entry = match self.lines.try_recv() {
                Ok(entry) => entry,
                // The near end has closed as well, which `closing` tells.
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            };
            self.state.bytes.fetch_sub(entry.bytes, Ordering::Relaxed);
            let start = self.buffer.len();
            let mut told = Told::new(&entry, &self.key);
            if self.allowed_one_in > 1 && is_sampled(&entry.decision) {
                told.stands_for = Some(self.allowed_one_in);
            }
            if serde_json::to_writer(&mut self.buffer, &told).is_err() {
                // Cannot be: every part has a JSON form. A line is lost, never half a line written.
                self.buffer.truncate(start);
                self.metrics.failed.inc();
                continue;
            }
            self.buffer.push(b'\n');
            lines += 1;
        }
        lines
    }

    fn write(&mut self, lines: usize) {
        let written = self.sink.write(&self.buffer);
        self.metrics.written.inc_by(written as u64);
        self.metrics.failed.inc_by((lines - written) as u64);
    }
}

/// Whether it may be left out: everything that was not plainly allowed is written.
fn is_sampled(decision: &Decision) -> bool {
    decision.reason.class() == Class::Allowed
}

/// Whether an id is one in so many. Its last bytes are random.
fn is_chosen(id: Uuid, one_in: u32) -> bool {
    let [.., a, b, c, d] = *id.as_bytes();
    u32::from_be_bytes([a, b, c, d]).is_multiple_of(one_in)
}

/// Most memory for lines that wait, however many `decision_log.queue` allows: a decision with many
/// findings takes 100 KiB.
const QUEUE_BYTES: usize = 64 << 20;

/// How long lines gather before they are written together.
const GATHER: Duration = Duration::from_millis(10);

/// Longest sleep while nothing comes.
const IDLE: Duration = Duration::from_secs(1);

/// Most lines written in one go.
const BATCH_LINES: usize = 1_024;

/// About the most that is written in one go.
const BATCH_BYTES: usize = 256 << 10;
