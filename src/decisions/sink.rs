//! Where the decision log's lines end up: standard output, or a file that others may move away.
//!
//! The file is looked at before each write: when its name leads to another file, or to none, a new
//! one is opened there. So `logrotate` needs no signal, by renaming or by copying and truncating.
//!
//! What a reader would get wrong: a write can stop in the middle of a line, when the disk is full.
//! The next one then begins with a line break, so that one broken line stays one broken line.
//!
//! A file is made with mode 0640. What cannot be written is lost, told once in the process's log,
//! and tried again with the next lines, opening at most once a second.

use std::{
    fs::{File, OpenOptions, metadata},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::Target;

/// Takes lines. Used by one thread.
#[derive(Debug)]
pub(super) struct Sink {
    out: Out,
    /// Whether the last write failed, so that a failure is told once.
    failing: bool,
    /// Whether the last write stopped within a line.
    mid_line: bool,
}

#[derive(Debug)]
enum Out {
    File(Rotated),
    Stdout,
}

/// A file that may be moved away.
#[derive(Debug)]
struct Rotated {
    path: PathBuf,
    open: Option<Open>,
    retry_at: Instant,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Device and inode.
    identity: (u64, u64),
}

impl Sink {
    pub(super) fn new(target: Target) -> Self {
        let out = match target {
            Target::File(path) => Out::File(Rotated {
                path,
                open: None,
                retry_at: Instant::now(),
            }),
            Target::Off | Target::Stdout => Out::Stdout,
        };
        Self {
            out,
            failing: false,
            mid_line: false,
        }
    }

    /// Writes whole lines; how many of them are written.
    pub(super) fn write(&mut self, lines: &[u8]) -> usize {
        let (written, result) = match &mut self.out {
            Out::Stdout => write_to(&mut io::stdout().lock(), self.mid_line, lines),
            Out::File(rotated) => match rotated.file() {
                Ok((file, is_new)) => {
                    self.mid_line &= !is_new;
                    write_to(file, self.mid_line, lines)
                }
                Err(error) => (0, Err(error)),
            },
        };
        if written > 0 {
            self.mid_line = lines[written - 1] != b'\n';
        }
        self.tell(&result);
        memchr::memchr_iter(b'\n', &lines[..written]).count()
    }

    fn tell(&mut self, result: &io::Result<()>) {
        let name = match &self.out {
            Out::File(rotated) => rotated.path.display().to_string(),
            Out::Stdout => "stdout".to_owned(),
        };
        match result {
            Err(error) if !self.failing => {
                tracing::error!(to = name, %error, "decision log cannot be written: decisions are made, their lines are lost");
            }
            Ok(()) if self.failing => tracing::info!(to = name, "decision log is written again"),
            _ => {}
        }
        self.failing = result.is_err();
    }
}

/// Writes `lines` as far as it goes: how many bytes of them, and why no more.
fn write_to(out: &mut impl Write, mid_line: bool, lines: &[u8]) -> (usize, io::Result<()>) {
    if mid_line && let Err(error) = out.write_all(b"\n") {
        return (0, Err(error));
    }
    let mut written = 0;
    while written < lines.len() {
        match out.write(&lines[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(bytes) => written += bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, out.flush())
}

impl Rotated {
    /// The file that the path leads to now, and whether it has just been opened.
    fn file(&mut self) -> io::Result<(&mut File, bool)> {
        let here = identity(&self.path);
        let is_same = self
            .open
            .as_ref()
            .is_some_and(|open| Some(open.identity) == here);
        if !is_same {
            self.open = None;
            let now = Instant::now();
            if now < self.retry_at {
                return Err(io::ErrorKind::NotConnected.into());
            }
            self.retry_at = now + RETRY;
            self.open = Some(open(&self.path)?);
            // A file that opens may be moved away again at once.
            self.retry_at = now;
        }
        match &mut self.open {
            Some(open) => Ok((&mut open.file, !is_same)),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn open(path: &Path) -> io::Result<Open> {
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)?;
    let metadata = file.metadata()?;
    let identity = (metadata.dev(), metadata.ino());
    Ok(Open { file, identity })
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

const RETRY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
