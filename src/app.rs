//! From a configuration to running servers, and to a drained stop.
//!
//! Three kinds of threads: workers answer checks, one serves the operator's pages, and the main
//! one does everything that is not a check (accepting, signals, reloads, key fetching). A check
//! therefore never waits for any of these.

#[cfg(test)]
mod allocations;
mod build;
mod calibrate;
#[cfg(test)]
mod hang_ups;
mod listen;
mod reload;
mod runtime;

use std::{
    fmt::Display,
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context;
use arc_swap::ArcSwap;
use prometheus::Registry;
use tokio::{
    runtime::Handle,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use self::{
    build::{Instruments, build, build_all, record},
    listen::Listeners,
    reload::Reloader,
    runtime::Workers,
};
use crate::{
    admin::{self, Status},
    api::{self, Api},
    clock::Clock,
    config::{Config, Loaded},
    decisions::Recorder,
    dispatch::{self, Dispatcher},
    ext_authz::Door,
    forward_auth,
    identity::Verifier,
    permission::Authorizer,
    problem::Problem,
    telemetry::start_logging,
};

/// Parses and resolves everything that needs no network.
///
/// # Errors
///
/// One line for each problem, with file and line.
pub fn check_config(file: &Path) -> Result<String, Vec<String>> {
    let loaded = Loaded::read(Some(file))?;
    let instruments = Instruments::new().map_err(|error| vec![error.to_string()])?;
    build_all(&loaded, &instruments, None).map_err(|problems| loaded.locate(&problems))?;
    let (routes, issuers) = (
        loaded.config.routes.len(),
        loaded.config.identity.issuers.len(),
    );
    Ok(format!(
        "{}: good: {routes} routes, {issuers} issuers",
        file.display()
    ))
}

/// A door onto the configuration in `file`, for embedding and for benches. Its issuers' keys come
/// from files only: nobody fetches in the background.
///
/// # Errors
///
/// One line for each problem, with file and line.
pub fn door(file: &Path) -> Result<Door, Vec<String>> {
    let loaded = Loaded::read(Some(file))?;
    let instruments = Instruments::new().map_err(|error| vec![error.to_string()])?;
    let serving =
        build(&loaded, &instruments, None).map_err(|problems| loaded.locate(&problems))?;
    let threads = runtime::worker_count(loaded.config.runtime.workers);
    let recorder =
        record(&loaded, &instruments, threads).map_err(|problems| loaded.locate(&problems))?;
    let admission = instruments.admission(loaded.config.admission);
    Ok(Door::new(
        Arc::new(ArcSwap::from_pointee(serving)),
        recorder,
        admission.map_err(|error| vec![error.to_string()])?,
    ))
}

/// Who verifies the tokens of the issuers that the configuration in `file` names. Keys from
/// elsewhere are fetched while somebody polls [`Verifier::run`].
///
/// # Errors
///
/// One line for each problem, with file and line.
pub fn verifier(file: &Path) -> Result<Verifier, Vec<String>> {
    let loaded = Loaded::read(Some(file))?;
    let instruments = Instruments::new().map_err(|error| vec![error.to_string()])?;
    let (config, metrics) = (&loaded.config.identity, instruments.identity);
    Verifier::new(config, &loaded.base_dir, Clock::System, metrics, None).map_err(|found| {
        let problems: Vec<Problem> = found
            .into_iter()
            .map(|problem| problem.within("identity"))
            .collect();
        loaded.locate(&problems)
    })
}

/// A dispatcher with a pool, as the configuration in `file` or the embedded defaults have it, for
/// commands that work in bulk. Its costs are guesses until work or calibration corrects them.
///
/// # Errors
///
/// One line for each problem, with file and line.
pub fn dispatcher(file: Option<&Path>) -> Result<Dispatcher, Vec<String>> {
    let loaded = Loaded::read(file)?;
    let config = &loaded.config.dispatch;
    let problems = config.problems().into_iter();
    let problems: Vec<Problem> = problems.map(|problem| problem.within("dispatch")).collect();
    if !problems.is_empty() {
        return Err(loaded.locate(&problems));
    }
    let metrics = dispatch::Metrics::register(&Registry::new());
    let metrics = metrics.map_err(|error| vec![error.to_string()])?;
    Dispatcher::new(config, metrics)
        .map_err(|error| vec![format!("cannot start the pool: {error}")])
}

/// Who answers permissions as the configuration in `file` says.
///
/// # Errors
///
/// One line for each problem, with file and line.
pub fn authorizer(file: &Path) -> Result<Authorizer, Vec<String>> {
    let loaded = Loaded::read(Some(file))?;
    let instruments = Instruments::new().map_err(|error| vec![error.to_string()])?;
    let (config, metrics) = (&loaded.config.permission, &instruments.permission);
    let dispatcher = &instruments.dispatcher;
    Authorizer::new(config, &loaded.base_dir, metrics, dispatcher, None).map_err(|found| {
        let within = |problem: Problem| problem.within("permission");
        loaded.locate(&found.into_iter().map(within).collect::<Vec<_>>())
    })
}

/// Why serving did not begin.
#[derive(Debug)]
pub enum StartError {
    /// The configuration is wrong: one line a problem.
    Config(Vec<String>),
    /// The machine says no.
    Start(anyhow::Error),
}

/// Serves until SIGTERM or SIGINT, then drains.
pub fn serve(file: Option<PathBuf>) -> Result<(), StartError> {
    let started = Instant::now();
    let runtime = runtime::control().map_err(StartError::Start)?;
    // First of all: a signal that comes while rules are compiled must not kill.
    let signals = runtime
        .block_on(async { Signals::listen() })
        .map_err(|error| StartError::Start(error.into()))?;
    let loaded = Loaded::read(file.as_deref()).map_err(StartError::Config)?;
    let _log_guard = start_logging(loaded.config.log);
    let instruments = Instruments::new()
        .map_err(anyhow::Error::from)
        .and_then(|instruments| instruments.with_pool(&loaded.config.dispatch))
        .map_err(StartError::Start)?
        .with_store(&loaded)
        .map_err(|found| StartError::Config(loaded.locate(&found)))?;
    let (serving, settings) = build_all(&loaded, &instruments, None)
        .map_err(|found| StartError::Config(loaded.locate(&found)))?;
    instruments.upstream.configure(&loaded.config.upstream);
    let serving = Arc::new(ArcSwap::from_pointee(serving));
    let settings = Arc::new(ArcSwap::from_pointee(settings));
    calibrate::in_background(&instruments.dispatcher, serving.load().pipeline.screener());
    let workers = runtime::worker_count(loaded.config.runtime.workers);
    // One more: the JSON API decides too.
    let recorder = record(&loaded, &instruments, workers + 1)
        .map_err(|found| StartError::Config(loaded.locate(&found)))?;
    let status = Arc::new(Status {
        serving: Arc::clone(&serving),
        config: ArcSwap::from_pointee(shown(&loaded.config)),
        last_reload: ArcSwap::from_pointee(None),
        ready: false.into(),
        registry: instruments.registry.clone(),
        identity: instruments.identity.clone(),
        upstream: instruments.upstream.clone(),
        dispatcher: instruments.dispatcher.clone(),
        recorder,
        store: instruments.store.clone(),
    });
    let patient = runtime::patient(instruments.dispatcher.threads()).map_err(StartError::Start)?;
    let running = Running {
        file,
        loaded,
        instruments,
        status,
        settings,
        workers,
        patient: patient.handle().clone(),
        started,
    };
    runtime
        .block_on(running.until_stopped(signals))
        .map_err(StartError::Start)
}

/// A configuration as `/config` shows it.
fn shown(config: &Config) -> serde_json::Value {
    serde_json::to_value(config).unwrap_or_default()
}

struct Running {
    file: Option<PathBuf>,
    loaded: Loaded,
    instruments: Instruments,
    status: Arc<Status>,
    settings: Arc<ArcSwap<api::Settings>>,
    workers: usize,
    /// For calls that may take long.
    patient: Handle,
    started: Instant,
}

impl Running {
    async fn until_stopped(self, mut signals: Signals) -> anyhow::Result<()> {
        let config = self.loaded.config.clone();
        let listeners = Listeners::bind(&config.listen)?;
        let (stop, stopping) = watch::channel(false);
        let recorder = self.status.recorder.clone();
        let admission = self.instruments.admission(config.admission)?;
        let serving = Arc::clone(&self.status.serving);
        let door = Door::new(serving, recorder.clone(), admission.clone());
        let api = Api::new(
            Arc::clone(&self.status.serving),
            Arc::clone(&self.settings),
            self.status.dispatcher.clone(),
            recorder.clone(),
            admission.clone(),
            self.patient.clone(),
        );
        let workers = Workers::start(self.workers, &door, &api, &stopping)?;
        let http = self.serve_api(api, door)?;
        let admin = self.serve_admin()?;
        let (bound, accepting) = listeners.accept(workers.intakes(), &stopping);
        let reloader = Reloader::new(
            self.file,
            self.loaded,
            self.instruments,
            Arc::clone(&self.status),
            self.settings,
        );
        let background = tokio::spawn(reloader.run(signals.hangup));
        let counting = tokio::spawn(count(recorder.clone()));

        let known = Arc::clone(self.status.serving.load().pipeline.verifier());
        // Without an answer by then tokens are not decided, which is no reason not to serve the rest.
        let _ = timeout(FIRST_WORD, known.until_revocations_known()).await;
        self.status.ready.store(true, Ordering::Release);
        workers.report(true).await;
        let ready_us = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::info!(grpc = %list(&bound), %http, %admin, workers = self.workers, ready_us, "ready");

        tokio::select! {
            _ = signals.terminate.recv() => {}
            _ = signals.interrupt.recv() => {}
        }
        tracing::info!("draining");
        self.status.ready.store(false, Ordering::Release);
        workers.report(false).await;
        sleep(config.drain.delay.get()).await;
        background.abort();
        counting.abort();
        // The listeners close first: a connection that comes now belongs to our successor.
        stop.send_replace(true);
        accepting.finish().await;
        if timeout(config.drain.timeout.get(), workers.finish())
            .await
            .is_err()
        {
            tracing::warn!(timeout = %config.drain.timeout, "left with checks in flight");
        }
        if !recorder.finish(LAST_LINES).await {
            tracing::warn!("left with lines of the decision log unwritten");
        }
        tracing::info!("stopped");
        Ok(())
    }

    fn serve_admin(&self) -> anyhow::Result<SocketAddr> {
        let status = Arc::clone(&self.status);
        let address = self.loaded.config.listen.admin;
        beside("admin", address, |listener| admin::serve(listener, status))
    }

    fn serve_api(&self, api: Api, door: Door) -> anyhow::Result<SocketAddr> {
        let config = &self.loaded.config;
        let reach = listen::reach(config.listen.http);
        let forward_auth = forward_auth::router(door, config.forward_auth);
        beside("http", config.listen.http, move |listener| {
            api::serve(listener, api, reach, forward_auth)
        })
    }
}

/// Takes over what workers have counted, for `/analytics`.
async fn count(recorder: Recorder) {
    let mut tick = interval(COUNT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        recorder.windows().collect();
    }
}

const COUNT_EVERY: Duration = Duration::from_secs(1);

/// Longest wait at start for what other replicas revoked.
const FIRST_WORD: Duration = Duration::from_secs(1);

/// Longest wait for the decision log's last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Listens on `listen.NAME` and serves there, on a thread and a runtime of its own.
fn beside<F>(
    name: &'static str,
    address: SocketAddr,
    serve: impl FnOnce(TcpListener) -> F + Send + 'static,
) -> anyhow::Result<SocketAddr>
where
    F: Future<Output = io::Result<()>>,
{
    let listener = TcpListener::bind(address);
    let listener =
        listener.with_context(|| format!("listen.{name}: cannot listen on {address}"))?;
    let bound = listener.local_addr()?;
    let runtime = runtime::control()?;
    thread::Builder::new().name(name.into()).spawn(move || {
        if let Err(error) = runtime.block_on(serve(listener)) {
            tracing::error!(listener = name, %error, "listener ended");
        }
    })?;
    Ok(bound)
}

fn list(items: &[impl Display]) -> String {
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Signals that are for us.
#[derive(Debug)]
struct Signals {
    hangup: Signal,
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Must run inside a runtime. From here on none of them has its default effect.
    fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }
}
