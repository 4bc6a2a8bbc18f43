//! Why a call to another service failed, sorted into a few classes.
//!
//! The class is the metric label and stands in the log: "fetch failed" alone sends people looking
//! in the wrong place. An HTTP library tells refused connections, bad certificates and unknown
//! names apart only deep in its chain of sources, so that is where [`Error::classify`] looks.

use std::{error, io};

/// The class of a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Cause {
    /// No connection, or the address is not allowed.
    Connect,
    /// The name does not resolve.
    Dns,
    /// An answer that is not 200, too long, or broken off.
    Http,
    /// It was not asked, since it fails too often.
    Open,
    /// The document is not what it should be.
    Parse,
    /// It answered that it will not.
    Refused,
    /// No whole answer in time.
    Timeout,
    /// The handshake failed: certificate, name or protocol.
    Tls,
}

impl Cause {
    /// Every cause, in the order of the enum.
    pub const ALL: [Self; 8] = [
        Self::Connect,
        Self::Dns,
        Self::Http,
        Self::Open,
        Self::Parse,
        Self::Refused,
        Self::Timeout,
        Self::Tls,
    ];

    /// The metric label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Dns => "dns",
            Self::Http => "http",
            Self::Open => "open",
            Self::Parse => "parse",
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
        }
    }
}

/// Why a call failed. `Display` names the innermost cause, for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is not public and `allow_private_addresses` is off.
    #[error("`{0}` has no public address; set `allow_private_addresses: true` if it is meant")]
    Blocked(String),
    /// No connection.
    #[error("connect: {0}")]
    Connect(String),
    /// The name does not resolve.
    #[error("resolve: {0}")]
    Dns(String),
    /// An answer that is not 200, or broken off.
    #[error("{0}")]
    Http(String),
    /// Its breaker is open.
    #[error("it fails too often, so it is left alone for a moment (`upstream.breaker`)")]
    Open,
    /// The document is not what it should be.
    #[error("read document: {0}")]
    Parse(String),
    /// It answered with an error of its own, by its code.
    #[error("refused: {0}")]
    Refused(String),
    /// No whole answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The handshake failed.
    #[error("TLS handshake: {0}")]
    Tls(String),
    /// The answer goes on past the limit, in bytes.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
}

impl Error {
    /// The class of this failure.
    #[must_use]
    pub fn cause(&self) -> Cause {
        match self {
            Self::Blocked(_) | Self::Connect(_) => Cause::Connect,
            Self::Dns(_) => Cause::Dns,
            Self::Http(_) | Self::TooLong(_) => Cause::Http,
            Self::Open => Cause::Open,
            Self::Parse(_) => Cause::Parse,
            Self::Refused(_) => Cause::Refused,
            Self::Timeout => Cause::Timeout,
            Self::Tls(_) => Cause::Tls,
        }
    }

    /// Sorts an error of the HTTP client.
    pub(super) fn classify(error: &reqwest::Error) -> Self {
        let innermost = chain(error).last().map_or_else(String::new, text);
        if let Some(Refused(host)) = chain(error).find_map(|cause| cause.downcast_ref()) {
            Self::Blocked(host.clone())
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.is_dns() {
            Self::Dns(innermost)
        } else if error.is_connect() {
            let handshake = chain(error)
                .filter_map(|cause| cause.downcast_ref::<io::Error>())
                .any(is_handshake);
            if handshake {
                Self::Tls(innermost)
            } else {
                Self::Connect(innermost)
            }
        } else {
            Self::Http(innermost)
        }
    }
}

/// Every address of this host is refused: found again by [`Error::classify`].
#[derive(Debug, thiserror::Error)]
#[error("`{0}` has no public address")]
pub(super) struct Refused(pub(super) String);

/// `error`, its source, the source's source…
fn chain<'a>(
    error: &'a (dyn error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn error::Error + 'static)> {
    std::iter::successors(Some(error), |cause| cause.source())
}

/// Whether this is how tokio-rustls reports what rustls refuses, or a peer that hangs up on us.
///
/// An `io::Error` around another one hides it from `source`, so it is unwrapped here.
fn is_handshake(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => true,
        _ => inner.is_some_and(is_handshake),
    }
}

fn text(error: &(dyn error::Error + 'static)) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_stand_in_the_order_of_their_counters() {
        for (at, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, at, "{}", cause.as_str());
        }
    }
}
