//! The terminal side of mirrorscope: what colours mean, and the progress line.

pub mod progress;
pub mod theme;
