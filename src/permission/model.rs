//! An `OpenFGA` authorization model as it is written: types, relations, who may be assigned.
//!
//! Both readers ([`super::dsl`], [`super::json`]) produce it and [`super::validate`] judges it; nothing here
//! has been checked yet. A check never sees it: [`super::plan`] is what it is compiled to.

use std::fmt;

/// Longest model text that is read. `OpenFGA`'s own limit on a stored model.
pub(crate) const MAX_MODEL_BYTES: usize = 256 * 1024;

/// Where something stands in the model's text; both count from 1, and 0 means unknown (JSON).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Place {
    /// Which file of a modular model; 0 in all others.
    pub(crate) file: u32,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// A whole model.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Model {
    pub(crate) schema: String,
    pub(crate) schema_at: Place,
    /// The name of the module, where this is one file of a modular model.
    pub(crate) module: Option<String>,
    pub(crate) types: Vec<TypeDef>,
    /// Relations that a module adds to types of others.
    pub(crate) extensions: Vec<TypeDef>,
    pub(crate) conditions: Vec<ConditionDef>,
}

/// `type NAME` with its relations.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct TypeDef {
    pub(crate) name: String,
    pub(crate) at: Place,
    pub(crate) relations: Vec<RelationDef>,
}

/// `define NAME: REWRITE`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct RelationDef {
    pub(crate) name: String,
    pub(crate) at: Place,
    pub(crate) rewrite: Rewrite,
    /// What stands between `[` and `]`; empty when the rewrite has no [`Rewrite::This`].
    pub(crate) restrictions: Vec<Restriction>,
}

/// How a relation follows from tuples and other relations.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Rewrite {
    Computed {
        relation: String,
        at: Place,
    },
    Difference(Box<Rewrite>, Box<Rewrite>),
    FromTupleset {
        relation: String,
        tupleset: String,
        at: Place,
    },
    Intersection(Vec<Rewrite>),
    This,
    Union(Vec<Rewrite>),
}

/// One entry of a `[…]` list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Restriction {
    pub(crate) type_name: String,
    pub(crate) kind: RestrictionKind,
    pub(crate) condition: Option<String>,
    pub(crate) at: Place,
}

/// What of a type may be assigned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RestrictionKind {
    /// `user`: one object.
    Object,
    /// `group#member`: everyone who has that relation.
    Userset(String),
    /// `user:*`: all of the type.
    Wildcard,
}

/// `condition NAME(…) { … }`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ConditionDef {
    pub(crate) name: String,
    pub(crate) parameters: Vec<ParameterDef>,
    /// In CEL.
    pub(crate) expression: String,
    pub(crate) at: Place,
}

/// `NAME: TYPE` among the parameters of a condition.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ParameterDef {
    pub(crate) name: String,
    pub(crate) kind: ParameterType,
}

/// What a parameter holds. Lists and maps hold one level only, as in `OpenFGA`'s grammar.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ParameterType {
    Any,
    Bool,
    Double,
    Duration,
    Int,
    IpAddress,
    List(Box<ParameterType>),
    Map(Box<ParameterType>),
    String,
    Timestamp,
    Uint,
}

impl ParameterType {
    /// The type called `name`, which holds `inner` if it holds anything.
    pub(crate) fn named(name: &str, inner: Option<Self>) -> Option<Self> {
        Some(match (name, inner) {
            ("any", None) => Self::Any,
            ("bool", None) => Self::Bool,
            ("double", None) => Self::Double,
            ("duration", None) => Self::Duration,
            ("int", None) => Self::Int,
            ("ipaddress", None) => Self::IpAddress,
            ("list", Some(inner)) => Self::List(Box::new(inner)),
            ("map", Some(inner)) => Self::Map(Box::new(inner)),
            ("string", None) => Self::String,
            ("timestamp", None) => Self::Timestamp,
            ("uint", None) => Self::Uint,
            _ => return None,
        })
    }
}

impl fmt::Display for ParameterType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "any",
            Self::Bool => "bool",
            Self::Double => "double",
            Self::Duration => "duration",
            Self::Int => "int",
            Self::IpAddress => "ipaddress",
            Self::List(of) => return write!(f, "list<{of}>"),
            Self::Map(of) => return write!(f, "map<{of}>"),
            Self::String => "string",
            Self::Timestamp => "timestamp",
            Self::Uint => "uint",
        })
    }
}

/// What is wrong with a model, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Fault {
    pub(crate) at: Place,
    pub(crate) kind: FaultKind,
    pub(crate) message: String,
}

/// The class of a fault; `OpenFGA`'s own names, so that its test cases can be held against ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FaultKind {
    AssignableWithoutTypes,
    /// The expression of a condition is no CEL, or does not fit its parameters.
    ConditionExpression,
    ConditionNotDefined,
    ConditionNotUsed,
    Duplicated,
    InvalidName,
    InvalidRelationOnTupleset,
    InvalidRelationType,
    InvalidSchema,
    InvalidType,
    MissingDefinition,
    NoEntryPoint,
    ReservedRelation,
    ReservedType,
    SchemaRequired,
    Syntax,
    TuplesetNotDirect,
    Unsupported,
}

impl Fault {
    pub(crate) fn new(at: Place, kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            at,
            kind,
            message: message.into(),
        }
    }
}

impl Rewrite {
    /// Every part of this rewrite that is no operator, left to right.
    pub(crate) fn leaves(&self) -> Vec<&Self> {
        let mut open = vec![self];
        let mut leaves = Vec::new();
        while let Some(rewrite) = open.pop() {
            match rewrite {
                Self::Difference(base, subtract) => open.extend([&**subtract, &**base]),
                Self::Intersection(parts) | Self::Union(parts) => open.extend(parts.iter().rev()),
                Self::Computed { .. } | Self::FromTupleset { .. } | Self::This => {
                    leaves.push(rewrite);
                }
            }
        }
        leaves
    }
}

impl fmt::Display for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.type_name)?;
        match &self.kind {
            RestrictionKind::Object => {}
            RestrictionKind::Userset(relation) => write!(f, "#{relation}")?,
            RestrictionKind::Wildcard => f.write_str(":*")?,
        }
        match &self.condition {
            Some(condition) => write!(f, " with {condition}"),
            None => Ok(()),
        }
    }
}
