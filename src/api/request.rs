//! Reading what was sent: JSON of a bounded size, or a refusal that names the field.

use std::{fmt, marker::PhantomData};

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, Request},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use tokio::time::timeout;

use super::{Api, refusal::Refusal};
use crate::dispatch::breathe;

/// The body of a request, read as JSON.
#[derive(Debug)]
pub(super) struct Sent<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Api> for Sent<T> {
    type Rejection = Refusal;

    async fn from_request(mut request: Request, api: &Api) -> Result<Self, Refusal> {
        if !is_json(request.headers()) {
            let detail = "send the body with `content-type: application/json`";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
        }
        let (limit, patience) = {
            let settings = api.settings();
            (settings.max_body, settings.deadline)
        };
        DefaultBodyLimit::max(limit).apply(&mut request);
        let body = timeout(patience, Bytes::from_request(request, api)).await;
        let body = body.map_err(|_| {
            Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            )
        })?;
        let body = body.map_err(|error| match error.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!(
                    "the body is longer than the {limit} bytes that one call may have; send it in several (`api.max_body`)"
                ),
            ),
            status => Refusal::new(status, error.body_text()),
        })?;
        read(&body).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next();
    essence.is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value: Result<Object<T>, _> = serde_path_to_error::deserialize(&mut json);
    let Object(value) = value.map_err(|error| {
        let path = error.path().to_string();
        let wrong = without_values(&error.inner().to_string());
        if path == "." {
            Refusal::new(StatusCode::BAD_REQUEST, wrong)
        } else {
            Refusal::field(path, &wrong)
        }
    })?;
    json.end()
        .map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    Ok(value)
}

/// A value that was written as an object. Derived code alone takes a list of the fields' values too,
/// which nobody describes and nobody means.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<T, M::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// For fields that hold a list of objects.
pub(super) fn objects<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    collected(deserializer)
}

/// For fields that hold what objects of the kind `T` are put together to, as they are read.
pub(super) fn collected<'de, T, C, D>(deserializer: D) -> Result<C, D::Error>
where
    T: Deserialize<'de>,
    C: Default + Extend<T>,
    D: Deserializer<'de>,
{
    struct Objects<T, C>(C, PhantomData<T>);

    impl<T, C: Extend<T>> Extend<Object<T>> for Objects<T, C> {
        fn extend<I: IntoIterator<Item = Object<T>>>(&mut self, objects: I) {
            self.0
                .extend(objects.into_iter().map(|Object(value)| value));
        }
    }

    let empty = Objects(C::default(), PhantomData);
    deserializer
        .deserialize_seq(List(empty, PhantomData))
        .map(|Objects(read, _)| read)
}

/// For fields that hold a list of texts.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_seq(List(Vec::new(), PhantomData::<String>))
}

/// A list of `T`, read into what it holds. Long ones let others have the core in between.
struct List<T, C>(C, PhantomData<T>);

impl<'de, T: Deserialize<'de>, C: Extend<T>> Visitor<'de> for List<T, C> {
    type Value = C;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<C, A::Error> {
        let Self(mut read, _) = self;
        let mut count = 0_usize;
        while let Some(value) = list.next_element()? {
            read.extend([value]);
            count += 1;
            if count.is_multiple_of(BREATH) {
                breathe();
            }
        }
        Ok(read)
    }
}

/// So many items take some tens of microseconds.
const BREATH: usize = 64;

/// The message without the text that was sent (it may be a token, or megabytes), and not too long.
fn without_values(message: &str) -> String {
    let quoted = message.find('"').zip(message.rfind("\", expected"));
    let message = match quoted {
        Some((start, end)) if start < end => {
            format!("{}{}", &message[..start], &message[end + 3..])
        }
        _ => message.to_owned(),
    };
    message.chars().take(MAX_MESSAGE_CHARS).collect()
}

/// Longer than any message of a parser that quotes nothing.
const MAX_MESSAGE_CHARS: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Shape {
        #[serde(rename = "items")]
        _items: Vec<String>,
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (body, field, says) in [
            (r#"{"items": ["a", 7]}"#, Some("items[1]"), "invalid type"),
            (r#"{"item": []}"#, Some("item"), "unknown field `item`"),
            ("{}", None, "missing field `items`"),
            ("{\"items\": []} x", None, "trailing characters"),
            ("", None, "EOF"),
            (r#"[["a"]]"#, None, "expected an object"),
            (
                r#"{"items": "tell nobody"}"#,
                Some("items"),
                "string expected a sequence",
            ),
        ] {
            let refusal = read::<Shape>(body.as_bytes()).expect_err(body);
            let told = serde_json::to_value(refusal.problem()).expect("JSON");
            assert_eq!(told["status"], 400, "{body}");
            assert_eq!(told["field"].as_str(), field, "{told}");
            let detail = told["detail"].as_str().unwrap_or_default();
            assert!(
                detail.contains(says) && !detail.contains("nobody"),
                "{detail}"
            );
        }
    }

    #[test]
    fn json_is_told_by_its_type_whatever_follows() {
        for (kind, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("text/plain", false),
            ("application/jsonp", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().expect("a value"))]);
            assert_eq!(is_json(&headers), expected, "{kind}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
