//! What is under way, who leads it and who waits: the core, without tasks, clocks and metrics.
//!
//! ```text
//! board(key) -> nobody flies there: a Landing to be landed, and a Wait
//!            -> somebody does:      a Wait
//! ```
//!
//! # What a reader would get wrong
//!
//! A flight leaves the table *before* its answer is told. In the other order whoever asks after
//! having been answered could be given the same, old answer again. And it always lands: a
//! [`Landing`] that is dropped, by a panic or because its runtime ended, lands without an answer.
//!
//! Locks are held for a few instructions, never while a waker or other people's code runs. The
//! tests put this file over another `sync`, which tries every order of what threads do.
//!
//! # Cost
//!
//! Two locks to lead; two to follow, the table's and the flight's, and one to take the answer. Who
//! leads keeps the time for those who wait on its own thread: a timer of each would cost as much as all
//! the rest.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Instant,
};

use foldhash::fast::RandomState;
use slab::Slab;

use super::sync::{Arc, AtomicUsize, Mutex, MutexGuard, Ordering, PoisonError};

/// What is under way, in parts that are locked apart.
pub(super) struct Flights<K, V> {
    hasher: RandomState,
    most_a_shard: usize,
    shards: Vec<Mutex<Shard<K, V>>>,
}

type Shard<K, V> = HashMap<K, Arc<Flight<V>>, RandomState>;

/// One thing under way. Its callers hold it too, so it outlives its place in the table.
struct Flight<V> {
    /// Everyone who came, whoever leads included. Changed under the lock of the table's part alone, so
    /// that whoever lands it has counted all who found it.
    callers: AtomicUsize,
    state: Mutex<State<V>>,
}

struct State<V> {
    progress: Progress<V>,
    waiting: Slab<Seat>,
    watch: Option<Watch>,
}

/// Of one who waits.
struct Seat {
    waker: Waker,
    /// When who leads is to wake it at the latest; `None`: it keeps the time itself, or has been woken.
    due: Option<Instant>,
}

/// Of who leads.
#[derive(Clone, Copy)]
struct Watch {
    /// When it looks after those who wait.
    next: Instant,
    /// Where. On another thread it may be held up while a waiter's own goes on.
    thread: usize,
}

enum Progress<V> {
    Answered(V),
    /// It landed without an answer.
    Lost,
    UnderWay,
}

/// What to do about a key.
pub(super) enum Boarded<K: Copy + Eq + Hash, V> {
    /// Wait: somebody leads.
    Follow(Wait<V>),
    /// So much is under way that this is to be done without a flight.
    Full,
    /// Find the answer and land it.
    Lead(Landing<K, V>, Wait<V>),
}

/// Held by who leads.
pub(super) struct Landing<K: Copy + Eq + Hash, V> {
    flight: Arc<Flight<V>>,
    flights: Arc<Flights<K, V>>,
    has_landed: bool,
    key: K,
}

/// How many a flight was for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Landed {
    /// All who asked, the first included.
    pub(super) callers: usize,
    /// Those who were still waiting.
    pub(super) waiting: usize,
}

/// The answer of a flight, to be awaited: `None` if it landed without one.
pub(super) struct Wait<V> {
    flight: Arc<Flight<V>>,
    seat: Option<usize>,
    /// How long it waits, and on which thread.
    until: Option<(Instant, usize)>,
    is_watched: bool,
}

impl<K: Copy + Eq + Hash, V> Flights<K, V> {
    /// Room for about `most` flights at a time, in `shards` parts.
    pub(super) fn new(shards: usize, most: usize) -> Self {
        let shard = || Mutex::new(HashMap::with_hasher(RandomState::default()));
        Self {
            hasher: RandomState::default(),
            most_a_shard: most.div_ceil(shards),
            shards: (0..shards).map(|_| shard()).collect(),
        }
    }

    /// Joins the flight for `key`, or begins it.
    pub(super) fn board(flights: &Arc<Self>, key: K) -> Boarded<K, V> {
        let mut shard = flights.shard(&key);
        if let Some(flight) = shard.get(&key) {
            flight.callers.fetch_add(1, Ordering::Relaxed);
            return Boarded::Follow(Wait::new(flight));
        }
        if shard.len() >= flights.most_a_shard {
            return Boarded::Full;
        }
        let flight = Arc::new(Flight {
            callers: AtomicUsize::new(1),
            state: Mutex::new(State {
                progress: Progress::UnderWay,
                waiting: Slab::new(),
                watch: None,
            }),
        });
        shard.insert(key, Arc::clone(&flight));
        drop(shard);
        let wait = Wait::new(&flight);
        let landing = Landing {
            flight,
            flights: Arc::clone(flights),
            has_landed: false,
            key,
        };
        Boarded::Lead(landing, wait)
    }

    /// How many are under way.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, V>> {
        // The remainder is less than the number of shards.
        let at = self.hasher.hash_one(key) % self.shards.len() as u64;
        lock(&self.shards[usize::try_from(at).unwrap_or_default()])
    }
}

impl<K: Copy + Eq + Hash, V> Landing<K, V> {
    /// Tells everybody who waits.
    pub(super) fn land(mut self, answer: V) -> Landed {
        self.end(Progress::Answered(answer))
    }

    /// Wakes those whose time is over at `now`, and tells when to look again: `until`, or when the
    /// first of the others is due. Those on this `thread` who come meanwhile rely on it, unless they
    /// are due before.
    pub(super) fn watch(&self, now: Instant, thread: usize, until: Instant) -> Instant {
        let (mut next, mut late) = (until, Vec::new());
        let mut state = self.flight.lock();
        for (_, seat) in &mut state.waiting {
            match seat.due {
                Some(due) if due <= now => {
                    seat.due = None;
                    late.push(seat.waker.clone());
                }
                Some(due) => next = next.min(due),
                None => {}
            }
        }
        state.watch = Some(Watch { next, thread });
        drop(state);
        late.into_iter().for_each(Waker::wake);
        next
    }

    fn end(&mut self, progress: Progress<V>) -> Landed {
        self.has_landed = true;
        // INVARIANT: the entry is this flight's: nobody else removes it, and while it is there
        // nobody begins another one for the key.
        self.flights.shard(&self.key).remove(&self.key);
        let mut state = self.flight.lock();
        state.progress = progress;
        let waiting = mem::take(&mut state.waiting);
        let landed = Landed {
            callers: self.flight.callers.load(Ordering::Relaxed),
            waiting: waiting.len(),
        };
        drop(state);
        for (_, seat) in waiting {
            seat.waker.wake();
        }
        landed
    }
}

impl<K: Copy + Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        if !self.has_landed {
            self.end(Progress::Lost);
        }
    }
}

impl<V> Wait<V> {
    fn new(flight: &Arc<Flight<V>>) -> Self {
        Self {
            flight: Arc::clone(flight),
            seat: None,
            until: None,
            is_watched: false,
        }
    }

    /// Waits on `thread` for so long.
    pub(super) fn until(mut self, due: Instant, thread: usize) -> Self {
        self.until = Some((due, thread));
        self
    }

    /// Whether who leads polls it again when its time is over. Known once it was polled.
    pub(super) fn is_watched(&self) -> bool {
        self.is_watched
    }
}

impl<V: Clone> Future for Wait<V> {
    type Output = Option<V>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<V>> {
        let wait = self.get_mut();
        let mut state = wait.flight.lock();
        let answer = match &state.progress {
            Progress::Answered(answer) => Some(Some(answer.clone())),
            Progress::Lost => Some(None),
            Progress::UnderWay => None,
        };
        if let Some(answer) = answer {
            // It has landed: all seats are gone.
            wait.seat = None;
            return Poll::Ready(answer);
        }
        let waker = context.waker();
        if let Some(seat) = wait.seat.and_then(|seat| state.waiting.get_mut(seat)) {
            seat.waker.clone_from(waker);
            return Poll::Pending;
        }
        let watch = state.watch;
        let is_watched = |(due, thread): &(Instant, usize)| {
            watch.is_some_and(|watch| watch.thread == *thread && watch.next <= *due)
        };
        let due = wait.until.filter(is_watched).map(|(due, _)| due);
        wait.is_watched = due.is_some();
        let waker = waker.clone();
        wait.seat = Some(state.waiting.insert(Seat { waker, due }));
        Poll::Pending
    }
}

impl<V> Drop for Wait<V> {
    fn drop(&mut self) {
        let Some(seat) = self.seat else {
            return;
        };
        let mut state = self.flight.lock();
        // Once it has landed, all seats are gone.
        let left = state.waiting.try_remove(seat);
        drop(state);
        drop(left);
    }
}

impl<V> Flight<V> {
    fn lock(&self) -> MutexGuard<'_, State<V>> {
        lock(&self.state)
    }
}

/// What is locked is whole at every moment, so a panic elsewhere does not matter.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
