//! End-to-end tests through the built command.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there"
)]

mod agreement;
mod decap;
mod errors;
mod output;
mod recordings;
mod support;
