//! `subzero permit`: one permission check a line, one answer a line, in order.
//!
//! A line that cannot be answered is answered with `OpenFGA`'s number for the error, and the next one is read:
//! a stream does not end at its first bad line. Lines are bounded, so memory is too. A server is asked
//! about as many lines together as have come, and who writes line by line gets answers line by line.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::runtime::Runtime;

use crate::{
    app,
    permission::{Answer, Authorizer, Config, Error, Question, Questions},
};

/// Answers the questions in `file`, or on standard input, from the store file `store`, or from what
/// the configuration file `config` names.
pub(super) fn run(file: Option<&Path>, store: Option<&Path>, config: Option<&Path>) -> ExitCode {
    let engine = match engine(store, config) {
        Ok(engine) => engine,
        Err(messages) => return super::tell(&messages),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let answered = match file {
        None => answer_all(&engine, BufReader::new(io::stdin()), &mut out),
        Some(path) => match File::open(path) {
            Ok(file) => answer_all(&engine, BufReader::new(file), &mut out),
            Err(error) => {
                return super::tell(&[format!("{}: cannot be read: {error}", path.display())]);
            }
        },
    };
    match answered {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            super::tell(&[format!("subzero: {error}")]);
            ExitCode::FAILURE
        }
    }
}

/// Who answers, and where waiting is done.
struct Engine {
    authorizer: Authorizer,
    runtime: Runtime,
}

fn engine(store: Option<&Path>, config: Option<&Path>) -> Result<Engine, Vec<String>> {
    let authorizer = match (store, config) {
        (Some(store), _) => {
            let config = Config {
                store_file: Some(store.to_owned()),
                openfga: None,
            };
            let loaded = Authorizer::load(&config, Path::new(""));
            loaded.map_err(|problems| {
                let messages = problems.into_iter().map(|problem| problem.message);
                messages.collect::<Vec<_>>()
            })?
        }
        (None, Some(config)) => app::authorizer(config)?,
        (None, None) => return Err(vec!["subzero: needs `--store` or `--config`".to_owned()]),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| vec![format!("subzero: {error}")])?;
    Ok(Engine {
        authorizer,
        runtime,
    })
}

impl Engine {
    /// The answer to each question that could be read.
    fn answer(&self, questions: &Questions) -> Vec<Result<bool, u16>> {
        let code = |error: Error| error.code().unwrap_or(INTERNAL_ERROR);
        let deadline = Instant::now() + PATIENCE;
        let asked = self.authorizer.ask_server(questions, deadline);
        let answers = if let Some((answers, _)) = self.runtime.block_on(asked) {
            let allowed = |answer: Answer| answer.allowed;
            answers.into_iter().map(|one| one.map(allowed)).collect()
        } else {
            self.authorizer.answer_all(questions)
        };
        answers.into_iter().map(|one| one.map_err(code)).collect()
    }
}

/// Whether every question was answered with yes.
fn answer_all<R: Read>(
    engine: &Engine,
    mut lines: BufReader<R>,
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut all_allowed = true;
    loop {
        let slice = next_slice(&mut lines)?;
        if slice.is_empty() {
            break;
        }
        let is_question: Vec<bool> = slice.iter().map(Option::is_some).collect();
        let questions: Questions = slice.into_iter().flatten().collect();
        let mut answers = engine.answer(&questions).into_iter();
        for is_question in is_question {
            let answer = if is_question {
                answers.next().unwrap_or(Err(INTERNAL_ERROR))
            } else {
                Err(VALIDATION_ERROR)
            };
            all_allowed &= answer == Ok(true);
            let answer = match answer {
                Ok(allowed) => json!({ "allowed": allowed }),
                Err(code) => json!({ "error": code }),
            };
            writeln!(out, "{answer}")?;
        }
        // What was found out is not held back until a buffer is full.
        out.flush()?;
    }
    Ok(all_allowed)
}

/// Waits for a line and takes those along that have come too; `None` for what is no question. Empty
/// at the end.
fn next_slice<R: Read>(from: &mut BufReader<R>) -> io::Result<Vec<Option<Question>>> {
    let (mut slice, mut line) = (Vec::new(), Vec::new());
    while slice.is_empty() || (slice.len() < SLICE && from.buffer().contains(&b'\n')) {
        match next_line(from, &mut line)? {
            Line::End => break,
            Line::TooLong => slice.push(None),
            Line::Whole if line.trim_ascii().is_empty() => {}
            Line::Whole => slice.push(serde_json::from_slice(&line).ok()),
        }
    }
    Ok(slice)
}

enum Line {
    End,
    TooLong,
    Whole,
}

fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    let taken = Read::by_ref(from)
        .take(MAX_LINE_BYTES + 1)
        .read_until(b'\n', line)?;
    if taken == 0 {
        return Ok(Line::End);
    }
    if taken as u64 <= MAX_LINE_BYTES || line.ends_with(b"\n") {
        return Ok(Line::Whole);
    }
    from.skip_until(b'\n')?;
    Ok(Line::TooLong)
}

/// Longest that a server may take for a slice.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most questions at once.
const SLICE: usize = 1_000;

/// `OpenFGA`'s `internal_error`.
const INTERNAL_ERROR: u16 = 4000;

/// As much as `OpenFGA` takes in one message, roughly.
const MAX_LINE_BYTES: u64 = 512 * 1024;

/// `OpenFGA`'s `validation_error`.
const VALIDATION_ERROR: u16 = 2000;
