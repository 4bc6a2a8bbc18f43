//! Answers as JSON, written by threads that may have to give way.

use std::io;

use axum::{
    http::{HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::dispatch::breathe;

/// As axum's, and whoever waits for the core gets it while megabytes are written.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut written = Written::default();
        if let Err(error) = serde_json::to_writer(&mut written, &self.0) {
            // Answers are our own types, all of which have a text.
            tracing::error!(%error, "an answer cannot be written");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
        let kind = HeaderValue::from_static("application/json");
        ([(CONTENT_TYPE, kind)], written.text).into_response()
    }
}

#[derive(Default)]
struct Written {
    text: Vec<u8>,
    /// How long it was at the last breath.
    then: usize,
}

impl io::Write for Written {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        if self.text.len() - self.then > BREATH {
            self.then = self.text.len();
            breathe();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Some tens of microseconds.
pub(super) const BREATH: usize = 32 << 10;
