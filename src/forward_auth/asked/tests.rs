//! One proxy's words at a time, and what is not believed.

use axum::http::Request;

use super::*;

fn asked(from: Asker, target: &str, headers: &[(&str, &str)]) -> Asked {
    asked_over(from, 0, target, headers)
}

fn asked_over(from: Asker, trusted_hops: usize, target: &str, headers: &[(&str, &str)]) -> Asked {
    let mut request = Request::builder().method("PUT").uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (head, ()) = request.body(()).expect("a request").into_parts();
    Asked::new(&head, Config { from, trusted_hops })
}

fn words(asked: &Asked) -> Result<(&str, &str, &str), BadPath> {
    match &asked.words {
        Ok(words) => Ok((&words.method, &words.target, &words.host)),
        Err(why) => Err(*why),
    }
}

const NGINX: [(&str, &str); 3] = [
    ("host", "a.example"),
    ("x-original-method", "POST"),
    ("x-original-uri", "/b?c=/d"),
];

const TRAEFIK: [(&str, &str); 4] = [
    ("host", "subzero:9192"),
    ("x-forwarded-host", "a.example"),
    ("x-forwarded-method", "POST"),
    ("x-forwarded-uri", "/b?c=/d"),
];

#[test]
fn each_proxy_is_understood_in_its_own_words() {
    for from in [Asker::Envoy, Asker::Any] {
        let envoy = asked(from, "/forward-auth/b?c=/d", &[("host", "a.example")]);
        assert_eq!(envoy.proxy, Proxy::Envoy);
        assert_eq!(words(&envoy), Ok(("PUT", "/b?c=/d", "a.example")));
    }
    for from in [Asker::Nginx, Asker::Any] {
        let nginx = asked(from, "/forward-auth", &NGINX);
        assert_eq!(nginx.proxy, Proxy::Nginx);
        assert_eq!(words(&nginx), Ok(("POST", "/b?c=/d", "a.example")));
    }
    for from in [Asker::Traefik, Asker::Any] {
        let traefik = asked(from, "/forward-auth", &TRAEFIK);
        assert_eq!(traefik.proxy, Proxy::Traefik);
        assert_eq!(words(&traefik), Ok(("POST", "/b?c=/d", "a.example")));
    }
}

/// The same question as both of the others would ask it, at once.
#[test]
fn of_two_proxies_words_only_the_configured_one_s_count() {
    let both = [
        NGINX[0],
        NGINX[1],
        NGINX[2],
        ("x-forwarded-host", "z.example"),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/z"),
    ];
    let nginx = asked(Asker::Nginx, "/forward-auth", &both);
    assert_eq!(words(&nginx), Ok(("POST", "/b?c=/d", "a.example")));
    let traefik = asked(Asker::Traefik, "/forward-auth", &both);
    assert_eq!(words(&traefik), Ok(("GET", "/z", "z.example")));
    let envoy = asked(Asker::Envoy, "/forward-auth/y", &both);
    assert_eq!(words(&envoy), Ok(("PUT", "/y", "a.example")));
    let any = asked(Asker::Any, "/forward-auth", &both);
    assert_eq!(words(&any), Err(BadPath::Untold("proxy")));
}

#[test]
fn the_path_behind_the_prefix_is_taken_as_it_is() {
    for (target, path) in [
        ("/forward-auth/", "/"),
        ("/forward-auth//healthz", "//healthz"),
        ("/forward-auth/../x", "/../x"),
        ("/forward-auth/%2e%2e/x", "/%2e%2e/x"),
        ("/forward-auth/forward-auth/x", "/forward-auth/x"),
        ("/forward-auth/?/healthz", "/?/healthz"),
    ] {
        let asked = asked(Asker::Envoy, target, &[("host", "a")]);
        assert_eq!(words(&asked), Ok(("PUT", path, "a")));
    }
    for target in ["/forward-auth", "/forward-auth?x", "/forward-auth?/healthz"] {
        let asked = asked(Asker::Envoy, target, &[("host", "a")]);
        assert_eq!(words(&asked), Err(BadPath::Untold("path")), "{target}");
    }
    // Beside headers that tell the path, it would be a second one.
    for target in ["/forward-auth/", "/forward-auth/healthz"] {
        let nginx = asked(Asker::Nginx, target, &NGINX);
        assert_eq!(words(&nginx), Err(BadPath::Untold("path")), "{target}");
        let traefik = asked(Asker::Traefik, target, &TRAEFIK);
        assert_eq!(words(&traefik), Err(BadPath::Untold("path")), "{target}");
    }
}

#[test]
fn what_is_missing_or_doubled_is_named() {
    let without = |list: &[(&'static str, &'static str)], name: &str| -> Vec<_> {
        list.iter()
            .copied()
            .filter(|(own, _)| *own != name)
            .collect()
    };
    for (name, part) in [
        ("host", "host"),
        ("x-original-method", "method"),
        ("x-original-uri", "path"),
    ] {
        let mut headers = without(&NGINX, name);
        let missing = asked(Asker::Nginx, "/forward-auth", &headers);
        assert_eq!(words(&missing), Err(BadPath::Untold(part)));
        headers.extend([(name, "/x"), (name, "/x")]);
        let doubled = asked(Asker::Nginx, "/forward-auth", &headers);
        assert_eq!(words(&doubled), Err(BadPath::Untold(part)));
    }
    for (name, part) in [
        ("x-forwarded-host", "host"),
        ("x-forwarded-method", "method"),
        ("x-forwarded-uri", "path"),
    ] {
        let mut headers = without(&TRAEFIK, name);
        let missing = asked(Asker::Traefik, "/forward-auth", &headers);
        assert_eq!(words(&missing), Err(BadPath::Untold(part)));
        headers.push((name, "a, b"));
        if part != "path" {
            let joined = asked(Asker::Traefik, "/forward-auth", &headers);
            assert_eq!(words(&joined), Err(BadPath::Untold(part)));
        }
    }
}

#[test]
fn an_unreadable_question_has_no_path_and_so_no_route() {
    let asked = asked(Asker::Any, "/forward-auth", &[]);
    let check = asked.into_check(Instant::now(), |_| Body::Absent);
    let request = check.http.expect("an HTTP request");
    assert_eq!(request.path, Err(BadPath::Untold("proxy")));
}

#[test]
fn the_caller_s_address_is_counted_from_the_right() {
    let address = |hops, list: &[&str]| {
        let headers: Vec<_> = list
            .iter()
            .map(|value| ("x-forwarded-for", *value))
            .collect();
        let source = asked_over(Asker::Nginx, hops, "/forward-auth", &headers).source;
        source.map(|address| address.to_string())
    };
    let list = ["203.0.113.9, 198.51.100.7", "192.0.2.1"];
    assert_eq!(address(0, &list).as_deref(), Some("192.0.2.1"));
    assert_eq!(address(1, &list).as_deref(), Some("198.51.100.7"));
    assert_eq!(address(2, &list).as_deref(), Some("203.0.113.9"));
    assert_eq!(address(3, &list), None);
    assert_eq!(address(0, &["::1"]).as_deref(), Some("::1"));
    for odd in [
        "",
        "unknown",
        "192.0.2.1:80",
        "[::1]",
        "192.0.2.1,",
        "0x7f.1",
        "127.1",
    ] {
        assert_eq!(address(0, &[odd]), None, "{odd}");
    }
    assert_eq!(address(0, &[]), None);
}

#[test]
fn only_envoy_says_how_long_it_waits() {
    let wait = [("x-envoy-expected-rq-timeout-ms", "250"), ("host", "a")];
    let envoy = asked(Asker::Envoy, "/forward-auth/", &wait);
    assert_eq!(envoy.patience, Some(Duration::from_millis(250)));
    assert_eq!(asked(Asker::Nginx, "/forward-auth", &wait).patience, None);
    let odd = [("x-envoy-expected-rq-timeout-ms", "-1"), ("host", "a")];
    assert_eq!(asked(Asker::Envoy, "/forward-auth/", &odd).patience, None);
}

#[test]
fn headers_of_the_connection_are_not_the_request_s() {
    let asked = asked(
        Asker::Envoy,
        "/forward-auth/",
        &[
            ("host", "a"),
            ("connection", "close"),
            ("te", "trailers"),
            ("x-a", "1"),
        ],
    );
    assert_eq!(asked.headers.names().collect::<Vec<_>>(), ["x-a"]);
}
