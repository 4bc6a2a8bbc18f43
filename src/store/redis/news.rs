//! What others tell: keys that changed, lists that grew.
//!
//! One channel carries it all, as words. Whatever cannot be read is skipped and told to the log
//! once: the regular look at versions finds what was in it.

use redis::{PushInfo, PushKind, Value};

use crate::store::{Key, ledger::Marks};

/// One piece of news.
#[derive(Debug, PartialEq)]
pub(super) enum News {
    /// Every answer of a space has been taken away.
    Cleared { space: String, generation: u64 },
    /// Everything may have changed.
    Flushed,
    /// The answer under a key has changed or gone. `by` is who did it, where known.
    Gone {
        by: Option<u64>,
        space: String,
        key: Key,
    },
    /// Entries of a list, and its version with them.
    Joined {
        list: String,
        version: String,
        entries: Vec<(Key, Marks)>,
    },
    /// A connection is lost.
    Lost,
    /// Nothing of interest.
    Nothing,
    /// Not to be understood.
    Unreadable,
}

impl News {
    /// What `push` says. Several keys may change at once.
    pub(super) fn read(push: PushInfo) -> Vec<Self> {
        match push.kind {
            PushKind::Disconnection => vec![Self::Lost],
            PushKind::Invalidate => match push.data.into_iter().next() {
                Some(Value::Array(keys)) => keys.iter().map(Self::changed).collect(),
                // The whole database was emptied.
                Some(Value::Nil) => vec![Self::Flushed],
                _ => vec![Self::Unreadable],
            },
            PushKind::Message => match push.data.last() {
                Some(Value::BulkString(text)) => vec![Self::told(text)],
                _ => vec![Self::Unreadable],
            },
            _ => vec![Self::Nothing],
        }
    }

    /// A key that the server tracks: `…:SPACE:GENERATION:{KEY}`.
    fn changed(key: &Value) -> Self {
        let Value::BulkString(name) = key else {
            return Self::Unreadable;
        };
        let parsed = std::str::from_utf8(name).ok().and_then(|name| {
            let (rest, key) = name.strip_suffix('}')?.rsplit_once(":{")?;
            let space = rest.rsplit(':').nth(1)?.to_owned();
            let key = Key::from_hex(key)?;
            Some(Self::Gone {
                by: None,
                space,
                key,
            })
        });
        // Leases and lists are read too.
        parsed.unwrap_or(Self::Nothing)
    }

    fn told(text: &[u8]) -> Self {
        let read = || {
            let text = std::str::from_utf8(text).ok()?;
            let (kind, rest) = text.split_once(' ')?;
            let words: Vec<&str> = rest.split(' ').collect();
            match (kind, words.as_slice()) {
                ("gone", [by, space, key]) => Some(Self::Gone {
                    by: Some(u64::from_str_radix(by, 16).ok()?),
                    space: (*space).to_owned(),
                    key: Key::from_hex(key)?,
                }),
                ("cleared", [space, generation]) => Some(Self::Cleared {
                    space: (*space).to_owned(),
                    generation: generation.parse().ok()?,
                }),
                ("joined", [list, epoch, number, entries @ ..]) => Some(Self::Joined {
                    list: (*list).to_owned(),
                    version: format!("{epoch} {number}"),
                    entries: read_entries(entries)?,
                }),
                _ => None,
            }
        };
        read().unwrap_or(Self::Unreadable)
    }
}

fn read_entries(words: &[&str]) -> Option<Vec<(Key, Marks)>> {
    let (entries, rest) = words.as_chunks::<5>();
    let read =
        |[key, numbers @ ..]: &[&str; 5]| Some((Key::from_hex(key)?, Marks::from_words(numbers)?));
    if rest.is_empty() {
        entries.iter().map(read).collect()
    } else {
        None
    }
}

/// That the answer under `key` has changed or gone.
pub(in crate::store) fn gone(by: u64, space: &str, key: &Key) -> String {
    format!("gone {by:x} {space} {}", key.hex())
}

/// That all answers of `space` have gone.
pub(in crate::store) fn cleared(space: &str, generation: u64) -> String {
    format!("cleared {space} {generation}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "0101010101010101010101010101010101010101010101010101010101010101";

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn read(kind: PushKind, data: Vec<Value>) -> Vec<News> {
        News::read(PushInfo { kind, data })
    }

    #[test]
    fn messages_read_back_as_they_are_written() {
        let key = Key::from([1; 32]);
        for (text, news) in [
            (
                gone(0xab, "permission", &key),
                News::Gone {
                    by: Some(0xab),
                    space: "permission".to_owned(),
                    key,
                },
            ),
            (
                cleared("permission", 7),
                News::Cleared {
                    space: "permission".to_owned(),
                    generation: 7,
                },
            ),
            (
                format!("joined revocations ab 3 {HEX} 1 2 3 4"),
                News::Joined {
                    list: "revocations".to_owned(),
                    version: "ab 3".to_owned(),
                    entries: vec![(key, Marks([1, 2, 3, 4]))],
                },
            ),
        ] {
            let data = vec![bulk("channel"), bulk(&text)];
            assert_eq!(read(PushKind::Message, data), [news], "{text}");
        }
    }

    #[test]
    fn garbage_is_unreadable_and_nothing_worse() {
        for text in [
            "",
            "gone",
            "gone 1 permission 00",
            "cleared permission x",
            "joined revocations ab",
            &format!("joined revocations ab 3 {HEX} 1 2 3"),
            &format!("joined revocations ab 3 {HEX} 1 2 3 -4"),
            "\u{fffd}",
        ] {
            let data = vec![bulk("channel"), bulk(text)];
            assert_eq!(read(PushKind::Message, data), [News::Unreadable], "{text}");
        }
        assert_eq!(read(PushKind::Message, vec![]), [News::Unreadable]);
        assert_eq!(read(PushKind::Invalidate, vec![]), [News::Unreadable]);
    }

    #[test]
    fn tracked_keys_are_told_apart() {
        let keys = vec![
            bulk(&format!("subzero:2:ab:permission:12:{{{HEX}}}")),
            bulk(&format!("subzero:2:ab:permission:12:{{{HEX}}}:lease")),
            bulk("subzero:2:ab:generations"),
            Value::Int(1),
        ];
        let gone = News::Gone {
            by: None,
            space: "permission".to_owned(),
            key: Key::from([1; 32]),
        };
        let told = read(PushKind::Invalidate, vec![Value::Array(keys)]);
        assert_eq!(told, [gone, News::Nothing, News::Nothing, News::Unreadable]);
        assert_eq!(
            read(PushKind::Invalidate, vec![Value::Nil]),
            [News::Flushed]
        );
    }
}
