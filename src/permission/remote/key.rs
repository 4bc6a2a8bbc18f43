//! What makes two questions the same: the key of kept answers and of questions under way.

use crate::{
    check::{Fields, Key},
    permission::{Ask, condition::Json},
};

/// Everything that can change the answer.
pub(super) fn key(store: &str, ask: &Ask<'_>, model: &str) -> Key {
    Key::of("permission", |fields| put(fields, store, ask, model))
}

/// The same as fields of another key.
pub(super) fn put(fields: &mut Fields, store: &str, ask: &Ask<'_>, model: &str) {
    fields.text(store).text(model);
    fields.text(ask.user).text(ask.relation).text(ask.object);
    context(fields, ask.context);
    fields.list(ask.contextual_tuples, |fields, tuple| {
        fields
            .text(tuple.user)
            .text(tuple.relation)
            .text(tuple.object);
        fields.maybe(tuple.condition.map(|condition| condition.name));
        context(
            fields,
            tuple.condition.and_then(|condition| condition.context),
        );
    });
}

fn context(fields: &mut Fields, context: Option<&Json>) {
    match context {
        None => fields.maybe(None),
        Some(context) => fields.object(context),
    };
}
