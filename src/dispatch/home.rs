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

    fn here() -> CpuSet {
        sched_getaffinity(None).expect("an affinity")
    }

    /// In a thread of its own, on at most two of the cores there are.
    #[test]
    fn each_thread_sleeps_at_home_and_works_anywhere() {
        let narrow = || {
            let (all, mut few) = (here(), CpuSet::new());
            let cores = (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core));
            cores.take(2).for_each(|core| few.set(core));
            sched_setaffinity(None, &few).expect("fewer of the same");
            let cores = few.count() as usize;
            assert!(Homes::of(cores + 1).is_none(), "not a core for each");
            let homes = Homes::of(cores);
            assert_eq!(homes.is_some(), cores == 2);
            let mut seen = Vec::new();
            for (homes, index) in homes.iter().flat_map(|homes| [(homes, 0), (homes, 1)]) {
                homes.go_home(index);
                seen.push(here());
                homes.leave();
                assert_eq!(here(), few);
            }
            assert!(seen.iter().all(|home| home.count() == 1));
            assert!(seen.is_empty() || seen[0] != seen[1]);
        };
        thread::spawn(narrow).join().expect("as asked");
    }
}
