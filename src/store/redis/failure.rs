//! What Redis says, sorted: into what callers are told, into metrics, and whether a new connection
//! might mend it.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::{store::Error, upstream};

/// What is made of an error of the client library.
pub(super) struct Failure {
    /// For whoever asked.
    pub(super) error: Error,
    /// For metrics and the log. Never holds what was asked or answered.
    pub(super) cause: upstream::Error,
    /// A new connection, with the password as its file says now, might do better.
    pub(super) is_mendable: bool,
}

impl Failure {
    /// No answer within our own deadline.
    pub(super) fn slow() -> Self {
        Self {
            error: Error::Slow,
            cause: upstream::Error::Timeout,
            is_mendable: false,
        }
    }

    /// Whether it is an answer all the same: Redis is there and says no.
    pub(super) fn is_no(&self) -> bool {
        matches!(self.error, Error::Full | Error::Refused)
    }

    pub(super) fn of(error: &RedisError) -> Self {
        let code = error.code().unwrap_or_default();
        let said = || upstream::Error::Refused(code.to_owned());
        match error.kind() {
            ErrorKind::Io if error.is_timeout() => Self::slow(),
            ErrorKind::Io if is_tls(error) => Self {
                error: Error::Away,
                cause: upstream::Error::Tls(error.to_string()),
                is_mendable: true,
            },
            ErrorKind::Io
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel => Self {
                error: Error::Away,
                cause: upstream::Error::Connect(error.to_string()),
                is_mendable: true,
            },
            ErrorKind::Parse => Self {
                error: Error::Away,
                cause: upstream::Error::Parse("not what Redis would say".to_owned()),
                is_mendable: true,
            },
            ErrorKind::AuthenticationFailed => Self {
                error: Error::Away,
                cause: upstream::Error::Refused("authentication failed".to_owned()),
                is_mendable: true,
            },
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::TryAgain
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask,
            ) => Self {
                error: Error::Away,
                cause: said(),
                is_mendable: false,
            },
            // It was the one to write to and is no more.
            ErrorKind::Server(ServerErrorKind::ReadOnly) => Self {
                error: Error::Away,
                cause: said(),
                is_mendable: true,
            },
            _ => Self {
                error: if code == "OOM" {
                    Error::Full
                } else {
                    Error::Refused
                },
                cause: said(),
                is_mendable: matches!(code, "WRONGPASS" | "NOAUTH"),
            },
        }
    }
}

fn is_tls(error: &RedisError) -> bool {
    let said = error.to_string();
    said.contains("certificate") || said.contains("handshake") || said.contains("TLS")
}
