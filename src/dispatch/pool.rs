//! Threads for work that is worth a hand-off, and the order in which they take it.
//!
//! Work comes in pieces of at most a tenth of a millisecond. Whoever takes the next piece takes it from the
//! first lane that has any, and within a lane in turn, so that a check waits for one piece a thread
//! at most and no batch waits for another's end. Lanes are bounded: what does not fit is refused.
//!
//! Batches have threads of their own, under the kernel's idle policy: a thread that answers checks
//! takes the core from them at once, and without checks they have it all. What a reader would get
//! wrong: a thread cannot change to that policy for a piece and back again, since the way back needs
//! a privilege that services do not have. The other lanes' threads run as everybody does.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rayon::{ThreadPool, ThreadPoolBuilder, current_thread_index};

use super::{
    courtesy::{breathe, give_way},
    home::Homes,
    work::Lane,
};

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
    crews: [Crew; 2],
    /// Where threads wake, if that is not left to the kernel.
    homes: Option<Arc<Homes>>,
    queues: Mutex<Queues>,
    bounds: [usize; Lane::ALL.len()],
    /// Threads of a crew that may work at once: the CPU quota, when that is less than there are.
    most: AtomicUsize,
    depths: [AtomicUsize; Lane::ALL.len()],
    began: Instant,
}

/// Threads that serve the same lanes.
struct Crew {
    threads: ThreadPool,
    /// Nanoseconds after the pool began at which the last piece ended; [`RUNNING`] while any runs.
    last_ended: AtomicU64,
}

/// Held for some tens of nanoseconds, to move one entry in or out.
#[derive(Default)]
struct Queues {
    lanes: [VecDeque<Arc<dyn Job>>; Lane::ALL.len()],
    /// By crew.
    running: [usize; 2],
}

/// Which crew serves a lane.
fn crew_of(lane: Lane) -> usize {
    usize::from(lane == Lane::Batch)
}

impl Pool {
    /// `threads` threads in each crew; `bounds` entries a lane, first lane first.
    pub(super) fn new(threads: usize, bounds: [usize; 3]) -> Result<Self, String> {
        let homes = Homes::of(threads).map(Arc::new);
        let crews = [("pool", false), ("batch", true)];
        let [usual, patient] = crews.map(|(name, gives_way)| {
            let homes = homes.clone();
            let start = move |index| {
                if gives_way {
                    give_way();
                }
                if let Some(homes) = &homes {
                    homes.go_home(index);
                }
            };
            let crew = ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(move |index| format!("{name}-{index}"))
                .start_handler(start);
            let threads = crew.build().map_err(|error| error.to_string())?;
            let last_ended = AtomicU64::new(0);
            Ok::<_, String>(Crew {
                threads,
                last_ended,
            })
        });
        Ok(Self {
            crews: [usual?, patient?],
            homes,
            queues: Mutex::default(),
            bounds,
            most: AtomicUsize::new(threads),
            depths: Default::default(),
            began: Instant::now(),
        })
    }

    /// Threads that can do one batch at once.
    pub(super) fn threads(&self) -> usize {
        self.crews[0].threads.current_num_threads()
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

    /// How long the threads that serve `lane` have done nothing; zero while one does something.
    pub(super) fn idle(&self, lane: Lane) -> Duration {
        let ended = self.crews[crew_of(lane)].last_ended.load(Ordering::Relaxed);
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
        let crew = crew_of(lane);
        // One that wakes at home waits while others hold that core, so the rest are woken too.
        let helpers = if self.homes.is_some() { most } else { helpers };
        let wake = {
            let mut queues = self.queues();
            let queue = &mut queues.lanes[lane as usize];
            if queue.len() >= self.bounds[lane as usize] {
                return false;
            }
            queue.push_back(job);
            self.depths[lane as usize].store(queue.len(), Ordering::Relaxed);
            let wake = helpers.min(most.saturating_sub(queues.running[crew]));
            queues.running[crew] += wake;
            wake
        };
        for _ in 0..wake {
            let pool = Arc::clone(self);
            self.crews[crew].threads.spawn(move || pool.work(crew));
        }
        true
    }

    /// Does pieces until none is left.
    fn work(&self, crew: usize) {
        self.crews[crew]
            .last_ended
            .store(RUNNING, Ordering::Relaxed);
        if let Some(homes) = &self.homes {
            homes.leave();
        }
        while let Some((job, piece)) = self.next(crew) {
            job.perform(piece);
            breathe();
        }
        if let (Some(homes), Some(index)) = (&self.homes, current_thread_index()) {
            homes.go_home(index);
        }
    }

    /// The next piece of the crew's first lane that has any. Jobs of one lane take turns.
    fn next(&self, crew: usize) -> Option<(Arc<dyn Job>, usize)> {
        let mut queues = self.queues();
        let is_surplus = queues.running[crew] > self.most.load(Ordering::Relaxed);
        for lane in Lane::ALL {
            if is_surplus {
                break;
            }
            if crew_of(lane) != crew {
                continue;
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
                taken = Some((job, piece));
                break;
            }
            self.depths[lane as usize].store(queue.len(), Ordering::Relaxed);
            if taken.is_some() {
                return taken;
            }
        }
        queues.running[crew] -= 1;
        if queues.running[crew] == 0 {
            let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(RUNNING - 1);
            self.crews[crew].last_ended.store(now, Ordering::Relaxed);
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

const RUNNING: u64 = u64::MAX;
