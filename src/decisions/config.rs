//! What is kept in memory, and where the decision log goes.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::SubjectKey;
use crate::{problem::Problem, units::Bytes};

/// The `decisions:` section: what is kept in memory. Read at start only.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many of the last decisions; 0 = none.
    pub keep: usize,
    /// Most memory for them.
    pub memory: Bytes,
}

/// The `decision_log:` section. Read at start only.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// Where lines go.
    pub to: Target,
    /// Lines that may wait to be written; more are dropped.
    pub queue: usize,
    /// Of the plainly allowed decisions, one in so many is written; of the others every one.
    pub allowed_one_in: u32,
    /// Whether host, path and client address are left out.
    pub redact: bool,
    /// What subjects are hashed with, so that replicas agree; without one, a key of this process.
    pub key_file: Option<PathBuf>,
}

/// Where the decision log goes: `off`, `stdout` or a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// Into this file, at its end.
    File(PathBuf),
    /// Nowhere.
    Off,
    /// To standard output, among the lines of the process's own log.
    Stdout,
}

/// Both sections, resolved.
#[derive(Debug)]
pub struct Settings {
    pub(super) keep: Config,
    pub(super) log: LogConfig,
    pub(super) key: SubjectKey,
}

impl Settings {
    pub(super) fn resolve(
        keep: Config,
        log: &LogConfig,
        base_dir: &Path,
    ) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        if keep.keep > MOST_KEPT {
            let message = format!(
                "`{}` is more than can be kept; the most is 100000",
                keep.keep
            );
            problems.push(Problem::new("decisions.keep", message));
        }
        if keep.keep > 0 && !(LEAST_MEMORY..=MOST_MEMORY).contains(&keep.memory.get()) {
            let message = format!("`{}` is out of range; use 256KiB to 1GiB", keep.memory);
            problems.push(Problem::new("decisions.memory", message));
        }
        if !(1..=MOST_QUEUED).contains(&log.queue) {
            let message = format!("`{}` is out of range; use 1 to 1048576", log.queue);
            problems.push(Problem::new("decision_log.queue", message));
        }
        if !(1..=MOST_ONE_IN).contains(&log.allowed_one_in) {
            let message = format!("`{}` is out of range; use 1 to 1000000", log.allowed_one_in);
            problems.push(Problem::new("decision_log.allowed_one_in", message));
        }
        let mut log = log.clone();
        if let Target::File(path) = &log.to {
            let path = base_dir.join(path);
            problems.extend(unusable(&path));
            log.to = Target::File(path);
        }
        let key = match &log.key_file {
            None => Some(SubjectKey::of_this_process()),
            Some(path) => read_key(&base_dir.join(path))
                .map_err(|problem| problems.push(problem))
                .ok(),
        };
        match key {
            Some(key) if problems.is_empty() => Ok(Self { keep, log, key }),
            _ => Err(problems),
        }
    }
}

fn unusable(path: &Path) -> Option<Problem> {
    let problem = |message| Some(Problem::new("decision_log.to", message));
    if path.is_dir() {
        return problem(format!(
            "`{}` is a folder; name a file in it",
            path.display()
        ));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if folder.is_dir() {
        return None;
    }
    let message = format!("there is no folder `{}`; make it first", folder.display());
    problem(message)
}

fn read_key(path: &Path) -> Result<SubjectKey, Problem> {
    let problem = |message: String| Problem::new("decision_log.key_file", message);
    let unreadable = |error: io::Error| {
        let path = path.display();
        problem(format!("`{path}` cannot be read: {error}"))
    };
    let key = fs::read(path).map_err(unreadable)?;
    SubjectKey::from_file(&key).ok_or_else(|| {
        let path = path.display();
        problem(format!(
            "`{path}` must hold 16 to 4096 bytes; make it with `openssl rand -hex 32`"
        ))
    })
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Off => f.write_str("off"),
            Self::Stdout => f.write_str("stdout"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_str() {
            "off" => Ok(Self::Off),
            "stdout" => Ok(Self::Stdout),
            "" => Err(de::Error::custom(
                "`` is not a place for a log; use `off`, `stdout` or a file's path",
            )),
            _ => Ok(Self::File(text.into())),
        }
    }
}

const MOST_KEPT: usize = 100_000;
const LEAST_MEMORY: usize = 256 << 10;
const MOST_MEMORY: usize = 1 << 30;
const MOST_QUEUED: usize = 1 << 20;
const MOST_ONE_IN: u32 = 1_000_000;
