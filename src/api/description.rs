//! `/openapi.json`, and `/docs`, which shows it.
//!
//! The description is written by hand in `openapi.yaml`; tests compare its paths with the router's and
//! its schemas with real answers. The page is Swagger UI, carried in the binary: its content security
//! policy lets it fetch from nowhere else.

use std::sync::{Arc, LazyLock};

use axum::{
    extract::Path,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION, X_CONTENT_TYPE_OPTIONS},
    },
    response::{IntoResponse, Response},
};
use serde_json::Value;
use utoipa_swagger_ui::Config;

use super::{json::Json, refusal::Refusal};

pub(super) async fn openapi() -> Json<&'static Value> {
    Json(&DESCRIPTION)
}

/// To the folder, since the page names its files relative to it.
pub(super) async fn docs() -> Response {
    let to = [(LOCATION, HeaderValue::from_static("/docs/"))];
    (StatusCode::PERMANENT_REDIRECT, to).into_response()
}

pub(super) async fn docs_index() -> Result<Response, Refusal> {
    file("")
}

pub(super) async fn docs_file(Path(name): Path<String>) -> Result<Response, Refusal> {
    file(&name)
}

fn file(name: &str) -> Result<Response, Refusal> {
    let config = Arc::new(Config::from("/openapi.json").validator_url("none"));
    let file = utoipa_swagger_ui::serve(name, config).ok().flatten();
    let file = file.ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "no such page"))?;
    let kind = HeaderValue::from_str(&file.content_type);
    let kind = kind.unwrap_or(HeaderValue::from_static("application/octet-stream"));
    let headers: [(HeaderName, HeaderValue); 3] = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, file.bytes.into_owned()).into_response())
}

/// Only from here; Swagger UI sets styles and draws icons from `data:` itself.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'";

/// Read once: a fault in it would be found by the first test.
static DESCRIPTION: LazyLock<Value> = LazyLock::new(|| {
    let mut description: Value =
        serde_saphyr::from_str(TEXT).expect("a test reads the description");
    description["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    description
});

const TEXT: &str = include_str!("openapi.yaml");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_description_is_one_and_its_references_lead_somewhere() {
        assert_eq!(DESCRIPTION["openapi"], "3.1.0");
        let mut references = 0;
        let mut left = vec![&*DESCRIPTION];
        while let Some(value) = left.pop() {
            match value {
                Value::Object(map) => {
                    if let Some(to) = map.get("$ref").and_then(Value::as_str) {
                        let pointer = to.strip_prefix('#').expect("a reference inside the file");
                        assert!(DESCRIPTION.pointer(pointer).is_some(), "{to} leads nowhere");
                        references += 1;
                    }
                    left.extend(map.values());
                }
                Value::Array(list) => left.extend(list),
                _ => {}
            }
        }
        assert!(references > 20);
    }
}
