//! Questions as work: each goes to the engine by itself.

use std::{ops::Range, sync::Arc};

use super::{ContextualTuple, Question};
use crate::{
    dispatch::{Operation, Weight, Work},
    permission::{Ask, Authorizer, Error, Tuple},
};

/// Questions, and who answers them.
#[derive(Debug)]
pub(super) struct Checks {
    authorizer: Arc<Authorizer>,
    questions: Vec<Question>,
}

impl Checks {
    pub(super) fn new(authorizer: &Arc<Authorizer>, questions: Vec<Question>) -> Self {
        Self {
            authorizer: Arc::clone(authorizer),
            questions,
        }
    }

    fn answer(&self, question: &Question) -> Result<bool, Error> {
        let tuples: Vec<Tuple<'_>> = question
            .contextual_tuples
            .iter()
            .map(ContextualTuple::as_tuple)
            .collect();
        self.authorizer.check(&Ask {
            user: &question.user,
            relation: &question.relation,
            object: &question.object,
            context: question.context.as_ref(),
            contextual_tuples: &tuples,
        })
    }
}

impl Work for Checks {
    const OPERATION: Operation = Operation::Permission;

    type Output = Result<bool, Error>;

    fn len(&self) -> usize {
        self.questions.len()
    }

    fn weight(&self, item: usize) -> Weight {
        let Question {
            user,
            relation,
            object,
            ..
        } = &self.questions[item];
        Weight {
            class: 0,
            bytes: user.len() + relation.len() + object.len(),
        }
    }

    fn run(&self, items: Range<usize>) -> Vec<Self::Output> {
        let questions = self.questions[items].iter();
        questions.map(|question| self.answer(question)).collect()
    }
}
