//! How layers and their fields are put down.

use std::fmt::Display;
use std::ops::Range;

use super::{Field, Layer};
use crate::strip::offset_in;

/// Puts down the layers of a frame, one behind the other.
pub(super) struct Reader<'a> {
    pub(super) frame: &'a [u8],
    layers: Vec<Layer>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self {
            frame,
            layers: Vec::new(),
        }
    }

    /// Where the next layer starts.
    pub(super) fn place(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.bytes.end)
    }

    /// A layer that starts at `start`; what lies between it and the last one belongs to that, as padding does.
    pub(super) fn layer(&mut self, title: &str, start: usize) -> Sheet<'a, '_> {
        let start = start.clamp(self.place(), self.frame.len());
        match self.layers.last_mut() {
            Some(last) => last.bytes.end = start,
            None if start > 0 => self.layers.push(empty("Unread", 0..start)),
            None => {}
        }
        self.layers.push(empty(title, start..self.frame.len()));
        Sheet {
            frame: self.frame,
            start,
            layers: &mut self.layers,
        }
    }

    /// The layer that was begun last, to go on with it.
    pub(super) fn last(&mut self) -> Sheet<'a, '_> {
        let start = self.layers.last().map_or(0, |layer| layer.bytes.start);
        Sheet {
            frame: self.frame,
            start,
            layers: &mut self.layers,
        }
    }

    /// A layer that has no fields: its bytes, and what it is.
    pub(super) fn note(&mut self, title: &str, bytes: Range<usize>, gist: impl Into<String>) {
        let mut sheet = self.layer(title, bytes.start);
        sheet.gist(gist);
        sheet.end_at(bytes.end);
    }

    /// Place in the frame of a part of it; `None` if it is not one.
    pub(super) fn place_of(&self, part: &[u8]) -> Option<usize> {
        place_of(self.frame, part)
    }

    pub(super) fn finish(mut self) -> Vec<Layer> {
        for layer in &mut self.layers {
            layer.fields.sort_by_key(|field| field.bytes.start);
        }
        self.layers
    }
}

fn empty(title: &str, bytes: Range<usize>) -> Layer {
    Layer {
        title: title.to_owned(),
        gist: String::new(),
        bytes,
        fields: Vec::new(),
    }
}

fn place_of(frame: &[u8], part: &[u8]) -> Option<usize> {
    let starts_behind = part.as_ptr().addr() >= frame.as_ptr().addr();
    let start = offset_in(frame, part);
    let end = start.checked_add(part.len())?;
    (starts_behind && end <= frame.len()).then_some(start)
}

/// One layer that is being put down. Places count from its first byte.
pub(super) struct Sheet<'a, 'r> {
    frame: &'a [u8],
    start: usize,
    /// The last one is this.
    layers: &'r mut Vec<Layer>,
}

impl<'a> Sheet<'a, '_> {
    fn change(&mut self, change: impl FnOnce(&mut Layer)) {
        if let Some(layer) = self.layers.last_mut() {
            change(layer);
        }
    }

    /// The bytes from its first to the end of the frame.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.frame.get(self.start..).unwrap_or_default()
    }

    /// What it says in a line.
    pub(super) fn gist(&mut self, gist: impl Into<String>) {
        let gist = gist.into();
        self.change(|layer| layer.gist = gist);
    }

    /// A field; one of which no byte is present is left out.
    pub(super) fn add(&mut self, name: &'static str, bytes: Range<usize>, value: impl Display) {
        let start = self.start.saturating_add(bytes.start);
        let end = self.start.saturating_add(bytes.end).min(self.frame.len());
        if start >= end {
            return;
        }
        let value = value.to_string();
        self.change(|layer| {
            layer.fields.push(Field {
                name,
                value,
                bytes: start..end,
            });
        });
    }

    /// It ends in front of its payload, a part of the frame.
    pub(super) fn carries(&mut self, payload: &[u8]) {
        if let Some(place) = place_of(self.frame, payload) {
            self.end_at(place);
        }
    }

    /// It has so many bytes.
    pub(super) fn len(&mut self, len: usize) {
        self.end_at(self.start.saturating_add(len));
    }

    /// It ends at this place of the frame.
    fn end_at(&mut self, end: usize) {
        let end = end.clamp(self.start, self.frame.len());
        self.change(|layer| layer.bytes.end = end);
    }
}

/// Two bytes at a place; `None` if they are not there.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*bytes))
}

/// Four bytes at a place.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}
