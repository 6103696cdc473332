//! The analysis without a terminal.

mod driver;
mod exports;
mod feeds;
mod ladders;
mod screens;
mod snapshots;
mod streams;
mod svg;
