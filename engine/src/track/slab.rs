//! Numbered places for values, used again once they are free, that can be brought near before they are looked at.

use std::ops::Range;

use crate::table::fetch_from;

/// No place: the end of a list of them.
pub(super) const NONE: u32 = u32::MAX;

/// Places that memory is taken for at once: several huge pages. What is there stays where it is, so that a table that grows does
/// not make packets wait.
const CHUNK: usize = 1 << 14;

/// Values by number. Its memory grows, and never shrinks.
#[derive(Debug)]
pub(super) struct Slab<T> {
    /// All of them are full but the last.
    chunks: Vec<Vec<Cell<T>>>,
    /// The place that became free last.
    free: u32,
    held: usize,
}

/// One place. It begins with a line of the cache, so that a value touches as few of them as possible.
#[derive(Debug)]
#[repr(C, align(64))]
struct Cell<T> {
    /// If it is free: the one that became free before it.
    next_free: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    /// Bytes that a value takes.
    pub(super) const SIZE: usize = size_of::<Cell<T>>();

    pub(super) fn new() -> Self {
        Self {
            chunks: Vec::new(),
            free: NONE,
            held: 0,
        }
    }

    /// Values in it.
    pub(super) fn len(&self) -> usize {
        self.held
    }

    #[inline(always)]
    fn cell(&self, number: u32) -> Option<&Cell<T>> {
        let (chunk, place) = (number as usize / CHUNK, number as usize % CHUNK);
        self.chunks.get(chunk)?.get(place)
    }

    #[inline(always)]
    fn cell_mut(&mut self, number: u32) -> Option<&mut Cell<T>> {
        let (chunk, place) = (number as usize / CHUNK, number as usize % CHUNK);
        self.chunks.get_mut(chunk)?.get_mut(place)
    }

    /// Has a value brought near, all lines of it at a time, without waiting for any.
    #[inline(always)]
    pub(super) fn fetch(&self, number: u32) {
        self.fetch_begin(number, Self::SIZE);
    }

    /// Has the lines brought near that hold the first bytes of a value.
    #[inline(always)]
    pub(super) fn fetch_begin(&self, number: u32, bytes: usize) {
        if let Some(cell) = self.cell(number) {
            fetch_from(&cell.next_free, bytes.min(Self::SIZE));
        }
    }

    #[inline(always)]
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        self.cell(number)?.value.as_ref()
    }

    #[inline(always)]
    pub(super) fn get_mut(&mut self, number: u32) -> Option<&mut T> {
        self.cell_mut(number)?.value.as_mut()
    }

    /// Puts a value where one became free last, else behind all others, and gives its number.
    pub(super) fn insert(&mut self, value: T) -> u32 {
        self.held += 1;
        let number = self.free;
        if let Some(cell) = self.cell_mut(number) {
            cell.value = Some(value);
            self.free = cell.next_free;
            return number;
        }
        let number = self.places();
        let cell = Cell {
            next_free: NONE,
            value: Some(value),
        };
        match self.chunks.last_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(cell),
            _ => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(cell);
                self.chunks.push(chunk);
            }
        }
        number
    }

    pub(super) fn remove(&mut self, number: u32) -> Option<T> {
        let free = self.free;
        let cell = self.cell_mut(number)?;
        let value = cell.value.take()?;
        cell.next_free = free;
        self.free = number;
        self.held -= 1;
        Some(value)
    }

    /// All values, by number.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        let cells = self.chunks.iter().flatten();
        cells.filter_map(|cell| cell.value.as_ref())
    }

    /// Places, those that are free among them.
    pub(super) fn places(&self) -> u32 {
        let last = self.chunks.last().map_or(0, Vec::len);
        (self.chunks.len().saturating_sub(1) * CHUNK + last) as u32
    }

    /// The values at some places, with their numbers.
    pub(super) fn some(&self, places: Range<u32>) -> impl Iterator<Item = (u32, &T)> {
        let places = places.start..places.end.min(self.places());
        places.filter_map(|number| Some((number, self.get(number)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_places_are_taken_one_after_the_other() {
        let mut slab = Slab::new();
        let many = CHUNK as u32 * 2 + 3;
        assert!((0..many).all(|number| slab.insert(number) == number));
        assert_eq!((slab.places(), slab.len()), (many, many as usize));
        assert!(slab.iter().copied().eq(0..many));
        let edge = CHUNK as u32 - 1;
        let some: Vec<u32> = slab
            .some(edge..edge + 3)
            .map(|(number, _)| number)
            .collect();
        assert_eq!(some, [edge, edge + 1, edge + 2]);
        assert_eq!(slab.remove(edge + 1), Some(edge + 1));
        assert_eq!(slab.get(edge + 1), None);
        assert_eq!(slab.insert(7), edge + 1);
        assert_eq!((slab.get(edge + 1), slab.get(many)), (Some(&7), None));
    }

    #[test]
    fn places_are_used_again_the_latest_first() {
        let mut slab = Slab::new();
        let numbers: Vec<u32> = ["a", "b", "c"].map(|value| slab.insert(value)).into();
        assert_eq!(numbers, [0, 1, 2]);
        assert_eq!(slab.remove(0), Some("a"));
        assert_eq!(slab.remove(2), Some("c"));
        assert_eq!((slab.remove(2), slab.get(0), slab.len()), (None, None, 1));
        assert_eq!(["d", "e", "f"].map(|value| slab.insert(value)), [2, 0, 3]);
        assert_eq!(
            slab.iter().copied().collect::<Vec<_>>(),
            ["e", "b", "d", "f"]
        );
        assert_eq!(slab.remove(0), Some("e"));
        assert_eq!(slab.some(0..2).collect::<Vec<_>>(), [(1, &"b")]);
        assert_eq!(slab.some(2..9).collect::<Vec<_>>(), [(2, &"d"), (3, &"f")]);
        assert_eq!((slab.some(4..9).count(), slab.places()), (0, 4));
        *slab.get_mut(1).unwrap() = "g";
        assert_eq!(slab.get(1), Some(&"g"));
    }
}
