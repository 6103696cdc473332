//! The headers that were taken off a frame.

use std::fmt;

use arrayvec::ArrayVec;

use crate::protocol::{Layer, Protocol};

/// Layers that are kept of one frame.
pub const MAX_LAYERS: usize = 32;

/// Layers of a frame, from the wire inwards.
///
/// Kept is only what each is and where: most are never asked for, and to read one again costs less
/// than to keep it.
#[derive(Clone)]
pub struct Layers<'a> {
    frame: &'a [u8],
    marks: ArrayVec<Mark, MAX_LAYERS>,
}

/// A header, and the bytes that it was read from: 12 bytes, for there are many of these.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Mark {
    /// Bytes of the frame in front of its first. No frame has 4 GiB.
    start: u32,
    pub(crate) protocol: Protocol,
    end: u32,
}

impl Mark {
    /// Bytes of the frame in front of its first.
    #[inline(always)]
    pub(crate) fn start(&self) -> usize {
        self.start as usize
    }

    /// Has it end at a byte of the frame.
    #[inline(always)]
    pub(crate) fn end_at(&mut self, end: usize) {
        self.end = end as u32;
    }
}

impl<'a> Layers<'a> {
    /// No layer of this frame yet.
    #[inline(always)]
    pub(crate) const fn none(frame: &'a [u8]) -> Self {
        Self {
            frame,
            marks: ArrayVec::new_const(),
        }
    }

    /// Number of layers.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Not even the first header could be read.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// There are [`MAX_LAYERS`].
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.marks.is_full()
    }

    /// The layer with this number, from 0.
    pub fn get(&self, index: usize) -> Option<Layer<'a>> {
        self.layer(self.marks.get(index)?)
    }

    /// The innermost layer.
    pub fn last(&self) -> Option<Layer<'a>> {
        self.layer(self.marks.last()?)
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Layer<'a>> {
        self.marks.iter().filter_map(|mark| self.layer(mark))
    }

    /// All of them, each with its name and its place in the frame.
    pub(crate) fn placed(&self) -> impl Iterator<Item = (Protocol, usize, Layer<'a>)> {
        let placed = |mark: &Mark| Some((mark.protocol, mark.start(), self.layer(mark)?));
        self.marks.iter().filter_map(placed)
    }

    /// What they are, and where.
    #[inline(always)]
    pub(crate) fn marks(&self) -> &[Mark] {
        &self.marks
    }

    /// The bytes that one of these was read from.
    #[inline(always)]
    pub(crate) fn bytes(&self, mark: &Mark) -> &'a [u8] {
        let range = mark.start()..mark.end as usize;
        self.frame.get(range).unwrap_or_default()
    }

    fn layer(&self, mark: &Mark) -> Option<Layer<'a>> {
        Layer::read(mark.protocol, self.bytes(mark)).ok()
    }

    /// The frame that they are layers of.
    pub(crate) fn frame(&self) -> &'a [u8] {
        self.frame
    }

    /// Adds one, if there is room.
    #[inline(always)]
    pub(crate) fn push(&mut self, protocol: Protocol, bytes: &[u8]) {
        // A part of the frame does not start in front of it.
        let start = bytes
            .as_ptr()
            .addr()
            .wrapping_sub(self.frame.as_ptr().addr());
        let _ = self.marks.try_push(Mark {
            protocol,
            start: start as u32,
            end: start.wrapping_add(bytes.len()) as u32,
        });
    }

    /// Makes the first of some layers, so many, the first of these; their number is fixed, so that they are copied at once.
    #[inline(always)]
    pub(crate) fn begin<const N: usize>(&mut self, marks: &[Mark; N], count: usize) {
        self.marks.clear();
        let _ = self.marks.try_extend_from_slice(marks);
        self.marks.truncate(count);
    }

    #[inline(always)]
    pub(crate) fn marks_mut(&mut self) -> &mut [Mark] {
        &mut self.marks
    }
}

impl fmt::Debug for Layers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
