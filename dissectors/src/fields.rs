//! A frame for a reader: its layers from the wire inwards, the fields of each, and which bytes they are.
//!
//! Nothing on the packet path uses this; it allocates. The walk is that of [`decapsulate`], so that a reader sees what
//! the analysis saw. Layers follow each other without a gap: every byte of the frame is one of a layer.

mod header;
mod ip;
mod link;
mod message;
mod mirror;
mod overlay;
mod sheet;
mod tail;
mod transport;
mod tunnel;
mod words;

use std::ops::Range;

use crate::link::LinkType;
use crate::options::Options;
use crate::strip::decapsulate;

use sheet::Reader;

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

/// The layers of a captured frame, from the wire inwards. The last one tells what is wrong if something is, or why
/// nothing more was opened; its bytes may be none.
pub fn layers(link: LinkType, bytes: &[u8], options: &Options) -> Vec<Layer> {
    let stripped = decapsulate(link, bytes, options);
    let mut reader = Reader::new(bytes);
    for (protocol, start, header) in stripped.layers.placed() {
        header::read(&mut reader, protocol, start, &header);
    }
    tail::read(&mut reader, &stripped);
    reader.finish()
}

#[cfg(test)]
mod tests;
