//! The core of coalescing under every order in which threads can take their steps.
//!
//! Compiled from the very file that serves, over loom's locks instead of the system's: loom runs
//! each test again and again, in all orders with up to two interruptions, and fails on a deadlock,
//! which is what a lost wake-up comes to. A test binary of its own, since loom's small stacks cannot hold the allocator
//! that comes with Subzero.

use std::{
    future::{Future as _, poll_fn},
    mem,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use loom::{
    future::block_on,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use self::{
    flights::{Boarded, Flights, Landed, Landing, Wait},
    sync::Arc,
};

#[path = "../src/coalesce/flights.rs"]
mod flights;

mod sync {
    pub(super) use std::sync::PoisonError;

    pub(super) use loom::sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    };
}

/// What happened, counted.
struct Sky {
    at_work: AtomicUsize,
    begun: AtomicUsize,
    flights: Arc<Flights<u8, usize>>,
}

impl Sky {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            at_work: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            flights: Arc::new(Flights::new(2, 8)),
        })
    }

    /// Asks for `key` as a caller does, finding the answer itself if it leads: answers are numbered
    /// from 1 in the order in which work on them began.
    fn ask(&self, key: u8) -> (Wait<usize>, Option<Landed>) {
        match Flights::board(&self.flights, key) {
            Boarded::Follow(wait) => (wait, None),
            Boarded::Full => panic!("there is room"),
            Boarded::Lead(landing, wait) => {
                assert_eq!(
                    self.at_work.fetch_add(1, Ordering::SeqCst),
                    0,
                    "one at a time"
                );
                let answer = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
                self.at_work.fetch_sub(1, Ordering::SeqCst);
                (wait, Some(landing.land(answer)))
            }
        }
    }
}

#[test]
fn callers_at_any_time_get_an_answer_and_only_one_works_at_a_time() {
    in_every_order(|| {
        let sky = Sky::new();
        let others: Vec<_> = (0..2)
            .map(|_| {
                let sky = Arc::clone(&sky);
                thread::spawn(move || {
                    let (wait, landed) = sky.ask(1);
                    (block_on(wait), landed)
                })
            })
            .collect();
        let (wait, landed) = sky.ask(1);
        let mut answers = vec![(block_on(wait), landed)];
        answers.extend(
            others
                .into_iter()
                .map(|other| other.join().expect("it ends")),
        );
        let begun = sky.begun.load(Ordering::SeqCst);
        let callers: usize = answers
            .iter()
            .filter_map(|(_, landed)| landed.map(|landed| landed.callers))
            .sum();
        assert_eq!(callers, 3, "each is counted once, by who landed its answer");
        for (answer, _) in answers {
            assert!(answer.is_some_and(|answer| answer <= begun), "{answer:?}");
        }
        assert_eq!(sky.flights.len(), 0);
    });
}

#[test]
fn different_things_are_never_shared() {
    in_every_order(|| {
        let flights = Arc::new(Flights::<u8, u8>::new(1, 8));
        let ask = |flights: &Arc<Flights<u8, u8>>, key| match Flights::board(flights, key) {
            Boarded::Lead(landing, wait) => {
                landing.land(key);
                block_on(wait)
            }
            Boarded::Follow(_) | Boarded::Full => panic!("nobody else asks for it"),
        };
        let there = Arc::clone(&flights);
        let other = thread::spawn(move || ask(&there, 2));
        assert_eq!(ask(&flights, 1), Some(1));
        assert_eq!(other.join().expect("it ends"), Some(2));
    });
}

#[test]
fn one_that_hangs_up_at_any_moment_takes_nobody_along() {
    in_every_order(|| {
        let flights = Arc::new(Flights::<u8, u8>::new(1, 8));
        let (landing, first) = lead(&flights);
        let (hasty, patient) = (follow(&flights), follow(&flights));
        let leader = thread::spawn(move || landing.land(7));
        let hanging_up = thread::spawn(move || {
            // Whoever called first hangs up as well, before it has waited at all.
            drop(first);
            let mut hasty = hasty;
            let seen = poll(&mut hasty);
            drop(hasty);
            seen
        });
        assert_eq!(block_on(patient), Some(7));
        let seen = hanging_up.join().expect("it ends");
        assert!(
            matches!(seen, Poll::Pending | Poll::Ready(Some(7))),
            "{seen:?}"
        );
        let landed = leader.join().expect("it ends");
        assert_eq!(landed.callers, 3);
        assert!(landed.waiting <= 2, "{landed:?}");
    });
}

#[test]
fn who_relies_on_the_leader_is_woken_in_time() {
    in_every_order(|| {
        let flights = Arc::new(Flights::<u8, u8>::new(1, 8));
        let (landing, _) = lead(&flights);
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        assert_eq!(landing.watch(now, 0, after(1)), after(1));
        let (due, there) = (after(2), Arc::clone(&flights));
        let waiter = thread::spawn(move || {
            let (mut wait, mut polled) = (follow(&there).until(due, 0), false);
            block_on(poll_fn(|context| {
                assert!(Pin::new(&mut wait).poll(context).is_pending());
                let is_woken = mem::replace(&mut polled, true);
                // Whoever comes too late for this look has to see to itself.
                if is_woken || !wait.is_watched() {
                    return Poll::Ready(());
                }
                Poll::Pending
            }));
        });
        assert!(landing.watch(due, 0, after(9)) >= due);
        waiter.join().expect("it ends, or nobody woke it");
        landing.land(7);
    });
}

#[test]
fn who_waits_elsewhere_or_less_long_keeps_its_own_time() {
    in_every_order(|| {
        let flights = Arc::new(Flights::<u8, u8>::new(1, 8));
        let (landing, _) = lead(&flights);
        let now = Instant::now();
        let after = |seconds| now + Duration::from_secs(seconds);
        landing.watch(now, 0, after(2));
        for (due, thread, is_watched) in [(2, 0, true), (3, 0, true), (1, 0, false), (3, 1, false)]
        {
            let mut wait = follow(&flights).until(after(due), thread);
            assert_eq!(poll(&mut wait), Poll::Pending);
            assert_eq!(wait.is_watched(), is_watched, "{due} on {thread}");
        }
        landing.land(7);
    });
}

#[test]
fn a_leader_that_goes_without_an_answer_releases_everybody() {
    in_every_order(|| {
        let flights = Arc::new(Flights::<u8, u8>::new(1, 8));
        let (landing, first) = lead(&flights);
        let there = Arc::clone(&flights);
        let other = thread::spawn(move || match Flights::board(&there, 1) {
            Boarded::Follow(wait) => block_on(wait),
            // It came after the end of the first.
            Boarded::Lead(landing, wait) => {
                landing.land(2);
                block_on(wait)
            }
            Boarded::Full => panic!("there is room"),
        });
        drop(landing);
        assert_eq!(block_on(first), None);
        let seen = other.join().expect("it ends");
        assert!(matches!(seen, None | Some(2)), "{seen:?}");
        assert_eq!(flights.len(), 0);
    });
}

/// Runs `events` in every order that its threads allow with so many interruptions at most; three take
/// minutes, and more of them hours.
fn in_every_order(events: impl Fn() + Send + Sync + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(events);
}

/// The first to ask.
fn lead(flights: &Arc<Flights<u8, u8>>) -> (Landing<u8, u8>, Wait<u8>) {
    match Flights::board(flights, 1) {
        Boarded::Lead(landing, wait) => (landing, wait),
        Boarded::Follow(_) | Boarded::Full => panic!("nobody else asks for it"),
    }
}

fn follow(flights: &Arc<Flights<u8, u8>>) -> Wait<u8> {
    match Flights::board(flights, 1) {
        Boarded::Follow(wait) => wait,
        Boarded::Lead(..) | Boarded::Full => panic!("somebody leads"),
    }
}

fn poll(wait: &mut Wait<u8>) -> Poll<Option<u8>> {
    Pin::new(wait).poll(&mut Context::from_waker(Waker::noop()))
}
