//! The keys of callers: a file of names, scopes and digests, never of keys.
//!
//! A key is 256 random bits, so one SHA-256 is enough to keep it: there is nothing to guess, and no
//! salt or slow hash would add to that. Every digest is compared, in constant time, whether an
//! earlier one matched or not.

use std::{collections::HashSet, fmt};

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
};
use base64_simd::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// What a key is good for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Batches of any kind.
    Batch,
    /// Single questions, and reading analytics.
    Read,
    /// Taking tokens back.
    Revoke,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Batch, Self::Read, Self::Revoke];

    /// The word in the keys file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Read => "read",
            Self::Revoke => "revoke",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One line of the keys file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    scopes: Vec<Scope>,
    sha256: String,
}

/// One caller.
#[derive(Debug)]
pub(in crate::api) struct Key {
    /// For logs.
    pub(in crate::api) name: String,
    scopes: Vec<Scope>,
    digest: Vec<u8>,
}

impl Key {
    pub(in crate::api) fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// Everybody who may call.
#[derive(Debug, Default)]
pub(in crate::api) struct Keys(Vec<Key>);

impl Keys {
    /// Reads the file `shown`: a YAML list of `{ name, scopes, sha256 }`.
    pub(in crate::api) fn parse(text: &[u8], shown: &str) -> Result<Self, Vec<Problem>> {
        let problem = |message: String| Problem::new("keys_file", format!("{shown}: {message}"));
        let written: Vec<Written> = str::from_utf8(text)
            .map_err(|error| vec![problem(error.to_string())])
            .and_then(|text| {
                serde_saphyr::from_str(text).map_err(|error| {
                    // Its later lines quote the file.
                    let told = error.to_string();
                    vec![problem(told.lines().next().unwrap_or_default().to_owned())]
                })
            })?;
        let mut problems = Vec::new();
        if written.is_empty() || written.len() > MAX_KEYS {
            problems.push(problem(format!(
                "holds {} keys; between 1 and {MAX_KEYS} are needed: add what `subzero key NAME` prints",
                written.len()
            )));
        }
        let mut names = HashSet::new();
        let mut keys = Vec::with_capacity(written.len());
        for (index, line) in written.into_iter().enumerate() {
            let at = |message: String| problem(format!("[{index}]: {message}"));
            if !is_name(&line.name) {
                problems.push(at(format!(
                    "name: `{}` is not 1 to 64 letters, digits, `-`, `_` or `.`",
                    line.name
                )));
            } else if !names.insert(line.name.clone()) {
                problems.push(at(format!("name: `{}` is there twice", line.name)));
            }
            if line.scopes.is_empty() {
                problems.push(at(
                    "scopes: names none, so the key is good for nothing".to_owned()
                ));
            }
            match unhex(&line.sha256) {
                Some(digest) => keys.push(Key {
                    name: line.name,
                    scopes: line.scopes,
                    digest,
                }),
                None => problems.push(at(
                    "sha256: is not 64 hexadecimal digits: use what `subzero key NAME` prints"
                        .to_owned(),
                )),
            }
        }
        if problems.is_empty() {
            Ok(Self(keys))
        } else {
            Err(problems)
        }
    }

    /// Whose key `presented` is.
    pub(in crate::api) fn find(&self, presented: &[u8]) -> Option<&Key> {
        if presented.len() > MAX_KEY_BYTES {
            return None;
        }
        let presented = digest(&SHA256, presented);
        let mut found = None;
        for key in &self.0 {
            if verify_slices_are_equal(&key.digest, presented.as_ref()).is_ok() {
                found = Some(key);
            }
        }
        found
    }
}

/// A new key, and the line about it for the keys file.
#[derive(Debug)]
pub struct Minted {
    /// The key itself, to be shown once and kept by its caller.
    pub key: crate::units::Secret,
    /// What the keys file has to say.
    pub line: String,
}

/// Makes a key for `name`.
///
/// # Errors
///
/// That the name cannot stand in a keys file, or that the machine has no randomness.
pub fn mint(name: &str, scopes: &[Scope]) -> Result<Minted, String> {
    if !is_name(name) {
        return Err(format!(
            "`{name}` is not 1 to 64 letters, digits, `-`, `_` or `.`"
        ));
    }
    let mut random = [0; 32];
    aws_lc_rs::rand::fill(&mut random).map_err(|_| "no randomness to be had".to_owned())?;
    let key = format!("sz_{}", URL_SAFE_NO_PAD.encode_to_string(random));
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    let line = format!(
        "- {{ name: \"{name}\", scopes: [{}], sha256: \"{}\" }}",
        scopes.join(", "),
        hex(digest(&SHA256, key.as_bytes()).as_ref())
    );
    Ok(Minted {
        key: crate::units::Secret::new(&key),
        line,
    })
}

fn is_name(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&name.len()) && name.bytes().all(fits)
}

/// Lower-case hexadecimal digits.
pub(in crate::api) fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble)]);
    let pair = |byte: &u8| [digit(byte >> 4), digit(byte & 15)];
    bytes.iter().flat_map(pair).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let nibble = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::try_from(nibble(pair[0])? * 16 + nibble(pair[1])?).ok())
        .collect()
}

/// Each is compared on every call.
const MAX_KEYS: usize = 1_000;

/// Nobody's key is this long; what is longer is not even hashed.
const MAX_KEY_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let problems = Keys::parse(text.as_bytes(), "keys.yaml").expect_err("refused");
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    }

    #[test]
    fn a_minted_key_is_found_by_itself_alone_and_has_its_scopes() {
        let (one, two) = (
            mint("one", &[Scope::Read]).expect("a key"),
            mint("two", &[Scope::Batch, Scope::Revoke]).expect("a key"),
        );
        assert!(!one.line.contains(one.key.expose()), "{}", one.line);
        let text = format!("# callers\n{}\n{}\n", one.line, two.line);
        let keys = Keys::parse(text.as_bytes(), "keys.yaml").expect("good");
        let found = keys.find(two.key.expose().as_bytes()).expect("known");
        assert_eq!(found.name, "two");
        assert!(found.may(Scope::Revoke) && !found.may(Scope::Read));
        for wrong in ["", "sz_", &two.key.expose()[1..], &"x".repeat(513)] {
            assert!(keys.find(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert_ne!(one.key.expose(), two.key.expose());
    }

    #[test]
    fn mistakes_in_the_file_are_named_and_quote_no_digest() {
        let digest = "0f".repeat(32);
        assert!(told("[]").contains("subzero key NAME"));
        assert!(told("- { name: a, scopes: [fly], sha256: x }").contains("fly"));
        assert!(told("- { name: a, scopes: [read], key: x }").contains("key"));
        let bad = format!(
            "- {{ name: 'a b', scopes: [], sha256: '{}' }}\n- {{ name: c, scopes: [read], sha256: '{digest}' }}\n- {{ name: c, scopes: [read], sha256: '{digest}' }}\n",
            &digest[1..]
        );
        let told = told(&bad);
        for says in [
            "[0]: name: `a b`",
            "[0]: scopes",
            "[0]: sha256",
            "[2]: name: `c` is there twice",
        ] {
            assert!(told.contains(says), "{told} does not say {says}");
        }
        assert!(!told.contains(&digest[1..]), "{told}");
        assert!(mint("a b", &[Scope::Read]).is_err());
    }
}
