//! Conditions of tuples: CEL expressions over declared parameters.
//!
//! Parameters come from the tuple and from the request; where both have one, the tuple's counts.
//!
//! # What a reader would get wrong
//!
//! - Every declared parameter must be there, even one that the expression never reads: `OpenFGA` says
//!   so, since what an expression reads can hang on its data.
//! - "Cannot be evaluated" is no "does not hold": the engine keeps them apart to the end.
//!
//! # Cost
//!
//! Checked and parsed when the model is loaded. One evaluation takes a few microseconds; its cost is
//! bounded before it starts, by the size of the expression and of what its macros run over.

mod inspect;
mod parameter;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    thread,
};

use cel::{Context, Program, Value};

use super::model::{ConditionDef, ParameterDef};

/// A context: of a request, or of a tuple.
pub(crate) type Json = serde_json::Map<String, serde_json::Value>;

/// A condition, ready to be evaluated.
pub(crate) struct Condition {
    name: String,
    parameters: Vec<ParameterDef>,
    program: Program,
    shape: inspect::Shape,
}

/// Values for the parameters of one condition, in their order; `None` where there is none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values {
    by_parameter: Vec<Option<Result<Value, String>>>,
    weight: u64,
}

impl Condition {
    /// Parses and checks the expression of `def`.
    pub(crate) fn compile(def: &ConditionDef) -> Result<Self, String> {
        if def.expression.len() > MAX_EXPRESSION_BYTES {
            return Err(format!(
                "the expression is longer than {MAX_EXPRESSION_BYTES} bytes"
            ));
        }
        if !brackets_are_few(&def.expression) {
            return Err(format!(
                "the expression has more than {MAX_BRACKETS} brackets inside each other"
            ));
        }
        // The parser is not ours, and recurses: neither a panic nor a deep expression may end the
        // process. What is deeper than can be evaluated anywhere does not leave this thread.
        let (program, shape) = thread::scope(|scope| {
            thread::Builder::new()
                .stack_size(PARSER_STACK_BYTES)
                .spawn_scoped(scope, || parse(def))
                .map_err(|error| error.to_string())?
                .join()
                .unwrap_or_else(|_| Err("the expression cannot be read".to_owned()))
        })?;
        Ok(Self {
            name: def.name.clone(),
            parameters: def.parameters.clone(),
            program,
            shape,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// What a tuple brings along. Unlike a request it may bring nothing that is not declared.
    pub(crate) fn bind_tuple(&self, context: &Json) -> Result<Values, String> {
        let declared = |key: &String| self.parameters.iter().any(|known| known.name == *key);
        if let Some(stray) = context.keys().find(|key| !declared(key)) {
            return Err(format!(
                "condition `{}` has no parameter `{}`",
                self.name,
                stray.escape_default()
            ));
        }
        let values = self.bind(context);
        let mut wrong = values.by_parameter.iter().flatten();
        match wrong.find_map(|value| value.as_ref().err()) {
            Some(why) => Err(why.clone()),
            None => Ok(values),
        }
    }

    /// What a request brings along. A value of the wrong type matters only where it is used.
    pub(crate) fn bind_request(&self, context: &Json) -> Result<Values, String> {
        if self.parameters.is_empty() && !context.is_empty() {
            return Err(format!("condition `{}` has no parameters", self.name));
        }
        Ok(self.bind(context))
    }

    fn bind(&self, context: &Json) -> Values {
        let mut values = Values::default();
        for parameter in &self.parameters {
            let value = context.get(&parameter.name).map(|json| {
                values.weight += parameter::weight(json);
                parameter::convert(&parameter.kind, json).map_err(|why| {
                    let Self { name, .. } = self;
                    format!(
                        "parameter `{}` of condition `{name}`: {why}",
                        parameter.name
                    )
                })
            });
            values.by_parameter.push(value);
        }
        values
    }

    /// Whether the condition holds, and what finding out cost. `budget` bounds the cost.
    pub(crate) fn holds(
        &self,
        tuple: Option<&Values>,
        request: Option<&Values>,
        budget: u64,
    ) -> (Result<bool, String>, u64) {
        let given = |values: Option<&Values>| values.map_or(0, |values| values.weight);
        let cost = self.shape.cost(given(tuple) + given(request));
        if cost > budget.min(MAX_COST) {
            let why = format!("condition `{}` would take too long to evaluate", self.name);
            return (Err(why), 0);
        }
        (self.evaluate(tuple, request), cost)
    }

    fn evaluate(&self, tuple: Option<&Values>, request: Option<&Values>) -> Result<bool, String> {
        let mut context = Context::with_env(Arc::clone(&parameter::ENV));
        for (index, parameter) in self.parameters.iter().enumerate() {
            let from = |values: Option<&Values>| values?.by_parameter.get(index)?.clone();
            let value = from(tuple).or_else(|| from(request)).ok_or_else(|| {
                format!(
                    "condition `{}`: parameter `{}` is missing",
                    self.name, parameter.name
                )
            })??;
            parameter::declare(&mut context, &parameter.name, value);
        }
        // What is evaluated is a request's values; a panic over them must cost no more than an answer.
        let result = catch_unwind(AssertUnwindSafe(|| self.program.execute(&context)));
        match result {
            Ok(Ok(Value::Bool(truth))) => Ok(truth),
            Ok(Ok(_)) => Err(format!(
                "condition `{}` is neither true nor false",
                self.name
            )),
            // The message of the evaluator may hold values of the request.
            Ok(Err(_)) | Err(_) => Err(format!("condition `{}` cannot be evaluated", self.name)),
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condition")
            .field("name", &self.name)
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

fn parse(def: &ConditionDef) -> Result<(Program, inspect::Shape), String> {
    let program = parameter::ENV
        .compile(&def.expression)
        .map_err(|errors| one_line(&errors.to_string()))?;
    let shape = inspect::inspect(program.expression(), &def.parameters)?;
    Ok((program, shape))
}

fn brackets_are_few(text: &str) -> bool {
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' | '[' | '{' | '?' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_BRACKETS {
            return false;
        }
    }
    true
}

fn one_line(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    first.chars().take(200).collect()
}

/// Brackets inside each other, and choices (`?`); the parser recurses on them.
const MAX_BRACKETS: usize = 32;

/// Nodes evaluated, at most: some ten milliseconds.
const MAX_COST: u64 = 100_000;

/// The longest condition seen in the wild has some 300 bytes.
const MAX_EXPRESSION_BYTES: usize = 4_096;

/// Only what is used of it takes memory.
const PARSER_STACK_BYTES: usize = 64 * 1024 * 1024;
