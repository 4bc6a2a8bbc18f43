//! When two bodies are the same to screening.

use super::{Action, Requirement, Screener};
use crate::check::{Body, HttpRequest, Key};

impl Screener {
    /// Equal for two requests in which this screener finds the same, whatever else differs: every
    /// input of [`Screener::screen`] is in it, and two screeners are not to share answers. `None`
    /// for a body that is refused without a look.
    #[must_use]
    pub fn key(&self, request: &HttpRequest, want: &Requirement) -> Option<Key> {
        let Body::Complete(body) = &request.body else {
            return None;
        };
        let Requirement {
            injection,
            secrets,
            personal_data,
            trust_system,
        } = want;
        let limits = [self.limits.depth, self.limits.text, self.max_body];
        Some(Key::of("body", |fields| {
            fields.flag(*trust_system);
            for action in [injection, secrets, personal_data] {
                // Denying and flagging find the same today; apart, a change of that breaks nothing.
                fields.number(match action {
                    Action::Deny => 0,
                    Action::Flag => 1,
                    Action::Off => 2,
                });
            }
            for limit in limits {
                fields.number(limit as u64);
            }
            // What tells how to read it.
            for name in ["content-encoding", "content-type"] {
                let value = request.headers.joined(name);
                fields.flag(value.is_some());
                fields.bytes(value.as_deref().unwrap_or_default());
            }
            fields.bytes(body);
        }))
    }
}
