//! Coalescing in real time: who waits, for how long, and what they are told.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::time::sleep;

use super::*;

fn key(of: u64) -> Key {
    Key::of("test", |fields| {
        fields.number(of);
    })
}

fn coalescer<V: Clone + Send + Sync + 'static>() -> Coalescer<V> {
    Coalescer::new(Kind::Token, Duration::from_secs(10), &Metrics::unseen())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

const UPSTREAM: Duration = Duration::from_millis(50);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_who_ask_the_same_cause_one_call() {
    let (coalescer, calls) = (coalescer(), Arc::new(AtomicUsize::new(0)));
    let ask = || {
        let (coalescer, calls) = (coalescer.clone(), Arc::clone(&calls));
        tokio::spawn(async move {
            let lead = || async move {
                sleep(UPSTREAM).await;
                calls.fetch_add(1, Ordering::Relaxed)
            };
            coalescer.join(key(1), soon(), lead).await
        })
    };
    let answers = join_all((0..1_000).map(|_| ask())).await;
    assert!(
        answers.iter().all(|answer| matches!(answer, Ok(Ok(0)))),
        "{answers:?}"
    );
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    let series = &coalescer.inner.series;
    assert_eq!(
        (series.counts(), coalescer.in_flight(),),
        ((1, 999, 999), 0)
    );
    assert_eq!(ask().await.expect("a task"), Ok(1), "nothing is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_who_ask_for_different_things_cause_a_thousand_calls() {
    let (coalescer, calls) = (coalescer(), Arc::new(AtomicUsize::new(0)));
    let asked = (0..1_000).map(|of| {
        let (coalescer, calls) = (coalescer.clone(), Arc::clone(&calls));
        tokio::spawn(async move {
            let lead = || async move {
                sleep(UPSTREAM).await;
                calls.fetch_add(1, Ordering::Relaxed);
                of
            };
            (of, coalescer.join(key(of), soon(), lead).await)
        })
    });
    for answer in join_all(asked).await {
        let (of, answer) = answer.expect("a task");
        assert_eq!(answer, Ok(of));
    }
    assert_eq!(calls.load(Ordering::Relaxed), 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_first_caller_that_hangs_up_fails_nobody() {
    let (coalescer, calls) = (coalescer(), Arc::new(AtomicUsize::new(0)));
    let ask = || {
        let (coalescer, calls) = (coalescer.clone(), Arc::clone(&calls));
        tokio::spawn(async move {
            let lead = || async move {
                sleep(UPSTREAM).await;
                calls.fetch_add(1, Ordering::Relaxed);
                7
            };
            coalescer.join(key(1), soon(), lead).await
        })
    };
    let first = ask();
    while coalescer.in_flight() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let others: Vec<_> = (0..999).map(|_| ask()).collect();
    first.abort();
    for answer in join_all(others).await {
        assert_eq!(answer.expect("a task"), Ok(7));
    }
    assert!(first.await.expect_err("aborted").is_cancelled());
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_panic_is_told_to_all_and_kept_by_nobody() {
    let coalescer = coalescer();
    let ask = || {
        coalescer.join(key(1), soon(), || async {
            sleep(Duration::from_millis(5)).await;
            panic!("on purpose")
        })
    };
    let (one, two) = tokio::join!(ask(), ask());
    assert_eq!((one, two), (Err::<u8, _>(Error::Lost), Err(Error::Lost)));
    assert_eq!(
        coalescer.inner.series.counts(),
        (1, 1, 0),
        "nothing was saved"
    );
    assert_eq!(coalescer.join(key(1), soon(), || async { 1 }).await, Ok(1));
}

#[tokio::test]
async fn an_error_is_told_to_all_and_kept_by_nobody() {
    let coalescer: Coalescer<Result<u8, &str>> = coalescer();
    let fails = || async {
        sleep(Duration::from_millis(5)).await;
        Err("no answer")
    };
    let (one, two) = tokio::join!(
        coalescer.join(key(1), soon(), fails),
        coalescer.join(key(1), soon(), || async { Ok(0) })
    );
    assert_eq!((one, two), (Ok(Err("no answer")), Ok(Err("no answer"))));
    let again = coalescer.join(key(1), soon(), || async { Ok(1) }).await;
    assert_eq!(again, Ok(Ok(1)));
}

#[tokio::test]
async fn each_waits_for_its_own_deadline_and_the_work_for_its_limit() {
    let limit = Duration::from_millis(200);
    let coalescer = Coalescer::new(Kind::Token, limit, &Metrics::unseen());
    let within = |millis| Instant::now() + Duration::from_millis(millis);
    let slow = || async {
        sleep(UPSTREAM).await;
        1
    };
    let (hasty, patient) = tokio::join!(
        coalescer.join(key(1), within(5), slow),
        coalescer.join(key(1), within(5_000), slow),
    );
    assert_eq!((hasty, patient), (Err(Error::Deadline), Ok(1)));
    // The second waits less long than the first, which is when the leader looks: by its own timer.
    let (patient, hasty, hastier) = tokio::join!(
        coalescer.join(key(2), within(5_000), slow),
        coalescer.join(key(2), within(20), slow),
        coalescer.join(key(2), within(5), slow),
    );
    let late = Err(Error::Deadline);
    assert_eq!((patient, hasty, hastier), (Ok(1), late, late));
    // All of them, one after the other, by the leader's.
    let (first, second, third) = tokio::join!(
        coalescer.join(key(3), within(5), slow),
        coalescer.join(key(3), within(10), slow),
        coalescer.join(key(3), within(15), slow),
    );
    assert_eq!((first, second, third), (late, late, late));

    let began = Instant::now();
    let endless = || std::future::pending::<u8>();
    let late = coalescer.join(key(1), within(60_000), endless).await;
    assert_eq!(late, Err(Error::Overdue));
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(coalescer.in_flight(), 0, "who never ends is ended");
}

#[tokio::test]
async fn work_whose_runtime_ends_releases_those_who_wait_elsewhere() {
    let coalescer = coalescer::<u8>();
    let (there, elsewhere) = (coalescer.clone(), coalescer.clone());
    let (tell, begun) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            there.begin(key(1), std::future::pending);
            tell.send(()).expect("somebody listens");
            sleep(UPSTREAM).await;
        });
    });
    begun.await.expect("the other thread lives");
    let answer = elsewhere.join(key(1), soon(), || async { 0 }).await;
    assert_eq!(answer, Err(Error::Lost));
    thread.join().expect("it ends");
    assert_eq!(elsewhere.join(key(1), soon(), || async { 2 }).await, Ok(2));
}

#[tokio::test]
async fn beyond_so_many_flights_work_is_each_callers_own() {
    let series = Metrics::unseen().of(Kind::Keys);
    let coalescer = Coalescer::made(
        Kind::Keys,
        Duration::from_secs(10),
        series,
        Flights::new(1, 2),
    );
    for of in 0..2 {
        coalescer.begin(key(of), std::future::pending);
    }
    coalescer.begin(key(2), || async { panic!("there is no room") });
    assert_eq!(coalescer.in_flight(), 2);
    let quick = || async { 1 };
    assert_eq!(coalescer.join(key(3), soon(), quick).await, Ok(1));
    let hasty = Instant::now() + Duration::from_millis(5);
    let slow = coalescer.join(key(3), hasty, std::future::pending).await;
    assert_eq!(slow, Err(Error::Deadline));
    let broken = || async { panic!("on purpose") };
    assert_eq!(
        coalescer.join(key(3), soon(), broken).await,
        Err(Error::Lost)
    );
}
