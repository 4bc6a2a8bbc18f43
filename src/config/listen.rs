//! The `listen:` section: addresses and socket permissions.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Where to listen.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Envoy's gRPC door.
    pub grpc: Vec<Address>,
    /// The JSON API; anywhere but on loopback its callers need keys or certificates.
    pub http: SocketAddr,
    /// Metrics, health, running configuration.
    pub admin: SocketAddr,
    /// Permissions of Unix sockets.
    pub socket_mode: SocketMode,
}

/// `127.0.0.1:9191` or `unix:/run/subzero/subzero.sock`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    /// An IP address and port; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A path.
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text
            .strip_prefix("unix:")
            .filter(|path| path.starts_with('/'))
        {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        let refuse = |_| {
            format!(
                "`{text}` is not an address such as `127.0.0.1:9191` or `unix:/run/subzero/subzero.sock`"
            )
        };
        text.parse().map(Self::Tcp).map_err(refuse)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Permissions in octal, such as `"0660"`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SocketMode(pub u32);

impl FromStr for SocketMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mode = u32::from_str_radix(text, 8)
            .ok()
            .filter(|mode| *mode <= 0o777);
        mode.map(Self)
            .ok_or_else(|| format!("`{text}` is not a file mode such as \"0660\", quotes included"))
    }
}

impl fmt::Display for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(D::Error::custom)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

as_text!(Address);
as_text!(SocketMode);
