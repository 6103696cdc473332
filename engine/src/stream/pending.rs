//! Bytes that wait behind a hole: pieces in order that do not overlap.

use std::collections::BTreeMap;

use super::policy::Overlap;
use crate::time::Timestamp;

/// What a piece costs beside its bytes: its place in a tree whose nodes may be half empty, and the allocator's own.
const PIECE: usize = 128;
/// Beyond so many pieces, small ones are joined, so that a flood of single bytes costs little more than its bytes.
const MANY: usize = 64;
/// A joined piece is no longer than this, so that a byte in front of it moves few.
const JOINED: usize = 1024;

/// Bytes that arrived together.
#[derive(Debug)]
pub(super) struct Piece {
    pub bytes: Vec<u8>,
    pub time: Timestamp,
}

/// The pieces of one direction, by position.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pieces: BTreeMap<u64, Piece>,
    capacity: usize,
}

impl Pending {
    /// Position and time of the first piece.
    pub fn first(&self) -> Option<(u64, Timestamp)> {
        let (start, piece) = self.pieces.first_key_value()?;
        Some((*start, piece.time))
    }

    /// Takes the first piece out.
    pub fn pop(&mut self) -> Option<(u64, Piece)> {
        let (start, piece) = self.pieces.pop_first()?;
        self.capacity -= piece.bytes.capacity();
        Some((start, piece))
    }

    /// What it all costs, in bytes.
    pub fn memory(&self) -> usize {
        self.capacity + self.pieces.len() * PIECE
    }

    /// Forgets what lies at `end` and behind; says how many bytes.
    pub fn truncate(&mut self, end: u64) -> u64 {
        let mut dropped = 0;
        for piece in self.pieces.split_off(&end).into_values() {
            self.capacity -= piece.bytes.capacity();
            dropped += piece.bytes.len() as u64;
        }
        if let Some((start, piece)) = self.pieces.iter_mut().next_back() {
            let keep = (end - start) as usize;
            dropped += piece.bytes.len().saturating_sub(keep) as u64;
            piece.bytes.truncate(keep);
        }
        dropped
    }

    /// Adds bytes; says how many contradict others that are there.
    pub fn insert(&mut self, start: u64, bytes: &[u8], time: Timestamp, overlap: Overlap) -> u64 {
        let end = start + bytes.len() as u64;
        let mut conflicts = 0;
        let mut holes = Vec::new();
        let mut reached = start;
        let before = self.pieces.range(..=start).next_back();
        let from = before.map_or(start, |(position, _)| *position);
        for (&position, piece) in self.pieces.range_mut(from..end) {
            let piece_end = position + piece.bytes.len() as u64;
            let (low, high) = (position.max(start), piece_end.min(end));
            if low >= high {
                continue;
            }
            let here = (low - position) as usize..(high - position) as usize;
            let there = (low - start) as usize..(high - start) as usize;
            if let (Some(old), Some(new)) = (piece.bytes.get_mut(here), bytes.get(there)) {
                conflicts += differing(old, new);
                if overlap == Overlap::Last {
                    old.copy_from_slice(new);
                }
            }
            if position > reached {
                holes.push((reached, position));
            }
            reached = high;
        }
        if reached < end {
            holes.push((reached, end));
        }
        for (low, high) in holes {
            let range = (low - start) as usize..(high - start) as usize;
            if let Some(bytes) = bytes.get(range) {
                self.add(low, bytes, time);
            }
        }
        conflicts
    }

    /// Adds bytes where none are.
    fn add(&mut self, start: u64, bytes: &[u8], time: Timestamp) {
        let mut piece = Piece {
            bytes: bytes.to_vec(),
            time,
        };
        let mut start = start;
        if self.pieces.len() >= MANY {
            let end = start + bytes.len() as u64;
            if self.short(end, piece.bytes.len())
                && let Some(next) = self.remove(end)
            {
                piece.bytes.extend_from_slice(&next.bytes);
                piece.time = piece.time.min(next.time);
            }
            let before = self.pieces.range(..start).next_back();
            if let Some((&position, before)) = before
                && position + before.bytes.len() as u64 == start
                && self.short(position, piece.bytes.len())
                && let Some(mut joined) = self.remove(position)
            {
                joined.bytes.extend_from_slice(&piece.bytes);
                joined.time = joined.time.min(piece.time);
                piece = joined;
                start = position;
            }
        }
        self.capacity += piece.bytes.capacity();
        self.pieces.insert(start, piece);
    }

    /// Whether a piece is there that is still short with so many bytes more.
    fn short(&self, position: u64, more: usize) -> bool {
        let piece = self.pieces.get(&position);
        piece.is_some_and(|piece| piece.bytes.len() + more <= JOINED)
    }

    fn remove(&mut self, position: u64) -> Option<Piece> {
        let piece = self.pieces.remove(&position)?;
        self.capacity -= piece.bytes.capacity();
        Some(piece)
    }
}

/// How many bytes are not the same.
pub(super) fn differing(one: &[u8], other: &[u8]) -> u64 {
    if one == other {
        return 0;
    }
    one.iter().zip(other).filter(|(a, b)| a != b).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(pending: &mut Pending, start: u64, text: &str, overlap: Overlap) -> u64 {
        pending.insert(start, text.as_bytes(), Timestamp(0), overlap)
    }

    fn text(pending: &mut Pending) -> String {
        let mut text = String::new();
        let mut reached = None;
        while let Some((start, piece)) = pending.pop() {
            if reached.is_some_and(|reached| reached != start) {
                text.push('_');
            }
            reached = Some(start + piece.bytes.len() as u64);
            text.push_str(std::str::from_utf8(&piece.bytes).unwrap());
        }
        assert_eq!(pending.memory(), 0, "what is taken out costs nothing");
        text
    }

    #[test]
    fn an_overlap_counts_what_contradicts_and_fills_only_holes() {
        for (overlap, expected) in [(Overlap::First, "xBCyEFz_k"), (Overlap::Last, "xbCyEfz_k")] {
            let mut pending = Pending::default();
            assert_eq!(insert(&mut pending, 11, "BC", overlap), 0);
            assert_eq!(insert(&mut pending, 14, "EF", overlap), 0);
            assert_eq!(insert(&mut pending, 30, "k", overlap), 0);
            assert_eq!(insert(&mut pending, 10, "xbCyEfz", overlap), 2);
            assert_eq!(text(&mut pending), expected);
        }
    }

    #[test]
    fn an_end_cuts_the_piece_that_it_lies_in() {
        let mut pending = Pending::default();
        insert(&mut pending, 10, "abcd", Overlap::First);
        insert(&mut pending, 20, "efgh", Overlap::First);
        insert(&mut pending, 30, "ij", Overlap::First);
        assert_eq!(pending.truncate(22), 4);
        assert_eq!(text(&mut pending), "abcd_ef");
    }

    #[test]
    fn single_bytes_in_any_order_cost_little_more_than_themselves() {
        for order in [
            |n: u64| n,
            |n: u64| 199_999 - n,
            |n: u64| n.wrapping_mul(7_368_787) % 200_000,
        ] {
            let mut pending = Pending::default();
            for n in 0..200_000 {
                pending.insert(order(n), b"x", Timestamp(0), Overlap::First);
            }
            assert!(pending.memory() < 800_000, "{}", pending.memory());
            let mut bytes = 0;
            while let Some((start, piece)) = pending.pop() {
                assert_eq!(start, bytes);
                bytes += piece.bytes.len() as u64;
            }
            assert_eq!(bytes, 200_000);
        }
    }
}
