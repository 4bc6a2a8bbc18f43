//! `subzero analyze`: what a decision log adds up to.
//!
//! What a reader would get wrong: memory does not grow with the file. Lines are bounded, routes and
//! steps that are counted apart are too, and nothing of a line is kept but its counts.
//!
//! Lines that are no decisions are counted and the first few are told with their numbers; lines of
//! the process's own log, which shares standard output with a decision log there, are passed over.

mod line;
mod summary;
mod table;

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read, Write},
    path::Path,
    process::ExitCode,
};

use indicatif::{ProgressBar, ProgressStyle};

use self::{line::Line, summary::Summary};

/// Sums up the log in `file`, or on standard input.
pub(super) fn run(file: Option<&Path>, json: bool) -> ExitCode {
    let name = file.map_or_else(
        || "standard input".into(),
        |path| path.display().to_string(),
    );
    let summary = match file {
        None => sum_up(io::stdin().lock(), &progress(None)),
        Some(path) => File::open(path).and_then(|file| {
            let size = file.metadata()?.len();
            sum_up(BufReader::with_capacity(CHUNK, file), &progress(Some(size)))
        }),
    };
    let summary = match summary {
        Ok(summary) => summary,
        Err(error) => return super::tell(&[format!("{name}: cannot be read: {error}")]),
    };
    for (number, why) in summary.first_malformed() {
        eprintln!("{name}:{number}: {why}");
    }
    if summary.is_something_else() {
        return super::tell(&[format!("{name}: nothing in it is a decision")]);
    }
    let mut out = io::stdout().lock();
    let printed = if json {
        serde_json::to_writer_pretty(&mut out, &summary.in_json())
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        table::print(&mut out, &name, &summary)
    };
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => super::tell(&[format!("subzero: {error}")]),
    }
}

fn sum_up(mut log: impl BufRead, progress: &ProgressBar) -> io::Result<Summary> {
    let mut summary = Summary::default();
    let mut line = Vec::new();
    let mut number = 0;
    let mut untold = 0;
    loop {
        let taken = next_line(&mut log, &mut line)?;
        if taken == 0 {
            progress.finish_and_clear();
            return Ok(summary);
        }
        number += 1;
        untold += taken;
        if untold >= CHUNK as u64 {
            progress.inc(untold);
            untold = 0;
        }
        if taken > MAX_LINE_BYTES {
            summary.malformed(number, "is longer than 64 KiB");
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match Line::read(&line) {
            Ok(Line::Decision(decision)) => summary.add(&decision),
            Ok(Line::Other) => summary.other(),
            Err(why) => summary.malformed(number, &why),
        }
    }
}

/// Reads one line, at most [`MAX_LINE_BYTES`] of it, and passes over the rest; how many bytes that
/// took, 0 at the end.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let taken = Read::by_ref(from)
        .take(MAX_LINE_BYTES + 1)
        .read_until(b'\n', line)? as u64;
    if taken <= MAX_LINE_BYTES {
        return Ok(taken);
    }
    if line.ends_with(b"\n") {
        return Ok(taken);
    }
    Ok(taken + from.skip_until(b'\n')? as u64)
}

/// A bar over `size` bytes, a count without; nothing where nobody would see it.
fn progress(size: Option<u64>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, form) = match size {
        Some(size) => (
            ProgressBar::new(size),
            "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} left",
        ),
        None => (
            ProgressBar::no_length(),
            "{spinner} {bytes} {bytes_per_sec}",
        ),
    };
    match ProgressStyle::with_template(form) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

const CHUNK: usize = 256 << 10;

/// Longer than any line we write.
const MAX_LINE_BYTES: u64 = 64 << 10;

#[cfg(test)]
mod tests;
