//! Where a text occurs in a stream, whatever segments it was sent in.

use std::ops::Range;

use super::chunks::{Body, Chunk};
use super::index::Entry;
use crate::view::words::count;

/// All places of a text.
#[derive(Clone, Debug, Default)]
pub(super) struct Hits {
    text: String,
    /// Where each starts, in order: chunk and byte.
    starts: Vec<(usize, usize)>,
    /// What they cover of each chunk, in order.
    spans: Vec<(usize, Range<usize>)>,
}

impl Hits {
    /// Looks for a text, upper and lower case alike.
    pub(super) fn find(chunks: &[Chunk], text: &str) -> Self {
        let mut hits = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        if text.is_empty() {
            return Self::default();
        }
        let wanted = text.as_bytes().to_ascii_lowercase();
        for side in [true, false] {
            let own = chunks
                .iter()
                .enumerate()
                .filter(|(_, chunk)| chunk.from_originator == side);
            let mut run = Run::default();
            for (index, chunk) in own {
                match &chunk.body {
                    Body::Data(bytes) => run.add(index, bytes),
                    Body::Gap(_) => std::mem::take(&mut run).find(&wanted, &mut hits),
                    Body::Note(_) => {}
                }
            }
            run.find(&wanted, &mut hits);
        }
        hits.starts.sort_unstable();
        hits.spans
            .sort_unstable_by_key(|(chunk, range)| (*chunk, range.start));
        hits
    }

    /// What was looked for.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// How many there are, in words; nothing if nothing was looked for.
    pub(super) fn told(&self) -> Option<String> {
        let number = self.starts.len() as u64;
        (!self.text.is_empty())
            .then(|| format!("{} of \u{201c}{}\u{201d}", count(number, "hit"), self.text))
    }

    /// The first one from a line on, else the first of all.
    pub(super) fn from(&self, line: &Entry) -> Option<(usize, usize)> {
        let at = self
            .starts
            .partition_point(|hit| *hit < (line.chunk, line.bytes.start));
        self.starts.get(at).or(self.starts.first()).copied()
    }

    /// The next one behind a line, or the last in front of it; from the ends it goes on at the other.
    pub(super) fn next(&self, line: &Entry, forwards: bool) -> Option<(usize, usize)> {
        if forwards {
            let end = line.bytes.end.max(line.bytes.start + 1);
            let at = self.starts.partition_point(|hit| *hit < (line.chunk, end));
            return self.starts.get(at).or(self.starts.first()).copied();
        }
        let at = self
            .starts
            .partition_point(|hit| *hit < (line.chunk, line.bytes.start));
        let before = at.checked_sub(1).and_then(|at| self.starts.get(at));
        before.or(self.starts.last()).copied()
    }

    /// Whether a byte is part of one.
    pub(super) fn covers(&self, chunk: usize, at: usize) -> bool {
        let behind = self
            .spans
            .partition_point(|(other, range)| (*other, range.start) <= (chunk, at));
        let span = behind.checked_sub(1).and_then(|at| self.spans.get(at));
        span.is_some_and(|(other, range)| *other == chunk && range.contains(&at))
    }
}

/// What one side said without a gap.
#[derive(Default)]
struct Run {
    bytes: Vec<u8>,
    /// Where each chunk starts in it.
    chunks: Vec<(usize, usize)>,
}

impl Run {
    fn add(&mut self, chunk: usize, bytes: &[u8]) {
        self.chunks.push((self.bytes.len(), chunk));
        self.bytes.extend(bytes.iter().map(u8::to_ascii_lowercase));
    }

    fn find(self, wanted: &[u8], hits: &mut Hits) {
        let mut from = 0;
        while let Some(found) = position(self.bytes.get(from..).unwrap_or_default(), wanted) {
            let start = from + found;
            self.note(start..start + wanted.len(), hits);
            from = start + wanted.len();
        }
    }

    /// Notes a hit: where it starts, and its part of each chunk.
    fn note(&self, hit: Range<usize>, hits: &mut Hits) {
        let first = self
            .chunks
            .partition_point(|(start, _)| *start <= hit.start)
            .saturating_sub(1);
        let own = self.chunks.iter().enumerate().skip(first);
        for (index, &(start, chunk)) in own.take_while(|(_, (start, _))| *start < hit.end) {
            let end = self
                .chunks
                .get(index + 1)
                .map_or(self.bytes.len(), |next| next.0);
            let part = hit.start.max(start) - start..hit.end.min(end) - start;
            if index == first {
                hits.starts.push((chunk, part.start));
            }
            if !part.is_empty() {
                hits.spans.push((chunk, part));
            }
        }
    }
}

/// Where `wanted` occurs first.
fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = from + rest.iter().position(|&byte| byte == first)?;
        if bytes.get(at..)?.starts_with(wanted) {
            return Some(at);
        }
        from = at + 1;
    }
}
