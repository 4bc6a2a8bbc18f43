//! The index against trying every route.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{super::pattern::PathPattern, policy, request};

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("b".to_owned()),
        Just("{x}".to_owned()),
        Just("\u{e9}".to_owned()),
        Just(String::new()),
    ]
}

fn path() -> impl Strategy<Value = Option<String>> {
    let path = (prop::collection::vec(segment(), 1..4), any::<bool>());
    prop::option::weighted(
        0.9,
        path.prop_map(|(segments, tail)| {
            let mut path = String::new();
            for (at, segment) in segments.iter().enumerate() {
                // Names may not repeat.
                let segment = segment.replace('x', &format!("x{at}"));
                let _ = write!(path, "/{segment}");
            }
            if tail { path + "/{*rest}" } else { path }
        })
        .prop_filter("a pattern that can match", |path| {
            PathPattern::parse(path).is_ok()
        }),
    )
}

fn host() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["*", "one.example", "*.example", "*.one.example"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn finds_what_trying_every_route_finds(
        routes in prop::collection::vec((host(), path()), 1..12),
        questions in prop::collection::vec((
            prop::sample::select(vec!["one.example", "two.one.example", "x", "example", ""]),
            "(/(a|b|c|%C3%A9|%c3%a9|%61|)){0,4}",
        ), 1..20),
    ) {
        let mut text = String::new();
        for (at, (host, path)) in routes.iter().enumerate() {
            let path = path.as_ref().map_or(String::new(), |path| format!(", path: '{path}'"));
            let _ = writeln!(text, "- {{ name: r{at}, match: {{ host: '{host}'{path} }}, public: true }}");
        }
        let policy = policy(&text).expect("good routes");
        for (host, target) in questions {
            let check = request("GET", host, &target, &[]);
            let http = check.http.as_ref().expect("HTTP");
            let Ok(path) = http.path.as_ref() else { continue };
            let found = policy.index.candidates(&http.host, path.normal());
            let raw = policy.index.candidates(&http.host, path.raw());
            for (at, route) in policy.routes.iter().enumerate() {
                if route.matches(&check, http, path.normal()).is_some() {
                    prop_assert!(found.contains(&at), "{target} {text}");
                }
                if route.matches_raw(&check, http, path.raw()).is_some() {
                    prop_assert!(raw.contains(&at), "{target} {text}");
                }
            }
            prop_assert!(found.is_sorted() && raw.is_sorted());
        }
    }
}
