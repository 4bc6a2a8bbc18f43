//! Structured logs: one JSON object a line on standard output.
//!
//! Lines go through a bounded queue to a thread of their own, so a slow reader of our output never
//! slows a check; lines that find the queue full are dropped.

use std::io::{self, IsTerminal};

use serde::{Deserialize, Serialize};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::{EnvFilter, fmt};

/// The `log:` section.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// The least important line that is written.
    pub level: Level,
    /// For machines or for people.
    pub format: Format,
}

/// How important a line is.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// One object a line.
    Json,
    /// For reading in a terminal.
    Text,
}

/// Starts logging. Lines are written until the guard is dropped.
pub fn start_logging(config: LogConfig) -> WorkerGuard {
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUED_LINES)
        .finish(io::stdout());
    let level = match config.level {
        Level::Error => "error",
        Level::Warn => "warn",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    // Libraries speak up from `warn`: their own chatter would drown ours.
    let filter = EnvFilter::new(format!("warn,subzero={level}"));
    let lines = fmt().with_env_filter(filter).with_writer(writer);
    // Logging can be started once a process; a second start (in tests) keeps the first.
    let _ = match config.format {
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .try_init(),
        Format::Text => lines.with_ansi(io::stdout().is_terminal()).try_init(),
    };
    guard
}

const QUEUED_LINES: usize = 16_384;
