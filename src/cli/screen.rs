//! `subzero screen`: one prompt a line, one answer a line, in order.
//!
//! A line that cannot be screened is answered with an error and the next one is read; it is never
//! "clean". Lines and the slices they are screened in are bounded, so memory is too, however long the
//! file is; answers come a slice at a time, so this is not for asking line by line over a pipe. What
//! a line begins with decides how it is read: see [`mod@line`].

mod line;
mod summary;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use prometheus::Registry;
use serde::Serialize;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};

use self::{
    line::{Line, next_line, prompt_of},
    summary::{Progress, Summary},
};
use crate::{
    app,
    config::Loaded,
    dispatch::{Dispatcher, Lane},
    screening::{Batch, Findings, Metrics, Prompt, Report, Requirement, Screener},
};

/// Screens the prompts in `file`, or on standard input, within the limits of `config`.
pub(super) fn run(file: Option<&Path>, config: Option<&Path>, trust_system: bool) -> ExitCode {
    let prepared = screener(config).and_then(|found| Ok((found, app::dispatcher(config)?)));
    let (screener, dispatcher) = match prepared {
        Ok(prepared) => prepared,
        Err(problems) => return super::tell(&problems),
    };
    let (input, length): (Box<dyn BufRead>, _) = match file {
        None => (Box::new(io::stdin().lock()), None),
        Some(path) => match File::open(path) {
            Ok(file) => {
                let length = file.metadata().ok().map(|file| file.len());
                (Box::new(BufReader::new(file)), length)
            }
            Err(error) => {
                return super::tell(&[format!("{}: cannot be read: {error}", path.display())]);
            }
        },
    };
    let want = Requirement {
        trust_system,
        ..Requirement::default()
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let summary = Bulk::new(screener, dispatcher, want).and_then(|bulk| {
        let progress = Progress::start(length);
        bulk.screen_all(input, &mut out, progress)
    });
    match summary {
        Ok(summary) => {
            eprintln!("{summary}");
            if summary.is_clean() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        // Whoever reads has seen enough; whether the rest is clean was never asked.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
        Err(error) => {
            super::tell(&[format!("subzero: {error}")]);
            ExitCode::FAILURE
        }
    }
}

/// Who screens within the limits of `config`.
pub(super) fn screener(config: Option<&Path>) -> Result<Arc<Screener>, Vec<String>> {
    let loaded = Loaded::read(config)?;
    let metrics = Metrics::register(&Registry::new()).map_err(|error| vec![error.to_string()])?;
    let screener = Screener::new(&loaded.config.screening, metrics).map_err(|problems| {
        let within = |problem: crate::problem::Problem| problem.within("screening");
        let problems: Vec<_> = problems.into_iter().map(within).collect();
        loaded.locate(&problems)
    })?;
    Ok(Arc::new(screener))
}

/// Screens slice after slice.
struct Bulk {
    screener: Arc<Screener>,
    want: Requirement,
    dispatcher: Dispatcher,
    runtime: Runtime,
}

/// Lines that are screened together: a prompt, or why there is none.
#[derive(Default)]
struct Slice {
    prompts: Vec<Prompt>,
    /// One a line; `Ok` stands for the next prompt.
    lines: Vec<Result<(), String>>,
    bytes: usize,
}

impl Bulk {
    fn new(screener: Arc<Screener>, dispatcher: Dispatcher, want: Requirement) -> io::Result<Self> {
        Ok(Self {
            screener,
            want,
            dispatcher,
            runtime: Builder::new_current_thread().enable_all().build()?,
        })
    }

    fn screen_all(
        &self,
        mut input: impl BufRead,
        out: &mut impl Write,
        progress: Progress,
    ) -> io::Result<Summary> {
        let mut summary = Summary::start();
        let mut line = Vec::new();
        let mut slice = Slice::default();
        loop {
            let read = next_line(&mut input, &mut line)?;
            if read != Line::End {
                progress.read(line.len());
                slice.add(prompt_of(read, &line));
            }
            if slice.is_full() || (read == Line::End && !slice.lines.is_empty()) {
                self.screen(std::mem::take(&mut slice), out, &mut summary)?;
                progress.tell(&summary);
            }
            if read == Line::End {
                break;
            }
        }
        out.flush()?;
        progress.end();
        Ok(summary)
    }

    /// Screens one slice and writes its answers.
    fn screen(&self, slice: Slice, out: &mut impl Write, summary: &mut Summary) -> io::Result<()> {
        let batch = Batch::new(Arc::clone(&self.screener), slice.prompts, self.want);
        let batch = Arc::new(batch);
        let work = self.dispatcher.run(Arc::clone(&batch), Lane::Batch, None);
        let done = self.runtime.block_on(work).map_err(io::Error::other)?;
        let mut screened = batch.prompts().iter().zip(done.outputs);
        for line in slice.lines {
            let index = summary.lines();
            let answer = match line {
                Err(why) => Err(why),
                // One output a prompt is what dispatch promises.
                Ok(()) => match screened.next() {
                    Some((prompt, Ok(findings))) => Ok(self.report(prompt, &findings, summary)),
                    Some((_, Err(error))) => Err(format!("not screened: {error}")),
                    None => Err("not screened".to_owned()),
                },
            };
            match answer {
                Ok(report) => write_line(out, &Answer { index, report })?,
                Err(error) => {
                    summary.failed();
                    write_line(out, &json!({ "index": index, "error": error }))?;
                }
            }
        }
        // Whoever reads along sees each slice when it is done.
        out.flush()
    }

    fn report(&self, prompt: &Prompt, findings: &Findings, summary: &mut Summary) -> Report {
        summary.screened(findings);
        Report::new(findings, &self.want, prompt.text())
    }
}

impl Slice {
    fn add(&mut self, line: Result<Prompt, String>) {
        let line = line.map(|prompt| {
            self.bytes += prompt.bytes().len();
            self.prompts.push(prompt);
        });
        self.lines.push(line);
    }

    fn is_full(&self) -> bool {
        self.lines.len() >= SLICE_LINES || self.bytes >= SLICE_BYTES
    }
}

#[derive(Serialize)]
struct Answer {
    index: u64,
    #[serde(flatten)]
    report: Report,
}

fn write_line(out: &mut impl Write, answer: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, answer)?;
    out.write_all(b"\n")
}

/// Enough lines to be worth spreading, few enough that answers come along.
const SLICE_LINES: usize = 1_024;

/// A slice ends when it holds so much text, so it is at most one line longer.
const SLICE_BYTES: usize = 4 << 20;
