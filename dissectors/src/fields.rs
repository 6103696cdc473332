//! A frame for a reader: its layers from the wire inwards, the fields of each, and which bytes they are.
//!
//! Nothing on the packet path uses this; it allocates.

use std::ops::Range;

/// A layer of a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// What it is: `Ethernet`, `ERSPAN II`.
    pub title: String,
    /// Its gist in a line: `10.60.0.1 > 10.60.0.9`.
    pub gist: String,
    /// Its bytes in the frame.
    pub bytes: Range<usize>,
    /// Its fields in order of their bytes.
    pub fields: Vec<Field>,
}

/// A field of a layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it is: `Session id`.
    pub name: &'static str,
    /// Its value in words: `101`.
    pub value: String,
    /// Its bytes in the frame; a part of a byte counts as the whole one.
    pub bytes: Range<usize>,
}
