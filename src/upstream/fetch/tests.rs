//! Against a real local server, and against addresses where nobody is.

use axum::{
    Router,
    http::StatusCode as Status,
    response::Redirect,
    routing::{any, get},
};
use prometheus::Registry;

use super::{super::Metrics, *};

const LIMITS: Limits = Limits {
    bytes: 100,
    time: Duration::from_millis(300),
};

/// Serves good and bad answers on a free loopback port.
async fn server() -> SocketAddr {
    let routes = Router::new()
        .route("/good", get(async || "good"))
        .route("/full", get(async || "x".repeat(100)))
        .route("/long", get(async || "x".repeat(101)))
        .route("/missing", any(async || Status::NOT_FOUND))
        .route("/moved", get(async || Redirect::temporary("/good")))
        .route(
            "/slow",
            get(async || tokio::time::sleep(Duration::from_secs(5)).await),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let at = listener.local_addr().expect("address");
    tokio::spawn(async move { axum::serve(listener, routes).await });
    at
}

async fn fetch(reach: Reach, url: &str) -> Result<usize, Error> {
    let metrics = Metrics::register(&Registry::new()).expect("register");
    let url = url.parse().expect("url");
    let series = metrics.series("test");
    let outcome = Fetcher::new(reach)
        .get(&url, LIMITS, &series, |bytes| Ok(bytes.len()))
        .await;
    let counted = match &outcome {
        Ok(_) => series.ok.get(),
        Err(error) => series.failed[error.cause() as usize].get(),
    };
    assert_eq!(counted, 1, "{url}: counted under its outcome");
    outcome
}

#[tokio::test]
async fn an_answer_is_read_up_to_its_limit_and_no_redirect_is_followed() {
    let at = server().await;
    let get = async |path: &str| fetch(Reach::Anywhere, &format!("http://{at}{path}")).await;
    assert_eq!(get("/good").await.expect("good"), 4);
    assert_eq!(get("/full").await.expect("full"), 100);
    assert!(matches!(get("/long").await, Err(Error::TooLong(100))));
    let refused = |outcome: Result<usize, Error>| match outcome {
        Err(error) => format!("{}: {error}", error.cause().as_str()),
        Ok(_) => "ok".to_owned(),
    };
    assert_eq!(
        refused(get("/missing").await),
        "http: answered 404 instead of 200"
    );
    assert_eq!(
        refused(get("/moved").await),
        "http: answered 307 instead of 200"
    );
    assert_eq!(refused(get("/slow").await), "timeout: no answer in time");
}

#[tokio::test]
async fn failures_are_sorted_by_their_cause() {
    let at = server().await;
    let cases = [
        (Reach::Anywhere, format!("https://{at}/good"), "tls"),
        (Reach::Anywhere, "http://127.0.0.1:1/".to_owned(), "connect"),
        (Reach::Anywhere, "http://no.such.invalid/".to_owned(), "dns"),
        (Reach::Public, format!("http://{at}/good"), "connect"),
    ];
    for (reach, url, cause) in cases {
        let error = fetch(reach, &url).await.expect_err("fails");
        assert_eq!(error.cause().as_str(), cause, "{url}: {error}");
    }
}

#[tokio::test]
async fn inside_addresses_are_refused_by_number_and_by_name() {
    let at = server().await;
    let port = at.port();
    for host in [
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "[::ffff:7f00:1]",
        "localhost",
    ] {
        let url = format!("https://{host}:{port}/good");
        let error = fetch(Reach::Public, &url).await.expect_err("refused");
        assert!(matches!(error, Error::Blocked(_)), "{url}: {error}");
    }
}
