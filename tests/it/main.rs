//! Tests of the whole: the built binary behind the real Envoy. One test binary, so it links once.

#[expect(dead_code, reason = "the demo uses the rest")]
#[path = "../support/harness.rs"]
mod support;

mod admission;
mod answers;
mod api;
mod asking;
mod authenticate;
mod bodies;
mod cases;
mod chart;
mod commands;
mod context;
mod decision_log;
mod decisions;
mod docs;
mod doctor;
mod failures;
mod faults;
mod findings;
mod forgeries;
mod forward;
mod herds;
mod histories;
mod home;
mod image;
mod issuers;
mod layers;
mod lifecycle;
mod measured;
mod openfga;
mod operator;
mod outages;
mod pages;
mod paths;
mod permissions;
mod places;
mod replicas;
mod revoke;
mod risks;
mod rotations;
mod schemas;
mod screen;
mod senders;
mod sessions;
mod sharing;
mod soak;
mod store;
mod tokens;
mod upgrades;
mod verify;
mod watching;
mod world;
