//! What several screens are made of.

pub mod figure;
pub mod table;
pub mod text;
