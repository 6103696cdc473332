//! Delivered bytes, kept to compare with what comes again: those of all streams in one ring, where the oldest give way.
//!
//! They are written one piece behind the other, each with the way to the one before it in its direction: no memory is asked
//! for, and none is looked at but what is written, until something comes again.

/// Bytes of a direction that are looked at.
const MOST: usize = 32 << 10;
/// Pieces of a direction that are looked at: each is far from the others.
const PIECES: usize = 256;
/// In front of a piece: the place of the one before it, and how long it is.
const HEADER: usize = 12;
/// In place of the one before the first.
const NONE: u64 = u64::MAX;

/// The ring.
#[derive(Debug)]
pub(super) struct History {
    ring: Vec<u8>,
    room: usize,
    /// Bytes that were ever written, or left out at the end of the ring.
    written: u64,
}

/// Where the last piece of a direction is: so much was written before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(u64);

impl History {
    /// A ring for so many bytes.
    pub fn new(room: usize) -> Self {
        Self {
            ring: Vec::new(),
            room,
            written: 0,
        }
    }

    /// Bytes that it takes.
    pub fn memory(&self) -> usize {
        self.ring.len()
    }

    /// Forgets all, and gives its memory back.
    pub fn clear(&mut self) {
        *self = Self::new(self.room);
    }

    /// Keeps what follows `before` in its direction, or the end of it; `None` if there is no room at all.
    pub fn push(&mut self, before: Option<Place>, bytes: &[u8]) -> Option<Place> {
        let most = MOST.min((self.room / 2).saturating_sub(HEADER));
        let tail = bytes.len().checked_sub(most).filter(|skipped| *skipped > 0);
        let before = before.filter(|_| tail.is_none());
        let bytes = bytes.get(tail.unwrap_or(0)..)?;
        if bytes.is_empty() {
            return None;
        }
        let needed = HEADER + bytes.len();
        let left = self.room - (self.written % self.room as u64) as usize;
        if left < needed {
            self.written += left as u64;
        }
        if self.ring.is_empty() {
            self.ring.reserve_exact(self.room);
        }
        let place = self.written;
        let start = (place % self.room as u64) as usize;
        if self.ring.len() < start + needed {
            self.ring.resize(start + needed, 0);
        }
        let piece = self.ring.get_mut(start..start + needed)?;
        let (header, body) = piece.split_at_mut(HEADER);
        let (way, len) = header.split_at_mut(8);
        way.copy_from_slice(&before.map_or(NONE, |before| before.0).to_le_bytes());
        len.copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        body.copy_from_slice(bytes);
        self.written += needed as u64;
        Some(Place(place))
    }

    /// The pieces of a direction that are still there, the last one first.
    pub fn pieces(&self, last: Option<Place>) -> impl Iterator<Item = &[u8]> {
        let mut next = last;
        let mut seen = 0;
        let pieces = std::iter::from_fn(move || {
            let (before, piece) = self.piece(next?).filter(|_| seen < MOST)?;
            seen += piece.len();
            next = before;
            Some(piece)
        });
        pieces.take(PIECES)
    }

    /// A piece, and the place of the one before it.
    fn piece(&self, Place(place): Place) -> Option<(Option<Place>, &[u8])> {
        if self.written > place + self.room as u64 {
            return None;
        }
        let start = place.checked_rem(self.room as u64)?;
        let from = self.ring.get(start as usize..)?;
        let (way, rest) = from.split_first_chunk()?;
        let (len, rest) = rest.split_first_chunk()?;
        let before = Some(u64::from_le_bytes(*way)).filter(|way| *way != NONE);
        let piece = rest.get(..u32::from_le_bytes(*len) as usize)?;
        Some((before.map(Place), piece))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is still known of a direction, in order.
    fn known(history: &History, last: Option<Place>) -> Vec<u8> {
        let mut pieces: Vec<&[u8]> = history.pieces(last).collect();
        pieces.reverse();
        pieces.concat()
    }

    #[test]
    fn directions_are_told_apart_and_the_oldest_pieces_give_way() {
        let mut history = History::new(100);
        let (mut one, mut two) = (None, None);
        one = history.push(one, b"abc");
        two = history.push(two, b"12345");
        one = history.push(one, b"def");
        assert_eq!(known(&history, one), b"abcdef");
        assert_eq!(known(&history, two), b"12345");
        // 47 bytes are written; the next piece does not fit behind this one.
        one = history.push(one, &[b'x'; 30]);
        two = history.push(two, b"67890");
        assert_eq!(known(&history, two), b"67890", "the first ones gave way");
        assert_eq!(known(&history, one), [&b"def"[..], &[b'x'; 30]].concat());
        assert!(history.memory() <= 100);
    }

    #[test]
    fn of_much_at_once_the_end_is_kept() {
        let mut history = History::new(100);
        let first = history.push(None, b"abc");
        let long: Vec<u8> = (0..90).collect();
        let last = history.push(first, &long);
        assert_eq!(known(&history, last), long[52..]);
        assert!(history.push(last, b"").is_none());
        let mut none = History::new(0);
        assert!(none.push(None, b"abc").is_none());
        assert_eq!(none.pieces(first).count(), 0);
    }

    #[test]
    fn a_long_way_back_is_not_gone_to_its_end() {
        let mut history = History::new(1 << 20);
        let mut last = None;
        for _ in 0..1000 {
            last = history.push(last, b"x");
        }
        assert_eq!(history.pieces(last).count(), PIECES);
        for _ in 0..100 {
            last = history.push(last, &[0; 1000]);
        }
        assert_eq!(history.pieces(last).count(), MOST / 1000 + 1);
    }
}
