//! Commands and their exit codes: 0 fine, 1 the answer is no, 64 usage or bad configuration.
//!
//! The one place that writes to the terminal.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "talking to the terminal is its job"
)]

mod analyze;
mod ask;
mod calibrate;
mod columns;
mod doctor;
mod health;
mod key;
mod model;
mod permit;
mod screen;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::app::{self, StartError};

/// Envoy external authorization: who is calling, may they, and is what they send safe.
#[derive(Debug, Parser)]
#[command(name = "subzero", version)]
struct Flags {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer Envoy's checks
    Serve {
        /// Configuration file; without one, the embedded defaults deny every request
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Check a configuration without starting: exit 0, or 64 with `file:line: what is wrong`
    CheckConfig {
        /// Configuration file
        file: PathBuf,
    },
    /// Sum up a decision log: rates, shares and quantiles by route and reason, costs by step
    Analyze {
        /// Decision log; without a file, standard input
        file: Option<PathBuf>,
        /// Print one JSON object instead of tables
        #[arg(long)]
        json: bool,
    },
    /// Measure this machine: what each operation costs, and from how many items on threads pay off
    Calibrate {
        /// Configuration file, for its `dispatch` and its limits; without one, the embedded defaults
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print one JSON object instead of a table
        #[arg(long)]
        json: bool,
        /// Also draw time over batch size, in place and on the pool, into this file
        #[arg(long, value_name = "FILE.svg")]
        plot: Option<PathBuf>,
    },
    /// Examine an Envoy: does it ask about everything, and in a way that can be answered
    Doctor {
        /// Envoy's admin address, or a file with its config dump or bootstrap configuration
        #[arg(default_value = "http://127.0.0.1:9901")]
        envoy: String,
        /// Subzero's configuration, to be compared with Envoy's; its issuers are asked too
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Ask a running subzero about one request, as Envoy would: exit 0 when it may pass, 1 when not
    Ask(ask::Question),
    /// Ask a running subzero whether it is ready: exit 0 when it is
    Health {
        /// Where to ask; `grpc://ADDRESS` asks Envoy's own door
        #[arg(default_value = "http://127.0.0.1:9193/readyz")]
        url: String,
    },
    /// Make a key for a caller of the API: the key once, and the line about it for `api.keys_file`
    Key {
        /// Whose it is, as it stands in the log
        name: String,
        /// What it is good for
        #[arg(long, value_name = "SCOPES", value_delimiter = ',', required = true)]
        scopes: Vec<key::ScopeWord>,
    },
    /// Work on permission models
    Model {
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Answer permission checks, one JSON object a line: exit 0 when every answer is yes, 1 when not
    Permit {
        /// Questions: {"user", "relation", "object", "context"?}; without a file, standard input
        file: Option<PathBuf>,
        #[command(flatten)]
        from: Relationships,
    },
    /// Screen prompts, one a line: exit 0 when all are clean, 1 when not
    Screen {
        /// Prompts: plain text, {"text", "role"?} or {"body"}; without a file, standard input
        file: Option<PathBuf>,
        /// Configuration file, for its limits; without one, the embedded defaults
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Take the system prompts inside a `body` for the operator's own
        #[arg(long)]
        trust_system: bool,
    },
    /// Verify tokens, one a line: exit 0 when all are valid, 1 when not
    Verify {
        /// Tokens; without a file, standard input
        file: Option<PathBuf>,
        /// Configuration file that names the issuers
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

/// Where relationships are.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Relationships {
    /// OpenFGA store file to answer from
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Configuration file that names a store file or a server
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Run the tests inside an OpenFGA store file: exit 0 when all hold, 1 when not
    Test {
        /// Store file
        file: PathBuf,
    },
}

/// Runs the command that the arguments name.
#[must_use]
pub fn run() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => {
            let is_wrong = error.use_stderr();
            // Nothing can be done about a terminal that is gone.
            let _ = error.print();
            return if is_wrong {
                ExitCode::from(USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match flags.command {
        Command::Serve { config } => serve(config),
        Command::CheckConfig { file } => check_config(&file),
        Command::Analyze { file, json } => analyze::run(file.as_deref(), json),
        Command::Calibrate { config, json, plot } => {
            calibrate::run(config.as_deref(), json, plot.as_deref())
        }
        Command::Doctor {
            envoy,
            config,
            json,
        } => doctor::run(&envoy, config.as_deref(), json),
        Command::Ask(question) => ask::run(&question),
        Command::Health { url } => health::run(&url),
        Command::Key { name, scopes } => key::run(&name, &scopes),
        Command::Model {
            command: ModelCommand::Test { file },
        } => model::test(&file),
        Command::Permit { file, from } => permit::run(
            file.as_deref(),
            from.store.as_deref(),
            from.config.as_deref(),
        ),
        Command::Verify { file, config } => verify::run(file.as_deref(), &config),
        Command::Screen {
            file,
            config,
            trust_system,
        } => screen::run(file.as_deref(), config.as_deref(), trust_system),
    }
}

fn serve(config: Option<PathBuf>) -> ExitCode {
    match app::serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StartError::Config(problems)) => tell(&problems),
        Err(StartError::Start(error)) => {
            eprintln!("subzero: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check_config(file: &std::path::Path) -> ExitCode {
    match app::check_config(file) {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(problems) => tell(&problems),
    }
}

fn tell(problems: &[String]) -> ExitCode {
    for problem in problems {
        eprintln!("{problem}");
    }
    ExitCode::from(USAGE)
}

/// `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;
