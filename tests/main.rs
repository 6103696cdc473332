//! End-to-end tests through the built command.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there"
)]

mod agreement;
mod config;
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
mod recordings;
mod rotate;
mod samples;
mod sites;
mod stories;
mod streams;
mod support;
mod threads;
#[path = "lab/truth.rs"]
mod truth;
mod zeek;
