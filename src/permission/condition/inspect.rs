//! Looks an expression over before it is ever evaluated: names, types as far as they can be told, size.
//!
//! `OpenFGA` checks types fully; this finds what is certainly wrong (an unknown name, text compared with a
//! number, a result that is no bool) and lets the rest fail when it is evaluated.

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use crate::permission::model::{ParameterDef, ParameterType};

/// What bounds the cost of an evaluation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    nodes: u64,
    /// Entries of lists and maps that are written in the expression.
    items: u64,
    /// Lists put end to end.
    joins: u64,
    /// Macros that run over the result or inside of one another.
    nesting: u32,
}

impl Shape {
    /// Nodes evaluated, at most, over parameters that weigh `weight`.
    pub(super) fn cost(self, weight: u64) -> u64 {
        let longest = weight.saturating_add(1).saturating_add(self.items);
        let rounds = longest.saturating_mul(self.joins.saturating_add(1));
        self.nodes
            .saturating_mul(rounds.saturating_pow(self.nesting.max(1)))
    }
}

/// What is known of a value's type.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Address,
    Bool,
    Bytes,
    Double,
    Duration,
    Int,
    List(Box<Kind>),
    Map(Box<Kind>),
    String,
    Timestamp,
    Uint,
    /// Anything.
    Unknown,
}

/// Checks `expression` over `parameters`.
pub(super) fn inspect(expression: &IdedExpr, parameters: &[ParameterDef]) -> Result<Shape, String> {
    let mut inspector = Inspector {
        scope: parameters
            .iter()
            .map(|parameter| (parameter.name.clone(), declared(&parameter.kind)))
            .collect(),
        shape: Shape::default(),
        depth: 0,
    };
    match inspector.kind(expression)? {
        Kind::Bool | Kind::Unknown => Ok(inspector.shape),
        _ => Err("the expression is neither true nor false, it has another type".to_owned()),
    }
}

struct Inspector {
    /// Names in sight, innermost last.
    scope: Vec<(String, Kind)>,
    shape: Shape,
    depth: usize,
}

impl Inspector {
    fn kind(&mut self, expression: &IdedExpr) -> Result<Kind, String> {
        self.shape.nodes += 1;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!(
                "the expression is more than {MAX_DEPTH} levels deep"
            ));
        }
        let kind = match &expression.expr {
            Expr::Call(call) => self.call(call)?,
            Expr::Comprehension(comprehension) => self.comprehension(comprehension)?,
            Expr::Ident(name) => self.name(name)?,
            Expr::List(list) => Kind::List(Box::new(self.list(&list.elements)?)),
            Expr::Literal(literal) => of_literal(literal),
            Expr::Map(map) => {
                self.shape.items += map.entries.len() as u64;
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        self.kind(&entry.key)?;
                        self.kind(&entry.value)?;
                    }
                }
                Kind::Map(Box::new(Kind::Unknown))
            }
            Expr::Select(select) => match self.kind(&select.operand)? {
                Kind::Map(_) | Kind::Unknown if select.test => Kind::Bool,
                Kind::Map(of) => *of,
                Kind::Unknown => Kind::Unknown,
                _ => return Err(format!("`.{}` is asked of what is no map", select.field)),
            },
            Expr::Struct(_) => return Err("messages cannot be made in conditions".to_owned()),
            Expr::Unspecified => return Err("the expression is incomplete".to_owned()),
        };
        self.depth -= 1;
        Ok(kind)
    }

    fn name(&self, name: &str) -> Result<Kind, String> {
        let known = self.scope.iter().rev().find(|(known, _)| known == name);
        if let Some((_, kind)) = known {
            return Ok(kind.clone());
        }
        if TYPE_NAMES.contains(&name) {
            return Ok(Kind::Unknown);
        }
        Err(format!("`{name}` is not declared"))
    }

    fn list(&mut self, elements: &[IdedExpr]) -> Result<Kind, String> {
        self.shape.items += elements.len() as u64;
        let mut common = None;
        for element in elements {
            let kind = self.kind(element)?;
            common = match common {
                None => Some(kind),
                Some(known) if known == kind => Some(known),
                Some(_) => Some(Kind::Unknown),
            };
        }
        Ok(common.unwrap_or(Kind::Unknown))
    }

    fn comprehension(&mut self, of: &ComprehensionExpr) -> Result<Kind, String> {
        let before = self.shape.nesting;
        let item = match self.kind(&of.iter_range)? {
            Kind::List(item) => *item,
            Kind::Map(_) => Kind::String,
            Kind::Unknown => Kind::Unknown,
            _ => return Err("a macro runs over what is neither list nor map".to_owned()),
        };
        let within_range = self.shape.nesting;
        let start = self.kind(&of.accu_init)?;
        let collected = match start {
            Kind::List(_) => Kind::List(Box::new(Kind::Unknown)),
            other => other,
        };
        let visible = self.scope.len();
        self.scope.push((of.iter_var.clone(), item));
        self.scope
            .extend(of.iter_var2.clone().map(|second| (second, Kind::Unknown)));
        self.scope.push((of.accu_var.clone(), collected));
        self.shape.nesting = before;
        self.kind(&of.loop_cond)?;
        self.kind(&of.loop_step)?;
        let result = self.kind(&of.result)?;
        self.scope.truncate(visible);
        self.shape.nesting = within_range.max(before) + (self.shape.nesting - before) + 1;
        Ok(result)
    }

    fn call(&mut self, call: &CallExpr) -> Result<Kind, String> {
        let target = match &call.target {
            Some(target) => Some(self.kind(target)?),
            None => None,
        };
        let mut arguments = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            arguments.push(self.kind(argument)?);
        }
        let name = call.func_name.as_str();
        if name == "matches" {
            self.shape.nodes += PATTERN_NODES;
        }
        match (name, target, &arguments[..]) {
            ("_&&_" | "_||_" | "!_", None, parts) => bools(parts, name).map(|()| Kind::Bool),
            ("_?_:_", None, [test, yes, no]) => {
                bools(std::slice::from_ref(test), name)?;
                Ok(if yes == no {
                    yes.clone()
                } else {
                    Kind::Unknown
                })
            }
            ("_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_", None, [left, right]) => {
                if comparable(left, right) {
                    Ok(Kind::Bool)
                } else {
                    Err(format!(
                        "`{}` compares unlike types",
                        name.trim_matches('_')
                    ))
                }
            }
            ("@in", None, [_, Kind::List(_) | Kind::Map(_) | Kind::Unknown])
            | ("@not_strictly_false", ..) => Ok(Kind::Bool),
            ("@in", ..) => Err("`in` looks into what is neither list nor map".to_owned()),
            ("_[_]", None, [Kind::List(of) | Kind::Map(of), _]) => Ok((**of).clone()),
            ("_[_]", None, [Kind::Unknown, _]) => Ok(Kind::Unknown),
            ("_[_]", ..) => Err("`[…]` is asked of what is neither list nor map".to_owned()),
            ("_+_" | "_-_" | "_*_" | "_/_" | "_%_", None, [left, right]) => {
                let result = arithmetic(name, left, right)?;
                if matches!(result, Kind::List(_) | Kind::String | Kind::Unknown) {
                    self.shape.joins += 1;
                }
                Ok(result)
            }
            ("-_", None, [of]) => Ok(of.clone()),
            (_, target, _) => function(name, target.as_ref(), &arguments),
        }
    }
}

fn function(name: &str, target: Option<&Kind>, arguments: &[Kind]) -> Result<Kind, String> {
    let subject = target.or(arguments.first());
    let takes = |wanted: &[Kind]| match subject {
        Some(Kind::Unknown) => Ok(()),
        Some(kind) if wanted.contains(kind) => Ok(()),
        _ => Err(format!("`{name}` is asked of a value of another type")),
    };
    match name {
        "contains" | "endsWith" | "matches" | "startsWith" => {
            takes(&[Kind::String, Kind::Bytes]).map(|()| Kind::Bool)
        }
        "in_cidr" if target.is_some() => takes(&[Kind::Address]).map(|()| Kind::Bool),
        "ipaddress" if target.is_none() => takes(&[Kind::String]).map(|()| Kind::Address),
        "size" => Ok(Kind::Int),
        "getDate" | "getDayOfMonth" | "getDayOfWeek" | "getDayOfYear" | "getFullYear"
        | "getHours" | "getMilliseconds" | "getMinutes" | "getMonth" | "getSeconds"
            if target.is_some() =>
        {
            takes(&[Kind::Timestamp, Kind::Duration]).map(|()| Kind::Int)
        }
        "bool" if target.is_none() => Ok(Kind::Bool),
        "bytes" if target.is_none() => Ok(Kind::Bytes),
        "double" if target.is_none() => Ok(Kind::Double),
        "duration" if target.is_none() => Ok(Kind::Duration),
        "dyn" | "type" if target.is_none() => Ok(Kind::Unknown),
        "int" if target.is_none() => Ok(Kind::Int),
        "string" if target.is_none() => Ok(Kind::String),
        "timestamp" if target.is_none() => Ok(Kind::Timestamp),
        "uint" if target.is_none() => Ok(Kind::Uint),
        _ => Err(format!("`{name}` is not a function of conditions")),
    }
}

fn arithmetic(name: &str, left: &Kind, right: &Kind) -> Result<Kind, String> {
    match (left, right) {
        (Kind::Unknown, _) | (_, Kind::Unknown) => Ok(Kind::Unknown),
        (Kind::Timestamp, Kind::Timestamp) if name == "_-_" => Ok(Kind::Duration),
        (Kind::Duration, Kind::Timestamp) if name == "_+_" => Ok(Kind::Timestamp),
        (Kind::Timestamp, Kind::Duration) => Ok(Kind::Timestamp),
        (Kind::List(_), Kind::List(_)) => Ok(Kind::List(Box::new(Kind::Unknown))),
        (left, right) if left == right => Ok(left.clone()),
        _ => Err(format!("`{}` joins unlike types", name.trim_matches('_'))),
    }
}

fn bools(kinds: &[Kind], name: &str) -> Result<(), String> {
    let fits = |kind: &Kind| matches!(kind, Kind::Bool | Kind::Unknown);
    if kinds.iter().all(fits) {
        Ok(())
    } else {
        Err(format!("`{}` needs bools", name.replace('_', " ").trim()))
    }
}

fn comparable(left: &Kind, right: &Kind) -> bool {
    let numeric = |kind: &Kind| matches!(kind, Kind::Double | Kind::Int | Kind::Uint);
    match (left, right) {
        (Kind::Unknown, _) | (_, Kind::Unknown) => true,
        (Kind::List(left), Kind::List(right)) | (Kind::Map(left), Kind::Map(right)) => {
            comparable(left, right)
        }
        (left, right) => left == right || (numeric(left) && numeric(right)),
    }
}

fn declared(kind: &ParameterType) -> Kind {
    match kind {
        ParameterType::Any => Kind::Unknown,
        ParameterType::Bool => Kind::Bool,
        ParameterType::Double => Kind::Double,
        ParameterType::Duration => Kind::Duration,
        ParameterType::Int => Kind::Int,
        ParameterType::IpAddress => Kind::Address,
        ParameterType::List(of) => Kind::List(Box::new(declared(of))),
        ParameterType::Map(of) => Kind::Map(Box::new(declared(of))),
        ParameterType::String => Kind::String,
        ParameterType::Timestamp => Kind::Timestamp,
        ParameterType::Uint => Kind::Uint,
    }
}

fn of_literal(literal: &LiteralValue) -> Kind {
    match literal {
        LiteralValue::Boolean(_) => Kind::Bool,
        LiteralValue::Bytes(_) => Kind::Bytes,
        LiteralValue::Double(_) => Kind::Double,
        LiteralValue::Int(_) => Kind::Int,
        LiteralValue::Null => Kind::Unknown,
        LiteralValue::String(_) => Kind::String,
        LiteralValue::UInt(_) => Kind::Uint,
    }
}

/// Evaluation recurses on these.
const MAX_DEPTH: usize = 100;

/// A pattern is compiled whenever it is matched, which costs far more than an ordinary call.
const PATTERN_NODES: u64 = 100;

const TYPE_NAMES: [&str; 10] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "type",
    "uint",
];
