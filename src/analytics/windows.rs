//! Every decision of the last hour, by route, verdict and reason.
//!
//! ```text
//! check threads                       collector, once a second           GET /analytics
//! add() -> own thread's histograms --> fold into the slice of 10 s -----> sum of the slices
//!                                      after five minutes: a minute's slices become one
//! ```
//!
//! # What a reader would get wrong
//!
//! A check reads no clock here: what has gathered since the last collection is counted in the slice
//! of the time of collection, so a window's edge is true to about a second. Memory is bounded in
//! bytes: with very many routes the oldest slices go before the hour is over. A report tells how much
//! time it covers.
//!
//! # Cost
//!
//! A check: one lock that only the collector ever shares, for the time it takes to swap two
//! pointers, one look-up and one count; the first of its kind after a collection makes a histogram.
//! 11 KiB for each route, verdict and reason that a thread met
//! within the last second, and [`MAX_BYTES`] for the hour.

use std::{
    collections::{HashMap, VecDeque},
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use super::{
    counts::{Counts, recorded},
    report::{Report, Verdicts},
    tally::{Route, Tally, empty, units},
};
use crate::{
    pipeline::{Decision, Outcome},
    policy,
    problem::Problem,
    threads,
    units::Span,
    verdict::Reason,
};

/// The shortest window: one slice.
pub const SHORTEST_WINDOW: Duration = Duration::from_secs(10);

/// The longest window: what is kept.
pub const LONGEST_WINDOW: Duration = Duration::from_hours(1);

/// Counts decisions and reports on the last minutes of them.
pub struct Windows {
    shards: Box<[Shard]>,
    started: Instant,
    history: Mutex<History>,
}

/// What one thread has counted since the last collection. On a cache line of its own, so that
/// threads do not slow each other.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Cells>);

/// By the route's address, verdict and reason. The cell keeps its route alive, so that no other
/// route can come to stand at its address.
type Cells = HashMap<(usize, Outcome, Reason), Cell, foldhash::fast::RandomState>;

struct Cell {
    route: Option<Arc<policy::Route>>,
    costs: Histogram<u32>,
}

#[derive(Default)]
struct History {
    /// Oldest first; stretches without a check have none.
    slices: VecDeque<Slice>,
    bytes: usize,
    /// How many of them, from the oldest on, are of a minute.
    minutes: usize,
    /// Slices before this one are of a minute.
    fine_from: u64,
    /// Slices before this one had to go early.
    forgotten: u64,
}

struct Slice {
    /// Counted from the start of the process, in [`SLICE`]s.
    number: u64,
    counts: HashMap<Group, Counts>,
}

/// What is counted together.
type Group = (Option<Route>, Outcome, Reason);

impl Windows {
    /// For checks on `threads` threads; more may come, and share.
    #[must_use]
    pub fn new(threads: usize) -> Self {
        Self {
            shards: (0..threads.max(1)).map(|_| Shard::default()).collect(),
            started: Instant::now(),
            history: Mutex::default(),
        }
    }

    /// Counts one decision.
    pub fn add(&self, decision: &Decision) {
        let route = decision.route.as_ref();
        let address = route.map_or(0, |route| Arc::as_ptr(route).addr());
        let shard = &self.shards[threads::number() % self.shards.len()];
        let mut cells = lock(&shard.0);
        let cell = cells
            .entry((address, decision.outcome, decision.reason))
            .or_insert_with(|| Cell {
                route: route.cloned(),
                costs: empty(),
            });
        cell.costs.saturating_record(units(decision.cost));
    }

    /// Takes over what the threads have counted. Called once a second, or the edges of windows blur.
    pub fn collect(&self) {
        self.collect_at(self.started.elapsed());
    }

    fn collect_at(&self, now: Duration) {
        let number = slice_at(now);
        for shard in &self.shards {
            let cells = mem::take(&mut *lock(&shard.0));
            if !cells.is_empty() {
                lock(&self.history).fold(number, cells);
            }
        }
    }

    /// What was decided within the last `window`, 10 s to an hour; see [`read_window`]. It begins with
    /// a whole slice, so the report covers up to 10 s more than a window of five minutes or less, and up
    /// to a minute more than a longer one.
    #[must_use]
    pub fn report(&self, window: Duration) -> Report {
        self.report_at(self.started.elapsed(), window)
    }

    /// Verdicts of the last hour, a minute each, the oldest first and the current one last.
    #[must_use]
    pub fn timeline(&self) -> Vec<Verdicts> {
        self.timeline_at(self.started.elapsed())
    }

    fn timeline_at(&self, now: Duration) -> Vec<Verdicts> {
        self.collect_at(now);
        let last = slice_at(now) / PER_MINUTE;
        let mut minutes = vec![Verdicts::default(); MINUTES];
        let history = lock(&self.history);
        for slice in &history.slices {
            let back = usize::try_from(last.saturating_sub(slice.number / PER_MINUTE));
            let Some(minute) = back.ok().and_then(|back| minutes.iter_mut().nth_back(back)) else {
                continue;
            };
            for ((_, outcome, _), counts) in &slice.counts {
                minute.add(*outcome, counts.checks());
            }
        }
        minutes
    }

    fn report_at(&self, now: Duration, window: Duration) -> Report {
        self.collect_at(now);
        let window = window.clamp(SHORTEST_WINDOW, LONGEST_WINDOW);
        let history = lock(&self.history);
        let mut first = slice_at(now.saturating_sub(window));
        if first < history.fine_from {
            first -= first % PER_MINUTE;
        }
        let first = first.max(history.forgotten);
        let mut tally = Tally::default();
        for slice in &history.slices {
            if slice.number < first {
                continue;
            }
            for (group, counts) in &slice.counts {
                let costs = tally.group(group.clone());
                for count in counts.iter() {
                    costs.saturating_record_n(count.units.into(), count.checks.into());
                }
            }
        }
        drop(history);
        let covered = now.saturating_sub(SLICE * u32::try_from(first).unwrap_or(u32::MAX));
        let mut report = tally.report(covered);
        report.window_s = Some(window.as_secs_f64());
        report
    }
}

impl History {
    fn fold(&mut self, number: u64, cells: Cells) {
        // Two collections at once may come in the other order.
        let number = self
            .slices
            .back()
            .map_or(number, |last| last.number.max(number));
        if self.slices.back().is_none_or(|last| last.number != number) {
            let counts = HashMap::new();
            self.slices.push_back(Slice { number, counts });
        }
        let Some(slice) = self.slices.back_mut() else {
            return;
        };
        for ((_, outcome, reason), cell) in cells {
            let route = cell.route.map(|route| Route::from(route.name.as_str()));
            let counts = slice.counts.entry((route, outcome, reason)).or_default();
            let before = taken(counts);
            counts.merge(recorded(&cell.costs));
            self.bytes += taken(counts) - before;
        }
        self.put_together(number.saturating_sub(FINE));
        let oldest = number.saturating_sub(LONGEST_WINDOW.as_secs() / SLICE.as_secs());
        while let Some(slice) = self.slices.front() {
            let (next, is_minute) = match self.minutes {
                0 => (slice.number + 1, false),
                _ => (slice.number + PER_MINUTE, true),
            };
            // The newest always stays: it is what the next check adds to.
            let must_go = next <= oldest || self.bytes > MAX_BYTES;
            if !must_go || self.slices.len() == 1 {
                break;
            }
            self.bytes -= slice.bytes();
            self.forgotten = next;
            self.minutes -= usize::from(is_minute);
            self.slices.pop_front();
        }
    }

    /// Makes one slice of each minute that was over at the slice `until`.
    fn put_together(&mut self, until: u64) {
        let until = until - until % PER_MINUTE;
        while let Some(first) = self.slices.get(self.minutes)
            && first.number < until
        {
            let mut minute = Slice {
                number: first.number - first.number % PER_MINUTE,
                counts: HashMap::new(),
            };
            let end = minute.number + PER_MINUTE;
            let rest = self.slices.iter().skip(self.minutes);
            let parts = rest.take_while(|slice| slice.number < end).count();
            for part in self.slices.drain(self.minutes..self.minutes + parts) {
                self.bytes -= part.bytes();
                for (group, counts) in part.counts {
                    minute.counts.entry(group).or_default().merge(counts.iter());
                }
            }
            self.bytes += minute.bytes();
            self.slices.insert(self.minutes, minute);
            self.minutes += 1;
        }
        self.fine_from = self.fine_from.max(until);
    }
}

impl Slice {
    fn bytes(&self) -> usize {
        self.counts.values().map(taken).sum()
    }
}

/// What a group's counts take, with what they are kept in.
fn taken(counts: &Counts) -> usize {
    match counts.bytes() {
        0 => 0,
        bytes => GROUP + bytes,
    }
}

fn slice_at(now: Duration) -> u64 {
    now.as_secs() / SLICE.as_secs()
}

/// Reads a window as a client writes it, such as `5m`.
///
/// # Errors
///
/// That it is no span of time, or out of range, with the range.
pub fn read_window(text: &str) -> Result<Duration, Problem> {
    let span: Span = text
        .parse()
        .map_err(|why: String| Problem::new("window", why))?;
    let window = span.get();
    if (SHORTEST_WINDOW..=LONGEST_WINDOW).contains(&window) {
        Ok(window)
    } else {
        let message = format!("`{text}` is out of range; use `10s` to `1h`");
        Err(Problem::new("window", message))
    }
}

/// A panic elsewhere leaves counts that are at worst one short.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shards = self.shards.len();
        f.debug_struct("Windows")
            .field("shards", &shards)
            .finish_non_exhaustive()
    }
}

const SLICE: Duration = SHORTEST_WINDOW;

/// Slices in a minute.
const PER_MINUTE: u64 = 60 / SLICE.as_secs();

/// So many slices, the last five minutes, are kept as they are.
const FINE: u64 = 5 * PER_MINUTE;

/// In a timeline.
const MINUTES: usize = 60;

/// Most memory for the hour: enough for 30 routes with 3 reasons each and 200 different costs in
/// every slice, of a minute or less.
const MAX_BYTES: usize = 4 << 20;

/// What a group takes besides its counts, roughly.
const GROUP: usize = 96;

#[cfg(test)]
mod tests;
