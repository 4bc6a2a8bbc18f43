//! Reads a `store.fga.yaml`, the file format of the `fga` command: a model, tuples, tests.
//!
//! Serving takes the model and the tuples; the file's tests are read over here. Any tuple that the
//! model has no place for fails the whole load, and so does one that is written twice: `OpenFGA` would
//! refuse to write them. Once loaded, the text is gone.
//!
//! Messages begin with file and line: `store.fga.yaml:14: …`.

mod csv;
#[cfg(test)]
mod tests;
mod tuples;

use std::path::Path;

use serde::{Deserialize, de::IgnoredAny};
use serde_saphyr::{Budget, Options, Spanned};

pub(super) use self::tuples::Loader;
use super::{
    dsl, json,
    model::{Fault, MAX_MODEL_BYTES, Model},
    modules,
    plan::Plan,
    question::WrittenTuple,
    source::{Folder, Stamp},
    store::Store,
};

/// What loading came to, and every file it looked at.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) store: Result<Store, Vec<String>>,
    pub(crate) stamps: Vec<Stamp>,
}

/// Loads the store file at `path`, called `shown` in messages.
pub(crate) fn load(path: &Path, shown: &str) -> Loaded {
    let (stamps, opened) = Folder::open(path);
    match opened {
        Ok((mut folder, text)) => {
            let store = store(&mut folder, &text, shown);
            Loaded {
                store,
                stamps: folder.into_stamps(),
            }
        }
        Err(error) => Loaded {
            store: Err(vec![format!("{shown}: cannot be read: {error}")]),
            stamps,
        },
    }
}

/// A store file; `T` is what to make of its tests.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreFile<T> {
    #[serde(default)]
    #[expect(dead_code, reason = "for people")]
    name: Option<String>,
    #[serde(default)]
    model: Option<Spanned<String>>,
    #[serde(default)]
    model_file: Option<Spanned<String>>,
    #[serde(default)]
    tuples: Option<Vec<Spanned<WrittenTuple>>>,
    #[serde(default)]
    tuple_file: Option<Spanned<String>>,
    #[serde(default)]
    tuple_files: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) tests: Option<T>,
}

fn store(folder: &mut Folder, text: &str, shown: &str) -> Result<Store, Vec<String>> {
    let file: StoreFile<IgnoredAny> = yaml(text).map_err(|error| vec![at(shown, &error)])?;
    let plan = plan(folder, &file, text, shown)?;
    let mut loader = Loader::new(&plan);
    loader.file_tuples(folder, &file, shown);
    let graph = loader.finish()?;
    Ok(Store::new(plan, graph))
}

pub(super) fn plan<T>(
    folder: &mut Folder,
    file: &StoreFile<T>,
    text: &str,
    shown: &str,
) -> Result<Plan, Vec<String>> {
    if let Some(inline) = &file.model {
        let offset = first_line(inline, text);
        let place = |fault: &Fault| match u64::from(fault.at.line) {
            0 => format!("{shown}:{}: {}", inline.referenced.line(), fault.message),
            line => format!("{shown}:{}: {}", offset + line - 1, fault.message),
        };
        return compile(&inline.value, is_json(&inline.value), place);
    }
    let Some(reference) = &file.model_file else {
        return Err(vec![format!(
            "{shown}: has no model: write it under `model`, or its path under `model_file`"
        )]);
    };
    let name = &reference.value;
    let line = reference.referenced.line();
    if Path::new(name)
        .extension()
        .is_some_and(|ending| ending == "mod")
    {
        return modular_plan(folder, name, &format!("{shown}:{line}"));
    }
    let text = folder.read(name).map_err(|error| {
        vec![format!(
            "{shown}:{line}: model file `{name}` cannot be read: {error}"
        )]
    })?;
    let place = |fault: &Fault| match fault.at.line {
        0 => format!("{name}: {}", fault.message),
        line => format!("{name}:{line}:{}: {}", fault.at.column, fault.message),
    };
    compile(&text, is_json(&text), place)
}

/// The plan of the modules that the `fga.mod` called `name` lists. `by` says who named it.
fn modular_plan(folder: &mut Folder, name: &str, by: &str) -> Result<Plan, Vec<String>> {
    let read = |folder: &mut Folder, what: &str, name: &str, by: &str| {
        folder
            .read(name)
            .map_err(|error| vec![format!("{by}: {what} `{name}` cannot be read: {error}")])
    };
    let text = read(folder, "model file", name, by)?;
    let manifest = modules::manifest(&text).map_err(|faults| {
        let place = |fault: &Fault| format!("{name}:{}: {}", fault.at.line, fault.message);
        faults.iter().map(place).collect::<Vec<_>>()
    })?;
    let base = Path::new(name).parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    let mut bytes = 0;
    for (path, line) in &manifest.contents {
        let path = base.join(path).display().to_string();
        let text = read(folder, "module", &path, &format!("{name}:{line}"))?;
        bytes += text.len();
        if bytes > MAX_MODEL_BYTES {
            return Err(vec![format!(
                "{name}:{line}: the modules are longer than {MAX_MODEL_BYTES} bytes together"
            )]);
        }
        files.push((path, text));
    }
    let texts: Vec<&str> = files.iter().map(|(_, text)| text.as_str()).collect();
    let place = |fault: &Fault| {
        let file = files.get(fault.at.file as usize);
        let file = file.map_or(name, |(path, _)| path.as_str());
        match fault.at.line {
            0 => format!("{file}: {}", fault.message),
            line => format!("{file}:{line}:{}: {}", fault.at.column, fault.message),
        }
    };
    modules::combine(&manifest.schema, &texts)
        .and_then(|model| Plan::compile(&model))
        .map_err(|faults| faults.iter().map(place).collect())
}

fn compile(
    text: &str,
    is_json: bool,
    place: impl Fn(&Fault) -> String,
) -> Result<Plan, Vec<String>> {
    let model: Result<Model, Vec<Fault>> = if is_json {
        json::parse(text)
    } else {
        dsl::parse(text)
    };
    model
        .and_then(|model| Plan::compile(&model))
        .map_err(|faults| faults.iter().map(place).collect())
}

fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// The line of the file on which the text of an inline model begins: for a block (`model: |`), the
/// one after the indicator.
fn first_line(inline: &Spanned<String>, text: &str) -> u64 {
    let line = inline.referenced.line();
    let index = usize::try_from(line)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    let written = text.lines().nth(index).unwrap_or_default();
    let value = written.split_once(':').map_or(written, |(_, value)| value);
    if value.trim_start().starts_with(['|', '>']) {
        line + 1
    } else {
        line
    }
}

pub(super) fn yaml<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, serde_saphyr::Error> {
    // The folder has bounded the text; the rest follows from its length.
    let mut budget = Budget::default();
    budget.max_nodes = text.len();
    budget.max_events = text.len().saturating_mul(2).max(1_000);
    budget.max_total_scalar_bytes = text.len().max(1_000);
    let mut options = Options::default();
    options.budget = Some(budget);
    options.with_snippet = false;
    serde_saphyr::from_str_with_options(text, options)
}

pub(super) fn at(shown: &str, error: &serde_saphyr::Error) -> String {
    let message = error.without_snippet().to_string();
    match error.location() {
        Some(location) => format!("{shown}:{}: {message}", location.line()),
        None => format!("{shown}: {message}"),
    }
}
