//! Many questions, held together.
//!
//! Batches ask about many objects for few users. So objects lie end to end in one text, and whoever asks
//! about several of them in a row is written down once: the engine goes through memory in order, and
//! looks a user and a relation up once however many questions they ask.

use std::ops::Range;

use super::{
    Ask, WrittenTuple,
    condition::Json,
    graph::Tuple,
    names,
    question::{Question, as_tuples},
};

/// Questions in their order. Collect them from [`Question`]s.
#[derive(Clone, Debug, Default)]
pub struct Questions {
    rows: Vec<Row>,
    askers: Vec<Asker>,
    relations: Vec<Part>,
    /// What the questions that bring something along bring, in order.
    brought: Vec<(usize, Brought)>,
    /// The objects, end to end.
    objects: String,
    /// Users and relations.
    names: String,
}

/// A question: who asks, and where its object ends in `objects`.
#[derive(Clone, Copy, Debug)]
struct Row {
    asker: usize,
    end: usize,
}

/// Who has which relation, is the question.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    pub(super) user: Part,
    /// Which of the relations. Two numbers may stand for the same text.
    pub(super) relation: usize,
}

/// A part of `names`. The same part is the same text; not the other way round.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Part {
    start: usize,
    end: usize,
}

#[derive(Clone, Debug)]
struct Brought {
    context: Option<Json>,
    tuples: Vec<WrittenTuple>,
}

impl Questions {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds one more.
    pub fn push(&mut self, question: Question) {
        let Question {
            user,
            relation,
            object,
            context,
            contextual_tuples: tuples,
        } = question;
        if context.is_some() || !tuples.is_empty() {
            let brought = Brought { context, tuples };
            self.brought.push((self.rows.len(), brought));
        }
        self.objects.push_str(&object);
        let asker = self.asker_of(&user, &relation);
        self.rows.push(Row {
            asker,
            end: self.objects.len(),
        });
    }

    /// What `answer` makes of the question at `at` as an engine takes it.
    ///
    /// # Panics
    ///
    /// When there are not so many.
    pub(crate) fn put<T>(&self, at: usize, answer: impl FnOnce(&Ask<'_>) -> T) -> T {
        let Asker { user, relation } = self.askers[self.asker(at)];
        let brought = self.brought(at);
        let tuples = brought.map_or(&[][..], |brought| &brought.tuples);
        let tuples: Vec<Tuple<'_>> = as_tuples(tuples);
        answer(&Ask {
            user: self.text(user),
            relation: self.relation(relation),
            object: self.object(at),
            context: brought.and_then(|brought| brought.context.as_ref()),
            contextual_tuples: &tuples,
        })
    }

    /// The number of who asks the question at `at`. Numbers go up with the questions, one at a time.
    #[inline]
    pub(super) fn asker(&self, at: usize) -> usize {
        self.rows[at].asker
    }

    pub(super) fn askers(&self, numbers: Range<usize>) -> &[Asker] {
        &self.askers[numbers]
    }

    pub(super) fn object(&self, at: usize) -> &str {
        let start = at.checked_sub(1).map_or(0, |before| self.rows[before].end);
        &self.objects[start..self.rows[at].end]
    }

    /// The bytes of the objects in `range`, in order.
    #[inline]
    pub(super) fn objects(&self, range: Range<usize>) -> impl Iterator<Item = &[u8]> {
        let before = range.start.checked_sub(1);
        let mut start = before.map_or(0, |before| self.rows[before].end);
        let text = self.objects.as_bytes();
        self.rows[range].iter().map(move |row| {
            let object = &text[start..row.end];
            start = row.end;
            object
        })
    }

    pub(super) fn relation(&self, number: usize) -> &str {
        self.text(self.relations[number])
    }

    pub(super) fn text(&self, part: Part) -> &str {
        &self.names[part.start..part.end]
    }

    /// Whether the question at `at` brings tuples along.
    #[inline]
    pub(super) fn brings_tuples(&self, at: usize) -> bool {
        let brought = self.brought(at);
        brought.is_some_and(|brought| !brought.tuples.is_empty())
    }

    /// Bytes of the names in the question at `at`.
    pub(super) fn bytes(&self, at: usize) -> usize {
        let Asker { user, relation } = self.askers[self.asker(at)];
        user.len() + self.relations[relation].len() + self.object(at).len()
    }

    #[inline]
    fn brought(&self, at: usize) -> Option<&Brought> {
        // Nearly always there is nothing to search.
        if self.brought.is_empty() {
            return None;
        }
        let place = self.brought.binary_search_by_key(&at, |(at, _)| *at).ok()?;
        Some(&self.brought[place].1)
    }

    /// The one before, or a new one.
    fn asker_of(&mut self, user: &str, relation: &str) -> usize {
        let is = |part: Part, text: &str| names::same(self.text(part).as_bytes(), text.as_bytes());
        let before = self.askers.last().copied();
        let same_user = before.filter(|before| is(before.user, user));
        let is_it = |number: &usize| is(self.relations[*number], relation);
        let same_relation = before.map(|before| before.relation).filter(is_it);
        let known = || (0..self.relations.len().min(MAX_KNOWN)).find(is_it);
        let same_relation = same_relation.or_else(known);
        if let (Some(before), Some(relation)) = (same_user, same_relation)
            && before.relation == relation
        {
            return self.askers.len() - 1;
        }
        let user = same_user.map_or_else(|| self.name(user), |before| before.user);
        let relation = same_relation.unwrap_or_else(|| {
            let part = self.name(relation);
            self.relations.push(part);
            self.relations.len() - 1
        });
        self.askers.push(Asker { user, relation });
        self.askers.len() - 1
    }

    fn name(&mut self, text: &str) -> Part {
        let start = self.names.len();
        self.names.push_str(text);
        Part {
            start,
            end: self.names.len(),
        }
    }
}

impl Extend<Question> for Questions {
    fn extend<I: IntoIterator<Item = Question>>(&mut self, questions: I) {
        for question in questions {
            self.push(question);
        }
    }
}

impl FromIterator<Question> for Questions {
    fn from_iter<I: IntoIterator<Item = Question>>(questions: I) -> Self {
        let mut all = Self::default();
        all.extend(questions);
        all
    }
}

impl Part {
    fn len(self) -> usize {
        self.end - self.start
    }
}

/// Relations that a new question's is searched among: a batch asks for few.
const MAX_KNOWN: usize = 8;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn question() -> impl Strategy<Value = Question> {
        let name = || prop::sample::select(vec!["", "a", "user:1", "user:2", "a much longer name"]);
        let tuples = prop::collection::vec(
            (name(), name()).prop_map(|(user, object)| WrittenTuple {
                user: user.to_owned(),
                object: object.to_owned(),
                ..WrittenTuple::default()
            }),
            0..2,
        );
        let context = prop::option::of(Just(Json::default()));
        (name(), name(), name(), context, tuples).prop_map(
            |(user, relation, object, context, contextual_tuples)| Question {
                context,
                contextual_tuples,
                ..Question::new(user, relation, object)
            },
        )
    }

    proptest! {
        #[test]
        fn every_question_comes_out_as_it_went_in(
            asked in prop::collection::vec(question(), 0..40)
        ) {
            let held: Questions = asked.iter().cloned().collect();
            prop_assert_eq!(held.len(), asked.len());
            for (at, question) in asked.iter().enumerate() {
                let as_asked = question.put(|ask| format!("{ask:?}"));
                prop_assert_eq!(held.put(at, |ask| format!("{ask:?}")), as_asked);
                prop_assert_eq!(held.brings_tuples(at), !question.contextual_tuples.is_empty());
            }
        }
    }

    #[test]
    fn who_asks_again_is_written_down_once() {
        let ask = |user, relation, object| Question::new(user, relation, object);
        let held: Questions = [
            ask("user:a", "viewer", "doc:1"),
            ask("user:a", "viewer", "doc:2"),
            ask("user:a", "editor", "doc:2"),
            ask("user:a", "viewer", "doc:3"),
            ask("user:b", "viewer", "doc:3"),
        ]
        .into_iter()
        .collect();
        let numbers: Vec<usize> = (0..held.len()).map(|at| held.asker(at)).collect();
        assert_eq!(numbers, [0, 0, 1, 2, 3]);
        assert_eq!(held.names, "user:aviewereditoruser:b");
    }
}
