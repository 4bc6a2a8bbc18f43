//! One batch while the pool does it: which piece is next, what came of the others, who waits.

use std::{
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::sync::oneshot;

use super::{
    pool::Job,
    work::{Refused, Work},
};

/// When a batch was really worked on, in nanoseconds since it was handed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) first_started: u64,
    pub(super) last_ended: u64,
}

/// A batch in pieces.
#[derive(Debug)]
pub(super) struct Spread<W: Work> {
    work: Arc<W>,
    /// Where each piece ends.
    ends: Vec<usize>,
    next: AtomicUsize,
    left: AtomicUsize,
    /// One lock a piece, taken once to fill it and once to empty it: never contended.
    outputs: Vec<Mutex<Vec<W::Output>>>,
    /// Taken once, by whoever finishes.
    waiting: Mutex<Option<oneshot::Sender<Result<Times, Refused>>>>,
    stopped: AtomicBool,
    deadline: Option<Instant>,
    handed_over: Instant,
    first_started: AtomicU64,
}

impl<W: Work> Spread<W> {
    pub(super) fn new(
        work: Arc<W>,
        ends: Vec<usize>,
        deadline: Option<Instant>,
    ) -> (Arc<Self>, oneshot::Receiver<Result<Times, Refused>>) {
        let (done, waiting) = oneshot::channel();
        let spread = Self {
            work,
            next: AtomicUsize::new(0),
            left: AtomicUsize::new(ends.len()),
            outputs: ends.iter().map(|_| Mutex::default()).collect(),
            ends,
            waiting: Mutex::new(Some(done)),
            stopped: AtomicBool::new(false),
            deadline,
            handed_over: Instant::now(),
            first_started: AtomicU64::new(u64::MAX),
        };
        (Arc::new(spread), waiting)
    }

    /// Every output, in order. Only after it was told that all is done.
    pub(super) fn outputs(&self) -> Vec<W::Output> {
        let mut all = Vec::with_capacity(self.work.len());
        for piece in &self.outputs {
            all.append(&mut piece.lock().unwrap_or_else(PoisonError::into_inner));
        }
        all
    }

    /// Nobody waits any more: pieces not yet begun are not.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    fn range(&self, piece: usize) -> Range<usize> {
        let start = piece.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[piece]
    }

    fn now(&self) -> u64 {
        u64::try_from(self.handed_over.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn end(&self, ending: Result<Times, Refused>) {
        self.stop();
        let waiting = self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(waiting) = waiting {
            // Whoever asked may have gone.
            let _ = waiting.send(ending);
        }
    }
}

impl<W: Work> Job for Spread<W> {
    fn claim(&self) -> Option<usize> {
        if self.stopped.load(Ordering::Relaxed) {
            return None;
        }
        let piece = self.next.fetch_add(1, Ordering::Relaxed);
        (piece < self.ends.len()).then_some(piece)
    }

    fn has_more(&self) -> bool {
        self.next.load(Ordering::Relaxed) < self.ends.len()
    }

    fn perform(&self, piece: usize) {
        self.first_started.fetch_min(self.now(), Ordering::Relaxed);
        if self
            .deadline
            .is_some_and(|deadline| Instant::now() > deadline)
        {
            return self.end(Err(Refused::Deadline));
        }
        let range = self.range(piece);
        let wanted = range.len();
        // AssertUnwindSafe: after a panic nothing of this batch is looked at again.
        match catch_unwind(AssertUnwindSafe(|| self.work.run(range))) {
            Ok(outputs) if outputs.len() == wanted => {
                *self.outputs[piece]
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = outputs;
            }
            _ => return self.end(Err(Refused::Panicked)),
        }
        // AcqRel: whoever sees the last piece done sees every other piece's outputs.
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            let times = Times {
                first_started: self.first_started.load(Ordering::Relaxed),
                last_ended: self.now(),
            };
            self.end(Ok(times));
        }
    }
}

/// Ends of pieces of about `target_ns` each, given what each item is expected to take.
pub(super) fn cut(costs: impl Iterator<Item = f64>, target_ns: f64) -> Vec<usize> {
    let mut ends = Vec::new();
    let (mut piece_ns, mut count) = (0.0, 0);
    for cost in costs {
        // A piece that would grow past its target ends before this item.
        if piece_ns > 0.0 && piece_ns + cost > target_ns {
            ends.push(count);
            piece_ns = 0.0;
        }
        piece_ns += cost;
        count += 1;
    }
    if count > 0 {
        ends.push(count);
    }
    ends
}
