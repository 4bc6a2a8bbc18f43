//! Reads files that a store file names, and no others.
//!
//! A reference must stay inside the store file's folder after every symbolic link is followed, and be
//! a regular file. Links inside the folder are fine: that is how Kubernetes mounts a `ConfigMap`. What was
//! read is remembered with its size and time, so that a change can be noticed later.

use std::{
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Component, Path, PathBuf},
    time::SystemTime,
};

/// A folder that reads are confined to.
#[derive(Debug)]
pub(crate) struct Folder {
    /// As it was given.
    path: PathBuf,
    /// With every link followed.
    real: PathBuf,
    seen: Vec<Stamp>,
}

/// What a file looked like just before it was read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    path: PathBuf,
    facts: Option<Facts>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Facts {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Another file under the same name, of the same size and age, is still a change.
    inode: u64,
}

impl Folder {
    /// The folder that `file` lies in, with the text of `file` itself. `file` may be a link to
    /// anywhere: the operator named it.
    pub(crate) fn open(file: &Path) -> (Vec<Stamp>, io::Result<(Self, String)>) {
        let stamp = Stamp::of(file);
        let stamps = vec![stamp.clone()];
        let parent = match file.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let opened = fs::canonicalize(parent).and_then(|real| {
            let text = read(file)?;
            let folder = Self {
                path: parent.to_owned(),
                real,
                seen: vec![stamp],
            };
            Ok((folder, text))
        });
        (stamps, opened)
    }

    /// The text of the file that `reference` names.
    pub(crate) fn read(&mut self, reference: &str) -> io::Result<String> {
        let relative = Path::new(reference);
        let plain = |part| {
            matches!(
                part,
                Component::CurDir | Component::Normal(_) | Component::ParentDir
            )
        };
        if !relative.components().all(plain) {
            return Err(io::Error::other("the path must be relative"));
        }
        let path = self.path.join(relative);
        self.seen.push(Stamp::of(&path));
        let real = fs::canonicalize(&path)?;
        if !real.starts_with(&self.real) {
            return Err(io::Error::other(
                "the file lies outside the store file's folder",
            ));
        }
        read(&real)
    }

    /// Every file that was asked for.
    pub(crate) fn into_stamps(self) -> Vec<Stamp> {
        self.seen
    }
}

impl Stamp {
    pub(crate) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            facts: fs::metadata(path).ok().map(|metadata| Facts::of(&metadata)),
        }
    }

    /// Whether the file looks otherwise now.
    pub(crate) fn is_stale(&self) -> bool {
        Self::of(&self.path) != *self
    }
}

impl Facts {
    fn of(metadata: &Metadata) -> Self {
        Self {
            bytes: metadata.len(),
            modified: metadata.modified().ok(),
            inode: inode(metadata),
        }
    }
}

#[cfg(unix)]
fn inode(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &Metadata) -> u64 {
    0
}

fn read(path: &Path) -> io::Result<String> {
    // Asked before opening, because opening a named pipe waits for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = String::new();
    let taken = Read::by_ref(&mut file)
        .take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)?;
    if taken as u64 > MAX_FILE_BYTES {
        return Err(io::Error::other(format!(
            "longer than {MAX_FILE_BYTES} bytes"
        )));
    }
    Ok(text)
}

/// Two million tuples of ordinary length; more belongs into a server.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;
