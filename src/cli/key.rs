//! `subzero key`: a new key for a caller of the API.
//!
//! The key goes to standard error and the line for the keys file to standard output, so that
//! `subzero key NAME --scopes read >> keys.yaml` shows the one and keeps the other. The key is nowhere
//! else: who loses it makes a new one.

use std::{process::ExitCode, str::FromStr};

use crate::api::{Scope, mint};

/// A scope as it is written after `--scopes`.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScopeWord(Scope);

impl FromStr for ScopeWord {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let scope = Scope::ALL.into_iter().find(|scope| scope.as_str() == word);
        let words = Scope::ALL.map(Scope::as_str).join(", ");
        scope.map(Self).ok_or_else(|| format!("there are: {words}"))
    }
}

/// Makes a key for `name`.
pub(super) fn run(name: &str, scopes: &[ScopeWord]) -> ExitCode {
    let scopes: Vec<Scope> = scopes.iter().map(|word| word.0).collect();
    match mint(name, &scopes) {
        Ok(minted) => {
            eprintln!("the key, shown this once: {}", minted.key.expose());
            println!("{}", minted.line);
            ExitCode::SUCCESS
        }
        Err(why) => super::tell(&[format!("subzero: {why}")]),
    }
}
