//! Reads `condition NAME(…) { … }` as far as its names.
//!
//! The expression is skipped up to the first `}` outside quotes, as `OpenFGA`'s grammar has it. A model that has a
//! condition is refused later; it is read so that the refusal can name it and its line.

use super::Parser;
use crate::permission::model::{ConditionDef, Fault, FaultKind};

impl Parser {
    pub(super) fn condition(&mut self, known: &mut Vec<ConditionDef>) -> Result<(), Fault> {
        self.cursor.word();
        self.cursor.spaces();
        let (name, at) = self.name("a condition name")?;
        self.cursor.spaces();
        if !self.cursor.take('(') {
            return Err(self.cursor.fault("`(`"));
        }
        let parameters = self.parameters(&name)?;
        self.cursor.spaces();
        if !self.cursor.take('{') {
            return Err(self.cursor.fault("`{`"));
        }
        if !self.cursor.through_brace() {
            return Err(Fault::new(
                at,
                FaultKind::Syntax,
                format!("condition `{name}` has no closing brace"),
            ));
        }
        if known.iter().any(|condition| condition.name == name) {
            self.faults.push(Fault::new(
                at,
                FaultKind::Syntax,
                format!("condition `{name}` is already defined in the model"),
            ));
        }
        known.push(ConditionDef {
            name,
            parameters,
            at,
        });
        Ok(())
    }

    /// After `(`.
    fn parameters(&mut self, condition: &str) -> Result<Vec<String>, Fault> {
        let mut parameters: Vec<String> = Vec::new();
        loop {
            self.cursor.spaces();
            self.cursor.newline();
            let (name, at) = self.name("a parameter name")?;
            self.cursor.spaces();
            if !self.cursor.take(':') {
                return Err(self.cursor.fault("`:`"));
            }
            self.cursor.spaces();
            self.parameter_type()?;
            if parameters.contains(&name) {
                self.faults.push(Fault::new(
                    at,
                    FaultKind::Syntax,
                    format!("parameter `{name}` is already defined in condition `{condition}`"),
                ));
            }
            parameters.push(name);
            self.cursor.newline();
            self.cursor.spaces();
            if self.cursor.take(')') {
                return Ok(parameters);
            }
            if !self.cursor.take(',') {
                return Err(self.cursor.fault("`,` or `)`"));
            }
        }
    }

    fn parameter_type(&mut self) -> Result<(), Fault> {
        let holds_others = matches!(self.cursor.peek_word(), "list" | "map");
        if holds_others {
            self.cursor.word();
            if !self.cursor.take('<') {
                return Err(self.cursor.fault("`<`"));
            }
        }
        if !PARAMETER_TYPES.contains(&self.cursor.peek_word()) {
            return Err(self.cursor.fault("a parameter type"));
        }
        self.cursor.word();
        if holds_others && !self.cursor.take('>') {
            return Err(self.cursor.fault("`>`"));
        }
        Ok(())
    }
}

const PARAMETER_TYPES: [&str; 8] = [
    "bool",
    "double",
    "duration",
    "int",
    "ipaddress",
    "string",
    "timestamp",
    "uint",
];
