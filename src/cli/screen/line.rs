//! One line into a prompt.
//!
//! A line that begins as a JSON object does (`{` and then `"` or `}`) has to be one, with either
//! `text` or `body` in it: read as plain text, its escapes would hide what it says. Every other line
//! is the prompt itself.

use std::io::{self, BufRead, Read};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::screening::{Prompt, Trust};

/// What was read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Line {
    End,
    TooLong,
    Whole,
}

/// Reads the next line without its end. Of a line that is too long only the beginning is kept.
pub(super) fn next_line(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Line> {
    line.clear();
    let taken = Read::by_ref(from)
        .take(MAX_LINE_BYTES + 1)
        .read_until(b'\n', line)?;
    if taken == 0 {
        return Ok(Line::End);
    }
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
        return Ok(Line::Whole);
    }
    if taken as u64 <= MAX_LINE_BYTES {
        return Ok(Line::Whole);
    }
    from.skip_until(b'\n')?;
    Ok(Line::TooLong)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question<'a> {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    role: Option<String>,
    #[serde(default, borrow)]
    body: Option<&'a RawValue>,
}

/// The prompt of a line, or what is wrong with it.
pub(super) fn prompt_of(read: Line, line: &[u8]) -> Result<Prompt, String> {
    if read == Line::TooLong {
        return Err(format!(
            "the line is over {} MiB; split the prompt",
            MAX_LINE_BYTES >> 20
        ));
    }
    let text = str::from_utf8(line).map_err(|error| {
        let at = error.valid_up_to();
        format!("the line is not UTF-8 at byte {at}; convert the file")
    })?;
    if !begins_as_object(text) {
        return Ok(Prompt::Text {
            text: text.to_owned(),
            trust: Trust::User,
        });
    }
    let question: Question<'_> = serde_json::from_str(text).map_err(|error| {
        format!("{error}; a line of JSON is {FORM}, and a prompt that is JSON itself goes into `text` or `body`")
    })?;
    match (question.text, question.body, question.role) {
        (Some(text), None, role) => Ok(Prompt::Text {
            text,
            trust: role.as_deref().map_or(Ok(Trust::User), trust)?,
        }),
        (None, Some(body), None) => Ok(Prompt::Body(Bytes::copy_from_slice(body.get().as_bytes()))),
        (None, Some(_), Some(_)) => {
            Err("`role` goes with `text`; a body tells its roles itself".to_owned())
        }
        (Some(_), Some(_), _) => Err("both `text` and `body`; give one of them".to_owned()),
        (None, None, _) => Err(format!(
            "neither `text` nor `body`; a line of JSON is {FORM}"
        )),
    }
}

const FORM: &str = r#"{"text": …, "role": …} or {"body": …}"#;

fn begins_as_object(text: &str) -> bool {
    let after = text.trim_start().strip_prefix('{').map(str::trim_start);
    after.is_some_and(|after| after.starts_with(['"', '}']))
}

/// Who is taken to have written a text, by the roles of the chat APIs.
fn trust(role: &str) -> Result<Trust, String> {
    match role {
        "system" | "developer" => Ok(Trust::System),
        "user" => Ok(Trust::User),
        "assistant" | "document" | "function" | "model" | "tool" => Ok(Trust::Untrusted),
        _ => Err(
            "`role` is none of system, developer, user, assistant, model, tool, function, document"
                .to_owned(),
        ),
    }
}

/// Longest line. `screening.max_text` and `max_body` bound what is screened of it.
const MAX_LINE_BYTES: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Result<(Vec<u8>, Option<Trust>), String> {
        prompt_of(Line::Whole, line.as_bytes()).map(|prompt| {
            let trust = match &prompt {
                Prompt::Body(_) => None,
                Prompt::Text { trust, .. } => Some(*trust),
            };
            (prompt.bytes().to_vec(), trust)
        })
    }

    #[test]
    fn lines_are_texts_unless_they_are_json_objects() {
        for (line, text, trust) in [
            ("hello", "hello", Some(Trust::User)),
            ("", "", Some(Trust::User)),
            ("{name}, hello", "{name}, hello", Some(Trust::User)),
            ("[1]", "[1]", Some(Trust::User)),
            ("\"quoted\"", "\"quoted\"", Some(Trust::User)),
            (r#"{"text":"a\u0062"}"#, "ab", Some(Trust::User)),
            (
                r#" { "text" : "a", "role" : "system" }"#,
                "a",
                Some(Trust::System),
            ),
            (r#"{"text":"a","role":"tool"}"#, "a", Some(Trust::Untrusted)),
            (r#"{"body":{"a" : [1]}}"#, r#"{"a" : [1]}"#, None),
            (r#"{"body":"a\u0062"}"#, r#""a\u0062""#, None),
        ] {
            assert_eq!(told(line), Ok((text.as_bytes().to_vec(), trust)), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_the_cure() {
        for (line, part) in [
            ("{}", "neither `text` nor `body`"),
            (r#"{"prompt":"a"}"#, "unknown field `prompt`"),
            (r#"{"text":"a"#, "EOF while parsing"),
            (r#"{"text":1}"#, "invalid type"),
            (r#"{"text":"a","body":{}}"#, "both `text` and `body`"),
            (r#"{"body":{},"role":"user"}"#, "`role` goes with `text`"),
            (r#"{"text":"a","role":"root"}"#, "`role` is none of"),
            (r#"{"text":"a","text":"b"}"#, "duplicate field"),
        ] {
            let why = told(line).expect_err("refused");
            assert!(why.contains(part), "{line}: {why}");
        }
        let why = prompt_of(Line::Whole, b"a\xff").expect_err("refused");
        assert_eq!(why, "the line is not UTF-8 at byte 1; convert the file");
    }

    #[test]
    fn lines_end_as_on_any_system_and_long_ones_are_skipped() {
        let long = "x".repeat(usize::try_from(MAX_LINE_BYTES).expect("small") + 1);
        let text = format!("a\r\n\nb\n{long}\nc");
        let (mut from, mut line) = (text.as_bytes(), Vec::new());
        let mut read = Vec::new();
        loop {
            let kind = next_line(&mut from, &mut line).expect("memory");
            if kind == Line::End {
                break;
            }
            let start = String::from_utf8_lossy(&line[..line.len().min(1)]).into_owned();
            read.push((kind, start));
        }
        let of = |kind, start: &str| (kind, start.to_owned());
        assert_eq!(
            read,
            [
                of(Line::Whole, "a"),
                of(Line::Whole, ""),
                of(Line::Whole, "b"),
                of(Line::TooLong, "x"),
                of(Line::Whole, "c"),
            ]
        );
    }
}
