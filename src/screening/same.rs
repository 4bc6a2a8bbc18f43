//! When two bodies, or two prompts, are the same to screening.

use super::{Action, Prompt, Requirement, Screener, Trust};
use crate::check::{Body, Fields, HttpRequest, Key};

impl Screener {
    /// Equal for two requests in which this screener finds the same, whatever else differs: every
    /// input of [`Screener::screen`] is in it, and two screeners are not to share answers. `None`
    /// for a body that is refused without a look.
    #[must_use]
    pub fn key(&self, request: &HttpRequest, want: &Requirement) -> Option<Key> {
        let Body::Complete(body) = &request.body else {
            return None;
        };
        Some(Key::of("body", |fields| {
            self.put_rules(*want, fields);
            // What tells how to read it.
            for name in ["content-encoding", "content-type"] {
                let value = request.headers.joined(name);
                fields.flag(value.is_some());
                fields.bytes(value.as_deref().unwrap_or_default());
            }
            fields.bytes(body);
        }))
    }

    /// The same for prompts, with every input of [`Screener::screen_prompt`].
    #[must_use]
    pub fn prompt_key(&self, prompt: &Prompt, want: &Requirement) -> Key {
        Key::of("prompt", |fields| {
            self.put_rules(*want, fields);
            match prompt {
                Prompt::Body(body) => fields.bytes(body),
                Prompt::Text { text, trust } => {
                    fields.number(match trust {
                        Trust::Untrusted => 0,
                        Trust::User => 1,
                        Trust::System => 2,
                    });
                    fields.text(text)
                }
            };
        })
    }

    /// What is looked for, and how far.
    fn put_rules(&self, want: Requirement, fields: &mut Fields) {
        let Requirement {
            injection,
            invisible_text,
            secrets,
            personal_data,
            trust_system,
        } = want;
        fields.flag(trust_system);
        for action in [injection, invisible_text, secrets, personal_data] {
            // Denying and flagging find the same today; apart, a change of that breaks nothing.
            fields.number(match action {
                Action::Deny => 0,
                Action::Flag => 1,
                Action::Off => 2,
            });
        }
        for limit in [self.limits.depth, self.limits.text, self.max_body] {
            fields.number(limit as u64);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use prometheus::Registry;

    use super::*;
    use crate::screening::{Allowed, Config, Metrics, PersonalData};

    #[test]
    fn every_input_of_a_prompt_s_screening_is_in_its_key() {
        let screener = |max_text: &str| {
            let config = Config {
                max_body: "1KiB".parse().expect("a size"),
                max_text: max_text.parse().expect("a size"),
                max_depth: 16,
                personal_data: PersonalData::default(),
                patterns: Vec::new(),
                allow: Allowed::default(),
                cache: "0".parse().expect("a size"),
            };
            let metrics = Metrics::register(&Registry::new()).expect("fresh registry");
            Screener::new(&config, metrics).expect("good limits")
        };
        let (one, other) = (screener("2KiB"), screener("1KiB"));
        let want = Requirement {
            injection: Action::Deny,
            invisible_text: Action::Flag,
            secrets: Action::Deny,
            personal_data: Action::Flag,
            trust_system: false,
        };
        let text = |text: &str, trust| Prompt::Text {
            text: text.to_owned(),
            trust,
        };
        let key = one.prompt_key(&text("a", Trust::User), &want);
        assert!(key == one.prompt_key(&Prompt::of_user("a".to_owned()), &want));
        for prompt in [
            text("b", Trust::User),
            text("", Trust::User),
            text("a", Trust::System),
            text("a", Trust::Untrusted),
            Prompt::Body(Bytes::from_static(b"a")),
        ] {
            assert!(key != one.prompt_key(&prompt, &want), "{prompt:?}");
        }
        assert!(key != other.prompt_key(&text("a", Trust::User), &want));
        for other in [
            Requirement {
                injection: Action::Off,
                ..want
            },
            Requirement {
                invisible_text: Action::Deny,
                ..want
            },
            Requirement {
                secrets: Action::Flag,
                ..want
            },
            Requirement {
                personal_data: Action::Deny,
                ..want
            },
            Requirement {
                trust_system: true,
                ..want
            },
        ] {
            assert!(
                key != one.prompt_key(&text("a", Trust::User), &other),
                "{other:?}"
            );
        }
    }
}
