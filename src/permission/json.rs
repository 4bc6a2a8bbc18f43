//! Reads a model in `OpenFGA`'s JSON form, as its API and `fga model get` give it.
//!
//! JSON says less about places than the language does: faults found later in such a model carry no
//! line. Keys that do not bear on answers (`id`, `module`, `source_info`) are skipped.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::model::{
    ConditionDef, Fault, FaultKind, MAX_MODEL_BYTES, Model, ParameterDef, ParameterType, Place,
    RelationDef, Restriction, RestrictionKind, Rewrite, TypeDef,
};

/// The model written in `text`, or why it is none.
pub(crate) fn parse(text: &str) -> Result<Model, Vec<Fault>> {
    if text.len() > MAX_MODEL_BYTES {
        return Err(vec![Fault::new(
            Place::default(),
            FaultKind::Syntax,
            format!("the model is longer than {MAX_MODEL_BYTES} bytes"),
        )]);
    }
    let document: Document = serde_json::from_str(text).map_err(|error| {
        let place = Place {
            file: 0,
            line: u32::try_from(error.line()).unwrap_or(u32::MAX),
            column: u32::try_from(error.column()).unwrap_or(u32::MAX),
        };
        vec![Fault::new(place, FaultKind::Syntax, error.to_string())]
    })?;
    document.into_model().map_err(|fault| vec![fault])
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    schema_version: String,
    #[serde(default)]
    type_definitions: Vec<JsonType>,
    #[serde(default)]
    conditions: BTreeMap<String, JsonCondition>,
}

#[derive(Deserialize)]
struct JsonType {
    #[serde(rename = "type")]
    name: String,
    #[serde(default)]
    relations: Option<BTreeMap<String, JsonRewrite>>,
    #[serde(default)]
    metadata: Option<JsonMetadata>,
}

#[derive(Default, Deserialize)]
struct JsonMetadata {
    #[serde(default)]
    relations: Option<BTreeMap<String, JsonRelationMetadata>>,
}

#[derive(Deserialize)]
struct JsonRelationMetadata {
    #[serde(default)]
    directly_related_user_types: Vec<JsonRestriction>,
}

#[derive(Deserialize)]
struct JsonRestriction {
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default)]
    relation: Option<String>,
    #[serde(default)]
    wildcard: Option<Empty>,
    #[serde(default)]
    condition: Option<String>,
}

#[derive(Deserialize)]
struct Empty {}

#[derive(Deserialize)]
enum JsonRewrite {
    #[serde(rename = "computedUserset")]
    Computed(JsonRelation),
    #[serde(rename = "difference")]
    Difference {
        base: Box<JsonRewrite>,
        subtract: Box<JsonRewrite>,
    },
    #[serde(rename = "intersection")]
    Intersection { child: Vec<JsonRewrite> },
    #[serde(rename = "this")]
    This(Empty),
    #[serde(rename = "tupleToUserset")]
    TupleToUserset {
        tupleset: JsonRelation,
        #[serde(rename = "computedUserset")]
        computed: JsonRelation,
    },
    #[serde(rename = "union")]
    Union { child: Vec<JsonRewrite> },
}

#[derive(Deserialize)]
struct JsonRelation {
    relation: String,
}

#[derive(Deserialize)]
struct JsonCondition {
    name: String,
    expression: String,
    #[serde(default)]
    parameters: BTreeMap<String, JsonParameterType>,
}

#[derive(Deserialize)]
struct JsonParameterType {
    type_name: String,
    #[serde(default)]
    generic_types: Vec<JsonParameterType>,
}

impl Document {
    fn into_model(self) -> Result<Model, Fault> {
        let types = self
            .type_definitions
            .into_iter()
            .map(JsonType::into_def)
            .collect::<Result<_, _>>()?;
        let mut conditions = Vec::new();
        for (key, condition) in self.conditions {
            if key != condition.name {
                return Err(refuse(format!(
                    "condition `{key}` is named `{}` inside",
                    condition.name
                )));
            }
            conditions.push(ConditionDef {
                name: key,
                parameters: condition
                    .parameters
                    .into_iter()
                    .map(|(name, kind)| kind.into_def(name))
                    .collect::<Result<_, _>>()?,
                expression: condition.expression.trim().to_owned(),
                at: Place::default(),
            });
        }
        Ok(Model {
            schema: self.schema_version,
            types,
            conditions,
            ..Model::default()
        })
    }
}

impl JsonParameterType {
    fn into_def(self, name: String) -> Result<ParameterDef, Fault> {
        match self.kind() {
            Some(kind) => Ok(ParameterDef { name, kind }),
            None => Err(refuse(format!(
                "parameter `{name}` has no known type: `{}`",
                self.type_name
            ))),
        }
    }

    /// Recursion is bounded: `serde_json` reads no more than 128 levels.
    fn kind(&self) -> Option<ParameterType> {
        let name = self.type_name.strip_prefix("TYPE_NAME_")?;
        let inner = match &self.generic_types[..] {
            [] => None,
            [inner] => Some(inner.kind()?),
            _ => return None,
        };
        ParameterType::named(&name.to_ascii_lowercase(), inner)
    }
}

impl JsonType {
    fn into_def(self) -> Result<TypeDef, Fault> {
        let mut restrictions = self
            .metadata
            .and_then(|metadata| metadata.relations)
            .unwrap_or_default();
        let mut relations = Vec::new();
        for (name, rewrite) in self.relations.unwrap_or_default() {
            let listed = restrictions.remove(&name);
            relations.push(RelationDef {
                restrictions: listed
                    .into_iter()
                    .flat_map(|metadata| metadata.directly_related_user_types)
                    .map(JsonRestriction::into_def)
                    .collect::<Result<_, _>>()?,
                rewrite: rewrite.into_def()?,
                name,
                at: Place::default(),
            });
        }
        if let Some(stray) = restrictions.keys().next() {
            return Err(refuse(format!(
                "type `{}` has metadata for `{stray}`, which is none of its relations",
                self.name
            )));
        }
        Ok(TypeDef {
            name: self.name,
            at: Place::default(),
            relations,
        })
    }
}

impl JsonRestriction {
    fn into_def(self) -> Result<Restriction, Fault> {
        let relation = self.relation.filter(|relation| !relation.is_empty());
        let kind = match (relation, self.wildcard) {
            (Some(_), Some(_)) => {
                return Err(refuse(format!(
                    "a restriction to `{}` has both a relation and a wildcard",
                    self.type_name
                )));
            }
            (Some(relation), None) => RestrictionKind::Userset(relation),
            (None, Some(_)) => RestrictionKind::Wildcard,
            (None, None) => RestrictionKind::Object,
        };
        Ok(Restriction {
            type_name: self.type_name,
            kind,
            condition: self.condition.filter(|name| !name.is_empty()),
            at: Place::default(),
        })
    }
}

impl JsonRewrite {
    /// Recursion is bounded: `serde_json` reads no more than 128 levels.
    fn into_def(self) -> Result<Rewrite, Fault> {
        let parts = |child: Vec<Self>| {
            if child.is_empty() {
                return Err(refuse("a union or intersection has no children"));
            }
            child.into_iter().map(Self::into_def).collect()
        };
        Ok(match self {
            Self::Computed(JsonRelation { relation }) => Rewrite::Computed {
                relation,
                at: Place::default(),
            },
            Self::Difference { base, subtract } => {
                Rewrite::Difference(Box::new(base.into_def()?), Box::new(subtract.into_def()?))
            }
            Self::Intersection { child } => Rewrite::Intersection(parts(child)?),
            Self::This(Empty {}) => Rewrite::This,
            Self::TupleToUserset { tupleset, computed } => Rewrite::FromTupleset {
                relation: computed.relation,
                tupleset: tupleset.relation,
                at: Place::default(),
            },
            Self::Union { child } => Rewrite::Union(parts(child)?),
        })
    }
}

fn refuse(message: impl Into<String>) -> Fault {
    Fault::new(Place::default(), FaultKind::Syntax, message)
}
