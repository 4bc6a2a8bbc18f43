//! Makes texts from the grammars: attacks, and honest texts that use the same words.
//!
//! A line is a text with holes: `{name}` is filled with an entry of `words.txt`, `{a|b}` with one of
//! what is written. The choices come from a fixed seed.

use std::collections::{BTreeMap, BTreeSet};

/// Each section's name, label and texts.
pub(crate) fn make() -> Vec<(String, i32, Vec<String>)> {
    let words = words(include_str!("grammar/words.txt"));
    let mut made = Vec::new();
    for (file, label) in [
        (include_str!("grammar/attacks.txt"), 1),
        (include_str!("grammar/benign.txt"), 0),
    ] {
        for (name, count, lines) in sections(file) {
            let mut dice = Dice(0x5eed + count as u64 * 977 + name.len() as u64);
            let mut texts = BTreeSet::new();
            for round in 0..count * 5 {
                if texts.len() == count {
                    break;
                }
                let mut text = String::new();
                expand(lines[round % lines.len()], &words, &mut dice, &mut text);
                let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                texts.insert(if dice.below(3) == 0 {
                    capitalised(&text)
                } else {
                    text
                });
            }
            made.push((name.to_owned(), label, texts.into_iter().collect()));
        }
    }
    made
}

fn words(file: &str) -> BTreeMap<&str, Vec<&str>> {
    let lines = file.lines().filter(|line| !line.starts_with('#'));
    let entries = lines.filter_map(|line| line.split_once(':'));
    entries
        .map(|(name, list)| (name, choices(list.strip_prefix(' ').unwrap_or(list))))
        .collect()
}

/// A section's name, how many texts are made of it, and its lines.
fn sections(file: &str) -> Vec<(&str, usize, Vec<&str>)> {
    let mut sections: Vec<(&str, usize, Vec<&str>)> = Vec::new();
    for line in file.lines().filter(|line| !line.is_empty()) {
        let head = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'));
        let head = head.and_then(|head| head.split_once(' '));
        match head.and_then(|(name, count)| Some((name, count.parse().ok()?))) {
            Some((name, count)) => sections.push((name, count, Vec::new())),
            None => {
                // What stands before the first section is the file's own comment.
                if let Some((_, _, lines)) = sections.last_mut() {
                    lines.push(line);
                }
            }
        }
    }
    sections
}

fn expand(line: &str, words: &BTreeMap<&str, Vec<&str>>, dice: &mut Dice, out: &mut String) {
    let mut rest = line;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let Some(length) = closing(&rest[open..]) else {
            out.push_str(&rest[open..]);
            return;
        };
        let inside = &rest[open + 1..open + length];
        let listed = words.get(inside).cloned();
        let options = listed.or_else(|| Some(choices(inside)).filter(|all| all.len() > 1));
        if let Some(options) = options {
            expand(options[dice.below(options.len())], words, dice, out);
        } else {
            // Braces that are meant.
            out.push('{');
            expand(inside, words, dice, out);
            out.push('}');
        }
        rest = &rest[open + length + 1..];
    }
    out.push_str(rest);
}

/// Where the brace that `text` begins with is closed.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// What stands between the bars that are in no inner braces.
fn choices(list: &str) -> Vec<&str> {
    let (mut depth, mut from) = (0, 0);
    let mut all = Vec::new();
    for (at, byte) in list.bytes().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            b'|' if depth == 0 => {
                all.push(&list[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    all.push(&list[from..]);
    all
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}

/// Numbers that look thrown and are the same each time.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    /// A number below `most`.
    pub(crate) fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let mixed = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(mixed).unwrap_or(0) % most.max(1)
    }
}
