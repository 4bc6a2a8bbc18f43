//! Pages that can be written by a program are, and links lead somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    support::{client::Request, tools},
    world::World,
};

/// Labels whose values come from the configuration, or are listed elsewhere.
const OPEN: [(&str, &str); 5] = [
    ("issuer", "the names in `identity.issuers`"),
    (
        "reason",
        "the closed list in [the README](../README.md#what-envoy-and-your-service-get)",
    ),
    ("route", "the names in `routes`; `none` where none matched"),
    (
        "upstream",
        "`keys:ISSUER`, `token:ISSUER`, `introspection:ISSUER`, `openfga`, `redis`",
    ),
    ("version", "of the binary"),
];

const BEGIN: &str = "<!-- written by tests/it/pages.rs -->\n";
const END: &str = "<!-- end -->\n";

/// A series as `/metrics` tells it.
#[derive(Default)]
struct Series {
    help: String,
    kind: String,
    labels: BTreeSet<String>,
}

/// Every series of a scrape by name, and every value of each label.
fn read(page: &str) -> (BTreeMap<String, Series>, BTreeMap<String, BTreeSet<String>>) {
    let (mut all, mut values) = (BTreeMap::<String, Series>::new(), BTreeMap::new());
    for line in page.lines() {
        if let Some((name, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|rest| rest.split_once(' '))
        {
            help.clone_into(&mut all.entry(name.to_owned()).or_default().help);
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        {
            kind.clone_into(&mut all.entry(name.to_owned()).or_default().kind);
        } else if let Some((name, labels)) = line.split_once('{') {
            let ends = ["_bucket", "_sum", "_count"];
            let stem = ends.iter().find_map(|end| name.strip_suffix(end));
            let known = stem.filter(|stem| all.contains_key(*stem)).unwrap_or(name);
            let series = all.get_mut(known).expect("told before");
            let (labels, _) = labels.rsplit_once('}').expect("closed");
            for pair in labels.split("\",") {
                let (label, value) = pair.split_once("=\"").expect("a label");
                if label != "le" {
                    series.labels.insert(label.to_owned());
                    let values: &mut BTreeSet<String> = values.entry(label.to_owned()).or_default();
                    values.insert(value.trim_end_matches('"').to_owned());
                }
            }
        }
    }
    (all, values)
}

fn unit(name: &str) -> &'static str {
    let stem = name.strip_suffix("_total").unwrap_or(name);
    match stem.rsplit('_').next() {
        Some("seconds") => "seconds",
        Some("bytes") => "bytes",
        Some("items") => "items",
        _ if stem == name => "",
        _ => "count",
    }
}

fn reference(page: &str) -> String {
    let (all, values) = read(page);
    let mut text = String::from("| series | type | labels | unit | is |\n|---|---|---|---|---|\n");
    for (name, series) in &all {
        let labels: Vec<String> = series
            .labels
            .iter()
            .map(|name| format!("`{name}`"))
            .collect();
        let _ = writeln!(
            text,
            "| `{name}` | {} | {} | {} | {} |",
            series.kind,
            labels.join(" "),
            unit(name),
            series.help.trim_end_matches('.')
        );
    }
    text += "\n| label | values |\n|---|---|\n";
    for (label, values) in &values {
        let listed: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        let open = OPEN.iter().find(|(name, _)| name == label);
        let told = open.map_or_else(|| listed.join(" "), |(_, told)| (*told).to_owned());
        let _ = writeln!(text, "| `{label}` | {told} |");
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_of_metrics_is_what_is_exported() {
    let world = World::start().await;
    let page = Request::get("/metrics")
        .send(world.subzero.admin)
        .await
        .text();
    let wanted = reference(&page);
    let path = tools::root().join("docs/metrics.md");
    let now = fs::read_to_string(&path).expect("the page");
    let (head, rest) = now.split_once(BEGIN).expect("where it begins");
    let (there, tail) = rest.split_once(END).expect("where it ends");
    if there != wanted && std::env::var_os("SUBZERO_WRITE_DOCS").is_some() {
        let text = format!("{head}{BEGIN}{wanted}{END}{tail}");
        fs::write(&path, text).expect("written");
        return;
    }
    assert_eq!(
        there, wanted,
        "write it anew: SUBZERO_WRITE_DOCS=1 cargo test --test it pages::"
    );
}

/// Every page for people in this repository; `tests/data` has other people's.
fn pages() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in [".", "docs", "helm/subzero", "training"] {
        let entries = fs::read_dir(tools::root().join(folder)).expect("a folder");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        found.extend(paths.filter(|path| path.extension().is_some_and(|end| end == "md")));
    }
    found
}

/// Without code, in blocks or in lines: what looks like a link there is none.
fn prose(text: &str) -> String {
    let mut prose = String::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code && !line.starts_with("    ") {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// What each `](…)` leads to.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let ends = prose.split("](").skip(1);
    ends.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .collect()
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose = prose(text);
    let headings = prose.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|at| at.is_alphanumeric() || matches!(at, '-' | '_' | ' '));
        kept.map(|at| if at == ' ' { '-' } else { at }).collect()
    };
    headings.map(anchor).collect()
}

fn broken(page: &Path, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for link in links(text) {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
        let target = match file {
            "" => page.to_owned(),
            file => page.parent().expect("a folder").join(file),
        };
        let is_there = target.exists()
            && (anchor.is_empty()
                || fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor)));
        if !is_there {
            broken.push(format!("{}: {link}", page.display()));
        }
    }
    broken
}

/// What benches wrote on a page: the bench's file and the text.
fn written_by_benches(page: &str) -> Vec<(&str, &str)> {
    let parts = page.split("<!-- written by benches/").skip(1);
    parts
        .map(|part| {
            let (bench, rest) = part.split_once(" -->\n").expect("a bench");
            let (text, _) = rest.split_once("<!-- end -->").expect("an end");
            (bench, text)
        })
        .collect()
}

#[test]
fn what_benches_measured_is_told_as_they_wrote_it() {
    let folder = tools::root().join("benches/results");
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let results = paths.filter(|path| path.extension().is_some_and(|end| end == "md"));
    let results: String = results
        .map(|path| fs::read_to_string(path).expect("a page"))
        .collect();
    let known: BTreeSet<&str> = results.lines().collect();
    let mut parts = 0;
    for name in ["README.md", "docs/sizing.md"] {
        let page = fs::read_to_string(tools::root().join(name)).expect("the page");
        for (bench, text) in written_by_benches(&page) {
            parts += 1;
            let source = tools::root().join("benches").join(bench);
            let source = fs::read_to_string(&source).expect("the bench");
            let source: String = source.split_whitespace().collect();
            let shows = format!("results::show(\"{name}\",\"{bench}\",");
            assert!(source.contains(&shows), "{bench} does not write on {name}");
            let typed = text.lines().filter(|line| line.starts_with('|'));
            let typed: Vec<&str> = typed.filter(|line| !known.contains(line)).collect();
            assert!(
                typed.is_empty(),
                "{name}, {bench}: not in its results: {typed:#?}"
            );
            assert!(text.len() > 20, "{name}: nothing of {bench}");
        }
    }
    assert!(parts >= 14, "{parts}");
}

#[test]
fn what_the_readme_says_of_the_screening_was_measured() {
    let page = |name: &str| fs::read_to_string(tools::root().join(name)).expect("the page");
    let between = |text: &str, name: &str| {
        let (_, rest) = text
            .split_once(&format!("<!-- {name}: begin -->"))
            .expect("a begin");
        let (part, _) = rest
            .split_once(&format!("<!-- {name}: end -->"))
            .expect("an end");
        part.to_owned()
    };
    let measured = between(&page("docs/screening.md"), "measured");
    let measured: BTreeSet<&str> = measured.lines().collect();
    let found = between(&page("README.md"), "found");
    let rows: Vec<&str> = found.lines().filter(|line| line.starts_with('|')).collect();
    assert_eq!(rows.len(), 9, "{rows:#?}");
    assert!(rows.iter().all(|row| measured.contains(row)), "{rows:#?}");
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let pages = pages();
    assert!(pages.len() >= 15, "{} pages", pages.len());
    let mut wrong = Vec::new();
    for page in pages {
        let text = fs::read_to_string(&page).expect("a page");
        wrong.extend(broken(&page, &text));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_link_that_leads_nowhere_is_seen() {
    let page = tools::root().join("docs/runbook.md");
    let text = "[a](nowhere.md) [b](#nothing) [c](#subzeroaway) [d](../README.md#metrics)\n";
    let found = broken(&page, text);
    assert_eq!(found.len(), 2, "{found:?}");
}

#[test]
fn every_page_can_be_found_from_the_readme() {
    let readme = fs::read_to_string(tools::root().join("README.md")).expect("the page");
    for entry in fs::read_dir(tools::root().join("docs")).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        if path.is_file() {
            let link = format!("](docs/{name}");
            assert!(readme.contains(&link), "{name} is not in the README");
        }
    }
}
