//! Imports flow one way: the blank-line groups of `pub mod` lines in `lib.rs` are the layers, and
//! a module names only modules of groups above its own.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

#[test]
fn modules_import_only_from_layers_above_their_own() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let library = fs::read_to_string(source.join("lib.rs")).expect("lib.rs");
    let layers = layers(&library);
    assert!(
        layers.len() > 10,
        "lib.rs lists {} modules; is its form still the one read here?",
        layers.len()
    );
    let mut wrong = Vec::new();
    for (module, layer) in &layers {
        for file in files_of(&source, module) {
            let text = fs::read_to_string(&file).expect("a source file");
            for used in used_modules(&text) {
                let allowed = used == *module || layers.get(used).is_none_or(|other| other < layer);
                if !allowed {
                    wrong.push(format!(
                        "{}: `crate::{used}` is not above `{module}`",
                        file.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_check_finds_what_it_is_for() {
    let layers = layers("pub mod a;\npub mod b;\n\npub mod c;\n");
    assert_eq!((layers["a"], layers["b"], layers["c"]), (0, 0, 1));
    let text = "use crate::{a::X, c};\n// crate::b\nfn f() { crate::d::g(); }\nuse crate::{\n    e::{Y, Z},\n    f,\n};\n";
    let mut used = used_modules(text);
    used.sort_unstable();
    assert_eq!(used, ["a", "c", "d", "e", "f"]);
}

/// Module name to the number of its group, counted from the top.
fn layers(library: &str) -> HashMap<&str, usize> {
    let groups = library
        .split("\n\n")
        .filter(|group| group.contains("pub mod "));
    groups
        .enumerate()
        .flat_map(|(layer, group)| {
            let names = group
                .lines()
                .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
            names.map(move |name| (name, layer))
        })
        .collect()
}

fn files_of(source: &Path, module: &str) -> Vec<PathBuf> {
    let mut files = vec![source.join(module).with_extension("rs")];
    let mut folders = vec![source.join(module)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                files.push(path);
            }
        }
    }
    files
}

/// Every `name` in `crate::name` and `crate::{name, …}`, comments left out.
fn used_modules(text: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let line = text[..at].rfind('\n').map_or(0, |start| start + 1);
        if text[line..at].contains("//") {
            continue;
        }
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => used.extend(top_names(group)),
            None => used.push(name(rest)),
        }
    }
    used
}

/// The names at the outermost level of a `{…}` import.
fn top_names(group: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let (mut depth, mut expects_name) = (0, true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expects_name = true,
            c if expects_name && depth == 0 && !c.is_whitespace() => {
                names.push(name(&group[at..]));
                expects_name = false;
            }
            _ => {}
        }
    }
    names
}

fn name(text: &str) -> &str {
    let end = text
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    &text[..end]
}
