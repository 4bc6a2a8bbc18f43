//! Where an issuer's keys come from, and getting them from there.

use std::{
    fmt, fs,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::Path,
    time::SystemTime,
};

use reqwest::Url;
use serde::Deserialize;

use super::{
    config::{KeySource, Settings, web_address},
    keys::{Keys, MAX_KEY_SET},
};
use crate::upstream::{self, Fetcher, Limits, Series};

/// Why no keys came.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Failure {
    /// The class: `file`, or one of [`upstream::Cause`].
    pub(super) cause: &'static str,
    /// What happened.
    pub(super) detail: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause, self.detail)
    }
}

impl From<upstream::Error> for Failure {
    fn from(error: upstream::Error) -> Self {
        Self {
            cause: error.cause().as_str(),
            detail: error.to_string(),
        }
    }
}

/// Fetches one issuer's keys and remembers what saves work the next time.
pub(super) struct Source {
    /// What discovery said, until a fetch fails or the next planned one.
    discovered: Option<Url>,
    fetcher: Fetcher,
    seen: Option<Fingerprint>,
    series: Series,
}

impl Source {
    pub(super) fn new(fetcher: Fetcher, series: Series) -> Self {
        Self {
            discovered: None,
            fetcher,
            seen: None,
            series,
        }
    }

    /// Forgets what discovery said, so that the next fetch asks again.
    pub(super) fn rediscover(&mut self) {
        self.discovered = None;
    }

    /// The keys, or `None` when they are known to be the same as last time.
    pub(super) async fn fetch(&mut self, settings: &Settings) -> Result<Option<Keys>, Failure> {
        match &settings.source {
            KeySource::Discovery(url) => {
                let keys = match self.discovered.take() {
                    Some(url) => url,
                    None => self.discover(url, settings).await?,
                };
                let fetched = self.fetch_keys(&keys, settings).await?;
                self.discovered = Some(keys);
                Ok(Some(fetched))
            }
            KeySource::File(path) => self.read_file(path, settings),
            KeySource::Secret(_) => Ok(None),
            KeySource::Uri(url) => Ok(Some(self.fetch_keys(url, settings).await?)),
        }
    }

    async fn fetch_keys(&self, url: &Url, settings: &Settings) -> Result<Keys, Failure> {
        let read = |bytes: &[u8]| Keys::from_jwks(bytes, &settings.algorithms);
        let keys = self
            .fetcher
            .get(url, limits(settings), &self.series, read)
            .await?;
        Ok(keys)
    }

    async fn discover(&self, url: &Url, settings: &Settings) -> Result<Url, Failure> {
        let read = |bytes: &[u8]| read_discovery(bytes, settings);
        let keys = self
            .fetcher
            .get(url, limits(settings), &self.series, read)
            .await?;
        Ok(keys)
    }

    /// A stat a second and, on change, a short local read: cheap enough for the control runtime.
    fn read_file(&mut self, path: &Path, settings: &Settings) -> Result<Option<Keys>, Failure> {
        let file = |detail: String| Failure {
            cause: "file",
            detail: format!("`{}`: {detail}", path.display()),
        };
        let found = Fingerprint::of(path).map_err(|error| file(error.to_string()))?;
        if self.seen == Some(found) {
            return Ok(None);
        }
        let keys = read_keys(path, settings).map_err(file)?;
        self.seen = Some(found);
        Ok(Some(keys))
    }
}

/// Reads a key set file, no further than a key set may go.
pub(super) fn read_keys(path: &Path, settings: &Settings) -> Result<Keys, String> {
    let read = || {
        let mut bytes = Vec::new();
        let file = fs::File::open(path)?;
        file.take(MAX_KEY_SET as u64 + 1).read_to_end(&mut bytes)?;
        io::Result::Ok(bytes)
    };
    let bytes = read().map_err(|error| error.to_string())?;
    Keys::from_jwks(&bytes, &settings.algorithms)
}

/// The key set's address, if the document is about the configured issuer.
fn read_discovery(bytes: &[u8], settings: &Settings) -> Result<Url, String> {
    #[derive(Deserialize)]
    struct Document {
        issuer: String,
        jwks_uri: String,
    }
    let document: Document = serde_json::from_slice(bytes)
        .map_err(|_| "not a discovery document with `issuer` and `jwks_uri`".to_owned())?;
    if document.issuer != settings.issuer {
        let (theirs, ours) = (quotable(&document.issuer), &settings.issuer);
        return Err(format!(
            "the document is about issuer `{theirs}`, not `{ours}`"
        ));
    }
    let allow_private = settings.allow_private_addresses;
    web_address(&document.jwks_uri, allow_private).map_err(|text| quotable(&text))
}

/// `text` from elsewhere as it may stand in a log: one short line.
fn quotable(text: &str) -> String {
    text.chars()
        .take(200)
        .flat_map(char::escape_debug)
        .collect()
}

fn limits(settings: &Settings) -> Limits {
    Limits {
        bytes: MAX_KEY_SET,
        time: settings.fetch_timeout,
    }
}

/// Tells a replaced file from the old one, also when it is replaced through a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Fingerprint {
    inode: u64,
    length: u64,
    modified: SystemTime,
}

impl Fingerprint {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            inode: metadata.ino(),
            length: metadata.len(),
            modified: metadata.modified()?,
        })
    }
}
