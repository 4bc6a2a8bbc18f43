//! Addresses of mail and machines.

use std::{
    net::{Ipv4Addr, Ipv6Addr},
    ops::Range,
};

use memchr::memchr_iter;

use super::{
    Hit, SURE,
    context::{Context, Topics},
    numbers::Number,
};
use crate::screening::document::floor;

/// Adds the e-mail addresses of `text`.
pub(super) fn emails(text: &str, found: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    for at in memchr_iter(b'@', bytes) {
        let local = local_len(bytes, at);
        let after = &bytes[at + 1..];
        let host =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | 0x80..);
        let host = after.iter().take(MAX_HOST).take_while(host).count();
        let end = floor(text, at + 1 + host);
        // A full stop behind an address ends the sentence; so do signs that are no letters.
        let host = &text[at + 1..end];
        let host = host
            .find(|char: char| !char.is_ascii() && !char.is_alphanumeric())
            .map_or(host, |sign| &host[..sign]);
        let host = host.trim_end_matches(['.', '-']);
        let start = at - local;
        let local = &text[start..at];
        let local = local.trim_start_matches([
            '.', '\'', '-', '%', '=', '#', '!', '$', '~', '^', '/', '`', '*', '|', '{', '&', '?',
        ]);
        let start = at - local.len();
        let named = !local.is_empty() && !local.ends_with('.') && local != "git";
        if named && is_host(host) && !is_user_of_url(bytes, start) {
            found.push(Hit {
                rule: "personal_data.email",
                range: start..at + 1 + host.len(),
                certainty: SURE,
            });
        }
    }
}

/// The length of what stands before an `@` at `at` and can be somebody's name there.
fn local_len(bytes: &[u8], at: usize) -> usize {
    let before = bytes[..at].iter().rev().take(MAX_LOCAL);
    if bytes[..at].ends_with(b"\"") {
        let quoted = before.skip(1).position(|byte| matches!(byte, b'"' | b'\n'));
        return quoted.map_or(0, |length| length + 2).min(at);
    }
    let local =
        |byte: &&u8| byte.is_ascii_alphanumeric() || b"._%+-'!#$&*/=?^`{|}~".contains(*byte);
    let mut length = before.take_while(local).count();
    // `?to=bob@…` and `a/b@…` are paths and queries: the name is what stands last.
    let name = &bytes[at - length..at];
    if let Some(cut) = name
        .iter()
        .rposition(|byte| matches!(byte, b'=' | b'/' | b'?' | b'&'))
    {
        length -= cut + 1;
    }
    length
}

/// Whether what begins at `start` is the password or the name in `https://ann:pass@host`.
fn is_user_of_url(bytes: &[u8], start: usize) -> bool {
    let before = bytes[..start].iter().rev().take(MAX_LOCAL);
    let length = before
        .take_while(|byte| !byte.is_ascii_whitespace() && !b"?#\"'<>(".contains(*byte))
        .count();
    let before = &bytes[start - length..start];
    before.ends_with(b"://")
        || memchr::memmem::rfind(before, b"://")
            .is_some_and(|scheme| !before[scheme + 3..].contains(&b'/'))
}

fn is_host(host: &str) -> bool {
    let Some((labels, top)) = host.rsplit_once('.') else {
        return false;
    };
    let letters = top.chars().all(char::is_alphabetic) && (2..=24).contains(&top.chars().count());
    let file = ["png", "jpg", "jpeg", "gif", "svg", "webp"];
    let top_is_name = letters && !file.contains(&top);
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    (top_is_name || top.starts_with("xn--")) && labels.split('.').all(label)
}

/// Whether `number` is an IPv4 address, and no version, mask or nobody's.
pub(super) fn is_ipv4(text: &str, number: &Number, context: impl Fn() -> Context) -> bool {
    let range = number.range();
    if number.shape().len() != 4 || number.separator(text) != Some(b'.') {
        return false;
    }
    let Ok(address) = text[range.clone()].parse::<Ipv4Addr>() else {
        return false;
    };
    let (before, behind) = (
        &text.as_bytes()[..range.start],
        &text.as_bytes()[range.end..],
    );
    let goes_on = matches!(behind, [b'.', digit, ..] if digit.is_ascii_digit());
    let pinned = [&b"=="[..], b"~=", b">=", b"<="]
        .iter()
        .any(|sign| before.ends_with(sign));
    let named = matches!(before, [.., letter, b'-'] if letter.is_ascii_alphabetic());
    let tagged = named || matches!(behind, [b'-' | b'+', letter, ..] if b"abprs".contains(letter));
    let nobodys = address.is_loopback() || address.octets()[0] == 0 || address.octets()[0] == 255;
    !goes_on && !pinned && !tagged && !nobodys && !context().last.any(Topics::VERSION)
}

/// Adds the IPv6 addresses and the hardware addresses of `text`. `a::b` is code more often than an
/// address, so there must be a digit or three long groups in it.
pub(super) fn with_colons(text: &str, found: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let part = |byte: &&u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let mut done = 0;
    for at in memchr_iter(b':', bytes) {
        if at < done {
            continue;
        }
        let before = bytes[done..at].iter().rev().take(MAX_IPV6);
        let start = at - before.take_while(part).count();
        let end = at + bytes[at..].iter().take(MAX_IPV6).take_while(part).count();
        done = end;
        let is_word =
            |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let candidate = without_label(text, start, end);
        let (start, candidate) = (end - candidate.len(), candidate.trim_end_matches('.'));
        let candidate = match candidate.strip_suffix(':') {
            Some(rest) if !rest.ends_with(':') => rest,
            _ => candidate,
        };
        let before = start.checked_sub(1).and_then(|at| bytes.get(at));
        if candidate.len() < 6 || is_word(before) || is_word(bytes.get(end)) {
            continue;
        }
        let rule = if is_ipv6(candidate) {
            "personal_data.ip_address"
        } else if is_mac(candidate.as_bytes()) {
            "personal_data.mac_address"
        } else {
            continue;
        };
        found.push(Hit {
            rule,
            range: start..start + candidate.len(),
            certainty: SURE,
        });
    }
}

/// What is left of `ip:2001:db8::1`, `IPv6:2001:db8::1` and `MAC:00:1a:…` without the label.
fn without_label(text: &str, start: usize, end: usize) -> &str {
    let candidate = &text[start..end];
    if !text[..start].ends_with(|char: char| char.is_ascii_alphabetic()) {
        return candidate;
    }
    match candidate.split_once(':') {
        Some((word, rest)) if !rest.starts_with(':') => {
            let label = word == "6" || word.bytes().all(|byte| byte.is_ascii_alphabetic());
            if label { rest } else { candidate }
        }
        _ => candidate,
    }
}

fn is_ipv6(candidate: &str) -> bool {
    let address = candidate.parse::<Ipv6Addr>();
    let has_digit = candidate.bytes().any(|byte| byte.is_ascii_digit());
    let long = candidate
        .split(':')
        .filter(|group| group.len() >= 3)
        .count();
    (has_digit || long >= 3) && address.is_ok_and(|address| !address.is_loopback())
}

/// Six pairs with one sign between them, not all of them zeros or ones.
fn is_mac(candidate: &[u8]) -> bool {
    let [_, _, sign @ (b':' | b'-'), ..] = candidate else {
        return false;
    };
    let fits = |(at, byte): (usize, &u8)| match at % 3 {
        2 => byte == sign,
        _ => byte.is_ascii_hexdigit(),
    };
    let nobodys = |byte: &u8| matches!(byte, b'f' | b'F') || byte == sign;
    candidate.len() == MAC
        && candidate.iter().enumerate().all(fits)
        && !candidate.iter().all(nobodys)
        && !candidate.iter().all(|byte| *byte == b'0' || byte == sign)
}

/// The hardware address that `run` is the first part with a digit of: `AA-BB-0C-…`, `00aa.bb11.cc22`.
pub(super) fn mac_at(text: &str, run: &Range<usize>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let (sign, length) = match run.len() {
        2 => (b'-', MAC),
        4 => (b'.', DOTTED_MAC),
        _ => return None,
    };
    let is_group = |at: usize| {
        let group = bytes.get(at..at + run.len());
        group.is_some_and(|group| group.iter().all(u8::is_ascii_hexdigit))
    };
    let step = run.len() + 1;
    let mut start = run.start;
    while run.end - start < length
        && start >= step
        && bytes[start - 1] == sign
        && is_group(start - step)
    {
        start -= step;
    }
    let range = start..start + length;
    let candidate = bytes.get(range.clone())?;
    let joins = |byte: Option<&u8>| {
        byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let whole =
        !joins(start.checked_sub(1).and_then(|at| bytes.get(at))) && !joins(bytes.get(range.end));
    let fits = if sign == b'-' {
        is_mac(candidate)
    } else {
        let groups = candidate.chunks(step).all(|group| {
            group[..step - 1].iter().all(u8::is_ascii_hexdigit)
                && matches!(group.get(step - 1), None | Some(b'.'))
        });
        groups && candidate.iter().any(u8::is_ascii_alphabetic)
    };
    (whole && fits).then_some(range)
}

/// Bytes of a hardware address, in pairs and in fours.
const MAC: usize = 17;
const DOTTED_MAC: usize = 14;
const MAX_LOCAL: usize = 64;
const MAX_HOST: usize = 253;
/// The longest written form, with an IPv4 tail.
const MAX_IPV6: usize = 45;
