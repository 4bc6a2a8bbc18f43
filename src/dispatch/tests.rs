use std::{
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use super::*;

/// Items that take as long as they say, and return their number.
struct Spin {
    items: Vec<Duration>,
    bytes: usize,
    panics_at: Option<usize>,
    ran: AtomicUsize,
}

impl Spin {
    fn new(count: usize, each: Duration) -> Arc<Self> {
        Arc::new(Self {
            items: vec![each; count],
            bytes: 100,
            panics_at: None,
            ran: AtomicUsize::new(0),
        })
    }
}

impl Work for Spin {
    const OPERATION: Operation = Operation::Pattern;
    type Output = usize;

    fn len(&self) -> usize {
        self.items.len()
    }

    fn weight(&self, _item: usize) -> Weight {
        Weight {
            class: 0,
            bytes: self.bytes,
        }
    }

    fn run(&self, items: Range<usize>) -> Vec<usize> {
        for item in items.clone() {
            assert!(self.panics_at != Some(item), "as asked for");
            let until = Instant::now() + self.items[item];
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            self.ran.fetch_add(1, Ordering::Relaxed);
        }
        items.collect()
    }
}

fn dispatcher(cores: f64) -> Dispatcher {
    let registry = prometheus::Registry::new();
    let metrics = Metrics::register(&registry).expect("registers");
    let config = Config {
        cores,
        ..Config::in_place()
    };
    Dispatcher::new(&config, metrics).expect("a pool")
}

const MS: Duration = Duration::from_millis(1);

#[tokio::test]
async fn outputs_come_in_the_order_of_the_items_wherever_they_ran() {
    let dispatcher = dispatcher(2.0);
    for (count, each) in [
        (0, MS),
        (1, MS),
        (7, MS / 100),
        (300, MS / 10),
        (5_000, MS / 1_000),
    ] {
        let work = Spin::new(count, each);
        let done = dispatcher.run(work, Lane::Batch, None).await.expect("runs");
        assert!(done.outputs.into_iter().eq(0..count));
        assert_eq!(done.report.items, count);
        assert_eq!(done.report.bytes, count * 100);
    }
}

#[tokio::test]
async fn much_work_goes_to_the_pool_and_little_stays() {
    let dispatcher = dispatcher(2.0);
    // Taught first, as calibration does, in runs so short that few are interrupted.
    let (small, large) = (Spin::new(2, MS / 20), Spin::new(2, MS / 20));
    dispatcher.measure(&*small, &*large, Effort::Brief);
    let much = dispatcher
        .run(Spin::new(400, MS / 20), Lane::Batch, None)
        .await;
    assert_eq!(much.expect("runs").report.strategy, Strategy::Pool);
    let little = dispatcher
        .run(Spin::new(1, MS / 20), Lane::Batch, None)
        .await;
    assert_eq!(little.expect("runs").report.strategy, Strategy::Inline);
    let tally = &dispatcher.inner.metrics.tally;
    assert_eq!(tally.decisions(Operation::Pattern, Strategy::Pool), 1);
    assert_eq!(tally.decisions(Operation::Pattern, Strategy::Inline), 1);
}

#[tokio::test]
async fn an_item_longer_than_the_hold_limit_leaves_the_thread() {
    let dispatcher = dispatcher(2.0);
    let (small, large) = (Spin::new(5, MS), Spin::new(5, MS));
    dispatcher.measure(&*small, &*large, Effort::Brief);
    let weight = Weight {
        class: 0,
        bytes: 100,
    };
    let choice = dispatcher.choose(Operation::Pattern, weight, Lane::Critical);
    assert_eq!(choice.strategy(), Strategy::Pool);
    let here = std::thread::current().id();
    let there = dispatcher
        .offload(&choice, Lane::Critical, None, || {
            std::thread::current().id()
        })
        .await
        .expect("runs");
    assert_ne!(here, there);
}

#[tokio::test]
async fn at_half_a_core_and_at_one_the_pool_never_wins() {
    for cores in [0.5, 1.0] {
        let dispatcher = dispatcher(cores);
        let (small, large) = (Spin::new(20, MS / 20), Spin::new(20, MS / 20));
        dispatcher.measure(&*small, &*large, Effort::Brief);
        for count in [1, 10, 200] {
            let done = dispatcher
                .run(Spin::new(count, MS / 20), Lane::Batch, None)
                .await;
            assert_eq!(done.expect("runs").report.strategy, Strategy::Inline);
        }
        let weight = Weight {
            class: 0,
            bytes: 1 << 30,
        };
        let choice = dispatcher.choose(Operation::Prompt, weight, Lane::Critical);
        assert_eq!(choice.strategy(), Strategy::Inline);
        let table = dispatcher.table();
        assert!(
            table
                .operations
                .iter()
                .all(|row| row.break_even_items.is_none())
        );
    }
}

#[tokio::test]
async fn native_work_stays_whatever_it_costs() {
    let choice = dispatcher(8.0).choose(
        Operation::Permission,
        Weight {
            class: 0,
            bytes: usize::MAX,
        },
        Lane::Batch,
    );
    assert_eq!(choice.strategy(), Strategy::Vector);
}

#[tokio::test]
async fn work_in_place_lets_others_in_between() {
    let dispatcher = Dispatcher::in_place();
    let (small, large) = (Spin::new(5, MS / 10), Spin::new(5, MS / 10));
    dispatcher.measure(&*small, &*large, Effort::Brief);
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&turns);
    let other = tokio::spawn(async move {
        loop {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let done = dispatcher
        .run(Spin::new(100, MS / 10), Lane::Batch, None)
        .await;
    other.abort();
    assert_eq!(done.expect("runs").outputs.len(), 100);
    let turns = turns.load(Ordering::Relaxed);
    assert!(turns > 20, "{turns} turns in 10 ms of work");
}

#[tokio::test]
async fn a_panic_is_told_and_nothing_else_is_lost() {
    let dispatcher = dispatcher(2.0);
    for count in [3, 400] {
        let mut work = Spin::new(count, MS / 20);
        Arc::get_mut(&mut work).expect("ours").panics_at = Some(count - 1);
        let refused = dispatcher.run(work, Lane::Batch, None).await;
        assert_eq!(refused.expect_err("refused"), Refused::Panicked);
    }
    let after = dispatcher
        .run(Spin::new(400, MS / 20), Lane::Batch, None)
        .await;
    assert_eq!(after.expect("runs").outputs.len(), 400);
}

#[tokio::test]
async fn past_the_deadline_the_rest_is_not_begun() {
    for dispatcher in [dispatcher(2.0), Dispatcher::in_place()] {
        let (small, large) = (Spin::new(5, MS), Spin::new(5, MS));
        dispatcher.measure(&*small, &*large, Effort::Brief);
        let work = Spin::new(2_000, MS);
        let deadline = Some(Instant::now() + 20 * MS);
        let refused = dispatcher
            .run(Arc::clone(&work), Lane::Batch, deadline)
            .await;
        assert_eq!(refused.expect_err("refused"), Refused::Deadline);
        let ran = work.ran.load(Ordering::Relaxed);
        assert!(ran < 1_000, "{ran} of 2,000 ms in 20 ms");
    }
}

#[tokio::test]
async fn whoever_hangs_up_takes_the_rest_along() {
    let dispatcher = dispatcher(2.0);
    let (small, large) = (Spin::new(5, MS), Spin::new(5, MS));
    dispatcher.measure(&*small, &*large, Effort::Brief);
    let work = Spin::new(2_000, MS);
    let run = dispatcher.run(Arc::clone(&work), Lane::Batch, None);
    let hung_up = tokio::time::timeout(20 * MS, run).await;
    assert!(hung_up.is_err());
    let pool = dispatcher.inner.pool.as_ref().expect("a pool");
    let began = Instant::now();
    while pool.idle(Lane::Batch).is_zero() {
        assert!(began.elapsed() < Duration::from_secs(5), "still at it");
        tokio::time::sleep(MS).await;
    }
    assert!(work.ran.load(Ordering::Relaxed) < 1_000);
}

#[tokio::test]
async fn a_full_lane_refuses_and_counts() {
    let dispatcher = dispatcher(2.0);
    let (small, large) = (Spin::new(5, MS), Spin::new(5, MS));
    dispatcher.measure(&*small, &*large, Effort::Brief);
    let batch = || {
        let dispatcher = dispatcher.clone();
        tokio::spawn(async move { dispatcher.run(Spin::new(100, MS), Lane::Batch, None).await })
    };
    let batches: Vec<_> = (0..12).map(|_| batch()).collect();
    let mut refused = 0;
    for batch in batches {
        match batch.await.expect("no panic") {
            Ok(done) => assert_eq!(done.outputs.len(), 100),
            Err(Refused::Overloaded(wait)) => {
                assert!(wait >= Duration::from_secs(1));
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let counted = dispatcher
        .inner
        .metrics
        .shed
        .with_label_values(&["batch"])
        .get();
    assert!(refused > 0, "four places for twelve batches");
    assert_eq!(counted, refused);
}

#[tokio::test]
async fn a_check_goes_before_batches() {
    let dispatcher = dispatcher(2.0);
    let (small, large) = (Spin::new(5, MS), Spin::new(5, MS));
    dispatcher.measure(&*small, &*large, Effort::Brief);
    let long = Spin::new(1_000, MS);
    let batch = tokio::spawn({
        let (dispatcher, long) = (dispatcher.clone(), Arc::clone(&long));
        async move { dispatcher.run(long, Lane::Batch, None).await }
    });
    tokio::time::sleep(20 * MS).await;
    let weight = Weight {
        class: 0,
        bytes: 100,
    };
    let choice = dispatcher.choose(Operation::Pattern, weight, Lane::Critical);
    dispatcher
        .offload(&choice, Lane::Critical, None, || ())
        .await
        .expect("runs");
    let done = long.ran.load(Ordering::Relaxed);
    assert!(done < 500, "{done} of the batch's 1,000 items went first");
    batch.abort();
}

#[test]
fn configuration_mistakes_are_told_with_their_cure() {
    let mut config = Config::in_place();
    config.cores = -1.0;
    config.queue.high = 0;
    config.piece = "9us".parse().expect("a span of time");
    let problems: Vec<String> = config.problems().iter().map(ToString::to_string).collect();
    assert!(
        problems[0].contains("`-1`")
            && problems[1].starts_with("piece: `9us`")
            && problems[2].starts_with("queue.high"),
        "{problems:?}"
    );
    assert!(Config::in_place().problems().is_empty());
}
