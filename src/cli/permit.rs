//! `subzero permit`: one permission check a line, one answer a line, in order.
//!
//! A line that cannot be answered is answered with `OpenFGA`'s number for the error, and the next one is read:
//! a stream does not end at its first bad line. Lines are bounded, so memory is too.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
    process::ExitCode,
};

use serde_json::json;

use crate::permission::{Authorizer, Config, Question};

/// Answers the questions in `file`, or on standard input, from the store file `store`.
pub(super) fn run(file: Option<&Path>, store: &Path) -> ExitCode {
    let config = Config {
        store_file: Some(store.to_owned()),
    };
    let authorizer = match Authorizer::load(&config, Path::new("")) {
        Ok(authorizer) => authorizer,
        Err(problems) => {
            let messages: Vec<String> = problems
                .into_iter()
                .map(|problem| problem.message)
                .collect();
            return super::tell(&messages);
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let answered = match file {
        None => answer_all(&authorizer, io::stdin().lock(), &mut out),
        Some(path) => match File::open(path) {
            Ok(file) => answer_all(&authorizer, BufReader::new(file), &mut out),
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

/// Whether every question was answered with yes.
fn answer_all(
    authorizer: &Authorizer,
    mut questions: impl BufRead,
    out: &mut impl Write,
) -> io::Result<bool> {
    let mut line = Vec::new();
    let mut all_allowed = true;
    loop {
        let answer = match next_line(&mut questions, &mut line)? {
            Line::End => break,
            Line::TooLong => Err(VALIDATION_ERROR),
            Line::Whole if line.trim_ascii().is_empty() => continue,
            Line::Whole => answer(authorizer, &line),
        };
        all_allowed &= answer == Ok(true);
        let answer = match answer {
            Ok(allowed) => json!({ "allowed": allowed }),
            Err(code) => json!({ "error": code }),
        };
        writeln!(out, "{answer}")?;
    }
    out.flush()?;
    Ok(all_allowed)
}

fn answer(authorizer: &Authorizer, line: &[u8]) -> Result<bool, u16> {
    let question: Question = serde_json::from_slice(line).map_err(|_| VALIDATION_ERROR)?;
    let answer = authorizer.answer(&question);
    answer.map_err(|error| error.code().unwrap_or(INTERNAL_ERROR))
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

/// `OpenFGA`'s `internal_error`.
const INTERNAL_ERROR: u16 = 4000;

/// As much as `OpenFGA` takes in one message, roughly.
const MAX_LINE_BYTES: u64 = 512 * 1024;

/// `OpenFGA`'s `validation_error`.
const VALIDATION_ERROR: u16 = 2000;
