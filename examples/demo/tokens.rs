//! The demo's tokens: real ones, signed with the key that Subzero was given, and what is wrong with some.

use crate::support::keys::{Algorithm, Key, Token};

const ISSUER: &str = "https://issuer.demo.example/";
const AUDIENCE: &str = "https://api.demo.example";

/// Good for as long as anyone will play with a demo.
const DAY: i64 = 24 * 3600;

/// Tokens by the name of their shell variable.
pub(crate) struct Tokens(Vec<(&'static str, String)>);

impl Tokens {
    /// Signs them all.
    pub(crate) fn new(key: &Key) -> Self {
        let token = |subject: &str| Token::new(ISSUER, AUDIENCE, subject).expires_in(DAY);
        // The same key id, another key: whoever copies a key set can do this.
        let other = Key::generate(Algorithm::Rs256, "demo-1");
        let wrong_audience = Token::new(ISSUER, "https://other.example", "alice").scope("chat");
        Self(vec![
            ("ALICE", token("alice").scope("chat").sign(key)),
            ("BOB", token("bob").scope("chat").sign(key)),
            ("ALICE_WITHOUT_SCOPE", token("alice").sign(key)),
            ("EXPIRED", token("alice").expires_in(-600).sign(key)),
            ("WRONG_AUDIENCE", wrong_audience.sign(key)),
            ("FORGED", token("alice").sign(&other)),
        ])
    }

    /// Puts the tokens in place of `$NAME`.
    pub(crate) fn fill(&self, text: &str) -> String {
        let Some((before, name)) = text.split_once('$') else {
            return text.to_owned();
        };
        let hit = self.0.iter().find(|(known, _)| *known == name);
        let (_, token) = hit.unwrap_or_else(|| panic!("no token is called `{name}`"));
        format!("{before}{token}")
    }

    /// As assignments for a shell.
    pub(crate) fn shell(&self) -> String {
        let lines = self
            .0
            .iter()
            .map(|(name, token)| format!("{name}={token}\n"));
        lines.collect::<Vec<_>>().concat()
    }
}
