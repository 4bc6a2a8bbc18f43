//! Where the threads of a crew wake: each on a core of its own.
//!
//! The kernel picks a core for a thread that wakes. In a virtual machine it may take a core that
//! sleeps for one that the host has taken away, and put the thread behind whoever woke it: two
//! threads then share a core until the next balancing, milliseconds later, while the other core does
//! nothing. So a thread that is about to sleep asks for one core, and once awake it may go anywhere:
//! work that has begun never waits for a core that others hold.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The cores of a crew that has a thread for each.
#[derive(Debug)]
pub(super) struct Homes {
    all: CpuSet,
    each: Vec<CpuSet>,
}

impl Homes {
    /// For so many threads; `None` where they are not as many as the cores they may use (under a
    /// quota, many processes like this one share a machine, and all would ask for the same few
    /// cores), and with more than a few, since all are woken lest those that are have busy homes.
    pub(super) fn of(threads: usize) -> Option<Self> {
        let all = sched_getaffinity(None).ok()?;
        let one = |core: usize| {
            let mut one = CpuSet::new();
            one.set(core);
            one
        };
        let cores = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
        let each: Vec<CpuSet> = cores.map(one).collect();
        ((2..=MOST).contains(&threads) && each.len() == threads).then_some(Self { all, each })
    }

    /// The present thread, number `index` of its crew, is about to sleep.
    pub(super) fn go_home(&self, index: usize) {
        if let Some(home) = self.each.get(index) {
            // Where it is not allowed, the kernel picks.
            let _ = sched_setaffinity(None, home);
        }
    }

    /// The present thread is awake.
    pub(super) fn leave(&self) {
        let _ = sched_setaffinity(None, &self.all);
    }
}

/// Threads that are woken all at once without a second thought.
const MOST: usize = 4;

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn each_thread_sleeps_at_home_and_works_anywhere() {
        let here = || sched_getaffinity(None).expect("an affinity");
        let all = here();
        let cores = all.count() as usize;
        let homes = Homes::of(cores);
        assert_eq!(homes.is_some(), (2..=MOST).contains(&cores));
        assert!(Homes::of(cores + 1).is_none());
        let Some(homes) = homes else { return };
        let visit = |index| {
            homes.go_home(index);
            let home = here();
            homes.leave();
            assert_eq!(here(), all);
            home
        };
        let seen = thread::scope(|scope| {
            let visits = (0..cores).map(|index| scope.spawn(move || visit(index)));
            let visits: Vec<_> = visits.collect();
            let seen = visits
                .into_iter()
                .map(|visit| visit.join().expect("a home"));
            seen.collect::<Vec<_>>()
        });
        assert!(seen.iter().all(|home| home.count() == 1));
        assert!(!seen[1..].contains(&seen[0]));
    }
}
