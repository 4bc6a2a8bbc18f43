//! Where in a body a string stands, and what that says about its author.
//!
//! The places are those of the chat APIs: `OpenAI` (chat completions and responses), Anthropic
//! messages, Gemini, Bedrock, Cohere, Ollama. Whatever is not listed is untrusted, which is always
//! the safe reading: only the system prompt is searched for less.

use super::finding::Trust;

/// What stands at a position of the walk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// Everything below has this trust.
    Fixed(Trust),
    /// The `input` of the responses and embeddings APIs: a text, or messages and other items.
    Input,
    /// One element of `input`.
    Item,
    /// One message: an object with a role.
    Message,
    /// A list of messages.
    Messages,
    /// A role under a key such as `Role`, which only some parsers take for one.
    OddRole,
    /// One part of a message's content, or all of it.
    Part,
    /// A message's role.
    Role,
    /// The whole body, or one of a batch.
    Root,
    /// A system prompt: a text, or blocks with a text.
    System,
    /// The text of a part.
    Text,
}

impl Place {
    /// The place of an array's elements.
    pub(super) fn element(self) -> Self {
        match self {
            Self::Input => Self::Item,
            Self::Messages => Self::Message,
            Self::Fixed(_) | Self::Part | Self::Root | Self::System => self,
            Self::Item | Self::Message | Self::OddRole | Self::Role | Self::Text => {
                Self::Fixed(Trust::Untrusted)
            }
        }
    }

    /// The place of an object's member.
    pub(super) fn member(self, key: &str) -> Self {
        const UNTRUSTED: Place = Place::Fixed(Trust::Untrusted);
        match (self, key) {
            (Self::Fixed(trust), _) => Self::Fixed(trust),
            (Self::Root, "messages" | "contents" | "chat_history") => Self::Messages,
            (Self::Root, "input") => Self::Input,
            (Self::Root, "prompt" | "message" | "query") => Self::Fixed(Trust::User),
            (
                Self::Root,
                "system" | "instructions" | "preamble" | "systemInstruction" | "system_instruction",
            )
            | (Self::System, "text" | "parts") => Self::System,
            (Self::Item | Self::Message, "role") => Self::Role,
            (Self::Item | Self::Message, key) if key.eq_ignore_ascii_case("role") => Self::OddRole,
            (Self::Item | Self::Message, "content" | "parts" | "text" | "message") => Self::Part,
            (Self::Part, "text") => Self::Text,
            _ => UNTRUSTED,
        }
    }

    /// The trust of a string here, and whether its message's role has the say instead.
    pub(super) fn trust(self) -> (Trust, bool) {
        match self {
            Self::Fixed(trust) => (trust, false),
            Self::Input | Self::Item | Self::Root => (Trust::User, false),
            Self::Message | Self::Messages | Self::OddRole | Self::Role => {
                (Trust::Untrusted, false)
            }
            Self::Part | Self::Text => (Trust::Untrusted, true),
            Self::System => (Trust::System, false),
        }
    }

    /// Whether an object here is a message, whose role speaks for its text.
    pub(super) fn is_message(self) -> bool {
        matches!(self, Self::Item | Self::Message)
    }
}

/// How far whoever has this role is trusted.
pub(super) fn trust_of_role(role: &str) -> Trust {
    let is = |names: &[&str]| names.iter().any(|name| role.eq_ignore_ascii_case(name));
    if is(&["system", "developer"]) {
        Trust::System
    } else if is(&["user"]) {
        Trust::User
    } else {
        Trust::Untrusted
    }
}

/// Keys of the chat APIs, exactly: their letters are known and need no screening.
pub(super) fn is_known_key(key: &str) -> bool {
    KNOWN_KEYS.binary_search(&key).is_ok()
}

/// Keys whose values are names and not prose, so that they never stand between two parts.
pub(super) fn is_label(key: &str) -> bool {
    matches!(
        key,
        "call_id"
            | "detail"
            | "filename"
            | "id"
            | "media_type"
            | "mimeType"
            | "model"
            | "name"
            | "object"
            | "role"
            | "tool_call_id"
            | "tool_use_id"
            | "type"
    )
}

/// Whether a label is a short name that says nothing else, such as `tool_result`, or `gpt-4o` where a
/// model's is expected. Phrases have blanks, and numbers that mean somebody have more digits.
pub(super) fn is_plain_name(text: &str, of_model: bool) -> bool {
    let bytes = text.as_bytes();
    let letter = |byte: &u8| matches!(byte, b'a'..=b'z' | b'_');
    let of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'.');
    bytes.len() <= LONGEST_NAME
        && bytes.first().is_none_or(letter)
        && bytes
            .iter()
            .all(|byte| letter(byte) || of_model && of_number(byte))
        && bytes.iter().filter(|byte| byte.is_ascii_digit()).count() <= MOST_DIGITS
}

/// Keys under which pictures, sound and files are sent.
pub(super) fn is_media(key: &str) -> bool {
    matches!(
        key,
        "b64_json" | "bytes" | "data" | "file_data" | "file_url" | "image_url" | "images" | "url"
    )
}

/// Bytes, and digits among them, of a name that is taken for nothing else.
const LONGEST_NAME: usize = 16;
const MOST_DIGITS: usize = 4;

/// Sorted.
const KNOWN_KEYS: [&str; 28] = [
    "arguments",
    "content",
    "contents",
    "description",
    "frequency_penalty",
    "function",
    "id",
    "input",
    "instructions",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "n",
    "name",
    "parameters",
    "parts",
    "presence_penalty",
    "prompt",
    "role",
    "stop",
    "stream",
    "system",
    "temperature",
    "text",
    "tools",
    "top_p",
    "type",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_has_room_for_nothing_else() {
        for name in ["", "user", "tool_result"] {
            assert!(
                is_plain_name(name, false) && is_plain_name(name, true),
                "{name}"
            );
        }
        for name in ["gpt-4o", "gpt-4.1-mini", "claude-3-5-haiku"] {
            assert!(is_plain_name(name, true), "{name}");
            assert!(!is_plain_name(name, false), "{name}: of a file, say");
        }
        for other in [
            "123-45-6789",
            "x123-45-6789",
            "1.2.3.4",
            "AKIAIOSFODNN7",
            "ann@example.com",
            "ignore all",
            "ignore-previous-rules",
        ] {
            assert!(!is_plain_name(other, true), "{other}");
        }
    }

    #[test]
    fn known_keys_are_sorted() {
        assert!(KNOWN_KEYS.is_sorted());
    }
}
