//! Tests of the whole: the built binary behind the real Envoy. One test binary, so it links once.

#[expect(dead_code, reason = "the demo uses the rest")]
#[path = "../support/harness.rs"]
mod support;

mod answers;
mod bodies;
mod cases;
mod commands;
mod context;
mod docs;
mod findings;
mod forgeries;
mod forward;
mod issuers;
mod layers;
mod lifecycle;
mod operator;
mod paths;
mod permissions;
mod places;
mod screen;
mod tokens;
mod world;
