//! Walks the text of a model: words, single characters, line breaks, and where they stand.
//!
//! Comments are blanked before the first step, as `OpenFGA`'s own tools do it: a line that starts with
//! `#`, and everything after a ` #`. So `#` inside `group#member` survives, and columns stay true.

use std::str::CharIndices;

use crate::permission::model::{Fault, FaultKind, Place};

/// A position in a model's text.
#[derive(Debug)]
pub(super) struct Cursor {
    /// Which file of a modular model.
    file: u32,
    text: String,
    at: usize,
    /// Byte offset at which each line starts.
    lines: Vec<usize>,
}

impl Cursor {
    pub(super) fn new(source: &str, file: u32) -> Self {
        let mut text = String::with_capacity(source.len());
        let mut lines = vec![0];
        for (number, line) in source.split('\n').enumerate() {
            if number > 0 {
                text.push('\n');
                lines.push(text.len());
            }
            if !line.trim_start().starts_with('#') {
                let code = line.split(" #").next().unwrap_or_default();
                text.push_str(code.trim_end());
            }
        }
        Self {
            file,
            text,
            at: 0,
            lines,
        }
    }

    /// Where the next character stands.
    pub(super) fn place(&self) -> Place {
        let line = self.lines.partition_point(|&start| start <= self.at) - 1;
        let column = self.text[self.lines[line]..self.at].chars().count();
        Place {
            file: self.file,
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            column: u32::try_from(column + 1).unwrap_or(u32::MAX),
        }
    }

    pub(super) fn fault(&self, wanted: &str) -> Fault {
        Fault::new(
            self.place(),
            FaultKind::Syntax,
            format!("expected {wanted}, found {}", self.found()),
        )
    }

    pub(super) fn at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// Whether spaces or tabs were skipped.
    pub(super) fn spaces(&mut self) -> bool {
        let skipped = self.skip(|c| c == ' ' || c == '\t');
        skipped > 0
    }

    /// Whether at least one line break was skipped, with all white space around it.
    pub(super) fn newline(&mut self) -> bool {
        let start = self.at;
        self.spaces();
        if self.rest().starts_with(['\n', '\r', '\u{c}']) {
            self.skip(char::is_whitespace);
            return true;
        }
        self.at = start;
        false
    }

    /// Whether the next character is `wanted`; if so it is taken.
    pub(super) fn take(&mut self, wanted: char) -> bool {
        let taken = self.rest().starts_with(wanted);
        if taken {
            self.at += wanted.len_utf8();
        }
        taken
    }

    /// The word that starts here, without taking it; empty when none does.
    pub(super) fn peek_word(&self) -> &str {
        let rest = self.rest();
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        &rest[..end]
    }

    /// Takes the next word if it is `wanted`.
    pub(super) fn keyword(&mut self, wanted: &str) -> bool {
        let taken = self.peek_word() == wanted;
        if taken {
            self.at += wanted.len();
        }
        taken
    }

    /// Takes the next word.
    pub(super) fn word(&mut self) -> String {
        let word = self.peek_word().to_owned();
        self.at += word.len();
        word
    }

    /// Takes everything through the next `}` that stands in no quoted text; gives what stood before it.
    pub(super) fn through_brace(&mut self) -> Option<String> {
        let mut before = ' ';
        let mut chars = self.text[self.at..].char_indices();
        while let Some((offset, c)) = chars.next() {
            if c == '}' {
                let taken = self.text[self.at..self.at + offset].trim().to_owned();
                self.at += offset + 1;
                return Some(taken);
            }
            if matches!(c, '"' | '\'') {
                let raw = matches!(before, 'r' | 'R');
                chars = after_quote(chars, c, raw);
            }
            before = c;
        }
        None
    }

    /// A mark to come back to with [`Cursor::rewind`].
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    pub(super) fn rewind(&mut self, mark: usize) {
        self.at = mark;
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) -> usize {
        let rest = self.rest();
        let skipped = rest.find(|c| !wanted(c)).unwrap_or(rest.len());
        self.at += skipped;
        skipped
    }

    fn found(&self) -> String {
        let word = self.peek_word();
        if !word.is_empty() {
            return format!("`{}`", word.chars().take(64).collect::<String>());
        }
        match self.rest().chars().next() {
            None => "the end of the model".to_owned(),
            Some('\n' | '\r') => "the end of the line".to_owned(),
            Some(c) => format!("`{}`", c.escape_default()),
        }
    }
}

/// Past the end of the text that `quote` opened; where the line ends first, `quote` opened nothing.
fn after_quote(mut chars: CharIndices<'_>, quote: char, raw: bool) -> CharIndices<'_> {
    let unopened = chars.clone();
    while let Some((_, c)) = chars.next() {
        match c {
            '\\' if !raw => {
                chars.next();
            }
            '\n' => return unopened,
            c if c == quote => return chars,
            _ => {}
        }
    }
    unopened
}

/// What a name or keyword may hold. Which words are names is the parser's affair.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/')
}
