//! The terminal side of mirrorscope: the interface of `watch`, what colours mean, and the progress line.

pub mod action;
pub mod data;
pub mod look;
pub mod progress;
pub mod theme;
pub mod view;
