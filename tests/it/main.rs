//! Tests of the whole: the built binary behind the real Envoy. One test binary, so it links once.

#[path = "../support/harness.rs"]
mod support;

mod answers;
mod bodies;
mod cases;
mod docs;
mod issuers;
mod layers;
mod lifecycle;
mod operator;
mod requests;
mod world;
