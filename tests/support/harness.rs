//! Starts the real parts around Subzero, for the tests and for the demo.
//!
//! Nothing here is a stand-in for the thing under test: Envoy and the OIDC provider are the real ones
//! from `target/tools`, Subzero is the built binary in a process of its own. Only the service behind
//! Envoy is ours ([`upstream`]), because a test has to know what reached it.
//!
//! # A part that is missing
//!
//! is a panic that names the command to install it, never a skipped test.
//!
//! # Use
//!
//! `#[path = "../support/harness.rs"] mod support;`. Ports, folders and processes are the caller's own,
//! so tests run side by side. Whatever was started is stopped when its value is dropped; when a test
//! fails, the ends of its processes' logs are printed.

pub(crate) mod client;
pub(crate) mod door;
pub(crate) mod envoy;
pub(crate) mod faults;
pub(crate) mod grpc;
pub(crate) mod keys;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod nginx;
pub(crate) mod oidc;
pub(crate) mod openfga;
pub(crate) mod ports;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod proofs;
pub(crate) mod redis;
pub(crate) mod subzero;
pub(crate) mod tls;
pub(crate) mod tools;
pub(crate) mod upstream;
pub(crate) mod wire;
