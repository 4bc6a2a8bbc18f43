//! The one normal form of a host: lower-case, without port and trailing dot.

/// `API.Example.:8443` becomes `api.example`; `[::1]:80` becomes `[::1]`.
///
/// Only a port of digits is cut, so a host that merely contains a colon keeps it and matches no
/// route, rather than being shortened into one that does.
#[must_use]
pub fn normal_host(authority: &str) -> String {
    let without_port = match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) && (!host.contains(':') || host.ends_with(']')) => host,
        _ => authority,
    };
    let host = without_port.strip_suffix('.').unwrap_or(without_port);
    host.to_ascii_lowercase()
}

fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_lose_case_port_and_trailing_dot() {
        for (sent, normal) in [
            ("api.example", "api.example"),
            ("API.Example:8443", "api.example"),
            ("api.example.", "api.example"),
            ("api.example.:80", "api.example"),
            ("api.example:", "api.example"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("10.0.0.1:8080", "10.0.0.1"),
            ("user@api.example", "user@api.example"),
            ("api.example:99999999", "api.example:99999999"),
            ("", ""),
        ] {
            assert_eq!(normal_host(sent), normal, "{sent}");
        }
    }
}
