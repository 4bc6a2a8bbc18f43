//! Reads `condition NAME(…) { … }`.
//!
//! The expression is everything up to the first `}` outside quotes, as `OpenFGA`'s grammar has it: no maps can
//! be written. What it says is read later, by [`crate::permission::condition`].

use super::Parser;
use crate::permission::model::{ConditionDef, Fault, FaultKind, ParameterDef, ParameterType};

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
        let Some(expression) = self.cursor.through_brace() else {
            return Err(Fault::new(
                at,
                FaultKind::Syntax,
                format!("condition `{name}` has no closing brace"),
            ));
        };
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
            expression,
            at,
        });
        Ok(())
    }

    /// After `(`.
    fn parameters(&mut self, condition: &str) -> Result<Vec<ParameterDef>, Fault> {
        let mut parameters: Vec<ParameterDef> = Vec::new();
        loop {
            self.cursor.spaces();
            self.cursor.newline();
            let (name, at) = self.name("a parameter name")?;
            self.cursor.spaces();
            if !self.cursor.take(':') {
                return Err(self.cursor.fault("`:`"));
            }
            self.cursor.spaces();
            let kind = self.parameter_type()?;
            if parameters.iter().any(|known| known.name == name) {
                self.faults.push(Fault::new(
                    at,
                    FaultKind::Syntax,
                    format!("parameter `{name}` is already defined in condition `{condition}`"),
                ));
            }
            parameters.push(ParameterDef { name, kind });
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

    fn parameter_type(&mut self) -> Result<ParameterType, Fault> {
        let holder = self.cursor.peek_word().to_owned();
        if !matches!(holder.as_str(), "list" | "map") {
            return self.plain_type();
        }
        self.cursor.word();
        if !self.cursor.take('<') {
            return Err(self.cursor.fault("`<`"));
        }
        let inner = self.plain_type()?;
        if !self.cursor.take('>') {
            return Err(self.cursor.fault("`>`"));
        }
        ParameterType::named(&holder, Some(inner))
            .ok_or_else(|| self.cursor.fault("a parameter type"))
    }

    /// `any` is known to JSON models only.
    fn plain_type(&mut self) -> Result<ParameterType, Fault> {
        match ParameterType::named(self.cursor.peek_word(), None) {
            None | Some(ParameterType::Any) => Err(self.cursor.fault("a parameter type")),
            Some(kind) => {
                self.cursor.word();
                Ok(kind)
            }
        }
    }
}
