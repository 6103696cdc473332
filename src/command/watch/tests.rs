//! The analysis without a terminal.

mod driver;
mod exports;
mod ladders;
mod snapshots;
mod streams;
