//! Subzero answers Envoy's external-authorization question: who is calling, may they, and is what
//! they send safe.
//!
//! # The path of a check
//!
//! ```text
//! Envoy --CheckRequest--> ext_authz::decode -> policy (route) -> pipeline
//!           identity -> permission + screening -> risk       each step in its own module
//!       <--CheckResponse-- ext_authz::encode <- verdict
//! ```
//!
//! # Layers
//!
//! The blank-line groups below are the layers: a module imports only from groups above its own.
//! `tests/it/layers.rs` keeps it so.

// Tests here and in `tests/` start the same servers, by code that names this crate.
#[cfg(test)]
extern crate self as subzero;

#[cfg(test)]
mod fuzz;

#[cfg(test)]
#[expect(dead_code, reason = "the tests of the whole use the rest")]
#[path = "../tests/support/harness.rs"]
mod support;

pub mod clock;
mod mixing;
pub mod problem;
pub mod proto;
mod threads;
pub mod units;
mod written;

pub mod telemetry;

pub mod upstream;

pub mod check;
pub mod verdict;

pub mod coalesce;
pub mod dispatch;

pub mod admission;
pub mod store;

pub mod identity;

pub mod screening;

pub mod permission;

pub mod risk;

pub mod policy;

pub mod pipeline;

pub mod reply;

pub mod analytics;

pub mod decisions;

pub mod ext_authz;

pub mod forward_auth;

pub mod api;

pub mod calibrate;

pub mod admin;

pub mod config;

pub mod app;

pub mod cli;
