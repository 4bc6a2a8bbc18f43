//! Modular models: an `fga.mod` names files, each a module, and together they are one model.
//!
//! A module may add relations to a type of another (`extend type`), in whatever order the files stand. Paths in
//! an `fga.mod` stay below its own folder.

#[cfg(test)]
mod tests;

use std::{collections::HashMap, fmt, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

use super::{
    dsl,
    model::{Fault, FaultKind, Model, Place, TypeDef},
    store_file::yaml,
};

/// What an `fga.mod` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Manifest {
    /// Always `1.2`.
    pub(crate) schema: String,
    /// Paths of the modules, with the line each stands on.
    pub(crate) contents: Vec<(String, u32)>,
}

/// Reads an `fga.mod`.
pub(crate) fn manifest(text: &str) -> Result<Manifest, Vec<Fault>> {
    let document: Document = yaml(text).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        vec![fault(line, error.without_snippet().to_string())]
    })?;
    let mut faults = Vec::new();
    let mut schema = String::new();
    match document.schema {
        None => faults.push(fault(1, "has no `schema`: write `schema: '1.2'`")),
        Some(found) => match (found.referenced.line(), found.value) {
            (_, Scalar::Text(text)) if text == "1.2" => schema = text,
            (line, Scalar::Text(_)) => {
                faults.push(fault(line, "modular models are of schema `1.2` only"));
            }
            (line, _) => faults.push(fault(line, "`schema` is a text: write `schema: '1.2'`")),
        },
    }
    let mut contents = Vec::new();
    match document.contents {
        None => faults.push(fault(1, "has no `contents`: list the files of the model")),
        Some(found) => match (found.referenced.line(), found.value) {
            (_, Scalar::List(items)) => {
                for item in items {
                    let line = item.referenced.line();
                    match path(item.value) {
                        Ok(path) => contents.push((path, u32::try_from(line).unwrap_or(0))),
                        Err(why) => faults.push(fault(line, why)),
                    }
                }
            }
            (line, _) => faults.push(fault(line, "`contents` is a list of files")),
        },
    }
    if faults.is_empty() {
        Ok(Manifest { schema, contents })
    } else {
        Err(faults)
    }
}

/// One model of many files, given by their texts in the order of the manifest. The place of a fault names
/// its file by number.
pub(crate) fn combine(schema: &str, files: &[&str]) -> Result<Model, Vec<Fault>> {
    let mut combined = Model {
        schema: schema.to_owned(),
        ..Model::default()
    };
    let mut faults = Vec::new();
    let mut extensions = Vec::new();
    for (file, text) in (0..).zip(files) {
        let module = match dsl::parse_file(text, file) {
            Ok(module) => module,
            Err(found) => {
                faults.extend(found);
                continue;
            }
        };
        if module.module.is_none() {
            let at = Place {
                file,
                line: 1,
                column: 1,
            };
            faults.push(Fault::new(at, FaultKind::Syntax, "this file is no module"));
            continue;
        }
        combined.types.extend(module.types);
        extensions.extend(module.extensions);
        for condition in module.conditions {
            let known = combined.conditions.iter();
            if known.clone().any(|known| known.name == condition.name) {
                faults.push(Fault::new(
                    condition.at,
                    FaultKind::Duplicated,
                    format!("condition `{}` is already defined", condition.name),
                ));
            } else {
                combined.conditions.push(condition);
            }
        }
    }
    extend(&mut combined, extensions, &mut faults);
    if faults.is_empty() {
        return Ok(combined);
    }
    faults.extend(super::validate::faults(&combined));
    Err(faults)
}

fn extend(model: &mut Model, extensions: Vec<TypeDef>, faults: &mut Vec<Fault>) {
    let mut types: HashMap<String, usize> = HashMap::new();
    for (index, owner) in model.types.iter().enumerate() {
        types.entry(owner.name.clone()).or_insert(index);
    }
    for extension in extensions {
        let Some(&index) = types.get(&extension.name) else {
            faults.push(Fault::new(
                extension.at,
                FaultKind::InvalidType,
                format!("extended type `{}` does not exist", extension.name),
            ));
            continue;
        };
        let owner = &mut model.types[index];
        for relation in extension.relations {
            if owner
                .relations
                .iter()
                .any(|known| known.name == relation.name)
            {
                faults.push(Fault::new(
                    relation.at,
                    FaultKind::Duplicated,
                    format!(
                        "relation `{}` already exists on type `{}`",
                        relation.name, owner.name
                    ),
                ));
            } else {
                owner.relations.push(relation);
            }
        }
    }
}

/// A path that stays below the manifest, however it is written.
fn path(item: Scalar) -> Result<String, String> {
    let Scalar::Text(path) = item else {
        return Err("`contents` lists paths, and this is none".to_owned());
    };
    let plain = path
        .to_ascii_lowercase()
        .replace("%2e", ".")
        .replace("%2f", "/")
        .replace("%5c", "\\")
        .replace('\\', "/");
    if plain.starts_with('/') || plain.split('/').any(|part| part == "..") {
        return Err(format!("`{path}` leads out of the folder of `fga.mod`"));
    }
    if Path::new(&plain)
        .extension()
        .is_none_or(|ending| ending != "fga")
    {
        return Err(format!("`{path}` does not end in `.fga`"));
    }
    Ok(path)
}

fn fault(line: u64, message: impl Into<String>) -> Fault {
    let at = Place {
        line: u32::try_from(line).unwrap_or(0),
        ..Place::default()
    };
    Fault::new(at, FaultKind::Syntax, message)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    schema: Option<Spanned<Scalar>>,
    #[serde(default)]
    contents: Option<Spanned<Scalar>>,
}

/// Whatever stands there; only so can a wrong type be told with its line.
enum Scalar {
    List(Vec<Spanned<Scalar>>),
    Other,
    Text(String),
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Scalar;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_unit<E>(self) -> Result<Scalar, E> {
        Ok(Scalar::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Scalar, E> {
        Ok(Scalar::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Scalar, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Scalar::List(list))
    }
}
