//! Where in a body something was found, for whoever looks into one decision: never what.
//!
//! What a reader would get wrong: a JSON pointer is made of keys, and keys are text of the client's
//! too. A body may carry a secret as a key, so only the words that chat APIs use are shown; any
//! other key is `*`.

use serde_json::{Value, json};

use crate::screening::{Findings, Trust};

/// Each finding's rule and place.
pub(super) fn places(findings: &Findings) -> Vec<Value> {
    findings
        .iter()
        .map(|finding| {
            json!({
                "category": finding.category.as_str(),
                "rule": finding.rule,
                "pointer": masked(&finding.pointer),
                "source": [finding.source.start, finding.source.end],
                "trust": trust(finding.trust),
            })
        })
        .collect()
}

fn masked(pointer: &str) -> String {
    let mut shown = String::with_capacity(pointer.len());
    for key in pointer.split('/').skip(1) {
        let is_index =
            (1..=4).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_digit());
        let is_known = is_index || KNOWN_KEYS.contains(&key);
        shown.push('/');
        shown.push_str(if is_known { key } else { "*" });
    }
    shown
}

fn trust(trust: Trust) -> &'static str {
    match trust {
        Trust::System => "system",
        Trust::Untrusted => "untrusted",
        Trust::User => "user",
    }
}

/// Keys of the chat APIs that a text can stand under.
const KNOWN_KEYS: [&str; 34] = [
    "arguments",
    "blocks",
    "chat_history",
    "choices",
    "content",
    "contents",
    "context",
    "description",
    "documents",
    "function",
    "functions",
    "input",
    "instructions",
    "message",
    "messages",
    "metadata",
    "model",
    "name",
    "output",
    "parameters",
    "parts",
    "preamble",
    "prompt",
    "properties",
    "query",
    "role",
    "summary",
    "system",
    "systemInstruction",
    "text",
    "tool_calls",
    "tool_results",
    "tools",
    "user",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_shows_the_words_of_chat_apis_and_no_key_of_the_clients() {
        for (pointer, shown) in [
            ("", ""),
            ("/messages/0/content/1/text", "/messages/0/content/1/text"),
            ("/my password is hunter2/0", "/*/0"),
            ("/4111111111111111", "/*"),
            ("/a~1b/\u{2026}", "/*/*"),
            ("//", "/*/*"),
        ] {
            assert_eq!(masked(pointer), shown, "{pointer}");
        }
    }
}
