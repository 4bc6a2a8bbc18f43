//! Questions and tuples as they are written: in requests, in lines and in files.
//!
//! [`Ask`] borrows and is what the engine takes; a [`Question`] owns; many of them wait as
//! [`Questions`](super::Questions). Names
//! are read when the question is asked, since only a model says what fits: `user` has at most 512
//! bytes, `object` 256, and types and relations are the model's.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{Error as _, SeqAccess, Visitor},
};
use serde_json::Value;

use super::{
    Ask, MAX_CONTEXTUAL_TUPLES,
    condition::Json,
    graph::{Tuple, TupleCondition},
};

/// One question: has `user` the `relation` to `object`?
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// `type:id`, such as `user:anne`.
    pub user: String,
    /// A relation of the object's type, such as `viewer`.
    pub relation: String,
    /// `type:id`, such as `document:roadmap`.
    pub object: String,
    /// Values for the conditions of tuples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Json>,
    /// Tuples that hold for this question only, at most [`MAX_CONTEXTUAL_TUPLES`].
    #[serde(
        default,
        deserialize_with = "few",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub contextual_tuples: Vec<WrittenTuple>,
}

/// A tuple as it is written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenTuple {
    /// `type:id`, `type:*` or `type:id#relation`.
    pub user: String,
    /// A relation of the object's type.
    pub relation: String,
    /// `type:id`.
    pub object: String,
    /// What must hold for the tuple to count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<WrittenCondition>,
}

/// The condition of a tuple as it is written.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WrittenCondition {
    /// As the model calls it.
    pub name: String,
    /// Values for some of its parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Json>,
}

impl Question {
    /// A question that brings nothing along.
    #[must_use]
    pub fn new(
        user: impl Into<String>,
        relation: impl Into<String>,
        object: impl Into<String>,
    ) -> Self {
        Self {
            user: user.into(),
            relation: relation.into(),
            object: object.into(),
            ..Self::default()
        }
    }

    /// What `answer` makes of the question as the engine takes it.
    pub(crate) fn put<T>(&self, answer: impl FnOnce(&Ask<'_>) -> T) -> T {
        answer(&self.with(&as_tuples(&self.contextual_tuples)))
    }

    /// The question as the engine takes it, with its contextual `tuples` taken apart.
    pub(crate) fn with<'a>(&'a self, tuples: &'a [Tuple<'a>]) -> Ask<'a> {
        Ask {
            user: &self.user,
            relation: &self.relation,
            object: &self.object,
            context: self.context.as_ref(),
            contextual_tuples: tuples,
        }
    }
}

impl WrittenTuple {
    /// The tuple as the engine takes it.
    #[must_use]
    pub fn as_tuple(&self) -> Tuple<'_> {
        let condition = self.condition.as_ref();
        Tuple {
            user: &self.user,
            relation: &self.relation,
            object: &self.object,
            condition: condition.map(|condition| TupleCondition {
                name: &condition.name,
                context: condition.context.as_ref(),
            }),
        }
    }
}

/// As the engine takes them.
pub(super) fn as_tuples(written: &[WrittenTuple]) -> Vec<Tuple<'_>> {
    written.iter().map(WrittenTuple::as_tuple).collect()
}

/// Reads no more than [`MAX_CONTEXTUAL_TUPLES`], so that what is too long is not even held.
fn few<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<WrittenTuple>, D::Error> {
    struct Few;

    impl<'de> Visitor<'de> for Few {
        type Value = Vec<WrittenTuple>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MAX_CONTEXTUAL_TUPLES} tuples")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut tuples = Vec::new();
            // Derived code alone would take a list of a tuple's values for the tuple.
            while let Some(written) = list.next_element::<Json>()? {
                if tuples.len() == MAX_CONTEXTUAL_TUPLES {
                    return Err(A::Error::custom(format!(
                        "more than {MAX_CONTEXTUAL_TUPLES} contextual tuples; send fewer, or store them"
                    )));
                }
                if written.get("condition").is_some_and(Value::is_array) {
                    return Err(A::Error::custom("condition: expected an object"));
                }
                let tuple = serde_json::from_value(Value::Object(written));
                tuples.push(tuple.map_err(A::Error::custom)?);
            }
            Ok(tuples)
        }
    }

    from.deserialize_seq(Few)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Question, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_question_is_read_with_all_it_brings_along() {
        let question = read(
            r#"{"user":"user:a","relation":"viewer","object":"doc:1","context":{"x":1},
                "contextual_tuples":[{"user":"user:a","relation":"viewer","object":"doc:1",
                "condition":{"name":"on","context":{"y":2}}}]}"#,
        )
        .unwrap();
        question.put(|ask| {
            assert_eq!(ask.user, "user:a");
            assert_eq!(ask.context.map(Json::len), Some(1));
            let condition = ask.contextual_tuples[0].condition.unwrap();
            assert_eq!(condition.name, "on");
            assert!(condition.context.is_some_and(|context| context["y"] == 2));
        });
        let written = serde_json::to_string(&question).unwrap();
        assert_eq!(read(&written), Ok(question));
    }

    #[test]
    fn a_field_that_is_not_known_is_refused_by_name() {
        let refused = read(r#"{"user":"user:a","relation":"r","object":"doc:1","usr":""}"#);
        assert!(refused.is_err_and(|why| why.starts_with("unknown field `usr`")));
    }

    #[test]
    fn a_hundred_contextual_tuples_are_read_and_no_more() {
        let with = |count: usize| {
            let tuple = r#"{"user":"user:a","relation":"viewer","object":"doc:1"}"#;
            let tuples = vec![tuple; count].join(",");
            read(&format!(
                r#"{{"user":"user:a","relation":"r","object":"doc:1","contextual_tuples":[{tuples}]}}"#
            ))
        };
        assert!(with(100).is_ok());
        assert!(
            with(101)
                .is_err_and(|why| why.starts_with("more than 100 contextual tuples; send fewer"))
        );
    }
}
