//! Values that cannot be wrong: spans of time, sizes in bytes, secrets.
//!
//! Configuration is deserialised into these, so a bad value is refused where it is written, with
//! the offending text in the message, and no later code has to check again.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A span of time such as `250ms`, `30s`, `5m`, `24h` or `7d`; never zero.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span(Duration);

impl Span {
    /// The span as the standard library's type.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse =
            || format!("`{text}` is not a span of time such as `250ms`, `30s`, `5m` or `24h`");
        let (number, unit) = split_unit(text);
        let number: u64 = number.parse().map_err(|_| refuse())?;
        let micros_per_unit: u64 = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => return Err(refuse()),
        };
        match number.checked_mul(micros_per_unit) {
            Some(0) | None => Err(refuse()),
            Some(micros) => Ok(Self(Duration::from_micros(micros))),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        let units = [
            (86_400_000_000, "d"),
            (3_600_000_000, "h"),
            (60_000_000, "m"),
            (1_000_000, "s"),
            (1_000, "ms"),
        ];
        for (size, name) in units {
            if micros.is_multiple_of(size) {
                return write!(f, "{}{name}", micros / size);
            }
        }
        write!(f, "{micros}us")
    }
}

/// A size such as `512`, `64KiB`, `1MiB` (powers of 1,024) or `10kB`, `1MB` (powers of 1,000).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Bytes(usize);

impl Bytes {
    /// The size in bytes.
    #[must_use]
    pub fn get(self) -> usize {
        self.0
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("`{text}` is not a size such as `512`, `64KiB` or `1MiB`");
        let (number, unit) = split_unit(text);
        let number: usize = number.parse().map_err(|_| refuse())?;
        let factor: usize = match unit {
            "" | "B" => 1,
            "kB" => 1_000,
            "MB" => 1_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(refuse()),
        };
        number.checked_mul(factor).map(Self).ok_or_else(refuse)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (size, name) in [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")] {
            if self.0 > 0 && self.0.is_multiple_of(size) {
                return write!(f, "{}{name}", self.0 / size);
            }
        }
        write!(f, "{}", self.0)
    }
}

/// A secret. It can be used, never printed: `Debug`, `Display` and `Serialize` all hide it.
#[derive(Clone, Eq, PartialEq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`, without the newline that editors leave at a file's end.
    #[must_use]
    pub fn new(value: &str) -> Self {
        Self(value.trim_end_matches(['\r', '\n']).to_owned())
    }

    /// The secret itself. Never format what this returns.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hidden]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[hidden]")
    }
}

/// `64KiB` into `64` and `KiB`.
fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(digits)
}

/// Deserialises through `FromStr`, from a string or a bare number, and serialises through `Display`.
macro_rules! in_words {
    ($type:ty) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Words;
                impl de::Visitor<'_> for Words {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a number with a unit")
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_u64<E: de::Error>(self, number: u64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }

                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }
                }
                deserializer.deserialize_any(Words)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

in_words!(Bytes);
in_words!(Span);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_read_back_as_they_are_written() {
        for text in ["250ms", "30s", "5m", "23h", "7d", "15us"] {
            assert_eq!(text.parse::<Span>().expect("a span").to_string(), text);
        }
        for text in ["512", "64KiB", "1MiB", "0"] {
            assert_eq!(text.parse::<Bytes>().expect("a size").to_string(), text);
        }
        assert_eq!("10kB".parse::<Bytes>().expect("a size").get(), 10_000);
    }

    #[test]
    fn bad_values_are_named_in_the_message() {
        for text in [
            "0s",
            "1",
            "-1s",
            "1 s",
            "s",
            "99999999999999999999s",
            "1w",
            "",
        ] {
            let refused = text.parse::<Span>().expect_err("refused");
            assert!(refused.contains(&format!("`{text}`")), "{refused}");
        }
        for text in ["64KB?", "-1", "1.5MiB", "99999999999999999999GiB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2\n");
        assert_eq!(secret.expose(), "hunter2");
        assert_eq!(format!("{secret:?} {secret}"), "[hidden] [hidden]");
        assert_eq!(
            serde_json::to_string(&secret).expect("json"),
            "\"[hidden]\""
        );
    }
}
