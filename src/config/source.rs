//! Where each configuration value came from, so that every problem names its file and line.
//!
//! Three layers are merged, later ones winning key by key: the embedded defaults, the user's file,
//! `SUBZERO_SECTION__KEY` variables. Lists are replaced, never merged. The merged tree is then
//! deserialised once, and a problem's key path leads back to the place that set it.

use std::{collections::HashMap, fmt};

use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

use crate::problem::Problem;

/// The merged tree and the place of each key in it.
#[derive(Debug, Default)]
pub(super) struct Source {
    value: Value,
    places: HashMap<String, Place>,
}

/// Where a key was set.
#[derive(Clone, Debug)]
enum Place {
    /// `file:line`.
    Line(String, u64),
    /// The name of an environment variable.
    Variable(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(file, line) => write!(f, "{file}:{line}"),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

impl Source {
    /// Lays a YAML text over what is there.
    pub(super) fn add_yaml(&mut self, file: &str, text: &str) -> Result<(), String> {
        if text
            .lines()
            .all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'))
        {
            return Ok(());
        }
        let node: Node = parse_yaml(text).map_err(|error| {
            let line = error.location().map_or(1, |location| location.line());
            let message = error.without_snippet().to_string();
            format!("{file}:{line}: {message}")
        })?;
        if !matches!(node.0.value, Content::Map(_)) {
            return Err(format!(
                "{file}:1: expected a mapping such as `routes: [...]`"
            ));
        }
        let value = self.note(file, "", node);
        lay_over(&mut self.value, value);
        Ok(())
    }

    /// Lays `SUBZERO_SECTION__KEY` variables over what is there; each value is read as YAML.
    pub(super) fn add_variables(
        &mut self,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<(), String> {
        for (name, text) in variables {
            // Kubernetes sets `SUBZERO_SERVICE_HOST` and the like beside a service of our name;
            // only a double underscore makes a variable ours.
            let Some(keys) = name
                .strip_prefix("SUBZERO_")
                .filter(|keys| keys.contains("__"))
            else {
                continue;
            };
            let keys: Vec<String> = keys.split("__").map(str::to_ascii_lowercase).collect();
            let node: Node = parse_yaml(&text)
                .map_err(|error| format!("{name}: {}", error.without_snippet()))?;
            let mut value = plain(node);
            for key in keys.iter().rev() {
                value = Value::Object(Map::from_iter([(key.clone(), value)]));
            }
            lay_over(&mut self.value, value);
            self.places.insert(keys.join("."), Place::Variable(name));
        }
        Ok(())
    }

    /// Deserialises the merged tree, or says where and why it cannot be.
    pub(super) fn read<T: for<'de> Deserialize<'de>>(&self) -> Result<T, Problem> {
        serde_path_to_error::deserialize(&self.value).map_err(|error| {
            let key = error.path().to_string();
            let message = error.inner().to_string();
            match message
                .strip_prefix("unknown field `")
                .and_then(|rest| rest.split_once('`'))
            {
                Some((unknown, _)) if key == "." => Problem::new(unknown, message.clone()),
                Some((unknown, _)) if !key.ends_with(unknown) => {
                    Problem::new(format!("{key}.{unknown}"), message.clone())
                }
                _ => Problem::new(key, message),
            }
        })
    }

    /// Keys below `section` that are written without a value. A rule left empty must not be read as
    /// a rule left out.
    pub(super) fn empty_below(&self, section: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(value) = self.value.get(section) {
            note_empty(section, value, &mut problems);
        }
        problems
    }

    /// `file:line: key: what is wrong`, with the line of the nearest key that was really written.
    pub(super) fn locate(&self, problem: &Problem) -> String {
        let mut key = problem.key.as_str();
        loop {
            if let Some(place) = self.places.get(key) {
                return format!("{place}: {problem}");
            }
            match key.rfind(['.', '[']) {
                Some(cut) => key = &key[..cut],
                None => return problem.to_string(),
            }
        }
    }

    /// Turns a node into a plain value while noting the line of each key.
    fn note(&mut self, file: &str, path: &str, node: Node) -> Value {
        if !path.is_empty() {
            let place = Place::Line(file.to_owned(), node.0.referenced.line());
            self.places.insert(path.to_owned(), place);
        }
        match node.0.value {
            Content::Scalar(value) => value,
            Content::List(nodes) => {
                let noted = nodes.into_iter().enumerate();
                noted
                    .map(|(at, node)| self.note(file, &format!("{path}[{at}]"), node))
                    .collect()
            }
            Content::Map(entries) => {
                let mut map = Map::new();
                for (key, node) in entries {
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{}", key.value);
                    let value = self.note(file, &path, node);
                    // A block's own position is its first key; the line people look for is the
                    // one that names it.
                    self.places
                        .insert(path, Place::Line(file.to_owned(), key.referenced.line()));
                    map.insert(key.value, value);
                }
                Value::Object(map)
            }
        }
    }
}

fn note_empty(key: &str, value: &Value, problems: &mut Vec<Problem>) {
    match value {
        Value::Null => {
            let message = "has no value; fill it in, or remove the key";
            problems.push(Problem::new(key, message));
        }
        Value::Array(values) => {
            for (at, value) in values.iter().enumerate() {
                note_empty(&format!("{key}[{at}]"), value, problems);
            }
        }
        Value::Object(map) => {
            for (inner, value) in map {
                note_empty(&format!("{key}.{inner}"), value, problems);
            }
        }
        _ => {}
    }
}

/// A YAML node with its line.
struct Node(Spanned<Content>);

enum Content {
    List(Vec<Node>),
    Map(Vec<(Spanned<String>, Node)>),
    Scalar(Value),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Spanned::deserialize(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> de::Visitor<'de> for ContentVisitor {
    type Value = Content;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Number(value.into())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Number(value.into())))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Content, E> {
        let number = Number::from_f64(value).ok_or_else(|| E::custom("not a finite number"))?;
        Ok(Content::Scalar(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Content, E> {
        Ok(Content::Scalar(Value::String(value.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Content, E> {
        Ok(Content::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Content, D::Error> {
        Content::deserialize(deserializer)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Content, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = seq.next_element()? {
            nodes.push(node);
        }
        Ok(Content::List(nodes))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Content::Map(entries))
    }
}

/// Only `true` and `false` are booleans here: `injection: off` must stay a word.
fn parse_yaml(text: &str) -> Result<Node, serde_saphyr::Error> {
    serde_saphyr::from_str_with_options(text, serde_saphyr::options! { strict_booleans: true })
}

fn plain(node: Node) -> Value {
    Source::default().note("", "", node)
}

/// Maps merge key by key, everything else is replaced. A section left empty (`screening:`) keeps
/// its defaults.
fn lay_over(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(under.entry(key).or_insert(Value::Null), value);
            }
        }
        (Value::Object(_), Value::Null) => {}
        (under, over) => *under = over,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        section: Section,
        #[serde(default, rename = "list")]
        _list: Vec<Section>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Section {
        #[serde(default)]
        a: u32,
        #[serde(default)]
        b: String,
    }

    fn source(yaml: &str) -> Source {
        let mut source = Source::default();
        source
            .add_yaml("default.yaml", "section: { a: 1, b: x }")
            .expect("defaults");
        source.add_yaml("my.yaml", yaml).expect("yaml");
        source
    }

    #[test]
    fn later_layers_win_key_by_key() {
        let mut source = source("section:\n  a: 2\n");
        let variables = [
            ("SUBZERO_SECTION__B", "y"),
            ("SUBZERO_SERVICE_HOST", "10.0.0.1"),
            ("HOME", "/"),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        source
            .add_variables(variables.into_iter())
            .expect("variables");
        let sample: Sample = source.read().expect("reads");
        assert_eq!((sample.section.a, sample.section.b.as_str()), (2, "y"));
    }

    #[test]
    fn problems_name_file_line_and_key() {
        for (yaml, expected) in [
            (
                "# note\nsection:\n  a: many\n",
                "my.yaml:3: section.a: invalid type: string \"many\", expected u32",
            ),
            (
                "section:\n  a: 1\n  c: 1\n",
                "my.yaml:3: section.c: unknown field `c`, expected `a` or `b`",
            ),
            (
                "other: 1\n",
                "my.yaml:1: other: unknown field `other`, expected `section` or `list`",
            ),
            (
                "list:\n  - a: 1\n  - b: [1]\n",
                "my.yaml:3: list[1].b: invalid type: sequence, expected a string",
            ),
        ] {
            let source = source(yaml);
            let problem = source.read::<Sample>().expect_err("refused");
            assert_eq!(source.locate(&problem), expected);
        }
    }

    #[test]
    fn a_bad_variable_is_named() {
        let mut source = source("");
        let variable = ("SUBZERO_SECTION__A".to_owned(), "many".to_owned());
        source.add_variables([variable].into_iter()).expect("yaml");
        let problem = source.read::<Sample>().expect_err("refused");
        assert!(
            source
                .locate(&problem)
                .starts_with("SUBZERO_SECTION__A: section.a: ")
        );
    }

    #[test]
    fn broken_yaml_and_duplicate_keys_are_refused_with_their_line() {
        for (yaml, line) in [
            ("a: [1,\nb: 2", "my.yaml:"),
            ("a: 1\na: 2\n", "my.yaml:2: "),
            ("- 1\n", "my.yaml:1: "),
        ] {
            let refused = Source::default()
                .add_yaml("my.yaml", yaml)
                .expect_err("refused");
            assert!(refused.starts_with(line), "{refused}");
        }
    }
}
