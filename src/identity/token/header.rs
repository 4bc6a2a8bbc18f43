//! A token's header: the algorithm's name, the key's name, and nothing that would be followed.

use std::{borrow::Cow, fmt, sync::Arc};

use jsonwebtoken::Algorithm;
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

use super::{super::error::Error, Meaning, json::Unique};

/// What is read of a header.
pub(super) struct Header {
    algorithm: String,
    kid: Option<String>,
    media_type: Option<String>,
}

/// What a token is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Purpose {
    /// Showing who calls.
    Access,
    /// Telling that a session has ended.
    Logout,
}

impl Header {
    /// What it says, if that is acceptable in a token for `purpose`.
    pub(super) fn meaning(self, purpose: Purpose) -> Result<Meaning, Error> {
        self.refuse_foreign_type(purpose)?;
        Ok((self.algorithm()?, self.kid.map(Arc::from)))
    }

    /// The algorithm the token claims: to be compared, never to be obeyed.
    fn algorithm(&self) -> Result<Algorithm, Error> {
        // `none`, in whatever case, is no `Algorithm`, so it ends here as well.
        self.algorithm
            .parse()
            .map_err(|_| Error::Algorithm("the token's algorithm is none or unknown"))
    }

    /// Refuses tokens that say they are of another kind, such as `logout+jwt` (RFC 8725, 3.11).
    /// Access tokens say `JWT`, `at+jwt` or nothing.
    fn refuse_foreign_type(&self, purpose: Purpose) -> Result<(), Error> {
        let Some(media_type) = &self.media_type else {
            return Ok(());
        };
        let media_type = media_type.to_ascii_lowercase();
        let short = media_type.trim_start_matches("application/");
        let own = match purpose {
            Purpose::Access => "at+jwt",
            Purpose::Logout => "logout+jwt",
        };
        if short.ends_with("+jwt") && short != own {
            return Err(Error::Malformed("the token is of another type"));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a header")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let (mut algorithm, mut kid, mut media_type) = (None, None, None);
                let mut seen: Vec<Cow<'de, str>> = Vec::with_capacity(4);
                while let Some(Name(name)) = map.next_key()? {
                    if seen.contains(&name) {
                        return Err(de::Error::custom("duplicate parameter"));
                    }
                    match &*name {
                        "alg" => algorithm = Some(map.next_value()?),
                        "kid" => kid = Some(map.next_value()?),
                        "typ" => media_type = Some(map.next_value()?),
                        refused if REFUSED.contains(&refused) => {
                            return Err(de::Error::custom("refused parameter"));
                        }
                        _ => drop(map.next_value::<Unique>()?),
                    }
                    seen.push(name);
                }
                Ok(Header {
                    algorithm: algorithm.ok_or_else(|| de::Error::missing_field("alg"))?,
                    kid,
                    media_type,
                })
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// A parameter's name, borrowed unless it is written with escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Parameters that bring a key along or demand an understanding we do not have. No extension is
/// understood, so every `crit` is unknown; `b64` and `zip` change what is signed or carried.
const REFUSED: [&str; 7] = ["b64", "crit", "jku", "jwk", "x5c", "x5u", "zip"];
