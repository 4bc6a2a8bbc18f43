//! Between protobuf messages and what both doors ask and answer.
//!
//! Protobuf's `Struct` knows only doubles: whole ones become integers again, as they are in JSON, or a
//! condition over integers would see another type through this door.

mod analytics;
mod tokens;

use serde_json::{Map, Number, Value, value::RawValue};

use crate::{
    api::{ai, authz, hash, patterns, refusal::Refusal},
    dispatch::Report,
    permission::{Question, WrittenCondition, WrittenTuple},
    proto::{
        self,
        v1::{
            CheckBatchRequest, CheckBatchResponse, ContextualTuple, Dispatch, HashRequest,
            HashResponse, MatchRequest, MatchResponse, PatternMatch, PermissionAnswer,
            PermissionQuestion, PromptAnswer, PromptQuestion, Span, TextMatches,
            ValidateBatchRequest, ValidateBatchResponse, Violation, prompt_question::Content,
        },
    },
    screening,
};

impl From<Report> for Dispatch {
    fn from(report: Report) -> Self {
        Self {
            operation: report.operation.as_str().to_owned(),
            strategy: report.strategy.as_str().to_owned(),
            items: report.items as u64,
            bytes: report.bytes as u64,
            predicted_us: report.predicted_us,
            actual_us: report.actual_us,
            break_even_items: report.break_even_items,
        }
    }
}

impl TryFrom<HashRequest> for hash::Question {
    type Error = Refusal;

    fn try_from(asked: HashRequest) -> Result<Self, Refusal> {
        Ok(Self { items: asked.items })
    }
}

impl From<hash::Answer> for HashResponse {
    fn from(answer: hash::Answer) -> Self {
        Self {
            digests: answer.digests,
            dispatch: Some(answer.dispatch.into()),
        }
    }
}

impl TryFrom<MatchRequest> for patterns::Question {
    type Error = Refusal;

    fn try_from(asked: MatchRequest) -> Result<Self, Refusal> {
        Ok(Self {
            patterns: asked.patterns,
            texts: asked.texts,
            regex: asked.regex,
            ignore_case: asked.ignore_case,
        })
    }
}

impl From<patterns::Answer> for MatchResponse {
    fn from(answer: patterns::Answer) -> Self {
        let one = |found: patterns::Match| PatternMatch {
            // Patterns are counted in thousands.
            pattern: u32::try_from(found.pattern).unwrap_or(u32::MAX),
            start: found.start as u64,
            end: found.end as u64,
        };
        let text = |matches: Vec<patterns::Match>| TextMatches {
            matches: matches.into_iter().map(one).collect(),
        };
        Self {
            results: answer.results.into_iter().map(text).collect(),
            dispatch: Some(answer.dispatch.into()),
        }
    }
}

impl TryFrom<PermissionQuestion> for authz::Single {
    type Error = Refusal;

    fn try_from(asked: PermissionQuestion) -> Result<Self, Refusal> {
        let tuples = asked.contextual_tuples.into_iter();
        Ok(Self(Question {
            user: asked.user,
            relation: asked.relation,
            object: asked.object,
            context: asked.context.map(object).transpose()?,
            contextual_tuples: tuples.map(contextual).collect::<Result<_, _>>()?,
        }))
    }
}

fn contextual(tuple: ContextualTuple) -> Result<WrittenTuple, Refusal> {
    let condition = tuple.condition.map(|condition| {
        Ok::<_, Refusal>(WrittenCondition {
            name: condition.name,
            context: condition.context.map(object).transpose()?,
        })
    });
    Ok(WrittenTuple {
        user: tuple.user,
        relation: tuple.relation,
        object: tuple.object,
        condition: condition.transpose()?,
    })
}

impl TryFrom<CheckBatchRequest> for authz::Questions {
    type Error = Refusal;

    fn try_from(asked: CheckBatchRequest) -> Result<Self, Refusal> {
        let checks = asked.checks.into_iter().map(authz::Single::try_from);
        let checks = checks.map(|single| single.map(|single| single.0));
        Ok(Self {
            checks: checks.collect::<Result<_, _>>()?,
        })
    }
}

impl From<authz::Answer> for PermissionAnswer {
    fn from(answer: authz::Answer) -> Self {
        Self {
            allowed: answer.allowed,
            reason: answer.reason.to_owned(),
            source: answer.source.to_owned(),
            error: answer.error,
        }
    }
}

impl From<authz::Answers> for CheckBatchResponse {
    fn from(answers: authz::Answers) -> Self {
        Self {
            results: answers.results.into_iter().map(Into::into).collect(),
            dispatch: Some(answers.dispatch.into()),
        }
    }
}

impl TryFrom<PromptQuestion> for ai::Question {
    type Error = Refusal;

    fn try_from(asked: PromptQuestion) -> Result<Self, Refusal> {
        Ok(match asked.content {
            Some(Content::Body(body)) => {
                let body = RawValue::from_string(body)
                    .map_err(|error| Refusal::field("body", &format!("is not JSON: {error}")))?;
                Self::new(None, Some(body))
            }
            Some(Content::Prompt(prompt)) => Self::new(Some(prompt), None),
            None => Self::new(None, None),
        })
    }
}

impl TryFrom<ValidateBatchRequest> for ai::Questions {
    type Error = Refusal;

    fn try_from(asked: ValidateBatchRequest) -> Result<Self, Refusal> {
        Ok(Self {
            prompts: asked.prompts,
        })
    }
}

impl From<ai::Answer> for PromptAnswer {
    fn from(answer: ai::Answer) -> Self {
        Self {
            is_safe: answer.is_safe,
            reason: answer.reason.to_owned(),
            risk_score: answer.risk_score,
            violations: answer.violations.into_iter().map(Into::into).collect(),
            sanitized_prompt: answer.sanitized_prompt,
            error: answer.error,
        }
    }
}

impl From<screening::Violation> for Violation {
    fn from(violation: screening::Violation) -> Self {
        let [start, end] = violation.span.map(|at| at as u64);
        Self {
            threat_type: violation.threat_type.to_owned(),
            rule: violation.rule.into_owned(),
            risk_level: violation.risk_level.to_owned(),
            description: violation.description.to_owned(),
            span: Some(Span { start, end }),
            pointer: violation.pointer,
            trusted: violation.trusted,
            owasp: violation.owasp.to_owned(),
            score: violation.score,
        }
    }
}

impl From<ai::Answers> for ValidateBatchResponse {
    fn from(answers: ai::Answers) -> Self {
        Self {
            results: answers.results.into_iter().map(Into::into).collect(),
            dispatch: Some(answers.dispatch.into()),
        }
    }
}

fn object(sent: proto::Struct) -> Result<Map<String, Value>, Refusal> {
    let fields = sent.fields.into_iter();
    fields
        .map(|(name, sent)| Ok((name, value(sent)?)))
        .collect()
}

/// Nesting is bounded by the protobuf decoder, which takes no more than a hundred levels.
fn value(sent: proto::Value) -> Result<Value, Refusal> {
    use proto::Kind;
    Ok(match sent.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(truth)) => truth.into(),
        Some(Kind::NumberValue(double)) => number(double)?,
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::ListValue(list)) => {
            let values = list.values.into_iter().map(value);
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        Some(Kind::StructValue(sent)) => Value::Object(object(sent)?),
    })
}

fn number(double: f64) -> Result<Value, Refusal> {
    let is_whole = double.fract() == 0.0 && double.abs() < LARGEST_EXACT;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "whole, and within what both types hold exactly"
    )]
    let number = is_whole
        .then(|| Number::from(double as i64))
        .or_else(|| Number::from_f64(double));
    let wrong = "holds a number that JSON cannot";
    number
        .map(Value::Number)
        .ok_or_else(|| Refusal::field("context", wrong))
}

/// 2^53: beyond, doubles skip integers.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_what_they_are_in_json() {
        for (double, json) in [
            (5.0, "5"),
            (-3.0, "-3"),
            (0.5, "0.5"),
            (1e300, "1e+300"),
            (9_007_199_254_740_991.0, "9007199254740991"),
        ] {
            assert_eq!(number(double).expect("a number").to_string(), json);
        }
        for double in [f64::NAN, f64::INFINITY] {
            assert!(number(double).is_err());
        }
    }
}
