//! Which bytes stand in which line: worked out once for a width, so that long streams scroll fast.

use std::ops::Range;

use super::chunks::Chunk;

/// Columns of a line of 16 bytes in hexadecimal: mark, place, numbers, characters.
const WIDE: u16 = MARK + 10 + 16 * 3 + 1 + 16;
/// Columns of the mark in front of each line.
const MARK: u16 = 2;

/// How bytes are shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// As text, a line for each of its own.
    #[default]
    Text,
    /// In hexadecimal, with the characters beside.
    Hex,
}

impl Form {
    pub(super) fn next(self) -> Self {
        match self {
            Self::Text => Self::Hex,
            Self::Hex => Self::Text,
        }
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The chunk that it is of.
    pub(super) chunk: usize,
    /// Its bytes in the chunk; none of a gap or a note.
    pub(super) bytes: Range<usize>,
}

/// All lines for a width.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    lines: Vec<Entry>,
    width: u16,
}

impl Index {
    pub(super) fn new(chunks: &[Chunk], form: Form, width: u16) -> Self {
        let mut lines = Vec::new();
        let columns = usize::from(width.saturating_sub(MARK)).max(1);
        for (chunk, content) in chunks.iter().enumerate() {
            let bytes = content.bytes();
            let mut add = |bytes| lines.push(Entry { chunk, bytes });
            match form {
                _ if bytes.is_empty() => add(0..0),
                Form::Text => text_lines(bytes, columns, add),
                Form::Hex => (0..bytes.len())
                    .step_by(hex(width))
                    .for_each(|start| add(start..bytes.len().min(start + hex(width)))),
            }
        }
        Self { lines, width }
    }

    /// Bytes of a line in hexadecimal.
    pub(super) fn hex(&self) -> usize {
        hex(self.width)
    }

    /// The width that it is for.
    pub(super) fn width(&self) -> u16 {
        self.width
    }

    pub(super) fn lines(&self) -> &[Entry] {
        &self.lines
    }

    /// The line that shows a byte of a chunk.
    pub(super) fn line_of(&self, chunk: usize, at: usize) -> usize {
        let behind = self
            .lines
            .partition_point(|entry| (entry.chunk, entry.bytes.start) <= (chunk, at));
        behind.saturating_sub(1)
    }
}

/// Bytes of a line in hexadecimal, of this width.
fn hex(width: u16) -> usize {
    if width >= WIDE { 16 } else { 8 }
}

/// The lines of a text: up to each line feed, without it and a carriage return, and no longer than `columns`.
fn text_lines(bytes: &[u8], columns: usize, mut add: impl FnMut(Range<usize>)) {
    let mut start = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        let next = start + line.len();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let end = start + line.len();
        add(start..end.min(start + columns));
        let mut at = start + columns;
        while at < end {
            add(at..end.min(at + columns));
            at += columns;
        }
        start = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_the_text_or_the_screen_ends() {
        let lines = |text: &[u8]| {
            let mut lines = Vec::new();
            text_lines(text, 4, |range| lines.push(range));
            lines
        };
        assert_eq!(
            lines(b"abc\r\n\ndefgh\nij"),
            [0..3, 5..5, 6..10, 10..11, 12..14]
        );
        assert_eq!(lines(b"abcd\nx"), [0..4, 5..6]);
    }
}
