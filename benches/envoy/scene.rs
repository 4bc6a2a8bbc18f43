//! What the benches of a whole check ask about: one issuer, one store, one harmless prompt.

use serde_json::json;

pub(crate) const ISSUER: &str = "https://issuer.example/";

pub(crate) const STORE: &str = "name: bench
model: |
  model
    schema 1.1
  type user
  type group
    relations
      define member: [user]
  type document
    relations
      define owner: [user]
      define viewer: [user, group#member] or owner
tuples:
  - { user: 'user:alice', relation: member, object: 'group:staff' }
  - { user: 'group:staff#member', relation: viewer, object: 'document:roadmap' }
";

/// A harmless chat of a kilobyte.
pub(crate) fn prompt() -> String {
    let text = "Please sum up the minutes of our last meeting for the new colleagues: we talked about \
        the plan for spring, the two open positions, and who looks after the garden. ";
    let body = |content: &str| {
        json!({ "model": "small", "messages": [
            { "role": "system", "content": "You are a friendly clerk." },
            { "role": "user", "content": content },
        ] })
        .to_string()
    };
    let room = 1024 - body("").len();
    body(&text.repeat(10)[..room])
}
