//! The form of a question: what servers refuse whatever their model says.
//!
//! It is looked at before asking, since one malformed question fails its whole batch, and with it
//! everybody else's checks.

use super::{Error, wire::Item};
use crate::permission::{Ask, MAX_CONTEXTUAL_TUPLES};

/// `ask` for the wire, if its form is one that servers take.
pub(super) fn ready(ask: &Ask<'_>) -> Result<Item, Error> {
    form(ask.user, ask.relation, ask.object).map_err(Error::Invalid)?;
    if ask.contextual_tuples.len() > MAX_CONTEXTUAL_TUPLES {
        let most = MAX_CONTEXTUAL_TUPLES;
        return Err(Error::Invalid(format!(
            "more than {most} contextual tuples"
        )));
    }
    for (index, tuple) in ask.contextual_tuples.iter().enumerate() {
        let condition = tuple.condition.map_or("..", |condition| condition.name);
        let formed = form(tuple.user, tuple.relation, tuple.object)
            .and_then(|()| bounded("condition", condition, 2, 256, ""));
        formed.map_err(|why| Error::ContextualTuple(format!("{index}: {why}")))?;
    }
    Item::new(ask)
}

fn form(user: &str, relation: &str, object: &str) -> Result<(), String> {
    bounded("user", user, 2, 512, "")?;
    bounded("relation", relation, 1, 50, ":#@")?;
    bounded("object", object, 2, 256, "")
}

/// Lengths are in bytes here and in characters there: no text that passes is refused there.
fn bounded(what: &str, text: &str, least: usize, most: usize, without: &str) -> Result<(), String> {
    let wrong = |c: char| c.is_whitespace() || without.contains(c);
    if text.chars().take(least).count() < least || text.len() > most || text.contains(wrong) {
        return Err(format!(
            "the {what} must have {least} to {most} bytes, no white space{}",
            if without.is_empty() {
                ""
            } else {
                " and none of `:#@`"
            }
        ));
    }
    Ok(())
}
