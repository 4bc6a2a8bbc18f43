//! A client that asks a server directly, in a process of its own on core 0: what the server can do when
//! no proxy in front of it is the bottleneck.
//!
//! One HTTP/2 connection, as from one worker of Envoy. Either so many questions are in flight all the
//! time, or they come at a fixed rate whether or not earlier ones are answered, so a server that stalls
//! cannot hide it.

use std::{
    cell::RefCell,
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, Instant},
};

use envoy_types::pb::envoy::service::auth::v3::{
    CheckRequest, authorization_client::AuthorizationClient,
};
use prost::Message;
use tokio::{process::Command, runtime::Builder, task::LocalSet, time::interval};
use tonic::transport::{Channel, Endpoint};

/// Where the server listens.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

/// How the questions come.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pace {
    /// So many at once, each followed by the next.
    InFlight(usize),
    /// So many a second, evenly.
    PerSecond(f64),
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) count: f64,
    pub(crate) per_second: f64,
    /// Microseconds until the answer.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Asks `questions` in turn, over and over, from a process on core 0.
///
/// # Panics
///
/// When one is not answered or not allowed: a quick wrong answer is no measurement.
pub(crate) async fn ask(
    peer: &Peer,
    questions: &[CheckRequest],
    pace: Pace,
    time: Duration,
) -> Asked {
    let dir = tempfile::tempdir().expect("make a folder");
    let path = dir.path().join("questions");
    let mut bytes = Vec::new();
    for question in questions {
        let written = question.encode_length_delimited(&mut bytes);
        written.expect("room in a vector");
    }
    fs::write(&path, bytes).expect("write the questions");
    let peer = match peer {
        Peer::Tcp(address) => format!("http://{address}"),
        Peer::Unix(path) => format!("unix://{}", path.display()),
    };
    let pace = match pace {
        Pace::InFlight(count) => ["in-flight".to_owned(), count.to_string()],
        Pace::PerSecond(rate) => ["per-second".to_owned(), rate.to_string()],
    };
    let output = Command::new("taskset")
        .args(["-c", "0"])
        .arg(env::current_exe().expect("a path"))
        .args(["ask", &peer, &time.as_secs_f64().to_string()])
        .args(pace)
        .arg(&path)
        .output()
        .await
        .expect("run this program on core 0 (taskset is in util-linux)");
    assert!(output.status.success(), "asking {peer}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let numbers: Vec<f64> = text
        .split_whitespace()
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [count, per_second, p50, p99] = numbers[..] else {
        panic!("not our report: {text}")
    };
    Asked {
        count,
        per_second,
        p50,
        p99,
    }
}

/// The client's side: `ask PEER SECONDS in-flight|per-second NUMBER FILE`.
pub(crate) fn run(arguments: &[String]) {
    let [peer, seconds, kind, number, file] = arguments else {
        panic!("ask PEER SECONDS in-flight|per-second NUMBER FILE")
    };
    let time = Duration::from_secs_f64(seconds.parse().expect("seconds"));
    let questions = read(Path::new(file));
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let (mut times, took) = LocalSet::new().block_on(&runtime, async {
        let client = connect(peer).await;
        let (started, times) = (Instant::now(), Rc::new(RefCell::new(Vec::new())));
        if kind == "in-flight" {
            let count = number.parse().expect("a number");
            in_flight(&client, &questions, count, time, &times).await;
        } else {
            let rate = number.parse().expect("a number");
            per_second(&client, &questions, rate, time, &times).await;
        }
        (times.take(), started.elapsed())
    });
    assert!(!times.is_empty(), "nothing was answered");
    times.sort_unstable();
    let at = |part: usize| times[(times.len() * part / 1000).min(times.len() - 1)];
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let count = f64::from(u32::try_from(times.len()).expect("fewer than four billion"));
    println!(
        "{count} {} {} {}",
        count / took.as_secs_f64(),
        micros(at(500)),
        micros(at(990)),
    );
}

type Client = AuthorizationClient<Channel>;
type Times = Rc<RefCell<Vec<Duration>>>;

async fn in_flight(
    client: &Client,
    questions: &Rc<[CheckRequest]>,
    count: usize,
    time: Duration,
    times: &Times,
) {
    let until = Instant::now() + time;
    let tasks = (0..count).map(|task| {
        let (client, questions, times) = (client.clone(), Rc::clone(questions), Rc::clone(times));
        tokio::task::spawn_local(async move {
            let mut next = task;
            while Instant::now() < until {
                let began = Instant::now();
                one(&client, &questions[next % questions.len()]).await;
                times.borrow_mut().push(began.elapsed());
                next += count;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("asks");
    }
}

/// Every millisecond those that are due by then.
async fn per_second(
    client: &Client,
    questions: &Rc<[CheckRequest]>,
    rate: f64,
    time: Duration,
    times: &Times,
) {
    let (began, mut tasks) = (Instant::now(), Vec::new());
    let mut ticks = interval(Duration::from_millis(1));
    while began.elapsed() < time {
        ticks.tick().await;
        while f64::from(u32::try_from(tasks.len()).expect("fewer than four billion"))
            < rate * began.elapsed().as_secs_f64()
        {
            let question = tasks.len() % questions.len();
            let (client, questions, times) =
                (client.clone(), Rc::clone(questions), Rc::clone(times));
            tasks.push(tokio::task::spawn_local(async move {
                let began = Instant::now();
                one(&client, &questions[question]).await;
                times.borrow_mut().push(began.elapsed());
            }));
        }
    }
    for task in tasks {
        task.await.expect("asks");
    }
}

async fn one(client: &Client, question: &CheckRequest) {
    let answer = client.clone().check(question.clone()).await;
    let answer = answer.expect("an answer").into_inner();
    let status = answer.status.expect("a status");
    assert_eq!(status.code, 0, "not allowed: {status:?}");
}

async fn connect(peer: &str) -> Client {
    let endpoint = Endpoint::from_shared(peer.to_owned()).expect("an address");
    AuthorizationClient::new(endpoint.connect().await.expect("connects"))
}

fn read(file: &Path) -> Rc<[CheckRequest]> {
    let bytes = fs::read(file).expect("read the questions");
    let mut rest = &bytes[..];
    let mut questions = Vec::new();
    while !rest.is_empty() {
        let question = CheckRequest::decode_length_delimited(&mut rest);
        questions.push(question.expect("what we have written"));
    }
    questions.into()
}
