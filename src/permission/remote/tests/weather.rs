//! What goes wrong between us and the server, and what is then answered: never a yes, and a no only
//! if the server says so.

use super::{
    relay::{PATIENCE, Scene, Weather, kept, model, tuple, unavailable},
    support::openfga::{OpenFga, Setup},
    *,
};
use crate::verdict::Reason;

#[tokio::test]
async fn a_bad_answer_is_no_answer() {
    let scene = Scene::set(|_| {}).await;
    let allowed = |answer: Result<Answer, Error>| answer.map(|answer| answer.allowed);
    assert_eq!(allowed(scene.ask("user:anne", PATIENCE).await), Ok(true));
    assert_eq!(allowed(scene.ask("user:bert", PATIENCE).await), Ok(false));
    for (weather, why) in [
        (Weather::Says(1, 200, "<html>ok</html>"), "has no `allowed`"),
        (
            Weather::Says(1, 200, r#"{"allowed":"true"}"#),
            "has no `allowed`",
        ),
        (Weather::Says(1, 200, ""), "has no `allowed`"),
        (Weather::Says(1, 204, ""), "answered 204"),
        (Weather::Says(1, 400, "bad request"), "answered 400"),
        (Weather::Says(1, 401, "{}"), "answered 401"),
        (Weather::Says(1, 403, "{}"), "answered 403"),
        (Weather::Says(1, 404, "{}"), "answered 404"),
        (Weather::Moved, "answered 307"),
        (Weather::Endless, "is longer than"),
    ] {
        scene.relay.is(weather.clone());
        let answer = scene.ask("user:anne", PATIENCE).await;
        assert!(unavailable(&answer), "{weather:?}: {answer:?}");
        let told = answer.unwrap_err().to_string();
        assert!(told.contains(why), "{weather:?}: {told}");
        scene.relay.is(Weather::Fine);
    }
    assert_eq!(allowed(scene.ask("user:anne", PATIENCE).await), Ok(true));
}

#[tokio::test]
async fn what_a_caller_chooses_denies_and_harms_nobody_in_the_same_batch() {
    let scene = Scene::set(|_| {}).await;
    let bad = [
        ("user:anne", "nonsense", "doc:1"),
        ("user:anne", "viewer", "doc"),
        ("user:anne", "viewer", ""),
        ("u ser:anne", "viewer", "doc:1"),
        ("martian:anne", "viewer", "doc:1"),
        ("user:anne", "a:b", "doc:1"),
    ];
    let good = Question::new("user:anne", "viewer", "doc:1");
    let mut questions: Questions = [good].into_iter().collect();
    questions.extend(bad.map(|(user, relation, object)| Question::new(user, relation, object)));
    let (answers, report) = scene.remote.ask_all(&questions, soon()).await;
    assert_eq!(answers[0], Ok(Answer::from_server(true)));
    for (answer, question) in answers[1..].iter().zip(bad) {
        let reason = answer.as_ref().map_err(Error::reason);
        assert_eq!(reason, Err(Reason::MissingInput), "{question:?}");
    }
    assert_eq!((report.items, report.strategy), (7, Strategy::Async));
    // As a whole it is refused: then each is asked about by itself.
    let refusal = r#"{"code":"validation_error","message":"all of it"}"#;
    scene.relay.is(Weather::Says(1, 400, refusal));
    scene.relay.count();
    let ask = |user| Question::new(user, "viewer", "doc:1");
    let questions: Questions = ["user:anne", "user:bert"].map(ask).into_iter().collect();
    let (answers, _) = scene.remote.ask_all(&questions, soon()).await;
    let allowed: Vec<_> = answers
        .into_iter()
        .map(|answer| answer.map(|one| one.allowed))
        .collect();
    assert_eq!(allowed, [Ok(true), Ok(false)]);
    assert_eq!(scene.relay.count(), (2, 1));
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_within_a_budget() {
    let scene = Scene::set(|_| {}).await;
    for status in [500, 503, 409, 422] {
        scene.relay.is(Weather::Says(1, status, "{}"));
        scene.relay.count();
        let answer = scene.ask("user:anne", PATIENCE).await;
        assert_eq!(answer.map(|answer| answer.allowed), Ok(true), "{status}");
        assert_eq!(scene.relay.count().0, 2, "{status}");
    }
    scene.relay.is(Weather::Says(10_000, 503, "{}"));
    for _ in 0..40 {
        assert!(unavailable(&scene.ask("user:anne", PATIENCE).await));
    }
    let asked = scene.relay.count().0;
    assert!((40..=55).contains(&asked), "{asked} calls for 40 checks");
}

#[tokio::test]
async fn a_server_that_asks_to_be_left_alone_is() {
    let scene = Scene::set(|_| {}).await;
    scene.relay.is(Weather::Busy);
    let began = Instant::now();
    let short = Duration::from_millis(300);
    assert!(unavailable(&scene.ask("user:anne", short).await));
    scene.relay.count();
    for _ in 0..5 {
        let answer = scene.ask("user:anne", short).await;
        assert!(unavailable(&answer) || began.elapsed() > Duration::from_millis(900));
    }
    let (asked, elapsed) = (scene.relay.count().0, began.elapsed());
    assert!(
        asked == 0 || elapsed > Duration::from_millis(900),
        "{asked} after {elapsed:?}"
    );
    // Whoever has the time waits for it.
    let answer = scene.ask("user:anne", PATIENCE).await;
    assert_eq!(answer.map(|answer| answer.allowed), Ok(true));
    assert!(
        began.elapsed() >= Duration::from_millis(950),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn a_slow_server_costs_no_more_than_the_time_there_is() {
    let scene = Scene::set(|config| {
        kept(config);
        config.timeout = "200ms".parse().unwrap();
    })
    .await;
    let warm = loop {
        // The first call finds a cold server and a cold client.
        if let Ok(answer) = scene.ask("user:anne", PATIENCE).await {
            break answer;
        }
    };
    assert!(warm.allowed);
    scene.relay.is(Weather::Slow(Duration::from_secs(3)));
    let began = Instant::now();
    assert!(
        unavailable(&scene.ask("user:bert", PATIENCE).await),
        "by our own timeout"
    );
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    let began = Instant::now();
    let within = Duration::from_millis(50);
    assert!(
        unavailable(&scene.ask("user:carl", within).await),
        "by the caller's"
    );
    assert!(
        began.elapsed() < Duration::from_millis(190),
        "{:?}",
        began.elapsed()
    );
    let kept = scene.ask("user:anne", within).await.unwrap();
    assert!(kept.allowed && kept.origin.as_str() == "cache", "{kept:?}");
}

#[tokio::test]
async fn a_server_that_is_down_is_asked_again_once_it_is_back() {
    let server = OpenFga::start().await;
    let port = server.http.port();
    drop(server);
    let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    let way = remote_at(&format!("http://127.0.0.1:{port}"), id, None, |_| {});
    let ask = Ask::new("user:anne", "viewer", "doc:1");
    let began = Instant::now();
    let answer = way.ask(&ask, Consistency::default(), soon()).await;
    assert!(unavailable(&answer), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(way.trouble().is_some());
    let server = Setup::default().http(port).start().await;
    let store = server.store().await;
    let id = server.model(&store, &model()).await;
    server
        .write(&store, &id, &[tuple("user:anne", "doc:1")])
        .await;
    let way = remote_at(
        &format!("http://127.0.0.1:{port}"),
        &store,
        Some(&id),
        |_| {},
    );
    let answer = way.ask(&ask, Consistency::default(), soon()).await;
    assert_eq!(answer.map(|answer| answer.allowed), Ok(true));
    drop(server);
    let answer = way.ask(&ask, Consistency::default(), soon()).await;
    assert!(unavailable(&answer), "{answer:?}");
    let server = Setup::default().http(port).start().await;
    let answer = way.ask(&ask, Consistency::default(), soon()).await;
    // Its memory is gone, and the store with it: that decides nothing.
    assert!(unavailable(&answer), "{answer:?}");
    drop(server);
}

#[tokio::test]
async fn a_preshared_key_is_sent_and_a_new_one_is_read_when_the_old_one_fails() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "first-key\n").unwrap();
    let server = Setup::default().key("second-key").start().await;
    let store = server.store().await;
    let id = server.model(&store, &model()).await;
    let way = remote(&server, &store, Some(&id), |config| {
        config.credentials = Some(crate::permission::Credentials {
            key_file: Some(key.clone()),
            client: None,
            issuer: None,
            allow_private_addresses: false,
        });
    });
    let ask = Ask::new("user:anne", "viewer", "doc:1");
    let refused = way.ask(&ask, Consistency::default(), soon()).await;
    assert!(unavailable(&refused), "{refused:?}");
    let told = refused.unwrap_err().to_string();
    assert!(told.contains("401") && !told.contains("key"), "{told}");
    std::fs::write(&key, "second-key\n").unwrap();
    // All at once: whoever is refused after another has read the new key tries again with it, too.
    let objects: Vec<String> = (0..20).map(|number| format!("doc:{number}")).collect();
    let asks: Vec<Ask<'_>> = objects
        .iter()
        .map(|object| Ask::new("user:anne", "viewer", object))
        .collect();
    let answers = asks
        .iter()
        .map(|ask| way.ask(ask, Consistency::default(), soon()));
    for answer in futures_util::future::join_all(answers).await {
        assert_eq!(answer, Ok(Answer::from_server(false)));
    }
}
