//! `subzero verify`: one token a line, one verdict a line, in order.
//!
//! The issuers' keys are fetched first; an issuer that has none is named, and its tokens are
//! answered with `keys_unavailable`, since they are neither good nor bad. Tokens are never printed.
//! What a reader would get wrong: `index` counts tokens, from 0, and blank lines are none.
//!
//! # Cost
//!
//! Memory for one slice of tokens and their answers, whatever the length of the file.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::{
    app,
    dispatch::{Dispatcher, Lane},
    identity::{self, Batch, Verifier},
    verdict::Reason,
};

/// Verifies the tokens in `file`, or on standard input, as `config` says.
pub(super) fn run(file: Option<&Path>, config: &Path) -> ExitCode {
    let prepared = app::verifier(config)
        .and_then(|verifier| Ok((Arc::new(verifier), app::dispatcher(Some(config))?)));
    let (verifier, dispatcher) = match prepared {
        Ok(prepared) => prepared,
        Err(problems) => return super::tell(&problems),
    };
    if verifier.readiness().is_empty() {
        let message = "identity.issuers: names none, so no token can be verified; add one";
        return super::tell(&[format!("{}: {message}", config.display())]);
    }
    let opened = file.map(|path| File::open(path).map_err(|error| (path, error)));
    let (tokens, length): (Box<dyn BufRead>, _) = match opened.transpose() {
        Ok(None) => (Box::new(io::stdin().lock()), None),
        Ok(Some(file)) => {
            let length = file.metadata().ok().map(|metadata| metadata.len());
            (Box::new(BufReader::new(file)), length)
        }
        Err((path, error)) => {
            return super::tell(&[format!("{}: cannot be read: {error}", path.display())]);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = runtime.and_then(|runtime| {
        let out = BufWriter::new(io::stdout().lock());
        let input = Input { tokens, length };
        runtime.block_on(verify_all(verifier, dispatcher, input, out))
    });
    match outcome {
        Ok(tally) if tally.reasons.is_empty() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            super::tell(&[format!("subzero: {error}")]);
            ExitCode::FAILURE
        }
    }
}

/// What became of the tokens.
#[derive(Default)]
struct Tally {
    valid: u64,
    /// How many were refused for what.
    reasons: BTreeMap<&'static str, u64>,
}

/// A line of the output.
#[derive(Serialize)]
struct Verdict<'a> {
    index: u64,
    valid: bool,
    subject: Option<&'a str>,
    reason: &'static str,
}

/// What to verify, and how many bytes it is, if that is known.
struct Input {
    tokens: Box<dyn BufRead>,
    length: Option<u64>,
}

async fn verify_all(
    verifier: Arc<Verifier>,
    dispatcher: Dispatcher,
    Input { mut tokens, length }: Input,
    mut out: impl Write,
) -> io::Result<Tally> {
    let started = Instant::now();
    let keys = Arc::clone(&verifier);
    let fetching = tokio::spawn(async move { match keys.run().await {} });
    verifier.until_fetched(Instant::now() + PATIENCE).await;
    for issuer in verifier.readiness() {
        if !issuer.ready {
            let (name, detail) = (&issuer.name, &issuer.detail);
            eprintln!("subzero: issuer `{name}` cannot be asked about its tokens: {detail}");
        }
    }
    let progress = progress(length);
    let mut tally = Tally::default();
    loop {
        let (slice, bytes) = next_slice(&mut tokens)?;
        if slice.is_empty() {
            break;
        }
        let deadline = Instant::now() + PATIENCE;
        let batch = Batch::prepare(Arc::clone(&verifier), slice, None, deadline).await;
        let batch = Arc::new(batch.map_err(io::Error::other)?);
        let done = dispatcher.run(batch, Lane::Batch, None).await;
        for verdict in done.map_err(io::Error::other)?.outputs {
            tally.write(&verdict, &mut out)?;
        }
        // What was found out is not held back until a buffer is full.
        out.flush()?;
        progress.inc(bytes);
    }
    progress.finish_and_clear();
    fetching.abort();
    eprintln!("{}", tally.summary(started.elapsed()));
    Ok(tally)
}

impl Tally {
    fn write(
        &mut self,
        verdict: &Result<identity::Identity, identity::Error>,
        out: &mut impl Write,
    ) -> io::Result<()> {
        let index = self.valid + self.refused();
        let (subject, reason) = match verdict {
            Ok(identity) => (Some(identity.subject()), Reason::Ok),
            Err(error) => (None, error.reason()),
        };
        if verdict.is_ok() {
            self.valid += 1;
        } else {
            *self.reasons.entry(reason.as_str()).or_default() += 1;
        }
        let verdict = Verdict {
            index,
            valid: verdict.is_ok(),
            subject,
            reason: reason.as_str(),
        };
        serde_json::to_writer(&mut *out, &verdict)?;
        out.write_all(b"\n")
    }

    fn refused(&self) -> u64 {
        self.reasons.values().sum()
    }

    fn summary(&self, took: Duration) -> String {
        let (valid, refused) = (self.valid, self.refused());
        let all = valid + refused;
        let reasons = self.reasons.iter();
        let reasons: Vec<String> = reasons
            .map(|(reason, count)| format!("{reason} {count}"))
            .collect();
        let reasons = match &reasons[..] {
            [] => String::new(),
            reasons => format!(" ({})", reasons.join(", ")),
        };
        let seconds = took.as_secs_f64();
        format!("{all} tokens: {valid} valid, {refused} not{reasons}; {seconds:.1} s")
    }
}

/// On a terminal's standard error: how far it is, by bytes of the file, or that it goes on.
fn progress(length: Option<u64>) -> ProgressBar {
    let (bar, template) = match length {
        Some(length) => (
            ProgressBar::new(length),
            "{wide_bar} {bytes}/{total_bytes} {eta}",
        ),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} {elapsed}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The next tokens, and how many bytes of input they were; none at the end.
fn next_slice(from: &mut impl BufRead) -> io::Result<(Vec<String>, u64)> {
    let (mut slice, mut bytes, mut held) = (Vec::new(), 0, 0);
    let mut line = Vec::new();
    while slice.len() < SLICE_TOKENS && held < SLICE_BYTES {
        let (read, is_whole) = next_line(from, &mut line)?;
        if read == 0 {
            break;
        }
        bytes += read;
        let text = line.trim_ascii();
        if !is_whole {
            slice.push(TOO_LONG.to_owned());
        } else if !text.is_empty() {
            held += text.len();
            // Bytes that are no text make no token: what stands for them is refused as malformed.
            slice.push(String::from_utf8_lossy(text).into_owned());
        }
    }
    Ok((slice, bytes))
}

/// Reads a line: how many bytes it was, 0 at the end, and whether all of it is kept.
fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<(u64, bool)> {
    line.clear();
    let read = Read::by_ref(from).take(MAX_LINE).read_until(b'\n', line)? as u64;
    if read < MAX_LINE || line.ends_with(b"\n") {
        return Ok((read, true));
    }
    let rest = from.skip_until(b'\n')? as u64;
    Ok((read + rest, rest == 0))
}

/// Longest wait for the issuers' keys.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longer than the longest token, so that what is cut off was none.
const MAX_LINE: u64 = 32 << 10;

/// Stands for a line that was cut off: no token, so it is refused as malformed.
const TOO_LONG: &str = "";

/// Tokens in one slice: enough to keep several cores busy for some tens of milliseconds…
const SLICE_TOKENS: usize = 8192;

/// …and few enough bytes.
const SLICE_BYTES: usize = 8 << 20;
