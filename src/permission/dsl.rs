//! Reads `OpenFGA`'s modelling language, schemas 1.1 and 1.2, one file at a time.
//!
//! Recursive descent along `OpenFGA`'s grammar. Two of its rules surprise: operators never mix without
//! parentheses (`a or b and c` is an error), and a `[…]` list may only come first in its expression.
//! A file may be a module (`module NAME` instead of `model`): [`super::modules`] puts those together.
//!
//! One pass over at most [`MAX_MODEL_BYTES`]; parentheses nest at most
//! [`MAX_NESTING`] deep, so the call stack is bounded whatever the text says.

mod condition;
mod cursor;
#[cfg(test)]
pub(super) mod tests;

use self::cursor::Cursor;
use super::model::{
    Fault, FaultKind, MAX_MODEL_BYTES, Model, Place, RelationDef, Restriction, RestrictionKind,
    Rewrite, TypeDef,
};

/// The model written in `text`, or everything that is wrong with its syntax.
pub(crate) fn parse(text: &str) -> Result<Model, Vec<Fault>> {
    parse_file(text, 0)
}

/// The same for one of many files.
pub(crate) fn parse_file(text: &str, file: u32) -> Result<Model, Vec<Fault>> {
    if text.len() > MAX_MODEL_BYTES {
        return Err(vec![Fault::new(
            Place {
                file,
                ..Place::default()
            },
            FaultKind::Syntax,
            format!("the model is longer than {MAX_MODEL_BYTES} bytes"),
        )]);
    }
    let mut parser = Parser {
        cursor: Cursor::new(text, file),
        faults: Vec::new(),
        restrictions: Vec::new(),
    };
    match parser.model() {
        Ok(model) if parser.faults.is_empty() => Ok(model),
        Ok(_) => Err(parser.faults),
        Err(fault) => {
            parser.faults.push(fault);
            Err(parser.faults)
        }
    }
}

struct Parser {
    cursor: Cursor,
    /// What is wrong but does not stop the reading, such as a relation defined twice.
    faults: Vec<Fault>,
    /// The `[…]` of the relation being read.
    restrictions: Vec<Restriction>,
}

impl Parser {
    fn model(&mut self) -> Result<Model, Fault> {
        let mut model = self.header()?;
        loop {
            let broke = self.cursor.newline();
            if self.cursor.at_end() {
                return Ok(model);
            }
            if !broke {
                return Err(self.cursor.fault("the end of the line"));
            }
            match self.cursor.peek_word() {
                "type" if model.conditions.is_empty() => {
                    self.cursor.word();
                    let definition = self.type_def()?;
                    model.types.push(definition);
                }
                "extend" => self.extension(&mut model)?,
                "condition" => self.condition(&mut model.conditions)?,
                _ => return Err(self.cursor.fault("`type` or `condition`")),
            }
        }
    }

    fn header(&mut self) -> Result<Model, Fault> {
        self.cursor.spaces();
        self.cursor.newline();
        let at = self.cursor.place();
        if self.cursor.keyword("module") {
            if !self.cursor.spaces() {
                return Err(self.cursor.fault("the name of the module"));
            }
            let (module, _) = self.name("the name of the module")?;
            return Ok(Model {
                module: Some(module),
                schema_at: at,
                ..Model::default()
            });
        }
        if !self.cursor.keyword("model") {
            return Err(self.cursor.fault("`model`"));
        }
        if !self.cursor.newline() || !self.cursor.keyword("schema") {
            return Err(self.cursor.fault("`schema` on a line of its own"));
        }
        if !self.cursor.spaces() {
            return Err(self.cursor.fault("a schema version such as `1.1`"));
        }
        let schema_at = self.cursor.place();
        if !is_version(self.cursor.peek_word()) {
            return Err(self.cursor.fault("a schema version such as `1.1`"));
        }
        Ok(Model {
            schema: self.cursor.word(),
            schema_at,
            ..Model::default()
        })
    }

    fn extension(&mut self, model: &mut Model) -> Result<(), Fault> {
        self.cursor.word();
        self.cursor.spaces();
        if !self.cursor.keyword("type") {
            return Err(self.cursor.fault("`type`"));
        }
        let extended = self.type_def()?;
        let mut known = model.extensions.iter();
        if model.module.is_none() {
            self.faults.push(Fault::new(
                extended.at,
                FaultKind::Unsupported,
                "`extend` can only be used in a modular model",
            ));
        } else if known.any(|known| known.name == extended.name) {
            self.faults.push(Fault::new(
                extended.at,
                FaultKind::Syntax,
                format!("`{}` is already extended in this file", extended.name),
            ));
        }
        model.extensions.push(extended);
        Ok(())
    }

    /// After `type`.
    fn type_def(&mut self) -> Result<TypeDef, Fault> {
        if !self.cursor.spaces() {
            return Err(self.cursor.fault("a type name"));
        }
        let (name, at) = self.name("a type name")?;
        let mut definition = TypeDef {
            name,
            at,
            relations: Vec::new(),
        };
        let mark = self.cursor.mark();
        if !(self.cursor.newline() && self.cursor.keyword("relations")) {
            self.cursor.rewind(mark);
            return Ok(definition);
        }
        loop {
            let mark = self.cursor.mark();
            if self.cursor.newline() && self.cursor.keyword("define") {
                self.relation(&mut definition)?;
            } else if definition.relations.is_empty() {
                return Err(self.cursor.fault("`define`"));
            } else {
                self.cursor.rewind(mark);
                return Ok(definition);
            }
        }
    }

    /// After `define`.
    fn relation(&mut self, definition: &mut TypeDef) -> Result<(), Fault> {
        if !self.cursor.spaces() {
            return Err(self.cursor.fault("a relation name"));
        }
        let (name, at) = self.name("a relation name")?;
        self.cursor.spaces();
        if !self.cursor.take(':') {
            return Err(self.cursor.fault("`:`"));
        }
        self.cursor.spaces();
        let rewrite = self.expression(true, 0)?;
        self.end_of_definition()?;
        if definition.relations.iter().any(|known| known.name == name) {
            self.faults.push(Fault::new(
                at,
                FaultKind::Syntax,
                format!("`{name}` is already defined in `{}`", definition.name),
            ));
        }
        definition.relations.push(RelationDef {
            name,
            at,
            rewrite,
            restrictions: std::mem::take(&mut self.restrictions),
        });
        Ok(())
    }

    fn end_of_definition(&mut self) -> Result<(), Fault> {
        self.cursor.spaces();
        let mark = self.cursor.mark();
        if self.cursor.at_end() || self.cursor.newline() {
            self.cursor.rewind(mark);
            return Ok(());
        }
        Err(match self.cursor.peek_word() {
            "and" | "but" | "or" => self
                .cursor
                .fault("the end of the definition (put parentheses around operators that differ)"),
            _ => self.cursor.fault("the end of the definition"),
        })
    }

    /// One operand, then at most one kind of operator with its further operands.
    fn expression(&mut self, may_list: bool, depth: usize) -> Result<Rewrite, Fault> {
        let first = self.operand(may_list, depth)?;
        let Some(operator) = self.operator(None)? else {
            return Ok(first);
        };
        let mut parts = vec![first, self.operand(false, depth)?];
        if operator == Operator::ButNot {
            let subtract = parts.pop().map(Box::new);
            let base = parts.pop().map(Box::new);
            return base
                .zip(subtract)
                .map(|(base, subtract)| Rewrite::Difference(base, subtract))
                .ok_or_else(|| self.cursor.fault("two operands"));
        }
        while self.operator(Some(operator))?.is_some() {
            parts.push(self.operand(false, depth)?);
        }
        Ok(match operator {
            Operator::And => Rewrite::Intersection(parts),
            Operator::ButNot | Operator::Or => Rewrite::Union(parts),
        })
    }

    /// Takes the next operator and the white space around it; with `only`, no other than that one.
    fn operator(&mut self, only: Option<Operator>) -> Result<Option<Operator>, Fault> {
        let mark = self.cursor.mark();
        let spaced = self.cursor.spaces();
        let operator = match self.cursor.word().as_str() {
            "and" if spaced => Some(Operator::And),
            "or" if spaced => Some(Operator::Or),
            "but" if spaced && self.cursor.take(' ') && self.cursor.keyword("not") => {
                Some(Operator::ButNot)
            }
            _ => None,
        };
        if operator.is_none() || only.is_some_and(|only| operator != Some(only)) {
            self.cursor.rewind(mark);
            return Ok(None);
        }
        if self.cursor.spaces() {
            Ok(operator)
        } else {
            Err(self.cursor.fault("a relation"))
        }
    }

    fn operand(&mut self, may_list: bool, depth: usize) -> Result<Rewrite, Fault> {
        if may_list && self.cursor.take('[') {
            self.restriction_list()?;
            return Ok(Rewrite::This);
        }
        if self.cursor.take('(') {
            if depth == MAX_NESTING {
                return Err(self
                    .cursor
                    .fault("fewer than 32 parentheses inside each other"));
            }
            self.cursor.spaces();
            let inner = self.expression(may_list, depth + 1)?;
            self.cursor.spaces();
            return if self.cursor.take(')') {
                Ok(inner)
            } else {
                Err(self.cursor.fault("`)`"))
            };
        }
        let (relation, at) = self.name("a relation")?;
        let mark = self.cursor.mark();
        if self.cursor.spaces() && self.cursor.keyword("from") {
            if !self.cursor.spaces() {
                return Err(self.cursor.fault("a relation"));
            }
            let (tupleset, _) = self.name("a relation")?;
            return Ok(Rewrite::FromTupleset {
                relation,
                tupleset,
                at,
            });
        }
        self.cursor.rewind(mark);
        Ok(Rewrite::Computed { relation, at })
    }

    /// After `[`.
    fn restriction_list(&mut self) -> Result<(), Fault> {
        loop {
            self.cursor.spaces();
            self.cursor.newline();
            let restriction = self.restriction()?;
            self.restrictions.push(restriction);
            self.cursor.newline();
            self.cursor.spaces();
            if self.cursor.take(']') {
                return Ok(());
            }
            if !self.cursor.take(',') {
                return Err(self.cursor.fault("`,` or `]`"));
            }
        }
    }

    fn restriction(&mut self) -> Result<Restriction, Fault> {
        let (type_name, at) = self.name("a type")?;
        let kind = if self.cursor.take(':') {
            if !self.cursor.take('*') {
                return Err(self.cursor.fault("`*`"));
            }
            RestrictionKind::Wildcard
        } else if self.cursor.take('#') {
            RestrictionKind::Userset(self.name("a relation")?.0)
        } else {
            RestrictionKind::Object
        };
        let mark = self.cursor.mark();
        let mut condition = None;
        if self.cursor.spaces() && self.cursor.keyword("with") {
            self.cursor.spaces();
            condition = Some(self.name("a condition")?.0);
        } else {
            self.cursor.rewind(mark);
        }
        Ok(Restriction {
            type_name,
            kind,
            condition,
            at,
        })
    }

    fn name(&mut self, wanted: &str) -> Result<(String, Place), Fault> {
        let at = self.cursor.place();
        if is_name(self.cursor.peek_word()) {
            Ok((self.cursor.word(), at))
        } else {
            Err(self.cursor.fault(wanted))
        }
    }
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Operator {
    And,
    ButNot,
    Or,
}

fn is_name(word: &str) -> bool {
    let starts_well = word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let ends_well = !word.ends_with(['/', '.']);
    let doubled = word
        .as_bytes()
        .windows(2)
        .any(|pair| matches!(pair, [b'/' | b'.', b'/' | b'.']));
    starts_well && ends_well && !doubled && !RESERVED.contains(&word)
}

fn is_version(word: &str) -> bool {
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    word.split_once('.')
        .is_some_and(|(major, minor)| all_digits(major) && all_digits(minor))
}

/// Parentheses inside parentheses; nobody writes more than a handful.
const MAX_NESTING: usize = 32;

/// Words of the language that cannot be names (`type`, `model`, `schema` and some others can).
const RESERVED: [&str; 11] = [
    "and",
    "condition",
    "define",
    "false",
    "from",
    "in",
    "null",
    "or",
    "relations",
    "true",
    "with",
];
