//! Addresses of mail and machines.

use std::net::Ipv6Addr;

use memchr::memchr_iter;

use super::Hit;

/// Adds the e-mail addresses of `text`.
pub(super) fn emails(text: &str, found: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    for at in memchr_iter(b'@', bytes) {
        let local = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._%+-'".contains(*byte);
        let before = bytes[..at]
            .iter()
            .rev()
            .take(MAX_LOCAL)
            .take_while(local)
            .count();
        let after = &bytes[at + 1..];
        let host = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        let host = after.iter().take(MAX_HOST).take_while(host).count();
        // A full stop behind an address ends the sentence.
        let host = str::from_utf8(&after[..host]).unwrap_or_default();
        let host = host.trim_end_matches(['.', '-']);
        let local = text[at - before..at].trim_start_matches(['.', '\'', '-', '%']);
        if is_host(host) && !local.is_empty() && !local.ends_with('.') {
            found.push(("personal_data.email", at - local.len()..at + 1 + host.len()));
        }
    }
}

fn is_host(host: &str) -> bool {
    let Some((labels, top)) = host.rsplit_once('.') else {
        return false;
    };
    let top_is_name = (2..=24).contains(&top.len())
        && (top.starts_with("xn--") || top.bytes().all(|b| b.is_ascii_alphabetic()));
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    top_is_name && labels.split('.').all(label)
}

/// Adds the IPv6 addresses of `text`. `a::b` is code more often than an address, so one digit at
/// least must be in it.
pub(super) fn ipv6(text: &str, found: &mut Vec<Hit>) {
    let bytes = text.as_bytes();
    let part = |byte: &&u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let mut done = 0;
    for at in memchr_iter(b':', bytes) {
        if at < done {
            continue;
        }
        let start = at
            - bytes[done..at]
                .iter()
                .rev()
                .take(MAX_IPV6)
                .take_while(part)
                .count();
        let end = at + bytes[at..].iter().take(MAX_IPV6).take_while(part).count();
        done = end;
        let word =
            |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        let before = start.checked_sub(1).and_then(|at| bytes.get(at));
        let candidate = text[start..end].trim_end_matches(['.', ':']);
        let candidate = if text[start..end].ends_with("::") {
            &text[start..end]
        } else {
            candidate
        };
        if candidate.len() < 6 || word(before) || word(bytes.get(end)) {
            continue;
        }
        let has_digit = candidate.bytes().any(|byte| byte.is_ascii_digit());
        let address = candidate.parse::<Ipv6Addr>();
        if has_digit && address.is_ok_and(|address| !address.is_loopback()) {
            found.push(("personal_data.ip_address", start..start + candidate.len()));
        }
    }
}

const MAX_LOCAL: usize = 64;
const MAX_HOST: usize = 253;
/// The longest written form, with an IPv4 tail.
const MAX_IPV6: usize = 45;
