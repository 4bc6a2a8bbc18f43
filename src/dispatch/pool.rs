//! Threads for work that is worth a hand-off, and the order in which they take it.
//!
//! Work comes in pieces of at most a millisecond. Whoever takes the next piece takes it from the
//! first lane that has any, and within a lane in turn, so that a check waits for one piece a thread
//! at most and no batch waits for another's end. Lanes are bounded: what does not fit is refused.
//!
//! Threads do pieces of batches under the kernel's idle policy: a thread that answers checks takes
//! the core from them at once, and without checks they have it all. Pieces of the other lanes run
//! as everybody does.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rayon::{ThreadPool, ThreadPoolBuilder};
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    unix::{set_thread_priority_and_policy, thread_native_id},
};

use super::work::Lane;

/// Something that is done in pieces, by several threads at once.
pub(super) trait Job: Send + Sync {
    /// Takes the next piece, if one is left.
    fn claim(&self) -> Option<usize>;
    /// Whether there may be more to claim.
    fn has_more(&self) -> bool;
    /// Does a piece. Must not panic.
    fn perform(&self, piece: usize);
}

pub(super) struct Pool {
    threads: ThreadPool,
    queues: Mutex<Queues>,
    bounds: [usize; Lane::ALL.len()],
    /// Threads that may work at once: the CPU quota, when that is less than there are.
    most: AtomicUsize,
    depths: [AtomicUsize; Lane::ALL.len()],
    began: Instant,
    /// Nanoseconds after `began` at which the last piece ended; [`RUNNING`] while any runs.
    last_ended: AtomicU64,
}

/// Held for some tens of nanoseconds, to move one entry in or out.
#[derive(Default)]
struct Queues {
    lanes: [VecDeque<Arc<dyn Job>>; Lane::ALL.len()],
    running: usize,
}

impl Pool {
    /// `threads` threads; `bounds` entries a lane, first lane first.
    pub(super) fn new(threads: usize, bounds: [usize; 3]) -> Result<Self, String> {
        let threads = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|index| format!("pool-{index}"))
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self {
            most: AtomicUsize::new(threads.current_num_threads()),
            threads,
            queues: Mutex::default(),
            bounds,
            depths: Default::default(),
            began: Instant::now(),
            last_ended: AtomicU64::new(0),
        })
    }

    /// Threads there are.
    pub(super) fn threads(&self) -> usize {
        self.threads.current_num_threads()
    }

    /// Lets at most `most` threads work at once, from their next piece on.
    pub(super) fn limit(&self, most: usize) {
        self.most
            .store(most.clamp(1, self.threads()), Ordering::Relaxed);
    }

    /// Entries waiting in `lane`.
    pub(super) fn depth(&self, lane: Lane) -> usize {
        self.depths[lane as usize].load(Ordering::Relaxed)
    }

    /// How long nothing has run here; zero while something does.
    pub(super) fn idle(&self) -> Duration {
        let ended = self.last_ended.load(Ordering::Relaxed);
        if ended == RUNNING {
            return Duration::ZERO;
        }
        self.began
            .elapsed()
            .saturating_sub(Duration::from_nanos(ended))
    }

    /// Queues `job` for up to `helpers` threads; `false` when its lane is full.
    pub(super) fn submit(self: &Arc<Self>, job: Arc<dyn Job>, lane: Lane, helpers: usize) -> bool {
        let most = self.most.load(Ordering::Relaxed);
        let wake = {
            let mut queues = self.queues();
            let queue = &mut queues.lanes[lane as usize];
            if queue.len() >= self.bounds[lane as usize] {
                return false;
            }
            queue.push_back(job);
            self.depths[lane as usize].store(queue.len(), Ordering::Relaxed);
            let wake = helpers.min(most.saturating_sub(queues.running));
            queues.running += wake;
            wake
        };
        for _ in 0..wake {
            let pool = Arc::clone(self);
            self.threads.spawn(move || pool.work());
        }
        true
    }

    /// Does pieces until none is left.
    fn work(&self) {
        self.last_ended.store(RUNNING, Ordering::Relaxed);
        let mut policy = Policy::Usual;
        while let Some((job, piece, lane)) = self.next() {
            policy = policy.adopt(lane);
            job.perform(piece);
        }
        policy.adopt(Lane::Critical);
    }

    /// The next piece of the first lane that has any. Jobs of one lane take turns.
    fn next(&self) -> Option<(Arc<dyn Job>, usize, Lane)> {
        let mut queues = self.queues();
        let is_surplus = queues.running > self.most.load(Ordering::Relaxed);
        for lane in Lane::ALL {
            if is_surplus {
                break;
            }
            let queue = &mut queues.lanes[lane as usize];
            let mut taken = None;
            while let Some(job) = queue.pop_front() {
                let Some(piece) = job.claim() else {
                    continue;
                };
                if job.has_more() {
                    queue.push_back(Arc::clone(&job));
                }
                taken = Some((job, piece, lane));
                break;
            }
            self.depths[lane as usize].store(queue.len(), Ordering::Relaxed);
            if taken.is_some() {
                return taken;
            }
        }
        queues.running -= 1;
        if queues.running == 0 {
            let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(RUNNING - 1);
            self.last_ended.store(now, Ordering::Relaxed);
        }
        None
    }

    fn queues(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("threads", &self.threads())
            .finish_non_exhaustive()
    }
}

/// How the kernel treats this thread.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Policy {
    Idle,
    Usual,
}

impl Policy {
    /// Changes to what `lane` wants, in one system call and only when it differs.
    fn adopt(self, lane: Lane) -> Self {
        let (wanted, kernel) = match lane {
            Lane::Batch => (Self::Idle, NormalThreadSchedulePolicy::Idle),
            Lane::Critical | Lane::High => (Self::Usual, NormalThreadSchedulePolicy::Other),
        };
        if wanted != self {
            let kernel = ThreadSchedulePolicy::Normal(kernel);
            // Where it is not allowed, batches run as everybody does: slower checks, no wrong ones.
            let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, kernel);
        }
        wanted
    }
}

const RUNNING: u64 = u64::MAX;
