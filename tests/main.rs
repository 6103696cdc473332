//! End-to-end tests through the built command.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there"
)]

mod agreement;
mod config;
#[allow(dead_code, reason = "tests/compare/speed does more with it")]
#[path = "speed/conversation.rs"]
mod conversation;
mod decap;
mod decoding;
mod departed;
mod detail;
mod encap;
mod endpoints;
mod errors;
mod export;
mod extcap;
mod filter;
mod follow;
mod formats;
#[allow(dead_code, reason = "tests/compare/speed does more with it")]
#[path = "speed/frame.rs"]
mod frame;
mod frames;
mod generated;
mod host;
mod html;
mod live;
mod looks;
mod loss;
mod mirror_time;
mod names;
mod output;
mod proof;
#[allow(dead_code, reason = "tests/compare/speed does more with it")]
#[path = "speed/recipe.rs"]
mod recipe;
mod recordings;
mod rotate;
mod same;
mod samples;
mod sites;
mod stories;
mod streams;
mod support;
mod threads;
#[allow(dead_code, reason = "tests/compare/speed does more with it")]
#[path = "speed/traffic.rs"]
mod traffic;
#[path = "lab/truth.rs"]
mod truth;
mod zeek;

use generated::random;
