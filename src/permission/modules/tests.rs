//! `OpenFGA`'s own cases of `fga.mod` and of modules put together.

use std::{fs, path::PathBuf};

use serde::Deserialize;

use super::*;
use crate::permission::{
    dsl::tests::forget_places,
    json,
    plan::Plan,
    suite::{data, report},
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    name: String,
    mod_file: String,
    #[serde(default)]
    json: Option<String>,
    #[serde(default, rename = "expected_errors")]
    errors: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(default)]
    file: String,
    line: Lines,
}

#[derive(Deserialize)]
struct Lines {
    start: u32,
}

#[test]
fn every_fga_mod_of_openfga_is_read_or_refused_on_the_same_lines() {
    let cases: Vec<Case> =
        serde_saphyr::from_str(&data("language/fga-mod-transformer-cases.yaml")).unwrap();
    for case in &cases {
        let expected: Vec<u32> = case
            .errors
            .iter()
            .map(|error| error.line.start + 1)
            .collect();
        match manifest(&case.mod_file) {
            Ok(found) => {
                let text = case
                    .json
                    .as_ref()
                    .unwrap_or_else(|| panic!("{}", case.name));
                let json: serde_json::Value = serde_json::from_str(text).unwrap();
                let listed = json["contents"]["value"].as_array().unwrap();
                let paths: Vec<_> = found
                    .contents
                    .iter()
                    .map(|(path, _)| path.as_str())
                    .collect();
                let wanted: Vec<_> = listed
                    .iter()
                    .map(|item| item["value"].as_str().unwrap())
                    .collect();
                assert_eq!(paths, wanted);
                assert_eq!(found.schema, "1.2");
            }
            Err(faults) => {
                let lines: Vec<u32> = faults.iter().map(|fault| fault.at.line).collect();
                assert_eq!(lines, expected, "{}: {faults:?}", case.name);
            }
        }
    }
    report("fga-mod-transformer-cases.yaml", cases.len(), 0);
    assert_eq!(cases.len(), 9, "the cases were cut short");
}

/// The modules of a case: name and text, in the order of their names.
fn modules(case: &str) -> Vec<(String, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/openfga/language/transformer-module")
        .join(case)
        .join("module");
    let mut files: Vec<(String, String)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn combined(files: &[(String, String)]) -> Result<Model, Vec<Fault>> {
    let texts: Vec<&str> = files.iter().map(|(_, text)| text.as_str()).collect();
    let model = combine("1.2", &texts)?;
    let faults = crate::permission::validate::faults(&model);
    if faults.is_empty() {
        Ok(model)
    } else {
        Err(faults)
    }
}

#[test]
fn good_modules_make_the_model_that_openfga_makes_of_them() {
    let cases = ["00-simple-module", "02-module-with-extends"];
    for case in cases {
        let mut model = combined(&modules(case)).unwrap_or_else(|faults| panic!("{faults:?}"));
        Plan::compile(&model).unwrap_or_else(|faults| panic!("{case}: {faults:?}"));
        let text = data(&format!(
            "language/transformer-module/{case}/authorization-model.json"
        ));
        let mut json = json::parse(&text).unwrap_or_else(|faults| panic!("{faults:?}"));
        for model in [&mut model, &mut json] {
            forget_places(model);
            model.types.sort_by(|a, b| a.name.cmp(&b.name));
        }
        assert_eq!(model, json, "{case}");
    }
    report("transformer-module, good", cases.len(), 0);
}

#[test]
fn bad_modules_are_refused_in_the_same_files_on_the_same_lines() {
    let cases = [
        "01-module-with-errors",
        "03-module-with-more-errors",
        "04-module-with-even-more-errors",
        "05-module-with-relation-errors",
    ];
    for case in cases {
        let files = modules(case);
        let faults = combined(&files).unwrap_err();
        let text = data(&format!(
            "language/transformer-module/{case}/expected_errors.json"
        ));
        let expected: Vec<Expected> = serde_json::from_str(&text).unwrap();
        let place = |fault: &Fault| (files[fault.at.file as usize].0.as_str(), fault.at.line);
        let mut found: Vec<_> = faults.iter().map(place).collect();
        let mut wanted: Vec<_> = expected
            .iter()
            .map(|error| (error.file.as_str(), error.line.start + 1))
            .collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{case}: {faults:?}");
    }
    report("transformer-module, bad", cases.len(), 0);
}
